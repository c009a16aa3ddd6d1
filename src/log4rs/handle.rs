//! [`Handle`]: the sinks that a configuration made.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::locks::LockExt;
use crate::process::end::{self, AtEnd, LAST_REPORTS};
use crate::process::reports;
use crate::report::Reporter;
use crate::sink::{drain, flush_all, EquipmentSink, WeakSink};

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

/// A handle reaches every sink that a configuration made, also after an edit of its file.
///
/// Keep the handle until the program ends. When it is dropped, the queued records are written. The drop waits for all
/// sinks together, at most as long as their longest `drain_timeout`. Records that are not written in this time are
/// reported, and the drop waits for at most one second more until the reports are delivered. The sinks themselves
/// belong to log4rs, and continue.
#[must_use = "the handle writes what is queued when it is dropped: keep it until the program ends"]
pub struct Handle {
    sinks: Arc<Sinks>,
    reporter: Reporter,
}

/// Every change of the list of sinks replaces a whole entry: a panic leaves nothing half done.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl Handle {
    pub(super) fn new(sinks: Arc<Sinks>, reporter: Reporter) -> Handle {
        Handle { sinks, reporter }
    }

    /// Returns the sinks of the present configuration, and those of an earlier configuration that are still used.
    pub fn sinks(&self) -> Vec<EquipmentSink> {
        self.sinks.alive()
    }

    /// Waits until every record that was queued before is given to the operating system, or counted as lost. If a write
    /// hangs, this waits as long as the write.
    pub fn flush(&self) {
        self.sinks().iter().for_each(EquipmentSink::flush);
    }

    /// Does what [`flush`](Handle::flush) does, but waits at most this long, for all sinks together. If this returns
    /// `false`, records that were queued before may not be written yet.
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
