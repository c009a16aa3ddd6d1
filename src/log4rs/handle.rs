//! [`Handle`]: the sinks that a configuration made.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::process::end::{self, AtEnd, LAST_REPORTS};
use crate::process::reports;
use crate::report::Reporter;
use crate::sink::{drain, flush_all, EquipmentSink, WeakSink};
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
