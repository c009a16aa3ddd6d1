//! [`Own`]: what a record itself says; and [`Pending`]: that, left to what is called with the same record.
//!
//! Imports this room and `clock`. What is left is for that record alone: one that is logged meanwhile does not match.
//!
//! - log4rs: our appender leaves its context to its encoder, so that rules 4 and 5 are seen there.
//! - fern: `FormatCallback::finish` makes a new record without the key-values of the first (fern 0.7.1); our formats
//!   leave them to the output.

use std::rc::Rc;

use super::key_values::OwnValues;
use super::{thread, RecordContext, Scope};
use crate::clock::Time;

/// What a record itself says: its key-values and its time.
#[derive(Clone)]
pub(crate) struct Own {
    /// The scope, where our appender has decided it already.
    pub(super) scope: Option<Scope>,
    /// The innermost scope of its thread.
    pub(super) innermost: Option<Rc<Scope>>,
    pub(super) values: OwnValues,
    pub(super) time: Time,
}

impl Own {
    /// When the record was made.
    pub(crate) fn time(&self) -> Time {
        self.time
    }

    /// Of this record, or of the one that it was rebuilt from.
    #[inline]
    pub(crate) fn of(record: &log::Record<'_>) -> Own {
        let here = thread::with(|thread| match &thread.pending {
            Some(pending) => (pending.left_to(record), thread.innermost()),
            None => (None, thread.innermost()),
        });
        match here {
            Some((Some(own), _)) => own,
            Some((None, innermost)) => Own::new(record, innermost),
            None => Own::new(record, None),
        }
    }

    #[inline]
    fn new(record: &log::Record<'_>, innermost: Option<Rc<Scope>>) -> Own {
        Own { scope: None, innermost, values: OwnValues::of(record), time: Time::now() }
    }
}

/// What is left, and for which record.
pub(crate) struct Pending {
    record: Identity,
    own: Own,
}

/// By what a record is known again: small, since it is made and compared for each record below fern.
#[derive(PartialEq, Eq)]
enum Identity {
    /// The record itself, by its address.
    Same(usize),
    /// One that was rebuilt: the text of its target is the same one, at this address.
    Rebuilt { target: usize, line: Option<u32>, level: log::Level },
}

impl Identity {
    fn same(record: &log::Record<'_>) -> Identity {
        Identity::Same(std::ptr::from_ref(record).addr())
    }

    fn rebuilt(record: &log::Record<'_>) -> Identity {
        let target = record.target().as_ptr().addr();
        Identity::Rebuilt { target, line: record.line(), level: record.level() }
    }
}

impl Pending {
    /// Leaves a context to what is called with this record.
    pub(crate) fn for_record(
        record: &log::Record<'_>,
        context: &RecordContext<'_>,
    ) -> PendingGuard {
        let scope = Some(context.scope().clone());
        let values = context.values().clone();
        let own = Own { scope, innermost: None, values, time: context.time() };
        leave(Pending { record: Identity::same(record), own })
    }

    /// Leaves what a record says to one that is rebuilt from it, without key-values. Nothing of the application's that
    /// may log should run meanwhile.
    pub(crate) fn for_rebuilt(record: &log::Record<'_>, own: Own) -> PendingGuard {
        leave(Pending { record: Identity::rebuilt(record), own })
    }

    /// What was left, if it was left to this record.
    fn left_to(&self, record: &log::Record<'_>) -> Option<Own> {
        let is_for_it = match self.record {
            Identity::Same(_) => self.record == Identity::same(record),
            Identity::Rebuilt { .. } => {
                self.record == Identity::rebuilt(record) && record.key_values().count() == 0
            }
        };
        is_for_it.then(|| self.own.clone())
    }
}

fn leave(pending: Pending) -> PendingGuard {
    PendingGuard(thread::with(|thread| thread.pending.replace(pending)).flatten())
}

/// Puts back, when dropped, what was left to an outer record.
#[must_use = "what is left is taken back when the guard is dropped"]
pub(crate) struct PendingGuard(Option<Pending>);

impl Drop for PendingGuard {
    fn drop(&mut self) {
        let outer = self.0.take();
        let inner = thread::with(|thread| std::mem::replace(&mut thread.pending, outer));
        // Outside of the borrow: its buffer goes back to the thread.
        drop(inner);
    }
}
