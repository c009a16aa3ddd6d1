//! [`Queued`]: what a queue keeps with each log.
//!
//! Imports `error`. The invariant: what went wrong with a record after its log call had returned is
//! told by one later call, or is still kept here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::gap::{Gap, Gaps};
use super::LogFile;
use crate::clock::Time;
use crate::error::Error;

#[derive(Debug, Default)]
pub(crate) struct Queued {
    /// The log's place in the queue's list.
    pub(crate) number: OnceLock<u32>,
    /// Made for the first record that is lost: most logs never need it.
    trouble: OnceLock<Box<Trouble>>,
}

#[derive(Debug, Default)]
struct Trouble {
    /// Records that were dropped since the last that was queued.
    dropped: Gaps,
    /// Whether there is a failure to tell: read at every record, without the lock.
    has_failed: AtomicBool,
    /// How many records, and why the first.
    failed: Mutex<Option<(u64, Error)>>,
}

impl Queued {
    fn trouble(&self) -> &Trouble {
        self.trouble.get_or_init(Box::default)
    }

    /// What was dropped, to be said before the record that is queued now.
    pub(crate) fn take_dropped(&self) -> Option<Gap> {
        let dropped = &self.trouble.get()?.dropped;
        dropped.pending().then(|| dropped.take())?
    }

    /// Whether there is nothing to report.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.trouble.get().is_none_or(|trouble| {
            !trouble.dropped.pending() && !trouble.has_failed.load(Ordering::Acquire)
        })
    }

    /// Keeps a failure of so many records for the next log call: of records that are lost, before one
    /// of a rotation, which loses none.
    pub(crate) fn fail(&self, records: u64, err: &Error) {
        let trouble = self.trouble();
        let mut failed = trouble.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.as_mut() {
            Some((_, earlier)) if earlier.is_rotation() && !err.is_rotation() => {
                *failed = Some((records, err.clone()));
            }
            Some(_) if err.is_rotation() => {}
            Some((others, _)) => *others += records,
            None => *failed = Some((records, err.clone())),
        }
        trouble.has_failed.store(true, Ordering::Release);
    }

    /// How many earlier records failed, and why the first.
    pub(crate) fn take_failed(&self) -> Option<(u64, Error)> {
        let trouble = self.trouble.get()?;
        if !trouble.has_failed.load(Ordering::Acquire) {
            return None;
        }
        let mut failed = trouble.failed.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.has_failed.store(false, Ordering::Release);
        failed.take()
    }
}

impl LogFile {
    /// Counts a record for which the queue had no room. The line that says so stands where it would
    /// have stood itself: behind all that is queued already.
    pub(crate) fn drop_record(&self) {
        self.counters.lost.add(1);
        let reason = "the queue was full".to_owned();
        self.queued.trouble().dropped.add(Gap { records: 1, since: Time::now(), reason });
    }
}
