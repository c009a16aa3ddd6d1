//! How a sink is built, what it keeps when its configuration is edited, and how it ends.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::resolve::Rules;
use super::{Core, EquipmentSink, Inner};
use crate::clock::Time;
use crate::config::Settings;
use crate::error::{Error, Kind};
use crate::file::{limit_open_files, LogFile, RootDir};
use crate::line::LineFormat;
use crate::locks::LockExt as _;
use crate::process::idle::IdleWatch;
use crate::process::machine;
use crate::queue::{Queue, Unwritten};
use crate::registry::Registry;
use crate::report::Reporter;
use crate::stats::Counter;

impl EquipmentSink {
    pub(crate) fn from_settings(settings: Settings) -> Result<EquipmentSink, Error> {
        let root = RootDir::new(settings.layout.root().to_owned(), settings.access);
        let gap_head = LineFormat::new(&settings.hostname).gap_head();
        let queue = settings.queue.map(Queue::start).transpose()?;
        let reloadable = ReloadableSettings::of(&settings)?;
        let core = Core {
            queue,
            registry: Arc::new(Registry::new(
                settings.layout,
                root,
                gap_head,
                settings.max_open_files,
            )),
            watch: Mutex::default(),
            skipped: Counter::default(),
            filtered: Counter::default(),
            refused: Counter::default(),
            unformatted: Counter::default(),
            drain_reported: AtomicBool::new(false),
        };
        let sink = reloadable.build_on(Arc::new(core))?;
        sink.take_effect();
        // Also if this root is absolute: the next root may be relative.
        machine::keep_working_directory();
        Ok(sink)
    }

    /// The same sink with other settings: it keeps its logs, its queue and its counters. The place (`local_root`,
    /// `hostname`, `path`), the modes, `follow_links`, `rotation` and `queue` of `settings` must be those of this sink.
    /// The limit of open files and the idle timeout in `settings` hold from [`take_effect`](EquipmentSink::take_effect)
    /// on.
    pub(crate) fn with_settings(&self, settings: Settings) -> Result<EquipmentSink, Error> {
        ReloadableSettings::of(&settings)?.build_on(Arc::clone(&self.0.core))
    }

    /// Applies these settings to the core as well, when they are installed. A second call changes nothing.
    pub(crate) fn take_effect(&self) {
        let core = &*self.0.core;
        limit_open_files(&core.registry.open_files, self.0.max_open_files);
        let mut watch = core.watch.lock_any();
        if let Some(new) = self.0.new_watch.lock_any().take() {
            new.begin();
            *watch = Some(new);
        } else if self.0.idle_timeout.is_none() {
            *watch = None;
        }
    }

    /// Whether `other` is the same sink, perhaps with other settings.
    pub(crate) fn is_same_as(&self, other: &EquipmentSink) -> bool {
        Arc::ptr_eq(&self.0.core, &other.0.core)
    }

    /// Whether this is the last reference to the sink.
    pub(crate) fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && Arc::strong_count(&self.0.core) == 1
    }
}

/// How many records of each log are not written; the log is a path below `local_root`.
pub(super) fn by_log(unwritten: Vec<Unwritten<LogFile>>) -> Vec<(String, u64)> {
    let of = |it: Unwritten<LogFile>| (it.log.relative().display().to_string(), it.records);
    unwritten.into_iter().map(of).collect()
}

impl Drop for Core {
    /// Waits for queued records, `drain_timeout` at most. Then it reports the records that are not written, and those
    /// that failed.
    fn drop(&mut self) {
        let Some(mut queue) = self.queue.take() else { return };
        let reported = *self.drain_reported.get_mut();
        let waited = if reported { Duration::ZERO } else { queue.drain_timeout() };
        let records = by_log(queue.close(waited));
        let mut errors = queue.take_errors();
        if !records.is_empty() && !reported {
            errors.push(Error::from(Kind::NotDrained { waited, records }));
        }
        if errors.is_empty() {
            return;
        }
        let reporter = Reporter::new(None);
        errors.into_iter().for_each(|error| reporter.event(error, Time::now()));
    }
}

/// The part of the settings that an edit of the configuration may change, except the host in `line`.
struct ReloadableSettings {
    max_open_files: Option<usize>,
    idle_timeout: Option<Duration>,
    fsync_level: log::LevelFilter,
    line: LineFormat,
    rules: Rules,
}

impl ReloadableSettings {
    fn of(settings: &Settings) -> Result<ReloadableSettings, Error> {
        let mut line = LineFormat::new(&settings.hostname).control_characters(settings.control);
        line.precision = settings.precision;
        let Settings { targets, unscoped, level, levels, .. } = settings;
        Ok(ReloadableSettings {
            max_open_files: settings.max_open_files,
            idle_timeout: settings.idle_timeout,
            fsync_level: settings.fsync_level,
            line,
            rules: Rules::new(targets.clone(), unscoped.clone(), *level, levels.clone())?,
        })
    }

    fn build_on(self, core: Arc<Core>) -> Result<EquipmentSink, Error> {
        let ReloadableSettings { max_open_files, idle_timeout, fsync_level, line, rules } = self;
        let watch = |timeout| IdleWatch::new(Arc::clone(&core.registry) as _, timeout);
        Ok(EquipmentSink(Arc::new(Inner {
            new_watch: Mutex::new(idle_timeout.map(watch).transpose()?),
            idle_timeout,
            core,
            max_open_files,
            fsync_level,
            control: line.control,
            line,
            rules,
        })))
    }
}
