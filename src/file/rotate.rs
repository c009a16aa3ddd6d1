//! Rotation: a log that would grow past its limit is renamed to `….1`, what is there moves on to `….2`,
//! and a new one begins at the path.
//!
//! Imports `error` and `sys`. The invariant: the renames of one log are made by one process at a time,
//! the one that holds the lock of the file that the path leads to. Everybody else follows: what they
//! write until they notice lands whole in a file that is kept, or is written once more.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::open::OpenFile;
use super::root::RootDir;
use super::rotation::{Keep, Rotation};
use super::sys::{self, Purpose};
use super::{Batch, LogFile, Look};
use crate::clock::Time;
use crate::error::{Doing, Error};
use crate::sync::LockExt as _;

/// How long a record waits for another process that is renaming the same log. It takes microseconds,
/// unless that process was stopped in the midst of it.
const WAIT: Duration = Duration::from_secs(1);

/// How often a record is taken to the next file, where others fill or remove it at once.
const TRIES: usize = 8;

/// The file for a record.
pub(super) struct FileFor {
    pub(super) open: Arc<OpenFile>,
    /// Whether another one had to be begun, and could not be.
    pub(super) rotation_error: Result<(), Error>,
}

impl OpenFile {
    /// Whether a record must be the first of a new file.
    #[inline]
    pub(super) fn begins_new_file(&self, record: &[u8], _time: Time) -> bool {
        !self.budget.has_room_for(record)
    }

    /// The place behind the records of a batch that may go into this file with the one at `first`, which
    /// may in any case.
    pub(super) fn stretch_end(&self, batch: &Batch, first: usize) -> usize {
        match self.rotates {
            true => batch.fitting(first, self.budget.left()).max(first + 1),
            false => batch.len(),
        }
    }
}

impl LogFile {
    /// The open file that a record goes into: the present one, or a new one where the record must begin it.
    pub(super) fn file_for(&self, record: &[u8], time: Time, look: Look) -> Result<FileFor, Error> {
        let mut rotation_error = Ok(());
        for _ in 0..TRIES {
            let open = self.current(time, look)?;
            if rotation_error.is_err() || !open.begins_new_file(record, time) {
                return Ok(FileFor { open, rotation_error });
            }
            rotation_error = self.rotate(&open, record, time);
        }
        Ok(FileFor { open: self.current(time, look)?, rotation_error })
    }

    /// Appends one record to the file that it goes into.
    pub(super) fn append_to_current(
        &self,
        record: &[u8],
        time: Time,
        look: Look,
    ) -> Result<FileFor, Error> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let file = self.file_for(record, time, look)?;
            self.write(&file.open, record, time)?;
            if tries == 0 || self.is_kept(&file.open) {
                return Ok(file);
            }
        }
    }

    /// Whether what was just written is in a file that has a name. Others may have filled so many
    /// files since we looked that ours is not kept any more.
    pub(super) fn is_kept(&self, open: &Arc<OpenFile>) -> bool {
        if !open.rotates {
            return true;
        }
        let Ok((size, has_name)) = open.file().and_then(sys::size_and_name) else { return true };
        open.budget.observe(size);
        has_name || self.still_linked(open)
    }

    /// Begins a new file in the place of `open`, unless another thread or process has done so. No writer
    /// waits for this but those whose records begin a new file too.
    fn rotate(&self, open: &Arc<OpenFile>, record: &[u8], time: Time) -> Result<(), Error> {
        let Some(rotation) = self.root.rotation() else { return Ok(()) };
        let _opening = self.opening.lock_any();
        if !self.uses(open) {
            return Ok(());
        }
        // Another thread has tried while this one waited.
        if !open.begins_new_file(record, time) {
            return Ok(());
        }
        match self.rotate_alone(rotation, open, record, time) {
            Ok(()) => Ok(()),
            // Others moved or removed the log: the path is opened again.
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(err) => {
                open.budget.extend(record);
                self.counters.rotation_failures.add(1);
                Err(Error::io(Doing::Rotate, &self.path, err))
            }
        }
    }

    fn rotate_alone(
        &self,
        rotation: Rotation,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> io::Result<()> {
        let _lock = self.root.lock(open.file()?, self.relative())?;
        if !self.still_linked(open) {
            return Ok(());
        }
        open.budget.look_again(open.file()?)?;
        if !open.begins_new_file(record, time) {
            return Ok(());
        }
        self.root.shift(self.relative(), kept_by_number(rotation))?;
        self.entries.made();
        self.retire(open);
        self.counters.rotated.add(1);
        Ok(())
    }
}

impl RootDir {
    /// The lock under which the files of a log are renamed.
    fn lock<'a>(&self, log: &'a File, relative: &Path) -> io::Result<sys::Locked<'a>> {
        let beside = with_suffix(relative, "lock");
        let begin = Instant::now();
        loop {
            let open = || self.below()?.open(&beside, Purpose::Lock).map(|(file, _)| file);
            if let Some(lock) = sys::try_lock(log, open)? {
                return Ok(lock);
            }
            if begin.elapsed() > WAIT {
                return Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    "another process has held its lock for a second",
                ));
            }
            thread::sleep(Duration::from_micros(50));
        }
    }

    /// Renames the log to the first kept name, and the kept ones before it by one, up to the first that
    /// is free: an attempt that failed half-way costs no file. Where none is free the oldest goes.
    fn shift(&self, relative: &Path, keep: u32) -> io::Result<()> {
        let below = self.below()?;
        let free = (1..keep).find(|number| !self.is_there(&kept(relative, *number)));
        for number in 1..=free.unwrap_or(keep) {
            let name = kept(relative, number);
            if let Some(found) = self.other_than_file(&name) {
                return Err(io::Error::other(format!("{} is {found}", name.display())));
            }
        }
        for number in (1..free.unwrap_or(keep)).rev() {
            below.rename(&kept(relative, number), &kept(relative, number + 1))?;
        }
        below.rename(relative, &kept(relative, 1))
    }

    /// The files of a log that are kept beside it, the newest first.
    pub(super) fn kept_of<'a>(&self, relative: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        let keep = self.rotation().map_or(0, kept_by_number);
        (1..=keep).map(|number| kept(relative, number))
    }
}

/// Until rotated files are named by their period.
fn kept_by_number(rotation: Rotation) -> u32 {
    match rotation.keep {
        Keep::Files(files) => files.min(999),
        _ => 999,
    }
}

fn kept(relative: &Path, number: u32) -> PathBuf {
    with_suffix(relative, &number.to_string())
}

fn with_suffix(relative: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(relative);
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
