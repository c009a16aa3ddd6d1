//! [`Living`]: the appenders that a configuration made, so that one whose keys were changed to what
//! cannot serve goes on as it was.
//!
//! Imports the appender alone. log4rs leaves out of a reload what cannot be built, and asks for an
//! appender without saying its name. So one goes on only where there is no doubt which is meant, and no
//! record can be written twice: the invariant is that no two appenders of one load share what they
//! stand on.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ::log4rs::append::Append;
use serde_value::Value;

use super::EquipmentScopedAppender;

/// Where an appender writes to, as its keys say it: the same in the old configuration and the new,
/// unless that is what was changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place(pub(super) [Option<Value>; 3]);

impl Place {
    pub(super) fn of(keys: &Value) -> Place {
        Place(["local_root", "hostname", "path"].map(|key| match keys {
            Value::Map(map) => map.get(&Value::String(key.to_owned())).cloned(),
            _ => None,
        }))
    }
}

#[derive(Default)]
pub(super) struct Living {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    appenders: Vec<(Place, Weak<EquipmentScopedAppender>)>,
    stand_ins: Vec<Weak<Standing>>,
}

/// An appender that goes on, for one whose keys cannot serve.
struct Standing {
    appender: Arc<EquipmentScopedAppender>,
    /// None: it was the only one.
    place: Option<Place>,
    /// Another appender of the same load turned out to be its successor.
    revoked: AtomicBool,
}

impl Standing {
    /// Whether the load that made it is over: the earlier configuration, which has the appender too, is
    /// gone by then.
    fn is_installed(&self) -> bool {
        Arc::strong_count(&self.appender) == 1
    }
}

impl Living {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.appenders.retain(|(_, appender)| appender.strong_count() > 0);
        state.stand_ins.retain(|standing| standing.strong_count() > 0);
        state
    }

    /// A new appender takes the place of an earlier one, or is the first.
    pub(super) fn begin(&self, place: Place, new: EquipmentScopedAppender) -> Box<dyn Append> {
        let new = Arc::new(new);
        let mut state = self.state();
        // Not dropped before the lock is, here too.
        let stand_ins: Vec<_> = state.stand_ins.iter().filter_map(Weak::upgrade).collect();
        let succeeds = |it: &Arc<Standing>| it.place.as_ref().is_none_or(|its| *its == place);
        let mut revoked = false;
        for standing in stand_ins.iter().filter(|it| !it.is_installed()).filter(|it| succeeds(it)) {
            standing.revoked.store(true, Ordering::Release);
            revoked = true;
        }
        state.appenders.push((place, Arc::downgrade(&new)));
        drop(state);
        if revoked {
            say("which of the earlier appenders that one was cannot be told: it is left out");
        }
        Box::new(Shared(new))
    }

    /// The earlier appender that a mistake was made in: the one that writes to the same place, or the
    /// only one. None where that is not one. One without a record may be of the same load.
    pub(super) fn stand_in(
        &self,
        place: Place,
        mistake: &anyhow::Error,
    ) -> Option<Box<dyn Append>> {
        let mut state = self.state();
        let living =
            state.appenders.iter().filter_map(|(its, it)| Some((its.clone(), it.upgrade()?)));
        // Not dropped before the lock is: the last of one closes its files.
        let living: Vec<_> = living.collect();
        let mut same = living.iter().filter(|(its, _)| *its == place);
        let (appender, place) = match (same.next(), same.next(), &living[..]) {
            (Some((_, it)), None, _) if it.sink().had_record() => (Arc::clone(it), Some(place)),
            (None, _, [(_, it)]) if it.sink().had_record() => (Arc::clone(it), None),
            _ => {
                drop(state);
                return None;
            }
        };
        let standing = Arc::new(Standing { appender, place, revoked: AtomicBool::new(false) });
        state.stand_ins.push(Arc::downgrade(&standing));
        drop(state);
        say(&format!("{mistake}; the appender goes on with its earlier configuration"));
        Some(Box::new(StandIn(standing)))
    }
}

/// log4rs prints what is wrong with a file that it reads again; so must we, where it does not know.
fn say(what: &str) {
    // A closed standard error is no reason to panic.
    let line = format!("equipment-log: configuration of an equipment_scoped appender: {what}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

#[derive(Debug)]
struct Shared(Arc<EquipmentScopedAppender>);

impl Append for Shared {
    fn append(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        self.0.append(record)
    }

    fn flush(&self) {
        self.0.flush();
    }
}

struct StandIn(Arc<Standing>);

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.appender.fmt(f)
    }
}

impl Append for StandIn {
    fn append(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        match self.0.revoked.load(Ordering::Acquire) {
            true => Ok(()),
            false => self.0.appender.append(record),
        }
    }

    fn flush(&self) {
        self.0.appender.flush();
    }
}
