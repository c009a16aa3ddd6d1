//! [`EquipmentSink`]: a record in, bytes in the right file.
//!
//! Imports `registry`, `config`, `line`, `scope` and `stats`. Knows no framework.

mod builder;
mod life;
mod resolve;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

pub use builder::EquipmentSinkBuilder;
use resolve::Rules;

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

/// Writes ready records to the log of the equipment they belong to.
///
/// The adapters for log4rs and fern stand on it; a program that uses neither may use it directly.
/// Cheap to clone: all clones are one sink. When the last is dropped, what is queued is written, and
/// its files are closed.
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

/// What an edit of the configuration may change while the sink goes on. All else is in the core.
struct Inner {
    core: Arc<Core>,
    _watch: Option<IdleWatch>,
    fsync_level: log::LevelFilter,
    control: ControlCharacters,
    line: LineFormat,
    rules: Rules,
}

/// What a sink keeps over an edit: its logs, its queue, and its counters.
struct Core {
    /// None: the logging thread writes. It is first: what waits is written before the files are let go.
    queue: Option<Queue>,
    registry: Registry,
    skipped: Counter,
    filtered: Counter,
    refused: Counter,
    /// Records of which a value or the message panicked.
    panicked: Counter,
    /// It is reported already what this sink could not write at its end.
    drain_reported: AtomicBool,
}

impl std::ops::Deref for Inner {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl EquipmentSink {
    /// A builder for a sink below `local_root`; `$ENV{NAME}` in it expands, as in YAML.
    pub fn builder(local_root: impl AsRef<Path>) -> EquipmentSinkBuilder {
        SinkConfig::new(local_root).into_builder()
    }

    /// Appends one record to the log of the scope's equipment.
    ///
    /// `record` is one line, its end is added where it is missing. When this returns, the record is
    /// in the kernel; at the configured `fsync_level` or worse it is on disk. With a queue, a record
    /// below that level is queued when this returns. A scope without a tag
    /// that the configured `path` names is not this sink's: nothing is written.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_id`] where the scope may not become a path; [`Error::is_refused_path`]
    /// where something that must not be written stands at the path; [`Error::is_open`] and
    /// [`Error::is_write`] where the record is lost; [`Error::is_sync`] where it is written but not known to be on disk;
    /// [`Error::is_rotation`] where it is written, into a file that could not be rotated.
    /// With a queue: [`Error::is_earlier_record`] where this record is queued and an earlier one is
    /// lost; [`Error::is_queue`] where the queue has no writer.
    pub fn write(&self, scope: &Scope, level: log::Level, record: &[u8]) -> Result<(), Error> {
        if let [line @ .., b'\n'] = record {
            let keep = self.0.control == ControlCharacters::Keep;
            let one_line = !line::may_hold_controls(line);
            if one_line || (keep && !line.ends_with(b"\r")) {
                return self.append(&RecordContext::of_scope(scope), level, record);
            }
        }
        let mut buffer = ByteBuffer::take();
        buffer.extend_from_slice(record);
        self.append_any(&RecordContext::of_scope(scope), level, &mut buffer)
    }

    /// Appends a record of any kind: its end is added where it is missing, and its control characters are escaped.
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
    /// From here to the system call everything is one function: after that call the processor has
    /// forgotten whence functions were called, and each return that it does not foresee costs a
    /// hundredth of a bare write.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        context: &RecordContext<'_>,
        level: log::Level,
        record: &[u8],
    ) -> Result<(), Error> {
        let inner = &*self.0;
        let own_path = inner.registry.own_path(context);
        let scope = own_path.as_ref().unwrap_or(context.scope());
        let time = context.time();
        let durable = level <= inner.fsync_level;
        let written = inner.registry.with(scope, |file| {
            if let Some(queue) = &inner.queue {
                return queue.enqueue(file, record, time, durable);
            }
            if durable {
                file.append_durable(record, time)
            } else {
                file.append(record, time)
            }
        });
        match written {
            Ok(result) => result,
            Err(NoPath::NotOurs) => {
                self.skip();
                Ok(())
            }
            Err(NoPath::Refused(err)) => {
                self.refuse();
                Err(err)
            }
        }
    }

    /// Counts a record that is no equipment's.
    fn skip(&self) {
        self.0.skipped.add(1);
    }

    /// Counts a record whose equipment may not become a path.
    fn refuse(&self) {
        self.0.refused.add(1);
    }

    /// Our own line, for this sink's host.
    #[cfg_attr(not(feature = "log4rs"), allow(dead_code, reason = "fern's dispatch formats"))]
    pub(crate) fn line_format(&self) -> &LineFormat {
        &self.0.line
    }

    /// Where the scope's records go. `None`: the scope lacks a tag that the path names, or a tag's
    /// value may not become part of a path.
    pub fn path(&self, scope: &Scope) -> Option<PathBuf> {
        self.0.registry.path(scope)
    }

    /// What became of every record so far.
    pub fn stats(&self) -> Stats {
        self.flush();
        self.counts()
    }

    fn counts(&self) -> Stats {
        let mut stats = Stats {
            skipped: self.0.skipped.get(),
            filtered: self.0.filtered.get(),
            refused: self.0.refused.get(),
            open: self.0.registry.open_files.len() as u64,
            ..Stats::default()
        };
        (stats.equipment, stats.total) = self.0.registry.counts();
        stats.total.lost += self.0.panicked.get();
        stats
    }

    /// Returns when every record handed over before this call is in the kernel, or counted as lost:
    /// at once without a queue, since a record is then written before its log call returns.
    pub fn flush(&self) {
        let _ = self.written();
    }

    /// The same, with the reason why nothing more will be written.
    fn written(&self) -> Result<(), Error> {
        self.0.queue.as_ref().map_or(Ok(()), |queue| queue.flush())
    }

    /// Makes every record written so far durable, also where its file was closed meanwhile. What was
    /// moved or deleted by others is theirs.
    ///
    /// # Errors
    ///
    /// [`Error::is_sync`]: the first failure, after all files were tried.
    pub fn sync(&self) -> Result<(), Error> {
        self.written()?;
        let known = for_each_log(self.0.registry.logs(), LogFile::sync);
        known.and(self.0.registry.sync_forgotten())
    }

    /// Lets the next record of each log open its path anew: for a handler of `SIGHUP`, after a
    /// program has moved the files.
    pub fn reopen(&self) {
        self.flush();
        self.0.registry.logs().iter().for_each(|log| log.reopen());
    }

    /// Closes all files of one piece of equipment: waits for the records that are being written,
    /// and syncs. A later record opens them again.
    ///
    /// # Errors
    ///
    /// [`Error::is_sync`]: the first failure, after all its files are closed.
    pub fn close(&self, equipment: &EquipmentId) -> Result<(), Error> {
        self.written()?;
        let closed = for_each_log(self.0.registry.logs_of(equipment), LogFile::close);
        self.0.registry.forget(equipment);
        closed
    }

    /// Closes the files of all equipment, as [`close`](EquipmentSink::close) does for one.
    ///
    /// # Errors
    ///
    /// [`Error::is_sync`]: the first failure, after all files are closed.
    pub fn close_all(&self) -> Result<(), Error> {
        self.written()?;
        let closed = for_each_log(self.0.registry.logs(), LogFile::close);
        self.0.registry.forget_all();
        closed
    }

    #[cfg_attr(
        not(feature = "log4rs"),
        allow(dead_code, reason = "only log4rs makes sinks by itself")
    )]
    pub(crate) fn downgrade(&self) -> WeakSink {
        WeakSink(Arc::downgrade(&self.0))
    }
}

/// Calls `f` with every log, also after one has failed. Returns the first error.
fn for_each_log(
    logs: Vec<Arc<LogFile>>,
    f: impl Fn(&LogFile) -> Result<(), Error>,
) -> Result<(), Error> {
    // Each reference is given back at once: a log can be forgotten only when no other is left.
    logs.into_iter().map(|log| f(&log)).fold(Ok(()), Result::and)
}

impl fmt::Debug for EquipmentSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EquipmentSink")
            .field("local_root", &self.0.registry.local_root())
            .field("logs", &self.0.registry.len())
            .finish_non_exhaustive()
    }
}

/// A sink that is not kept open by this.
#[derive(Clone)]
#[cfg_attr(not(feature = "log4rs"), allow(dead_code, reason = "only log4rs makes sinks by itself"))]
pub(crate) struct WeakSink(Weak<Inner>);

#[cfg_attr(not(feature = "log4rs"), allow(dead_code, reason = "only log4rs makes sinks by itself"))]
impl WeakSink {
    pub(crate) fn upgrade(&self) -> Option<EquipmentSink> {
        self.0.upgrade().map(EquipmentSink)
    }
}
