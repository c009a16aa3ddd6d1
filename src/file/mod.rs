//! [`LogFile`]: one log at one path, open or not: append, heal, share syncs, notice moves, rotate.
//!
//! Imports `error` and `stats`. Everything here that blocks concerns this file alone: no lock of
//! another file's, and none that all files share, is held over an open, a write or a sync.

mod batch;
mod durable;
mod fresh;
mod gap;
mod group;
mod idle;
mod open;
mod open_files;
mod queued;
mod room;
mod root;
mod rotate;
mod rotation;
pub(crate) mod sys;
mod write;

/// The lock and the condition variable under the state machines of this folder.
mod sync {
    pub(super) use std::sync::{Condvar, Mutex, PoisonError};
}

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;

pub(crate) use batch::Batch;
pub(crate) use gap::Gap;
use gap::Gaps;
pub(crate) use idle::Watch;
pub(crate) use open::OpenFile;
use open_files::{Holder, Why};
use queued::Queued;
pub(crate) use root::{Access, Root};
pub(crate) use rotation::{parse_size, Rotation};
pub use rotation::{Compress, Every, Keep};

use crate::error::{Doing, Error};
use crate::stats::Tally;

/// The open files of one sink.
pub(crate) type OpenFiles = open_files::OpenFiles<LogFile>;

/// Every sink's open files, since they share the process's descriptors.
static OF_ALL_SINKS: Mutex<Vec<Weak<OpenFiles>>> = Mutex::new(Vec::new());

/// The open files of a new sink.
pub(crate) fn open_files(limit: usize) -> Arc<OpenFiles> {
    let open_files = Arc::new(OpenFiles::new(limit));
    let mut all = OF_ALL_SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|sink| sink.strong_count() > 0);
    all.push(Arc::downgrade(&open_files));
    open_files
}

/// Lets a file of any sink go. `false` where none is open.
fn evict_of_any_sink() -> bool {
    let all = OF_ALL_SINKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.iter().filter_map(Weak::upgrade).any(|sink| sink.evict_one())
}

/// Puts the line that says a gap into a buffer.
pub(crate) type SayGap<'a> = &'a dyn Fn(&Gap, &mut Vec<u8>);

/// In this order, on the processor's own boundary: what every record reads or writes stands first, and
/// so in one line of its cache. With thousands of logs each line costs a record a tenth of a microsecond.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct LogFile {
    open: ArcSwapOption<OpenFile>,
    /// When it was last used: milliseconds, and below them the count of a thread's records.
    last_used: AtomicU64,
    gaps: Gaps,
    pub(crate) tally: Tally,
    pub(crate) queued: Queued,
    /// How many of the records written are covered by a sync of the whole. Outlives the descriptor.
    synced: AtomicU64,
    /// Held by whoever opens the file.
    opening: Mutex<()>,
    root: Arc<Root>,
    path: Box<Path>,
    open_files: Arc<OpenFiles>,
    me: Weak<LogFile>,
}

impl LogFile {
    /// A log at `relative` below the root. Nothing is opened or created yet.
    pub(crate) fn new(
        root: &Arc<Root>,
        relative: &Path,
        open_files: &Arc<OpenFiles>,
    ) -> Arc<LogFile> {
        Arc::new_cyclic(|me| LogFile {
            open: ArcSwapOption::empty(),
            last_used: AtomicU64::new(0),
            tally: Tally::default(),
            gaps: Gaps::default(),
            queued: Queued::default(),
            synced: AtomicU64::new(0),
            opening: Mutex::new(()),
            root: Arc::clone(root),
            path: root.path().join(relative).into(),
            open_files: Arc::clone(open_files),
            me: me.clone(),
        })
    }

    /// A reference that keeps the log.
    pub(crate) fn shared(&self) -> Option<Arc<LogFile>> {
        self.me.upgrade()
    }

    /// The path below the root.
    pub(crate) fn relative(&self) -> &Path {
        self.path.strip_prefix(self.root.path()).unwrap_or(&self.path)
    }

    /// Appends one record, which ends with `\n`. When this returns it is in the kernel.
    #[inline(always)]
    pub(crate) fn append(&self, record: &[u8], say_gap: SayGap<'_>) -> Result<(), Error> {
        let now_ms = sys::coarse_millis();
        self.last_used.store(stamp(now_ms), Ordering::Relaxed);
        let open = self.open.load();
        let result = match &*open {
            Some(open)
                if !open.rotates && (!open.check_is_due(now_ms) || self.still_there(open)) =>
            {
                self.write(open, record, say_gap)
            }
            _ => {
                drop(open);
                self.append_after_a_look(now_ms, record, say_gap)
            }
        };
        self.count(&result);
        result
    }

    /// The same where the file is to be opened first, or may be to be rotated.
    #[inline(never)]
    fn append_after_a_look(
        &self,
        now_ms: u64,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> Result<(), Error> {
        match self.root.rotation() {
            Some(rotation) => self.append_rotating(rotation, now_ms, record, say_gap)?.trouble,
            None => self.open_again(now_ms).and_then(|open| self.write(&open, record, say_gap)),
        }
    }

    #[inline]
    fn count<T>(&self, written: &Result<T, Error>) {
        match written {
            Err(err) if !err.is_rotation() => self.lose(1, err),
            _ => self.tally.written.add(1),
        }
    }

    /// Counts records that are not whole in the file, for the line that will say so.
    #[cold]
    pub(crate) fn lose(&self, records: u64, err: &Error) {
        self.tally.lost.add(records);
        self.gaps.add(records, || err.reason());
    }

    /// Says, before the next record, that others are missing here; they are counted already.
    pub(crate) fn say_missing(&self, gap: Gap) {
        self.gaps.put_later(gap);
    }

    /// The open file, opened now if it is not.
    fn open_again(&self, now_ms: u64) -> Result<Arc<OpenFile>, Error> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = self.open.load_full() {
            return Ok(open);
        }
        let ticket = self.open_files.admit(&self.me);
        let opened = self.making_room(|| self.root.open(self.relative())).and_then(|opened| {
            OpenFile::new(opened, ticket, now_ms, self.root.rotation())
                .map_err(|err| Error::io(Doing::Inspect, &self.path, err))
        });
        match opened {
            Ok(open) => {
                let open = Arc::new(open);
                self.gaps.take_over(&self.path);
                self.tally.opened.add(1);
                self.open.store(Some(Arc::clone(&open)));
                self.open_files.opened(ticket);
                Ok(open)
            }
            Err(err) => {
                self.open_files.remove(ticket);
                self.tally.open_failures.add(1);
                Err(err)
            }
        }
    }

    /// Tries again for as long as there is no descriptor left and a file can be let go.
    fn making_room<T>(&self, attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match attempt() {
                Err(err)
                    if err.io_error().is_some_and(sys::out_of_descriptors)
                        && (self.open_files.evict_one() || evict_of_any_sink()) => {}
                result => return result,
            }
        }
    }

    /// Whether the path still leads to the open file. If not, the next record opens it anew.
    #[inline(never)]
    fn still_there(&self, open: &Arc<OpenFile>) -> bool {
        let there = open.is_at(&self.path);
        if !there && self.retire(open) {
            self.tally.reopened.add(1);
        }
        there
    }

    /// Takes this descriptor from use: it is closed when the last that is writing through it has
    /// done so. `false` where that had been done.
    fn retire(&self, open: &Arc<OpenFile>) -> bool {
        let before = self.open.compare_and_swap(open, None);
        let retired = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, open));
        if retired {
            self.open_files.remove(open.ticket);
        }
        retired
    }

    fn take(&self) -> Option<Arc<OpenFile>> {
        let open = self.open.swap(None);
        if let Some(open) = &open {
            self.open_files.remove(open.ticket);
        }
        open
    }

    /// Whether nothing is left to do for this log: its file is closed, and no line about lost records is due.
    pub(crate) fn owes_nothing(&self) -> bool {
        self.open.load().is_none() && !self.gaps.due() && self.queued.owes_nothing()
    }

    /// Nobody will write any more.
    pub(crate) fn let_go_for_good(&self) {
        drop(self.take());
        self.queued.take_dropped().into_iter().for_each(|gap| self.say_missing(gap));
        self.gaps.leave_to_next(&self.path);
    }

    /// Lets the next record open the path anew.
    pub(crate) fn reopen(&self) {
        if self.take().is_some() {
            self.tally.reopened.add(1);
        }
    }
}

impl Holder for LogFile {
    fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    type Held = Arc<OpenFile>;

    fn let_go(&self, why: Why) -> Option<Arc<OpenFile>> {
        let open = self.open.swap(None)?;
        match why {
            Why::Evicted => self.tally.evicted.add(1),
            Why::Idle => self.tally.idle_closed.add(1),
        }
        Some(open)
    }
}

/// Room below the milliseconds of a stamp to tell apart a million records of one moment.
const STAMP_COUNT_BITS: u32 = 20;

/// A number that grows with each use: the coarse clock's milliseconds, and below them the thread's
/// own count within the same one, since the clock stands still for thousands of records.
fn stamp(now_ms: u64) -> u64 {
    thread_local! {
        static LAST: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    let now = first_stamp_of(now_ms);
    LAST.try_with(|last| {
        let stamp = now.max(last.get() + 1);
        last.set(stamp);
        stamp
    })
    .unwrap_or(now)
}

fn first_stamp_of(now_ms: u64) -> u64 {
    now_ms << STAMP_COUNT_BITS
}

/// The text of a configuration file.
#[cfg_attr(
    not(any(feature = "log4rs", feature = "yaml")),
    allow(dead_code, reason = "only YAML is read from files")
)]
pub(crate) fn read_config(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|err| Error::io(Doing::ReadConfig, path, err))
}
