//! The end of a program with an adapter: queued records are written, for a limited time, and those that are not are
//! reported.
//!
//! The invariant: each record and each error is reported once, here or when its sink is dropped.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::life::by_log;
use super::EquipmentSink;
use crate::clock::Time;
use crate::error::{Error, Kind};
use crate::locks::LockExt as _;
use crate::process::REPORTING_THE_END;
use crate::queue::Queue;
use crate::report::Reporter;

/// Writes what is queued, within the longest `drain_timeout`, and reports what is not, and what failed.
pub(crate) fn drain(sinks: &[EquipmentSink], reporter: &Reporter) {
    let waited = sinks.iter().map(EquipmentSink::drain_timeout).max().unwrap_or_default();
    let is_written = flush_all(sinks, waited);
    let _reporting = REPORTING_THE_END.lock_any();
    for error in sinks.iter().flat_map(EquipmentSink::take_errors) {
        reporter.event(error, Time::now());
    }
    if is_written {
        return;
    }
    // A log may have queued records in two sinks, one from before an edit and one from after it.
    let mut by_log = BTreeMap::new();
    for (log, records) in sinks.iter().flat_map(EquipmentSink::take_unwritten) {
        *by_log.entry(log).or_default() += records;
    }
    let records: Vec<_> = by_log.into_iter().collect();
    if !records.is_empty() {
        reporter.event(Error::from(Kind::NotDrained { waited, records }), Time::now());
    }
}

/// Flushes each sink, in the time that the sinks before it have left. False: queued records may not be written yet.
pub(crate) fn flush_all(sinks: &[EquipmentSink], timeout: Duration) -> bool {
    let begun = Instant::now();
    let flush = |sink: &EquipmentSink| sink.flush_timeout(timeout.saturating_sub(begun.elapsed()));
    // Each sink is flushed, also after another was too slow.
    let slow = sinks.iter().filter(|sink| !flush(sink)).count();
    slow == 0
}

impl EquipmentSink {
    /// How long the end of this sink waits for queued records.
    fn drain_timeout(&self) -> Duration {
        match self.0.core.drain_reported.load(Ordering::Relaxed) {
            // Its time is over.
            true => Duration::ZERO,
            false => self.0.core.queue.as_ref().map_or(Duration::ZERO, Queue::drain_timeout),
        }
    }

    /// How many queued records of each log are not written; the log is a path below `local_root`. They are returned
    /// once.
    fn take_unwritten(&self) -> Vec<(String, u64)> {
        let Some(queue) = &self.0.core.queue else { return Vec::new() };
        match self.0.core.drain_reported.swap(true, Ordering::Relaxed) {
            true => Vec::new(),
            false => by_log(queue.unwritten()),
        }
    }

    /// The errors of queued records that no later call of their log has returned. Each is returned once.
    fn take_errors(&self) -> Vec<Error> {
        self.0.core.queue.as_ref().map(Queue::take_errors).unwrap_or_default()
    }
}
