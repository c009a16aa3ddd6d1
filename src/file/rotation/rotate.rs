//! How a new file is begun: a new file is made under another name, the log is renamed to the rotated name of its
//! period, and the new file gets the log's name. If no new file can be made, the log stays as it is.
//!
//! The invariant: only the process that holds a log's rotation lock renames the log. The other processes notice the
//! rename later. Until then their records land whole in the rotated file, which is neither compressed nor deleted
//! while a process has it open.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::clock::Time;
use crate::error::{Error, Operation};
use crate::file::answer::{attempt, Call};
use crate::file::open::OpenFile;
use crate::file::root::Opened;
use crate::file::{sys, Batch, LogFile, PathCheck};
use crate::locks::LockExt as _;

/// How often a record tries the next file, if other processes fill or remove each file at once.
const TRIES: usize = 8;

/// How long a process takes from making a log until the log has the permissions of the file before.
const MADE_WITHIN: Duration = Duration::from_millis(2);

/// The file that a record goes into.
pub(in crate::file) struct FileFor {
    pub(in crate::file) open: Arc<OpenFile>,
    /// The error, if a new file had to be begun and could not be.
    pub(in crate::file) rotation_error: Result<(), Error>,
}

impl OpenFile {
    /// Whether a record must be the first of a new file.
    #[inline]
    fn begins_new_file(&self, record: &[u8], time: Time) -> bool {
        self.rotates
            && (!self.budget.has_room_for(record)
                || self.file().is_ok_and(|file| self.period.is_past(file, time)))
    }

    /// The end of the run of records from `first` on that go into this file. The run ends where the file is full, or
    /// before a record of another period. The record at `first` is always a part of it.
    pub(in crate::file) fn run_end(&self, batch: &Batch, first: usize) -> usize {
        if !self.rotates {
            return batch.len();
        }
        let fitting = batch.fitting(first, self.budget.left()).max(first + 1);
        let is_past = |record: &usize| match self.file() {
            Ok(file) => self.period.is_past(file, batch.time(*record)),
            Err(_) => false,
        };
        (first + 1..fitting).find(is_past).unwrap_or(fitting)
    }

    /// Notes that a record of this time was written to the file.
    #[inline]
    pub(in crate::file) fn record_written(&self, time: Time) {
        if self.rotates {
            self.rotating_record_written(time);
        }
    }

    fn rotating_record_written(&self, time: Time) {
        let Ok(file) = self.file() else { return };
        if self.budget.is_limited() {
            // The end of this write. Records of other processes may be before it.
            let size = sys::end_of_own_write(file).or_else(|| Some(file.metadata().ok()?.len()));
            size.into_iter().for_each(|size| self.budget.observe(size));
        }
        self.period.record_written(file, time);
    }
}

impl LogFile {
    /// Opens the log. If logs are rotated, the file is marked as in use: no process compresses or deletes it until it
    /// is closed. The path leads to the file when this returns.
    pub(in crate::file) fn open_in_use(&self) -> Result<Opened, Error> {
        let relative = self.relative();
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let opened = match self.retry_with_a_descriptor_freed(|| self.root.open(relative)) {
                // Another user's process has just made the file, and is about to give it the group's permissions.
                Err(err) if tries > 0 && is_denied(&err) && self.root.is_newly_made(relative) => {
                    thread::sleep(MADE_WITHIN);
                    continue;
                }
                opened => opened?,
            };
            if self.root.rotation().is_none() {
                return Ok(opened);
            }
            if opened.created {
                self.root.inherit_from_rotated(relative, &opened.file);
            }
            // If the file system has no locks, no process compresses or deletes the file.
            let is_marked = attempt(Call::Lock, || sys::mark_in_use(&opened.file)).unwrap_or(true);
            let found = sys::identity_at(&self.path).ok();
            let is_current = found.is_some() && found == sys::identity(&opened.file).ok();
            if (is_marked && is_current) || tries == 0 {
                return Ok(opened);
            }
        }
    }

    /// The open file that a record goes into: the present file, or a new file if the record must begin one.
    pub(in crate::file) fn file_for(
        &self,
        record: &[u8],
        time: Time,
        check: PathCheck,
    ) -> Result<FileFor, Error> {
        let mut rotation_error = Ok(());
        for _ in 0..TRIES {
            let open = self.current(time, check)?;
            if rotation_error.is_err() || !open.begins_new_file(record, time) {
                return Ok(FileFor { open, rotation_error });
            }
            rotation_error = self.rotate(&open, record, time);
        }
        Ok(FileFor { open: self.current(time, check)?, rotation_error })
    }

    /// Appends one record to the file that it goes into.
    pub(in crate::file) fn append_to_current(
        &self,
        record: &[u8],
        time: Time,
        check: PathCheck,
    ) -> Result<FileFor, Error> {
        let file = self.file_for(record, time, check)?;
        self.write(&file.open, record, time)?;
        file.open.record_written(time);
        Ok(file)
    }

    /// Begins a new file in the place of `open`, unless another thread or process has done so. Only the threads wait
    /// for this whose records must begin a new file too.
    fn rotate(&self, open: &Arc<OpenFile>, record: &[u8], time: Time) -> Result<(), Error> {
        let _opening = self.opening.lock_any();
        if !self.open.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, open)) {
            return Ok(());
        }
        // Another thread has tried while this one waited.
        if !open.begins_new_file(record, time) {
            return Ok(());
        }
        let rotate = || {
            let rotated = self.rotate_alone(open, record, time);
            rotated.map_err(|err| Error::io(Operation::Rotate, &self.path, err))
        };
        match self.retry_with_a_descriptor_freed(rotate) {
            Ok(()) => Ok(()),
            // Another program moved or removed the log: the next record opens the path again, and makes the file if
            // it does not exist.
            Err(err) if err.is_not_found() => {
                self.still_linked(open);
                Ok(())
            }
            Err(err) => {
                open.budget.extend(record);
                open.period.postpone(time);
                self.counters.rotation_failures.add(1);
                Err(err)
            }
        }
    }

    fn rotate_alone(&self, open: &Arc<OpenFile>, record: &[u8], time: Time) -> io::Result<()> {
        let relative = self.relative();
        let lock = self.root.wait_for_rotation_lock(relative, &open.identity)?;
        // If the path no longer leads to `open`, another process has rotated the log, and the lock is that of a newer
        // file.
        if !self.still_linked(open) || lock.is_none() {
            return Ok(());
        }
        let file = open.file()?;
        if open.budget.look_again(file)? == 0 {
            // The file is empty, or a tool has truncated it: this record is its first.
            open.period.forget();
            return Ok(());
        }
        open.period.look_again(file);
        if !open.begins_new_file(record, time) {
            return Ok(());
        }
        let name = self.root.free_name(relative, open.period.period_for_name(file, time))?;
        terminate_last_line(open);
        let begun = self.root.begin_new_log(relative, name, file);
        // Also after a failure: the log may have had another name meanwhile.
        self.folder_entries.made();
        begun?;
        self.retire(open);
        self.counters.rotated.add(1);
        drop(lock);
        self.ask_for_upkeep(time);
        Ok(())
    }
}

/// Ends a fragment that a crash left, before the file is renamed. A program that reads the files one after the other
/// would take the first line of the next file for a part of the fragment. On a full disk the fragment stays.
fn terminate_last_line(open: &OpenFile) {
    if open.tail_unverified.load(Ordering::Acquire) && open.is_torn() {
        let _ = open.write(b"\n");
    }
}

fn is_denied(err: &Error) -> bool {
    err.io_error().is_some_and(|err| err.kind() == io::ErrorKind::PermissionDenied)
}
