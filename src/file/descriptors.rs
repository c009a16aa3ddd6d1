//! How a [`LogFile`] shares the descriptors of the process: it releases its own descriptor, and waits for one.
//!
//! The invariant: a call that finds no descriptor left loses its record only if no log can release one.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::answer::{answer, Answer, Call};
use super::{sys, LogFile};
use crate::error::Error;
use crate::process::descriptors::{CloseReason, Evictable, OpenFiles};
use crate::process::pools::DescriptorWait;

/// The open files of a new sink: at most `limit`, or else a share of half of the process's descriptors.
pub(crate) fn open_files(limit: Option<usize>) -> Arc<OpenFiles> {
    OpenFiles::new(limit, half_of_the_descriptors())
}

/// Changes the limit of a sink.
pub(crate) fn limit_open_files(open_files: &OpenFiles, limit: Option<usize>) {
    open_files.set_limit(limit, half_of_the_descriptors());
}

fn half_of_the_descriptors() -> usize {
    (sys::descriptor_limit() / 2).max(1)
}

impl LogFile {
    /// Tries again while there is no descriptor left: other files are closed, and it waits for one that comes
    /// free, since many threads may need their first one at the same moment.
    pub(super) fn retry_with_a_descriptor_freed<T>(
        &self,
        attempt: impl Fn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut wait: Option<DescriptorWait> = None;
        loop {
            match attempt() {
                Err(err) if needs_descriptor(&err) => {
                    // Made before the eviction: what comes free from then on is noticed.
                    let wait = wait.get_or_insert_with(DescriptorWait::new);
                    self.open_files.evict_some();
                    if !wait.wait() {
                        return Err(err);
                    }
                }
                result => return result,
            }
        }
    }
}

/// Whether there was no descriptor left.
fn needs_descriptor(err: &Error) -> bool {
    err.io_error().is_some_and(|err| answer(Call::Open, err) == Answer::FreeDescriptor)
}

impl Evictable for LogFile {
    fn last_used(&self) -> i64 {
        self.last_used.load(Ordering::Relaxed)
    }

    fn release(&self, reason: CloseReason) -> Option<Arc<dyn Send + Sync>> {
        let open = self.retire_evicted()?;
        match reason {
            CloseReason::Evicted => self.counters.evicted.add(1),
            CloseReason::Idle => self.counters.idle_closed.add(1),
        }
        Some(open)
    }
}
