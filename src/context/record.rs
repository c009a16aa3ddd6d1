//! [`RecordFacts`]: what is known of a record, and [`RecordContext`]: which equipment it belongs to, with its tags and
//! its time.
//!
//! [`RecordFacts::scope_by_rules_1_to_3`] applies rules 1 to 3 of the crate's documentation. Rules 4 and 5 belong to a
//! sink.

use std::ops::Deref;
use std::rc::Rc;

use super::key_values::{KeyValues, OwnValues};
use super::{thread, Scope};
use crate::clock::Time;
use crate::equipment_id::EquipmentId;
use crate::error::Error;
use crate::layout::PathValues;

/// What a record belongs to, decided once for its line, its path and its encoder.
pub(crate) struct RecordContext<'r> {
    scope: ScopeOf<'r>,
    values: OwnValues,
    time: Time,
}

/// The scope of a record.
pub(crate) enum ScopeOf<'r> {
    /// One that the caller has: a sink's own, or that of a ready line.
    Borrowed(&'r Scope),
    /// One that this thread has entered.
    Entered(Rc<Scope>),
    /// One made from a name.
    Named(Scope),
}

impl Deref for ScopeOf<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        match self {
            ScopeOf::Borrowed(scope) => scope,
            ScopeOf::Entered(scope) => scope,
            ScopeOf::Named(scope) => scope,
        }
    }
}

impl<'r> RecordContext<'r> {
    /// The context of a ready line: the scope, at this moment.
    pub(crate) fn of_scope(scope: &'r Scope) -> RecordContext<'r> {
        RecordContext {
            scope: ScopeOf::Borrowed(scope),
            values: OwnValues::NONE,
            time: Time::now(),
        }
    }

    /// The equipment.
    pub(crate) fn equipment_id(&self) -> &EquipmentId {
        self.scope.equipment_id()
    }

    /// The scope that the record belongs to.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When the record was made.
    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// The buffer of the record's own key-values, to be shared.
    pub(super) fn shared_values(&self) -> &OwnValues {
        &self.values
    }

    /// The record's own key-values, if it has any.
    pub(crate) fn key_values(&self) -> Option<&KeyValues> {
        self.values.as_deref()
    }

    /// The scope's tags, each replaced by the record's own of that key; then the record's others.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_scope = self.scope.tags().map(|(key, value)| {
            (key, self.key_values().and_then(|own| own.get(key)).unwrap_or(value))
        });
        let own = self.key_values().into_iter().flat_map(KeyValues::tags);
        of_scope.chain(own.filter(|(key, _)| self.scope.get(key).is_none()))
    }

    /// The value of one tag.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.key_values().and_then(|own| own.get(key)).or_else(|| self.scope.get(key))
    }

    /// Whether the record itself has a tag of this key: then the scope does not tell its value.
    pub(crate) fn carries(&self, key: &str) -> bool {
        self.key_values().is_some_and(|own| own.get(key).is_some())
    }
}

impl PathValues for RecordContext<'_> {
    fn equipment_id(&self) -> &EquipmentId {
        RecordContext::equipment_id(self)
    }

    fn tag_value(&self, key: &str) -> Option<&str> {
        self.get(key)
    }
}

/// Looks up the scope of the equipment that a framework's own context names on this thread.
pub(crate) type FrameworkLookup = fn() -> Result<Option<Scope>, Error>;

/// What is known of a record before its equipment is decided: its key-values, its time, and the scope it was logged in.
#[derive(Clone)]
pub(crate) struct RecordFacts {
    /// The scope of the record, if our appender has decided it already.
    pub(super) scope: Option<Scope>,
    /// The innermost scope that the thread had entered.
    pub(super) innermost: Option<Rc<Scope>>,
    pub(super) values: OwnValues,
    pub(super) time: Time,
}

impl RecordFacts {
    /// When the record was made.
    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// The facts of this record, or those of the record that it was rebuilt from.
    #[inline]
    pub(crate) fn of(record: &log::Record<'_>) -> RecordFacts {
        let found = thread::with(|thread| {
            let left = thread.handovers.last().and_then(|handover| handover.left_to(record));
            left.ok_or_else(|| thread.innermost())
        });
        match found {
            Some(Ok(facts)) => facts,
            Some(Err(innermost)) => RecordFacts::new(record, innermost),
            None => RecordFacts::new(record, None),
        }
    }

    /// The facts of a record that was not rebuilt: a record that a format gets was logged just now, however much it
    /// resembles the one that an outer format has handed over.
    #[inline]
    pub(crate) fn of_logged(record: &log::Record<'_>) -> RecordFacts {
        RecordFacts::new(record, thread::with(|thread| thread.innermost()).flatten())
    }

    #[inline]
    fn new(record: &log::Record<'_>, innermost: Option<Rc<Scope>>) -> RecordFacts {
        RecordFacts { scope: None, innermost, values: OwnValues::of(record), time: Time::now() }
    }

    /// Rules 1 to 3: the record's own `equipment_id`, else the innermost scope, else what the framework's context
    /// names.
    ///
    /// # Errors
    ///
    /// An id that is refused, wherever it came from.
    #[inline(always)] // As `EquipmentSink::context_by_all_rules`, its caller.
    pub(crate) fn scope_by_rules_1_to_3<'r>(
        &mut self,
        framework: FrameworkLookup,
    ) -> Result<Option<ScopeOf<'r>>, Error> {
        if let Some(scope) = self.scope.take() {
            return Ok(Some(ScopeOf::Named(scope)));
        }
        let innermost = self.innermost.take();
        match (self.values.as_deref().and_then(KeyValues::equipment_id), innermost) {
            (None, Some(scope)) => Ok(Some(ScopeOf::Entered(scope))),
            (None, None) => Ok(framework()?.map(ScopeOf::Named)),
            (Some(Err((value, why))), _) => Err(Error::name("equipment id", value, why)),
            (Some(Ok(id)), Some(scope)) if scope.equipment_id().as_str() == id => {
                Ok(Some(ScopeOf::Entered(scope)))
            }
            (Some(Ok(id)), _) => tagless_scope(id).map(|scope| Some(ScopeOf::Named(scope))),
        }
    }

    /// The context of the record in this scope.
    #[inline]
    pub(crate) fn into_context(self, scope: ScopeOf<'_>) -> RecordContext<'_> {
        RecordContext { scope, values: self.values, time: self.time }
    }

    /// The context of the record by rules 1 to 3, for a format or an encoder that belongs to no sink.
    ///
    /// # Errors
    ///
    /// An id that is refused, as in [`scope_by_rules_1_to_3`](RecordFacts::scope_by_rules_1_to_3).
    pub(crate) fn context_by_rules_1_to_3<'r>(
        mut self,
        framework: FrameworkLookup,
    ) -> Result<Option<RecordContext<'r>>, Error> {
        Ok(self.scope_by_rules_1_to_3(framework)?.map(|scope| self.into_context(scope)))
    }
}

/// The tagless scope of an id, remembered by the thread.
pub(crate) fn tagless_scope(id: &str) -> Result<Scope, Error> {
    /// How many ids each thread remembers; more than that are made again.
    const NAMED: usize = 256;
    if let Some(scope) = thread::with(|thread| thread.named.get(id).cloned()).flatten() {
        return Ok(scope);
    }
    let scope = Scope::new(id)?;
    let forgotten = thread::with(|thread| {
        let full = thread.named.len() >= NAMED;
        let forgotten = if full { std::mem::take(&mut thread.named) } else { Default::default() };
        thread.named.insert(id.into(), scope.clone());
        forgotten
    });
    // Outside of the borrow: the last of a scope may close files.
    drop(forgotten);
    Ok(scope)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_remembers_many_ids_and_not_all() {
        let remembered = || thread::with(|thread| thread.named.len()).unwrap();
        for n in 0..1000 {
            tagless_scope(&format!("RECORD_{n}")).unwrap();
            assert!(remembered() <= 256);
            assert!(n >= 256 || remembered() == n + 1, "{} of {}", remembered(), n + 1);
        }
    }
}
