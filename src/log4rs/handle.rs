//! [`Handle`]: the sinks that a configuration made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock::Time;
use crate::error::{Error, Kind};
use crate::process::end::{self, AtEnd, LAST_REPORTS};
use crate::process::reports;
use crate::report::Reporter;
use crate::sink::{EquipmentSink, WeakSink};
use crate::sync::LockExt;

/// The sinks that the deserializers made, in the order in which they were made. This list keeps no sink open.
#[derive(Debug, Default)]
pub(super) struct Sinks(Mutex<Vec<WeakSink>>);

impl Sinks {
    /// Adds a sink. A sink with newer settings replaces the same sink with older ones.
    pub(super) fn add(&self, sink: &EquipmentSink) {
        let mut sinks = self.0.lock_any();
        sinks.retain(|it| it.is_alive() && !it.is_of(sink));
        sinks.push(sink.downgrade());
    }

    fn alive(&self) -> Vec<EquipmentSink> {
        let sinks = self.0.lock_any();
        sinks.iter().filter_map(WeakSink::upgrade).collect()
    }
}

/// Reaches every sink that a configuration made, also after an edit of its file.
///
/// Keep it until the program ends. Dropping it writes what is queued: it waits at most as long as the longest
/// `drain_timeout` of its sinks, for all of them together, and reports what is not written by then. The sinks
/// themselves belong to log4rs, and go on.
#[must_use = "the handle writes what is queued when it is dropped: keep it until the program ends"]
pub struct Handle {
    sinks: Arc<Sinks>,
    reporter: Reporter,
}

impl Handle {
    pub(super) fn new(sinks: Arc<Sinks>, reporter: Reporter) -> Handle {
        Handle { sinks, reporter }
    }

    /// The sinks that live: those of the present configuration, and those of an earlier one while somebody
    /// still uses them.
    pub fn sinks(&self) -> Vec<EquipmentSink> {
        self.sinks.alive()
    }

    /// Returns when every record that was queued before is in the kernel, or counted as lost. It waits as long
    /// as the kernel does.
    pub fn flush(&self) {
        self.sinks().iter().for_each(EquipmentSink::flush);
    }

    /// As [`flush`](Handle::flush), but waits at most this long, for all sinks together. False: something that was
    /// queued before may not be written.
    pub fn flush_timeout(&self, timeout: Duration) -> bool {
        flush_all(&self.sinks(), timeout)
    }
}

/// Flushes each sink, in the time that the sinks before it have left.
fn flush_all(sinks: &[EquipmentSink], timeout: Duration) -> bool {
    let begun = Instant::now();
    let flush = |sink: &EquipmentSink| sink.flush_timeout(timeout.saturating_sub(begun.elapsed()));
    // Each sink is flushed, also after another was too slow.
    let slow = sinks.iter().filter(|sink| !flush(sink)).count();
    slow == 0
}

/// Writes what is queued, within the longest `drain_timeout`, and reports what is not, and what failed.
pub(super) fn drain(sinks: &[EquipmentSink], reporter: &Reporter) {
    let timeout = sinks.iter().map(EquipmentSink::drain_timeout).max().unwrap_or_default();
    let is_written = flush_all(sinks, timeout);
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
        reporter.event(Error::from(Kind::NotDrained { waited: timeout, records }), Time::now());
    }
}

/// The end of a program that has not kept the handle.
struct End {
    sinks: Arc<Sinks>,
    reporter: Reporter,
}

impl AtEnd for End {
    fn end(&self) {
        drain(&self.sinks.alive(), &self.reporter);
        self.reporter.report_rest();
    }

    fn is_needed(&self) -> bool {
        true
    }
}

/// Writes what is queued when the calling thread ends, or calls exit(3).
pub(super) fn drain_at_end(sinks: &Arc<Sinks>, reporter: &Reporter) {
    let end = End { sinks: Arc::clone(sinks), reporter: reporter.clone() };
    end::at_end(Arc::new(end));
}

impl Drop for Handle {
    fn drop(&mut self) {
        drain(&self.sinks(), &self.reporter);
        self.reporter.report_rest();
        reports::flush(LAST_REPORTS);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("sinks", &self.sinks()).finish()
    }
}
