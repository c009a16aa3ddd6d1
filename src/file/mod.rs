//! [`LogFile`]: one log at one path, open or not. It appends, repairs, shares syncs, notices that its file was moved,
//! and rotates.
//!
//! The invariant: over an open, a write, a sync or a close, no lock is held that another log needs. A file system
//! that hangs blocks its own logs alone.
//!
//! Lock order: `syncing`, then `opening`, then a descriptor pool's, then `retired_in_use`, then `UnsyncedFiles`. `repairing`, then the lock of
//! `pending_gap`. `failed_sync` is taken last.

mod answer;
mod batch;
#[cfg(any(feature = "log4rs", feature = "yaml"))]
mod config_text;
mod descriptors;
mod durable;
mod folder_entries;
mod gap;
mod last_syncs;
mod obstacle;
mod open;
#[cfg(feature = "log4rs")]
mod probe;
mod retired;
mod root;
mod root_syncs;
mod rotation;
mod shared_sync;
mod size_budget;
pub(crate) mod sys;
mod write;

/// The locks of the state machines of this folder. `loom_tests` replaces them by those of a model checker.
mod locks {
    pub(super) use std::sync::{Condvar, Mutex};
}

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwapOption;

pub(crate) use batch::{Batch, BatchOutcome};
#[cfg(any(feature = "log4rs", feature = "yaml"))]
pub(crate) use config_text::read_config;
pub(crate) use descriptors::{limit_open_files, open_files};
use folder_entries::FolderEntries;
pub(crate) use gap::Gap;
use gap::PendingGap;
use last_syncs::LastSyncs;
use open::OpenFile;
#[cfg(feature = "log4rs")]
pub(crate) use probe::cannot_be_made;
pub(crate) use root::{Access, RootDir};
use rotation::RotationState;
pub(crate) use rotation::{
    may_be_rotated, may_end_rotated, parse_size, Rotation, LONGEST_ROTATED_ENDING,
};
pub use rotation::{Compress, Every, Keep};

use crate::clock::Time;
use crate::error::{Error, Operation};
use crate::locks::LockExt as _;
use crate::process::descriptors::{Evictable, OpenFiles};
use crate::stats::FileCounters;

/// Field order matters: what every record uses comes first and shares one cache line. With thousands of
/// logs each further line costs a record about 100 ns.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct LogFile {
    open: ArcSwapOption<OpenFile>,
    /// The time of the log's last record, in nanoseconds since 1970.
    last_used: AtomicI64,
    pending_gap: PendingGap,
    pub(crate) counters: FileCounters,
    /// A number by which the queue finds its own state of this log; 0 at first.
    pub(crate) queue_slot: AtomicU64,
    /// How many of the written records are covered by a sync of the whole log. It outlives the descriptor.
    synced: AtomicU64,
    /// The number of the last file system that the file was on and that is synced as a whole; 0: none.
    file_system: AtomicU64,
    /// Held by the call that syncs the whole log.
    syncing: Mutex<()>,
    /// The last sync that failed, until a call that syncs the whole log returns it.
    failed_sync: Mutex<Option<Error>>,
    last_syncs: Arc<LastSyncs>,
    /// Whether the entries of the file and of its folders are on disk.
    folder_entries: FolderEntries,
    /// The descriptors that new records no longer use, and through which a thread may still be writing. This lock is
    /// taken under the lock of a descriptor pool: no other is taken under it but that of the unsynced files.
    retired_in_use: Mutex<Vec<Weak<OpenFile>>>,
    /// None: the log is not rotated.
    rotation: Option<Box<RotationState>>,
    /// Held by the thread that opens or rotates the file. The `birth` of the file that was opened last.
    opening: Mutex<Option<NonZeroU64>>,
    /// Whether the registry is gone. Then no descriptor stays open, and no gap stays here.
    is_handed_on: AtomicBool,
    root: Arc<RootDir>,
    path: Box<Path>,
    /// The text between the time and the message of the line that reports a gap.
    gap_head: Box<str>,
    open_files: Arc<OpenFiles>,
}

/// When [`LogFile::current`] checks that the path still leads to the open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathCheck {
    /// Twice a second at most.
    IfDue,
    /// At once: a durable record must be in the file that the path leads to.
    Now,
}

impl LogFile {
    /// A log at `relative` below the root. Nothing is opened or created yet.
    ///
    /// `gap_head` is the text between the time and the message of the line that reports missing records, such as `
    /// [WARN ] [host:h] [equip:EQ] `.
    pub(crate) fn new(
        root: &Arc<RootDir>,
        relative: &Path,
        gap_head: &str,
        open_files: &Arc<OpenFiles>,
    ) -> Arc<LogFile> {
        Arc::new_cyclic(|me| LogFile {
            open: ArcSwapOption::empty(),
            last_used: AtomicI64::new(0),
            counters: FileCounters::default(),
            pending_gap: PendingGap::default(),
            queue_slot: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            file_system: AtomicU64::new(0),
            syncing: Mutex::new(()),
            failed_sync: Mutex::new(None),
            last_syncs: LastSyncs::new(me),
            folder_entries: FolderEntries::default(),
            retired_in_use: Mutex::default(),
            rotation: root.rotation().map(|_| Box::default()),
            opening: Mutex::default(),
            is_handed_on: AtomicBool::new(false),
            root: Arc::clone(root),
            path: root.path().join(relative).into(),
            gap_head: gap_head.into(),
            open_files: Arc::clone(open_files),
        })
    }

    /// The path below the root.
    pub(crate) fn relative(&self) -> &Path {
        self.path.strip_prefix(self.root.path()).unwrap_or(&self.path)
    }

    /// Appends one record, which ends with `\n`. When this returns `Ok` it is in the kernel.
    ///
    /// # Errors
    ///
    /// A rotation error: the record is written, into a file that could not be rotated. Any other error: the record is
    /// lost, and counted as lost.
    #[inline]
    pub(crate) fn append(&self, record: &[u8], time: Time) -> Result<(), Error> {
        self.last_used.store(time.nanos(), Ordering::Relaxed);
        let open = self.open.load();
        match &*open {
            Some(open) if open.try_reserve(record, time) => {
                let result = self.write(open, record, time);
                self.count(&result, time);
                result
            }
            _ => {
                drop(open);
                self.append_slow(record, time)
            }
        }
    }

    /// Slow path of `append`: the file must be opened or looked at, or may have to be rotated.
    #[inline(never)]
    fn append_slow(&self, record: &[u8], time: Time) -> Result<(), Error> {
        let written = self.append_to_current(record, time, PathCheck::IfDue);
        // Counted while this thread has the descriptor: a thread that closes the log waits for the descriptor, and so
        // sees the record.
        self.count(&written, time);
        written?.rotation_error
    }

    #[inline]
    fn count<T>(&self, written: &Result<T, Error>, time: Time) {
        match written {
            Ok(_) => self.counters.written.add(1),
            Err(err) => self.record_loss(1, err, time),
        }
    }

    /// Counts records that are not whole in the file, for the line that will report them.
    #[cold]
    pub(crate) fn record_loss(&self, records: u64, err: &Error, time: Time) {
        self.counters.lost.add(records);
        self.pending_gap.add(Gap { records, since: time, reason: err.reason() });
    }

    /// Lets a line before the next record report missing records. They are already counted as lost.
    pub(crate) fn adopt_gap(&self, gap: Gap) {
        self.pending_gap.add(gap);
    }

    /// The open file. `check` decides whether the path is checked to lead to it. If no file is open, it is opened
    /// now.
    fn current(&self, time: Time, check: PathCheck) -> Result<Arc<OpenFile>, Error> {
        match self.open.load_full() {
            Some(open) if check == PathCheck::IfDue && !open.claims_check(time) => Ok(open),
            Some(open) if self.still_linked(&open) => Ok(open),
            _ => self.open_again(time),
        }
    }

    fn open_again(&self, time: Time) -> Result<Arc<OpenFile>, Error> {
        let mut last_opened = self.opening.lock_any();
        if let Some(open) = self.open.load_full() {
            return Ok(open);
        }
        let me: Weak<dyn Evictable> = Weak::<LogFile>::clone(self.last_syncs.log());
        let permit = self.open_files.register(me);
        let opened = self.open_in_use().and_then(|opened| {
            OpenFile::new(opened, permit, time, self.root.rotation())
                .map_err(|err| Error::io(Operation::Inspect, &self.path, err))
        });
        match opened {
            Ok(mut open) => {
                // Another file than before: this process or another one has made it, and has perhaps not synced its entry.
                let birth = open.birth();
                if birth.is_none() || *last_opened != birth {
                    self.folder_entries.made();
                }
                *last_opened = birth;
                self.choose_last_sync(&mut open);
                let open = Arc::new(open);
                self.pending_gap.adopt(&self.path);
                self.counters.opened.add(1);
                self.open.store(Some(Arc::clone(&open)));
                open.opened();
                if open.rotates {
                    self.ask_for_first_upkeep(time);
                }
                Ok(open)
            }
            Err(err) => {
                self.counters.open_failures.add(1);
                Err(err)
            }
        }
    }

    /// Whether the path still leads to the open file. If not, the next record opens the path again.
    #[inline(never)]
    fn still_linked(&self, open: &Arc<OpenFile>) -> bool {
        let linked = open.is_at(&self.path) && self.root.holds(&self.path);
        if !linked && self.retire(open) {
            self.folder_entries.made();
            self.counters.reopened.add(1);
        }
        linked
    }

    /// Whether new records are written through this descriptor.
    fn uses(&self, open: &Arc<OpenFile>) -> bool {
        self.open.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, open))
    }

    /// Whether nothing is left to do for this log: its files are closed, no sync before a close is under way, and no line
    /// about lost records is due.
    pub(crate) fn owes_nothing(&self) -> bool {
        !self.is_open()
            && !self.has_retired_in_use()
            && self.last_syncs.all_ended()
            && !self.pending_gap.is_some()
    }

    /// Whether every record that was written is known to be on disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire) >= self.counters.written.get()
    }

    /// The file system whose sync covers the records that are not known to be on disk, and a folder on it.
    pub(crate) fn unsynced_file_system(&self) -> Option<(u64, &Path)> {
        let folder = self.relative().parent()?;
        let number = self.file_system.load(Ordering::Relaxed);
        (number != 0 && !self.is_synced()).then_some((number, folder))
    }

    /// Whether the file is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load().is_some()
    }

    /// Called when the registry of this log is gone: closes the file, and leaves the pending gap to the next log at
    /// this path. A queue may still write records of this log: it calls `close_if_handed_on` after each batch.
    pub(crate) fn hand_on(&self) {
        self.is_handed_on.store(true, Ordering::SeqCst);
        self.close_if_handed_on();
    }

    /// Nobody else closes the file then, as long as a scope has cached this log.
    pub(crate) fn close_if_handed_on(&self) {
        if !self.is_handed_on.load(Ordering::SeqCst) {
            return;
        }
        drop(self.retire_open());
        self.pending_gap.hand_on(&self.path);
    }

    /// Lets the next record open the path again.
    pub(crate) fn reopen(&self) {
        if self.retire_open().is_some() {
            self.folder_entries.made();
            self.counters.reopened.add(1);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod loom_tests;
