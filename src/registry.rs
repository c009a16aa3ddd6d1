//! [`Registry`]: finds the log of a context. The number of logs that it remembers is bounded.
//!
//! The invariant: one path has one [`LogFile`], and no two known paths differ by letter case only.
//!
//! A log is forgotten when nothing is left to know of it: its file is closed, it owes no line about lost records, and
//! the last strong reference to it is this registry's. This is checked under the lock, and references are given out
//! under the lock, so that there is never a second `LogFile` of one path.
//!
//! Lock order: the lock of a file system's sync, then the lock of [`Logs`], then `process::SPELLINGS`. Nothing that waits
//! for a file is called under the last two.

mod spellings;
mod unsynced;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{fence, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::spellings::Spellings;
use self::unsynced::Unsynced;
use crate::context::{CachedLog, RecordContext, Scope};
use crate::equipment_id::EquipmentId;
use crate::error::Error;
use crate::file::{self, LogFile, RootDir};
use crate::layout::{Layout, NoPath, PathValues};
use crate::locks::LockExt as _;
use crate::process;
use crate::process::descriptors::OpenFiles;
use crate::process::idle::Idle;
use crate::stats::Counts;

/// The logs are swept for those that can be forgotten when there are twice as many as the last sweep left, and at
/// least this many. So each new log costs a constant share of a sweep.
const FEWEST_LOGS_TO_SWEEP: usize = 64;

#[derive(Debug)]
pub(crate) struct Registry {
    /// The number of this sink, by which a scope finds the log that it has cached for the sink.
    sink: u64,
    layout: Layout,
    root: Arc<RootDir>,
    /// ` [WARN ] [host:labpc-04]`: the text behind the time in a line that reports missing records.
    gap_head: String,
    pub(crate) open_files: Arc<OpenFiles>,
    /// Taken when a scope logs for the first time, and by calls that are about many logs.
    logs: Mutex<Logs>,
}

#[derive(Debug, Default)]
struct Logs {
    /// The logs of each piece of equipment, by the layout's key.
    by_equipment: HashMap<EquipmentId, HashMap<Box<str>, Arc<LogFile>>>,
    len: usize,
    /// How many logs there are when the next sweep is due.
    sweep_at: usize,
    spellings: Spellings,
    /// The sum of the counters of the logs that were forgotten.
    forgotten: Counts,
    unsynced: Unsynced,
}

impl Registry {
    pub(crate) fn new(
        layout: Layout,
        root: RootDir,
        gap_head: String,
        max_open_files: Option<usize>,
    ) -> Registry {
        Registry {
            sink: process::next_sink_number(),
            layout,
            root: Arc::new(root),
            gap_head,
            open_files: file::open_files(max_open_files),
            logs: Mutex::default(),
        }
    }

    /// The log of a record: usually the log that the record's scope has cached.
    ///
    /// # Errors
    ///
    /// The record has no path here.
    #[inline]
    pub(crate) fn log_of<'c>(&self, context: &'c RecordContext<'_>) -> Result<LogRef<'c>, NoPath> {
        if self.carries_path(context) {
            return self.log_of_carried(context);
        }
        match context.scope().cached_log(self.sink) {
            Some(log) => Ok(LogRef::Cached(log)),
            None => self.log_to_cache(context.scope()),
        }
    }

    /// Whether the record itself carries a tag that the path names: then the scope alone does not decide the path.
    #[inline]
    fn carries_path(&self, context: &RecordContext<'_>) -> bool {
        self.layout.names_tags() && self.layout.tags().any(|key| context.carries(key))
    }

    #[cold]
    fn log_of_carried(&self, context: &RecordContext<'_>) -> Result<LogRef<'static>, NoPath> {
        self.find_or_add(context).map(LogRef::Found)
    }

    #[cold]
    fn log_to_cache(&self, scope: &Scope) -> Result<LogRef<'static>, NoPath> {
        let log = self.find_or_add(scope)?;
        scope.cache_log(self.sink, &log);
        Ok(LogRef::Found(log))
    }

    fn find_or_add(&self, values: &impl PathValues) -> Result<Arc<LogFile>, NoPath> {
        let mut rendered = String::new();
        let key = self.layout.key(values, &mut rendered).ok_or(NoPath::MissingTag)?;
        let mut logs = self.logs.lock_any();
        match logs.get(values.equipment_id(), key) {
            Some(log) => Ok(Arc::clone(log)),
            None => self.add(&mut logs, values, key),
        }
    }

    fn add(
        &self,
        logs: &mut Logs,
        values: &impl PathValues,
        key: &str,
    ) -> Result<Arc<LogFile>, NoPath> {
        let relative = self.layout.relative(values)?;
        if logs.len >= logs.sweep_at {
            self.sweep(logs);
        }
        let equipment = values.equipment_id();
        logs.claim(&self.layout, equipment, &relative).map_err(NoPath::Refused)?;
        let gap_head = format!("{} [equip:{equipment}] ", self.gap_head);
        let log = LogFile::new(&self.root, Path::new(&relative), &gap_head, &self.open_files);
        let of_equipment = logs.by_equipment.entry(equipment.clone()).or_default();
        of_equipment.insert(key.into(), Arc::clone(&log));
        logs.len += 1;
        Ok(log)
    }

    /// Where this scope's records go; `None` where it lacks a tag that the path names, or is refused.
    pub(crate) fn path(&self, scope: &Scope) -> Option<PathBuf> {
        Some(self.layout.root().join(self.layout.relative(scope).ok()?))
    }

    /// The known logs of one piece of equipment.
    pub(crate) fn logs_of(&self, equipment: &EquipmentId) -> Vec<Arc<LogFile>> {
        let logs = self.logs.lock_any();
        let of_equipment = logs.by_equipment.get(equipment);
        of_equipment.into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// Every known log.
    pub(crate) fn logs(&self) -> Vec<Arc<LogFile>> {
        let logs = self.logs.lock_any();
        logs.by_equipment.values().flat_map(HashMap::values).cloned().collect()
    }

    /// The counters of the equipment of each known log, and the sum over all logs, forgotten ones included.
    pub(crate) fn counts(&self) -> (BTreeMap<EquipmentId, Counts>, Counts) {
        let logs = self.logs.lock_any();
        let mut total = logs.forgotten;
        let mut by_equipment = BTreeMap::new();
        for (equipment, of_equipment) in &logs.by_equipment {
            let mut counts = Counts::default();
            of_equipment.values().for_each(|log| counts += log.counters.counts());
            total += counts;
            by_equipment.insert(equipment.clone(), counts);
        }
        (by_equipment, total)
    }

    /// The file systems on which forgotten logs have records that are not known to be on disk, and a failed sync of a
    /// forgotten log that no call has returned.
    pub(crate) fn take_unsynced(&self) -> (Vec<u64>, Option<Error>) {
        let unsynced = &mut self.logs.lock_any().unsynced;
        (unsynced.all(), unsynced.take_failed())
    }

    /// The same for the forgotten logs of one piece of equipment. `may_have_forgotten`: also for those of which it is not
    /// known whether they are logs of this equipment.
    pub(crate) fn take_unsynced_of(
        &self,
        equipment: &EquipmentId,
        may_have_forgotten: bool,
    ) -> (Vec<u64>, Option<Error>) {
        let unsynced = &mut self.logs.lock_any().unsynced;
        (unsynced.of(equipment, may_have_forgotten), unsynced.take_failed_of(equipment))
    }

    /// Makes durable what was written to the forgotten logs on a file system.
    pub(crate) fn sync_file_system(&self, number: u64) -> Result<(), Error> {
        let syncing = self.logs.lock_any().unsynced.syncing(number);
        let Some(syncing) = syncing else { return Ok(()) };
        // A second caller waits for the first: what that one is syncing is not on disk yet.
        let _syncing = syncing.lock_any();
        let to_sync = self.logs.lock_any().unsynced.to_sync(number, &syncing);
        let Some((folder, added)) = to_sync else { return Ok(()) };
        let synced = self.root.sync_file_system(number, &folder);
        // A file system that is gone stays so: this is reported once.
        if synced.as_ref().err().is_none_or(Error::is_not_found) {
            self.logs.lock_any().unsynced.done(number, added);
        }
        synced
    }

    /// Whether this equipment may have files of a forgotten log that its known logs do not sync: all of them, those of
    /// other tags, or rotated ones.
    pub(crate) fn may_have_forgotten(&self, known: &[Arc<LogFile>]) -> bool {
        known.is_empty() || self.layout.names_tags() || self.root.rotation().is_some()
    }

    /// The folder below which every log is.
    pub(crate) fn local_root(&self) -> &Path {
        self.layout.root()
    }

    /// How many logs are known.
    pub(crate) fn len(&self) -> usize {
        self.logs.lock_any().len
    }

    /// Forgets each log of one piece of equipment that can be forgotten.
    pub(crate) fn forget(&self, equipment: &EquipmentId) {
        self.logs.lock_any().forget(&self.layout, equipment);
    }

    /// Forgets each log that can be forgotten.
    pub(crate) fn forget_all(&self) {
        self.sweep(&mut self.logs.lock_any());
    }

    fn sweep(&self, logs: &mut Logs) {
        let all: Vec<EquipmentId> = logs.by_equipment.keys().cloned().collect();
        all.iter().for_each(|equipment| logs.forget(&self.layout, equipment));
        logs.sweep_at = FEWEST_LOGS_TO_SWEEP.max(2 * logs.len);
    }
}

/// A reference to a log: the scope's, or one of its own.
pub(crate) enum LogRef<'c> {
    Cached(CachedLog<'c>),
    Found(Arc<LogFile>),
}

impl Deref for LogRef<'_> {
    type Target = Arc<LogFile>;

    #[inline]
    fn deref(&self) -> &Arc<LogFile> {
        match self {
            LogRef::Cached(log) => log,
            LogRef::Found(log) => log,
        }
    }
}

impl Logs {
    fn get(&self, equipment: &EquipmentId, key: &str) -> Option<&Arc<LogFile>> {
        self.by_equipment.get(equipment)?.get(key)
    }

    /// Refuses equipment, or a path, whose spelling differs by letter case only from a known one.
    fn claim(
        &mut self,
        layout: &Layout,
        equipment: &EquipmentId,
        relative: &str,
    ) -> Result<(), Error> {
        if !self.by_equipment.contains_key(equipment) {
            equipment.claim_spelling()?;
        }
        let claimed = match layout.names_tags() {
            true => self.spellings.claim(relative),
            false => Ok(()),
        };
        if claimed.is_err() && !self.by_equipment.contains_key(equipment) {
            equipment.release_spelling();
        }
        claimed
    }

    fn forget(&mut self, layout: &Layout, equipment: &EquipmentId) {
        let Some(of_equipment) = self.by_equipment.get_mut(equipment) else { return };
        of_equipment.retain(|_, log| {
            // Others get a reference from this map alone, under its lock, or from one that they have.
            if Arc::strong_count(log) > 1 {
                return true;
            }
            // What the last holder of another reference did is seen from here on.
            fence(Ordering::Acquire);
            if !log.owes_nothing() {
                return true;
            }
            self.unsynced.add(equipment, log);
            self.forgotten += log.counters.counts();
            self.len -= 1;
            if layout.names_tags() {
                self.spellings.release(log.relative());
            }
            false
        });
        if of_equipment.is_empty() {
            self.by_equipment.remove(equipment);
            equipment.release_spelling();
        }
    }
}

impl Idle for Registry {
    fn close_idle(&self, timeout: Duration) {
        self.open_files.close_idle(timeout);
        self.forget_all();
    }
}

impl Drop for Registry {
    /// A scope may cache a log for longer than the sink lives: that must not keep a file open.
    fn drop(&mut self) {
        let logs = std::mem::take(&mut *self.logs.lock_any());
        for (equipment, of_equipment) in logs.by_equipment {
            of_equipment.values().for_each(|log| log.hand_on());
            equipment.release_spelling();
        }
    }
}
