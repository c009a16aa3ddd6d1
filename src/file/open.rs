//! [`OpenFile`]: one descriptor from open to close, and what is known of the file's end.
//!
//! The invariants: a record is passed to the kernel whole, in one write. Only a line end is ever appended to a
//! fragment.

use std::cell::Cell;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use super::answer::{answer, attempt, attempt_sync, Answer, Call};
use super::last_syncs::LastSyncs;
use super::root::Opened;
use super::rotation::{FilePeriod, Rotation};
use super::shared_sync::SharedSync;
use super::size_budget::SizeBudget;
use super::sys;
use crate::clock::Time;
use crate::locks::LockExt as _;
use crate::process::closers::close_elsewhere;
use crate::process::descriptors::DescriptorPermit;

/// How long a file that was moved or deleted may go unnoticed, in milliseconds. Half of the second that is
/// promised, since the record itself takes some of it.
const CHECK_EVERY_MS: i64 = 500;

/// The times of successive records, of several threads or of a queue, may go back by this much, in milliseconds. If
/// the clock was set back by more, the check is due at once.
const OUT_OF_ORDER_MS: i64 = 1000;

/// Field order matters, as in [`LogFile`](super::LogFile): the fields that every record reads come first.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct OpenFile {
    /// When the path was last looked at, in milliseconds since 1970.
    last_check_ms: AtomicI64,
    /// Whether the file's last byte may be something other than a line end.
    pub(crate) tail_unverified: AtomicBool,
    /// Whether a record may have to begin a new file.
    pub(crate) rotates: bool,
    /// None only while this is dropped.
    descriptor: Option<Descriptor>,
    pub(crate) identity: sys::Identity,
    /// Held by a thread that checks the end of the file before its write.
    pub(crate) repairing: Mutex<()>,
    pub(crate) budget: SizeBudget,
    pub(super) period: FilePeriod,
    write_lock: sys::WriteLock,
    readable: bool,
    /// Where the last write of the queue through this descriptor ended, if nobody else wrote in between.
    known_end: AtomicU64,
    /// The threads that wait to close the file. The last user of the descriptor sends it to them, to be synced.
    on_last_drop: Mutex<Vec<Sender<Arc<Descriptor>>>>,
    /// If no other thread waits to sync and close the file, it is synced before it is closed, and this knows of it. None:
    /// it need not be synced.
    last_syncs: Option<Arc<LastSyncs>>,
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct Descriptor {
    file: File,
    shared_sync: SharedSync<Code>,
    /// The last field, so that it is dropped after the file is closed.
    permit: DescriptorPermit,
}

/// Why a sync failed, in a form that every thread that waited for the sync gets a copy of.
pub(crate) type Code = (Option<i32>, io::ErrorKind);

impl Descriptor {
    /// Returns when all data that was written before this call is on disk. `true` for the caller that made the
    /// `fdatasync`.
    pub(crate) fn sync(&self) -> io::Result<bool> {
        let supported = Cell::new(true);
        let sync = || {
            let synced = attempt_sync(Call::SyncFile, || self.file.sync_data());
            synced.map(|it| supported.set(it)).map_err(|err| (err.raw_os_error(), err.kind()))
        };
        let synced = self.shared_sync.sync(sync);
        synced.map(|first| first && supported.get()).map_err(|(code, kind)| match code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => kind.into(),
        })
    }

    /// The sync before the descriptor is closed. After a failed sync there is none: a call has reported the failure.
    pub(super) fn sync_at_last(&self) -> io::Result<()> {
        if self.shared_sync.has_failed() {
            return Ok(());
        }
        self.sync().map(drop)
    }
}

/// What became of one write.
pub(crate) enum Wrote {
    Whole,
    /// Only this many bytes fitted.
    Part(usize),
}

impl OpenFile {
    pub(crate) fn new(
        opened: Opened,
        permit: DescriptorPermit,
        time: Time,
        rotation: Option<Rotation>,
    ) -> io::Result<OpenFile> {
        let Opened { file, created, readable } = opened;
        let open = OpenFile {
            identity: attempt(Call::Read, || sys::identity(&file))?,
            rotates: rotation.is_some(),
            budget: SizeBudget::new(&file, rotation)?,
            period: FilePeriod::new(rotation.and_then(|rotation| rotation.every)),
            descriptor: Some(Descriptor { file, shared_sync: SharedSync::new(), permit }),
            tail_unverified: AtomicBool::new(!created),
            repairing: Mutex::new(()),
            write_lock: sys::WriteLock::new(),
            readable,
            known_end: AtomicU64::new(0),
            last_check_ms: AtomicI64::new(time.millis()),
            on_last_drop: Mutex::default(),
            last_syncs: None,
        };
        // A file that ends in a line end is noticed here once, so that the first records need no check.
        if !created && !open.is_torn() {
            open.tail_unverified.store(false, Ordering::Release);
        }
        Ok(open)
    }

    #[inline]
    pub(crate) fn file(&self) -> io::Result<&File> {
        Ok(&self.descriptor()?.file)
    }

    /// A number that tells the file from every other, also from a later one with its inode number. None: the platform or
    /// the file system does not tell. It is a hash, since each log keeps one.
    pub(super) fn birth(&self) -> Option<NonZeroU64> {
        let created = self.file().ok()?.metadata().ok()?.created().ok()?;
        let mut hasher = DefaultHasher::new();
        (sys::file_key(&self.identity)?, created).hash(&mut hasher);
        NonZeroU64::new(hasher.finish())
    }

    #[inline]
    pub(crate) fn descriptor(&self) -> io::Result<&Descriptor> {
        self.descriptor.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Reserves room for the record, if the record may be written without a check of the path, the period and the
    /// size. If this returns `true`, the caller MUST write the record.
    #[inline]
    pub(crate) fn try_reserve(&self, record: &[u8], time: Time) -> bool {
        !self.check_is_due(self.last_check_ms.load(Ordering::Relaxed), time)
            && (!self.rotates
                || (self.period.is_mid_period(time) && self.budget.try_reserve(record)))
    }

    /// Whether the caller is to check that the path still leads to this file: `true` for one caller each time the
    /// check is due.
    pub(crate) fn claims_check(&self, time: Time) -> bool {
        let last = self.last_check_ms.load(Ordering::Relaxed);
        let (order, now) = (Ordering::Relaxed, time.millis());
        self.check_is_due(last, time)
            && self.last_check_ms.compare_exchange(last, now, order, order).is_ok()
    }

    #[inline]
    fn check_is_due(&self, last_ms: i64, time: Time) -> bool {
        let since = time.millis().wrapping_sub(last_ms);
        !(-OUT_OF_ORDER_MS..CHECK_EVERY_MS).contains(&since)
    }

    /// Whether the path still leads to this file. The path of a share that is gone does not.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        match attempt(Call::Inspect, || sys::identity_at(path)) {
            Ok(found) => found == self.identity,
            Err(err) => answer(Call::Inspect, &err) != Answer::Release,
        }
    }

    /// Makes one write, under the platform's write lock if it has one. A write that was interrupted before it wrote
    /// anything is made again. It is inlined into its caller: a system call clears the processor's return predictor,
    /// so each function that returns afterwards costs about 6 ns.
    #[inline(always)]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Wrote> {
        let file = self.file()?;
        let _turn = self.write_lock.take();
        let written = attempt(Call::Write, || sys::append(file, bytes))?;
        Ok(if written == bytes.len() { Wrote::Whole } else { Wrote::Part(written) })
    }

    /// Writes the queue's next records at once, `records` in number. If there are several, and another process has
    /// written since the last call, the last byte is checked first: a process that is killed inside a large write
    /// leaves a fragment. None: nothing was written, and a line end must be written before the records.
    pub(crate) fn write_batch(&self, bytes: &[u8], records: usize) -> Option<io::Result<Wrote>> {
        let known_end = self.known_end.load(Ordering::Relaxed);
        let start = match records {
            1 => known_end,
            _ => self.file().and_then(sys::size).unwrap_or(0),
        };
        if start != known_end && self.readable && self.is_torn() {
            self.tail_unverified.store(true, Ordering::Release);
            return None;
        }
        let wrote = self.write(bytes);
        self.known_end.store(start + bytes.len() as u64, Ordering::Relaxed);
        Some(wrote)
    }

    /// Whether the file ends in the middle of a line. If its end cannot be read, the answer is `true`.
    pub(crate) fn is_torn(&self) -> bool {
        let Ok(file) = self.file() else { return true };
        let ends_whole = || -> io::Result<bool> {
            let length = attempt(Call::Read, || file.metadata())?.len();
            if length == 0 {
                return Ok(true);
            }
            let mut last = [0];
            attempt(Call::Read, || sys::read_at(file, &mut last, length - 1))?;
            Ok(last == *b"\n")
        };
        if !self.readable {
            return file.metadata().map_or(true, |metadata| metadata.len() > 0);
        }
        if ends_whole().unwrap_or(false) {
            return false;
        }
        // A long record that another process is writing at this moment may be visible in part.
        sys::wait_for_inflight_writes(file);
        !ends_whole().unwrap_or(false)
    }

    /// Notes that the descriptor is open, and may be evicted from now on.
    pub(crate) fn opened(&self) {
        self.descriptor.iter().for_each(|descriptor| descriptor.permit.opened());
    }

    /// Notes that no new writer uses this descriptor any more.
    pub(crate) fn out_of_use(&self) {
        self.descriptor.iter().for_each(|descriptor| descriptor.permit.out_of_use());
    }

    /// Whether a thread waits for the last user.
    #[cfg(test)]
    pub(crate) fn is_awaited(&self) -> bool {
        !self.on_last_drop.lock_any().is_empty()
    }

    pub(super) fn sync_before_close(&mut self, last_syncs: &Arc<LastSyncs>) {
        self.last_syncs = Some(Arc::clone(last_syncs));
    }

    fn close(&self, descriptor: Arc<Descriptor>) {
        match &self.last_syncs {
            Some(last_syncs) => close_elsewhere(Box::new(last_syncs.begin(descriptor))),
            None => close_elsewhere(Box::new(descriptor)),
        }
    }

    /// Asks the last user to send the descriptor when it has finished.
    pub(crate) fn on_last_drop(&self, sender: Sender<Arc<Descriptor>>) {
        self.on_last_drop.lock_any().push(sender);
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(descriptor) = self.descriptor.take() else { return };
        descriptor.permit.closing();
        let descriptor = Arc::new(descriptor);
        let mut waiting = std::mem::take(&mut *self.on_last_drop.lock_any());
        let Some(last) = waiting.pop() else { return self.close(descriptor) };
        for other in waiting {
            let _ = other.send(Arc::clone(&descriptor));
        }
        // If no thread waits any more, the descriptor is closed here.
        if let Err(unsent) = last.send(descriptor) {
            self.close(unsent.0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::io::Write as _;
    use std::sync::Weak;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::{open_files, LogFile};
    use super::*;

    fn at(milliseconds: u64) -> Time {
        Time::from(UNIX_EPOCH + Duration::from_millis(milliseconds))
    }

    fn opened(text: &str, readable: bool) -> OpenFile {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let permit = open_files(Some(4)).register(Weak::<LogFile>::new());
        let opened = Opened { file, created: false, readable };
        OpenFile::new(opened, permit, at(10_000), None).unwrap()
    }

    #[test]
    fn the_path_is_checked_by_one_caller_each_half_second_and_when_the_clock_was_set_back() {
        let open = opened("", true);
        for (time, is_due) in [
            (10_499, false),
            (10_500, true),
            (10_500, false),
            (10_999, false),
            (9_500, false),
            (9_499, true),
            (9_499, false),
            (10_100, true),
        ] {
            assert_eq!(open.try_reserve(b"record", at(time)), !is_due, "{time}");
            assert_eq!(open.claims_check(at(time)), is_due, "{time}");
        }
    }

    #[test]
    fn a_file_is_torn_if_its_last_byte_is_no_line_end_or_is_not_known() {
        for (text, readable, is_torn) in [
            ("", true, false),
            ("a\n", true, false),
            ("a", true, true),
            ("a\nb", true, true),
            ("", false, false),
            ("a\n", false, true),
        ] {
            let open = opened(text, readable);
            assert_eq!(open.is_torn(), is_torn, "{text:?} {readable}");
            assert_eq!(open.tail_unverified.load(Ordering::Acquire), is_torn, "{text:?}");
        }
    }
}
