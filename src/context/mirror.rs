//! [`Mirror`]: a logging framework's own context, in which entered scopes show too.
//!
//! Imports the scope alone. The invariant: leaving the scopes that were entered, in any order,
//! leaves the context as it was.

use std::sync::{Arc, OnceLock};

use super::{Scope, EQUIPMENT_ID};

/// A logging framework's own per-thread context, into which entered scopes are mirrored.
pub(crate) struct Mirror {
    pub(crate) set: fn(&str, &str) -> Option<String>,
    pub(crate) remove: fn(&str) -> Option<String>,
}

static MIRROR: OnceLock<Mirror> = OnceLock::new();

/// From now on, scopes entered on any thread show in `mirror` too.
#[cfg_attr(
    not(feature = "log4rs"),
    allow(dead_code, reason = "log4rs is the framework with a context")
)]
pub(crate) fn mirror_into(mirror: Mirror) {
    let _ = MIRROR.set(mirror);
}

/// What the mirror held under each key before a scope was entered.
pub(super) struct Displaced(Vec<(Arc<str>, Option<String>)>);

impl Displaced {
    pub(super) fn by(scope: &Scope, outer: Option<&Scope>) -> Displaced {
        let Some(mirror) = MIRROR.get() else { return Displaced(Vec::new()) };
        let mut displaced = Vec::with_capacity(1 + scope.0.tags.len());
        // A tag that only the outer scope has must not show inside this one.
        for (key, _) in outer.iter().flat_map(|outer| &outer.0.tags) {
            if scope.get(key).is_none() && **key != *EQUIPMENT_ID {
                displaced.push((Arc::clone(key), (mirror.remove)(key)));
            }
        }
        for (key, value) in scope.0.tags.iter().filter(|(key, _)| **key != *EQUIPMENT_ID) {
            displaced.push((Arc::clone(key), (mirror.set)(key, value)));
        }
        let equipment = (mirror.set)(EQUIPMENT_ID, scope.equipment_id().as_str());
        displaced.push((equipment_key(), equipment));
        Displaced(displaced)
    }

    pub(super) fn restore(self) {
        let Some(mirror) = MIRROR.get() else { return };
        for (key, before) in self.0 {
            match before {
                Some(value) => (mirror.set)(&key, &value),
                None => (mirror.remove)(&key),
            };
        }
    }

    /// Owes what `below` owed: its values are older than what this entry found.
    pub(super) fn inherit(&mut self, below: Displaced) {
        for (key, before) in below.0 {
            match self.0.iter_mut().find(|(k, _)| *k == key) {
                Some(owed) => owed.1 = before,
                None => self.0.push((key, before)),
            }
        }
    }
}

/// The equipment's key, as the tags have theirs.
fn equipment_key() -> Arc<str> {
    static KEY: OnceLock<Arc<str>> = OnceLock::new();
    Arc::clone(KEY.get_or_init(|| EQUIPMENT_ID.into()))
}
