//! Which equipment a record belongs to in one sink: rules 4 and 5 and the levels, after rules 1 to 3 of `context`.
//!
//! The invariant: every record that is not passed on is counted, as skipped, filtered or refused, or as lost if one
//! of its values panics.

use std::collections::BTreeMap;

use log::LevelFilter;

use super::{EquipmentSink, Inner};
use crate::config::spelling::target_key;
use crate::context::{FrameworkLookup, RecordContext, RecordFacts, Scope, ScopeOf};
use crate::equipment_id::EquipmentId;
use crate::error::Error;

/// The keys `targets`, `unscoped`, `level` and `levels` of one sink.
#[derive(Debug)]
pub(super) struct Rules {
    /// The scopes of log targets, by target.
    targets: BTreeMap<String, Scope>,
    /// The scope of a record that belongs to no other.
    unscoped: Option<Scope>,
    level: LevelFilter,
    levels: BTreeMap<EquipmentId, LevelFilter>,
    /// The most verbose of all levels: no equipment wants a record that is less severe.
    most_verbose: LevelFilter,
}

impl Rules {
    /// # Errors
    ///
    /// [`Error::is_config`]: the spelling of an id differs by letter case only from one that is in use.
    pub(super) fn new(
        targets: BTreeMap<String, EquipmentId>,
        unscoped: Option<EquipmentId>,
        level: LevelFilter,
        levels: BTreeMap<EquipmentId, LevelFilter>,
    ) -> Result<Rules, Error> {
        // The configuration was checked for this. Its first record may have come in between.
        let scope = |key: String, id: EquipmentId| {
            Scope::new(id).map_err(|err| Error::config(key, err.to_string()))
        };
        let of_target = |(target, id): (String, EquipmentId)| {
            let scope = scope(target_key(&target), id)?;
            Ok((target, scope))
        };
        Ok(Rules {
            targets: targets.into_iter().map(of_target).collect::<Result<_, Error>>()?,
            unscoped: unscoped.map(|id| scope("unscoped".to_owned(), id)).transpose()?,
            level,
            most_verbose: levels.values().copied().fold(level, Ord::max),
            levels,
        })
    }

    /// Rules 4 and 5: the scope of a record that names no equipment.
    fn scope_of(&self, target: &str) -> Option<&Scope> {
        self.of_target(target).or(self.unscoped.as_ref())
    }

    /// The scope of the longest entry that is the target, or a parent of it at a `::`.
    fn of_target(&self, target: &str) -> Option<&Scope> {
        if self.targets.is_empty() {
            return None;
        }
        let mut parent = target;
        loop {
            if let Some(scope) = self.targets.get(parent) {
                return Some(scope);
            }
            parent = parent.rsplit_once("::")?.0;
        }
    }

    /// Whether records of this level are wanted for this equipment.
    pub(super) fn wants(&self, equipment: &EquipmentId, level: log::Level) -> bool {
        let filter = match self.levels.is_empty() {
            true => self.level,
            false => self.levels.get(equipment).copied().unwrap_or(self.level),
        };
        level <= filter
    }
}

impl EquipmentSink {
    /// The context of a record, if this sink is to write the record. `None`: the record belongs to no equipment, or
    /// its level is not wanted; it is counted.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_id`]: the name of its equipment is refused, and counted.
    #[inline]
    pub(crate) fn context_if_wanted<'r>(
        &'r self,
        record: &log::Record<'_>,
        framework: FrameworkLookup,
    ) -> Result<Option<RecordContext<'r>>, Error> {
        let Inner { core, rules, .. } = &*self.0;
        if record.level() > rules.most_verbose {
            core.filtered.add(1);
            return Ok(None);
        }
        let facts = RecordFacts::of(record);
        let context = match self.context_by_all_rules(facts, record.target(), framework) {
            Ok(Some(context)) => context,
            Ok(None) => {
                core.skipped.add(1);
                return Ok(None);
            }
            Err(err) => {
                core.refused.add(1);
                return Err(err);
            }
        };
        if !rules.wants(context.equipment_id(), record.level()) {
            core.filtered.add(1);
            return Ok(None);
        }
        Ok(Some(context))
    }

    /// The context of a record by rules 1 to 5, whatever its level.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_id`]: the name of its equipment is refused.
    #[inline(always)] // Each of the enums on the way is copied otherwise: a fiftieth of a record.
    pub(crate) fn context_by_all_rules<'r>(
        &'r self,
        mut facts: RecordFacts,
        target: &str,
        framework: FrameworkLookup,
    ) -> Result<Option<RecordContext<'r>>, Error> {
        let scope = match facts.scope_by_rules_1_to_3(framework)? {
            Some(scope) => scope,
            None => match self.0.rules.scope_of(target) {
                Some(scope) => ScopeOf::Borrowed(scope),
                None => return Ok(None),
            },
        };
        Ok(Some(facts.into_context(scope)))
    }

    /// The equipment of a record that could not be written, for the report. None: its id is refused, or unknown. It is
    /// decided a second time, so that a record that is written pays nothing for this.
    #[cold]
    pub(crate) fn equipment_of_failed(
        &self,
        record: &log::Record<'_>,
        framework: FrameworkLookup,
    ) -> Option<EquipmentId> {
        let facts = RecordFacts::of(record);
        let context = self.context_by_all_rules(facts, record.target(), framework).ok()??;
        Some(context.equipment_id().clone())
    }

    /// Counts a record that its encoder could not format.
    #[cold]
    pub(crate) fn count_unformatted(&self) {
        self.0.core.unformatted.add(1);
    }

    /// Counts a record as lost if its own code panics while this lives: one of its values, or its message.
    pub(crate) fn count_panic(&self) -> CountPanic<'_> {
        CountPanic { sink: self, was_panicking: std::thread::panicking() }
    }
}

/// What [`EquipmentSink::count_panic`] returns.
pub(crate) struct CountPanic<'s> {
    sink: &'s EquipmentSink,
    /// The record is logged by a destructor while its thread unwinds.
    was_panicking: bool,
}

impl Drop for CountPanic<'_> {
    fn drop(&mut self) {
        if !self.was_panicking && std::thread::panicking() {
            self.sink.count_unformatted();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    fn rules(targets: &[(&str, &str)]) -> Rules {
        let id = |id: &str| EquipmentId::new(id).unwrap();
        let targets = targets.iter().map(|(target, name)| ((*target).into(), id(name))).collect();
        Rules::new(targets, None, LevelFilter::Trace, BTreeMap::new()).unwrap()
    }

    #[test]
    fn the_longest_target_that_is_a_parent_counts() {
        let rules =
            rules(&[("acme", "ACME"), ("acme::stage", "STAGE"), ("opcua_server", "OPC_UA")]);
        for (target, id) in [
            ("acme", Some("ACME")),
            ("acme::lamp", Some("ACME")),
            ("acme::stage", Some("STAGE")),
            ("acme::stage::axis::x", Some("STAGE")),
            ("acme::stages", Some("ACME")),
            ("acme2", None),
            ("opcua", None),
            ("opcua_server::tcp", Some("OPC_UA")),
            ("", None),
        ] {
            let found = rules.of_target(target).map(|scope| scope.equipment_id().as_str());
            assert_eq!(found, id, "{target}");
        }
    }

    #[test]
    fn a_level_of_its_own_replaces_the_level_in_both_directions() {
        let [quiet, loud, other] =
            ["QUIET", "LOUD", "OTHER"].map(|id| EquipmentId::new(id).unwrap());
        let levels =
            [(quiet.clone(), LevelFilter::Error), (loud.clone(), LevelFilter::Debug)].into();
        let rules = Rules::new(BTreeMap::new(), None, LevelFilter::Info, levels).unwrap();
        for (id, most) in
            [(&quiet, log::Level::Error), (&loud, log::Level::Debug), (&other, log::Level::Info)]
        {
            for level in log::Level::iter() {
                assert_eq!(rules.wants(id, level), level <= most, "{id} {level}");
            }
        }
        assert_eq!(rules.most_verbose, LevelFilter::Debug);
    }
}
