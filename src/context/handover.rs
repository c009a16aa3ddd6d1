//! [`Handover`]: what is known of a record, left to the code that is called with the same record next.
//!
//! The invariant: a handover serves its own record alone. A record that is logged meanwhile does not match.
//!
//! - log4rs: our appender leaves its context to its encoder, so that the encoder sees rules 4 and 5 as well.
//! - fern: `FormatCallback::finish` makes a new record without the key-values of the first (fern 0.7.1). Our formats
//!   leave the key-values to the output.

use super::record::{RecordContext, RecordFacts};
use super::thread;

/// The facts of a record, and how that record is recognised.
pub(crate) struct Handover {
    record: Identity,
    facts: RecordFacts,
}

/// How a record is recognised. The value is small, since it is made and compared for each record below fern.
#[derive(PartialEq, Eq)]
enum Identity {
    /// The record itself, by its address.
    Same(usize),
    /// A record that was rebuilt from this one: the text of its target is still at this address.
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

impl Handover {
    /// Leaves a context to the code that is called with this record next.
    pub(crate) fn for_record(
        record: &log::Record<'_>,
        context: &RecordContext<'_>,
    ) -> HandoverGuard {
        let scope = Some(context.scope().clone());
        let values = context.shared_values().clone();
        let facts = RecordFacts { scope, innermost: None, values, time: context.time() };
        leave(Handover { record: Identity::same(record), facts })
    }

    /// Leaves a record's facts to the record that is rebuilt from it without key-values. Code of the application that
    /// may log should not run before the guard is dropped.
    pub(crate) fn for_rebuilt(record: &log::Record<'_>, facts: RecordFacts) -> HandoverGuard {
        leave(Handover { record: Identity::rebuilt(record), facts })
    }

    /// The facts, if they were left to this record.
    pub(super) fn left_to(&self, record: &log::Record<'_>) -> Option<RecordFacts> {
        let is_for_it = match self.record {
            Identity::Same(_) => self.record == Identity::same(record),
            Identity::Rebuilt { .. } => {
                self.record == Identity::rebuilt(record) && record.key_values().count() == 0
            }
        };
        is_for_it.then(|| self.facts.clone())
    }
}

fn leave(handover: Handover) -> HandoverGuard {
    HandoverGuard { is_left: thread::with(|thread| thread.handovers.push(handover)).is_some() }
}

/// Takes the handover back when it is dropped. Then that of an outer record is the innermost again.
#[must_use = "the handover is taken back when the guard is dropped"]
pub(crate) struct HandoverGuard {
    /// `false`: the thread is destroying its thread-locals.
    is_left: bool,
}

impl Drop for HandoverGuard {
    fn drop(&mut self) {
        if self.is_left {
            // Dropped outside of the borrow: the buffer of the key-values goes back to the thread.
            drop(thread::with(|thread| thread.handovers.pop()));
        }
    }
}
