//! Whose a record is.
//!
//! Imports the scope and `error`. Decided on the thread that logs, from what the record and the
//! thread hold; the frameworks' adapters only say where their own context is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use super::{innermost, Scope, EQUIPMENT_ID};
use crate::error::Error;

/// A record's scope: one that its thread has entered, or one made from a name.
pub(crate) enum Whose {
    Entered(Rc<Scope>),
    Named(Scope),
}

impl Deref for Whose {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        match self {
            Whose::Entered(scope) => scope,
            Whose::Named(scope) => scope,
        }
    }
}

/// Whose a record is: its own `equipment_id`, else the innermost scope, else what the framework's
/// context holds. `None`: the record is not ours.
///
/// # Errors
///
/// An id that is refused, wherever it came from.
#[cfg_attr(
    not(any(feature = "log4rs", feature = "fern")),
    allow(dead_code, reason = "only the adapters have records")
)]
pub(crate) fn of_record(
    record: &log::Record<'_>,
    context: impl FnOnce() -> Option<String>,
) -> Result<Option<Whose>, Error> {
    if let Some(own) = own_scope(record)? {
        return Ok(own);
    }
    if let Some(scope) = innermost() {
        return Ok(Some(Whose::Entered(scope)));
    }
    match context() {
        Some(id) if !id.is_empty() => known(&id).map(Some),
        _ => Ok(None),
    }
}

/// The scope that the record's own key-value names: `None` where it has none, `Some(None)` where
/// it is empty. The thread's own scope, with its tags, where that is of the same equipment.
fn own_scope(record: &log::Record<'_>) -> Result<Option<Option<Whose>>, Error> {
    let carried;
    let text;
    let id = match record.key_values().get(log::kv::Key::from_str(EQUIPMENT_ID)) {
        Some(value) => match value.to_borrowed_str() {
            Some(id) => id,
            None => {
                text = value.to_string();
                &text
            }
        },
        None => {
            carried = CARRIED_ID.try_with(|id| id.borrow().clone()).ok().flatten();
            match &carried {
                Some(id) => id,
                None => return Ok(None),
            }
        }
    };
    if id.is_empty() {
        return Ok(Some(None));
    }
    match innermost() {
        Some(scope) if scope.equipment_id().as_str() == id => Ok(Some(Some(Whose::Entered(scope)))),
        _ => known(id).map(|scope| Some(Some(scope))),
    }
}

thread_local! {
    /// The own id of a record whose key-values a framework is about to drop, where no scope can
    /// stand for it: it is empty, or refused.
    static CARRIED_ID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f`, which gets the record's scope, so that a record without key-values, logged by it,
/// belongs where `record` does.
#[cfg_attr(
    not(feature = "fern"),
    allow(dead_code, reason = "fern is the framework that drops key-values")
)]
#[inline(always)]
pub(crate) fn run_as<T>(record: &log::Record<'_>, f: impl FnOnce(Option<&Scope>) -> T) -> T {
    struct Restore(Option<String>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = CARRIED_ID.try_with(|id| id.replace(before));
        }
    }

    match own_scope(record) {
        Ok(None) => f(innermost().as_deref()),
        Ok(Some(Some(scope))) => scope.run(|| f(Some(&scope))),
        Ok(Some(None)) | Err(_) => {
            let id = record
                .key_values()
                .get(log::kv::Key::from_str(EQUIPMENT_ID))
                .map(|id| id.to_string());
            let _restore =
                Restore(CARRIED_ID.try_with(|carried| carried.replace(id)).ok().flatten());
            f(None)
        }
    }
}

/// How many ids each thread remembers as scopes; more than that are made anew.
const KNOWN: usize = 1024;

/// The tagless scope of an id, remembered so that an id in a key-value costs no allocation.
fn known(id: &str) -> Result<Whose, Error> {
    thread_local! {
        static KNOWN_SCOPES: RefCell<HashMap<Box<str>, Scope>> = RefCell::default();
    }
    let remembered = KNOWN_SCOPES.try_with(|known| known.borrow().get(id).cloned());
    if let Ok(Some(scope)) = remembered {
        return Ok(Whose::Named(scope));
    }
    let scope = Scope::new(id)?;
    let _ = KNOWN_SCOPES.try_with(|known| {
        let mut known = known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(id.into(), scope.clone());
    });
    Ok(Whose::Named(scope))
}
