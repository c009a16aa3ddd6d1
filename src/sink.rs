//! [`EquipmentSink`]: a record in, bytes in the right file.
//!
//! The invariant: a sink knows neither log4rs nor fern.

mod builder;
mod drain;
mod life;
mod many;
mod resolve;
mod weak;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use builder::EquipmentSinkBuilder;
pub(crate) use drain::{drain, flush_all};
use many::for_each;
use resolve::Rules;
pub(crate) use weak::WeakSink;

use crate::config::SinkConfig;
use crate::context::{RecordContext, Scope};
use crate::equipment_id::EquipmentId;
use crate::error::Error;
use crate::file::LogFile;
use crate::layout::NoPath;
use crate::line::{self, ByteBuffer, ControlCharacters, LineFormat};
use crate::process::idle::IdleWatch;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::stats::{Counter, Stats};

/// A sink writes formatted records to the log of the equipment that they belong to.
///
/// The appender for log4rs and the output for fern use a sink. A program without log4rs and fern can use it directly. A
/// sink is cheap to clone: all clones are the same sink. When the last clone is dropped, the queued records are
/// written, and the files are closed. An installed logger of log4rs or fern owns a clone until the process ends: call
/// [`flush`](EquipmentSink::flush) at the end of `main`.
///
/// # Examples
///
/// ```
/// # let root = tempfile::tempdir()?;
/// use equipment_log::{EquipmentSink, Scope};
///
/// let sink = EquipmentSink::builder(root.path()).hostname("labpc-04").build()?;
/// let scope = Scope::new("CONFOCAL_01")?;
/// sink.write(&scope, log::Level::Info, b"stage homed")?;
///
/// let log = root.path().join("CONFOCAL_01/.exlab-wizard/wizard.labpc-04.log");
/// assert_eq!(std::fs::read_to_string(log)?, "stage homed\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EquipmentSink(Arc<Inner>);

/// The settings that an edit of the configuration may change, for the sink that continues, except the host in `line`:
/// another host makes another sink. Everything else is in the core.
struct Inner {
    core: Arc<Core>,
    idle_timeout: Option<Duration>,
    /// The watch for `idle_timeout`, until these settings take effect. Then it is the core's.
    new_watch: Mutex<Option<IdleWatch>>,
    max_open_files: Option<usize>,
    fsync_level: log::LevelFilter,
    control: ControlCharacters,
    line: LineFormat,
    rules: Rules,
}

/// What a sink keeps when an edit of the configuration changes its settings: its logs, its queue, and its counters.
struct Core {
    /// None: the logging thread writes. The queue is the first field, so that it is dropped first: the waiting
    /// records are written before the files are closed.
    queue: Option<Queue>,
    /// Shared with the thread that closes idle files.
    registry: Arc<Registry>,
    /// Closes idle files. It belongs to the settings that took effect last, also while a program holds a sink from before
    /// an edit.
    watch: Mutex<Option<IdleWatch>>,
    skipped: Counter,
    filtered: Counter,
    refused: Counter,
    /// Records that could not be formatted: a value or the message panicked, or an encoder failed.
    unformatted: Counter,
    /// Whether the records that this sink could not write at its end were reported already.
    drain_reported: AtomicBool,
}

impl EquipmentSink {
    /// Returns a builder for a sink below `local_root`. `$ENV{NAME}` is replaced by an environment variable, as in
    /// YAML.
    pub fn builder(local_root: impl AsRef<Path>) -> EquipmentSinkBuilder {
        SinkConfig::new(local_root).into_builder()
    }

    /// Appends one record to the log of the scope's equipment.
    ///
    /// `record` is one line. Its line end is added if it is missing. When this returns, the operating system has the
    /// record. A record at the configured `fsync_level`, or at a more severe level, is on disk. With a queue, a less
    /// severe record is queued when this returns, and with [`WhenDurable::Continue`](crate::WhenDurable::Continue)
    /// every record. If the configured `path` names a tag that the scope lacks, nothing is written, and the record is
    /// counted as skipped.
    ///
    /// # Errors
    ///
    /// - The record is lost: [`Error::is_invalid_id`], [`Error::is_refused_path`], [`Error::is_open`],
    ///   [`Error::is_write`], and with a queue [`Error::is_queue`].
    /// - The record is written, but perhaps not on disk: [`Error::is_sync`].
    /// - The record is written into a file that could not be rotated: [`Error::is_rotation`]. With a queue, this is
    ///   about earlier records.
    /// - The record is queued, but an earlier record is lost, or could not be synced: [`Error::is_earlier_record`].
    pub fn write(
        &self,
        scope: &Scope,
        level: log::Level,
        record: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        if !self.0.rules.wants(scope.equipment_id(), level) {
            self.0.core.filtered.add(1);
            return Ok(());
        }
        let (context, record) = (RecordContext::of_scope(scope), record.as_ref());
        if let [line @ .., b'\n'] = record {
            if !line::may_hold_controls(line) {
                return self.append(&context, level, record);
            }
        }
        let mut buffer = ByteBuffer::take();
        buffer.extend_from_slice(record);
        self.append_any(&context, level, &mut buffer)
    }

    /// Appends a record of any kind. Its line end is added if it is missing, and its control characters are escaped.
    /// It is inlined for the reason that `append` gives.
    #[inline(always)]
    pub(crate) fn append_any(
        &self,
        context: &RecordContext<'_>,
        level: log::Level,
        record: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if record.ends_with(b"\n") {
            record.pop();
            if record.ends_with(b"\r") {
                record.pop();
            }
        }
        if self.0.control == ControlCharacters::Escape {
            line::escape_controls(record, 0);
        }
        record.push(b'\n');
        self.append(context, level, record)
    }

    /// Appends a record that is one whole line.
    ///
    /// Everything from here to the system call is inlined into one function. A system call clears the processor's
    /// return predictor, so each function that returns afterwards costs a hundredth of a bare write.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        context: &RecordContext<'_>,
        level: log::Level,
        record: &[u8],
    ) -> Result<(), Error> {
        let core = &*self.0.core;
        let log = match core.registry.log_of(context) {
            Ok(log) => log,
            Err(NoPath::MissingTag) => {
                core.skipped.add(1);
                return Ok(());
            }
            Err(NoPath::Refused(err)) => {
                core.refused.add(1);
                return Err(err);
            }
        };
        let durable = level <= self.0.fsync_level;
        match &core.queue {
            Some(queue) => queue.enqueue(&log, record, context.time(), durable),
            None if durable => log.append_durable(record, context.time()),
            None => log.append(record, context.time()),
        }
    }

    /// The structured line, for this sink's host.
    pub(crate) fn line_format(&self) -> &LineFormat {
        &self.0.line
    }

    /// Returns the path of the scope's log. If the scope lacks a tag that `path` names, or if a name in the path is not
    /// valid, this is `None`.
    pub fn path(&self, scope: &Scope) -> Option<PathBuf> {
        self.0.core.registry.path(scope)
    }

    /// Returns a copy of the counters, and never waits. A record that is still queued is in no counter.
    pub fn stats(&self) -> Stats {
        let core = &*self.0.core;
        let mut stats = Stats {
            skipped: core.skipped.get(),
            filtered: core.filtered.get(),
            refused: core.refused.get(),
            open: core.registry.open_files.len() as u64,
            ..Stats::default()
        };
        (stats.equipment, stats.total) = core.registry.counts();
        stats.total.lost += core.unformatted.get();
        stats
    }

    /// Waits until every record that was queued before this call is given to the operating system, or counted as lost.
    /// Without a queue, this returns at once.
    pub fn flush(&self) {
        if let Some(queue) = &self.0.core.queue {
            // A record that cannot be written is counted, and reported to a later call of its log.
            let _ = queue.flush();
        }
    }

    /// Does what [`flush`](EquipmentSink::flush) does, but waits at most this long. If this returns `false`, records
    /// that were queued before this call may not be written yet.
    pub fn flush_timeout(&self, timeout: Duration) -> bool {
        self.0.core.queue.as_ref().is_none_or(|queue| queue.flush_timeout(timeout))
    }

    /// Syncs every record that was written before this call, also if its file was closed meanwhile. A file that another
    /// program has moved or deleted is not synced.
    ///
    /// After a failed sync, the records that were written before it may be lost, and no later sync can tell. So a failed
    /// sync is returned by this call or by the next one, also if an ERROR caused it. What is returned later is about the
    /// records that were written after that.
    ///
    /// # Errors
    ///
    /// All files are tried, and the first failure is returned. [`Error::is_sync`]: a sync failed. [`Error::is_open`]: a
    /// file that was closed could not be opened for its sync. [`Error::is_queue`]: queued records will not be written.
    pub fn sync(&self) -> Result<(), Error> {
        let known = self.flush_and(self.0.core.registry.logs(), LogFile::sync);
        known.and(self.sync_forgotten(self.0.core.registry.take_unsynced()))
    }

    /// Lets the next record of each log open its path again. Call this, for example at `SIGHUP`, after a program has
    /// moved the files.
    pub fn reopen(&self) {
        let reopen = |log: &LogFile| {
            log.reopen();
            Ok(())
        };
        // A queue that cannot write reports that to the calls that log.
        let _ = self.flush_and(self.0.core.registry.logs(), reopen);
    }

    /// Closes all files of one piece of equipment. This waits for the records that are being written, and syncs the
    /// files. A later record opens its file again.
    ///
    /// # Errors
    ///
    /// The errors are those of [`sync`](EquipmentSink::sync). All its files are closed, and the first failure is
    /// returned.
    pub fn close(&self, equipment: &EquipmentId) -> Result<(), Error> {
        let registry = &self.0.core.registry;
        let known = registry.logs_of(equipment);
        let may_have_forgotten = registry.may_have_forgotten(&known);
        let closed = self.flush_and(known, LogFile::close);
        registry.forget(equipment);
        closed.and(self.sync_forgotten(registry.take_unsynced_of(equipment, may_have_forgotten)))
    }

    /// Closes the files of all equipment, as [`close`](EquipmentSink::close) does for one. If the close of one file
    /// hangs, the other files are still closed.
    ///
    /// # Errors
    ///
    /// The errors are those of [`sync`](EquipmentSink::sync). All files are closed, and the first failure is returned.
    pub fn close_all(&self) -> Result<(), Error> {
        let registry = &self.0.core.registry;
        let closed = self.flush_and(registry.logs(), LogFile::close);
        registry.forget_all();
        closed.and(self.sync_forgotten(registry.take_unsynced()))
    }

    /// For each log, waits for its queued records and then calls `f`.
    fn flush_and(
        &self,
        logs: Vec<Arc<LogFile>>,
        f: fn(&LogFile) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let core = Arc::clone(&self.0.core);
        for_each(logs, move |log| {
            let flushed = core.queue.as_ref().map_or(Ok(()), |queue| queue.flush_log(log));
            f(log).and(flushed)
        })
    }

    /// Makes durable what forgotten logs have written to these file systems.
    ///
    /// # Errors
    ///
    /// That of a sync, or else the earlier failure.
    fn sync_forgotten(
        &self,
        (file_systems, failed): (Vec<u64>, Option<Error>),
    ) -> Result<(), Error> {
        let registry = Arc::clone(&self.0.core.registry);
        let synced = for_each(file_systems, move |number| registry.sync_file_system(*number));
        synced.and(failed.map_or(Ok(()), Err))
    }
}

impl fmt::Debug for EquipmentSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EquipmentSink")
            .field("local_root", &self.0.core.registry.local_root())
            .field("logs", &self.0.core.registry.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_closed_is_forgotten_and_its_records_stay_in_the_sum() {
        let root = tempfile::tempdir().unwrap();
        let sink = EquipmentSink::builder(root.path()).build().unwrap();
        // A scope that lives keeps its log known.
        let write = |id| {
            let scope = Scope::new(id).unwrap();
            sink.write(&scope, log::Level::Info, "record").unwrap();
        };
        ["SINK_A", "SINK_B", "SINK_C"].into_iter().for_each(write);
        let known = || {
            let stats = sink.stats();
            let debug = format!("{sink:?}");
            let logs = debug.split_once("logs: ").unwrap().1.split(',').next().unwrap().to_owned();
            (logs, stats.equipment.len(), stats.open, stats.total.written)
        };
        assert_eq!(known(), ("3".to_owned(), 3, 3, 3));
        sink.close(&EquipmentId::new("SINK_A").unwrap()).unwrap();
        assert_eq!(known(), ("2".to_owned(), 2, 2, 3));
        write("SINK_A");
        assert_eq!(known(), ("3".to_owned(), 3, 3, 4));
        sink.close_all().unwrap();
        assert_eq!(known(), ("0".to_owned(), 0, 0, 4));
    }
}
