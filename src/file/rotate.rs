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
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::open::OpenFile;
use super::root::Root;
use super::rotation::{Keep, Rotation};
use super::sys::{self, Purpose};
use super::{LogFile, SayGap};
use crate::error::{Doing, Error};

/// How long a record waits for another process that is renaming the same log. It takes microseconds,
/// unless that process was stopped in the midst of it.
const WAIT: Duration = Duration::from_secs(1);

/// How often a record is taken to the next file, where others fill or remove it at once.
const TRIES: usize = 8;

/// A record that is in a file.
pub(super) struct Appended {
    pub(super) open: Arc<OpenFile>,
    /// Whether the file had been to be rotated, and could not be.
    pub(super) trouble: Result<(), Error>,
}

impl LogFile {
    /// Appends one record to a file that has room for it.
    pub(super) fn append_rotating(
        &self,
        rotation: Rotation,
        now_ms: u64,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> Result<Appended, Error> {
        let is_known = |open: &Arc<OpenFile>| !open.check_is_due(now_ms) || self.still_there(open);
        self.append_where_there_is_room(rotation, &is_known, now_ms, record, say_gap)
    }

    /// The same, to the file that the path leads to at this moment.
    pub(super) fn append_rotating_durably(
        &self,
        rotation: Rotation,
        now_ms: u64,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> Result<Appended, Error> {
        let is_known = |open: &Arc<OpenFile>| self.still_there(open);
        self.append_where_there_is_room(rotation, &is_known, now_ms, record, say_gap)
    }

    fn append_where_there_is_room(
        &self,
        rotation: Rotation,
        is_known: &dyn Fn(&Arc<OpenFile>) -> bool,
        now_ms: u64,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> Result<Appended, Error> {
        let mut trouble = Ok(());
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let open = match self.open.load_full() {
                Some(open) if is_known(&open) => open,
                _ => self.open_again(now_ms)?,
            };
            if tries > 0 && !open.room.fits(record) {
                match self.rotate(rotation, &open, record) {
                    Ok(()) => continue,
                    Err(err) => trouble = Err(err),
                }
            }
            self.write(&open, record, say_gap)?;
            if tries > 0 && !self.is_kept(&open) {
                continue;
            }
            return Ok(Appended { open, trouble });
        }
    }

    /// Whether what was just written is in a file that has a name. Others may have filled so many
    /// files since we looked that ours is not kept any more.
    pub(super) fn is_kept(&self, open: &Arc<OpenFile>) -> bool {
        let Ok((size, has_name)) = open.file().and_then(sys::size_and_name) else { return true };
        open.room.saw(size);
        has_name || self.still_there(open)
    }

    /// Puts a new file in the place of `open`, which has no room for the record, unless another thread
    /// or process has done so. No writer waits for this but those that find no room either.
    fn rotate(&self, rotation: Rotation, open: &Arc<OpenFile>, record: &[u8]) -> Result<(), Error> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.open.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, open)) {
            return Ok(());
        }
        // Somebody has tried while this waited.
        if open.room.fits(record) {
            return Ok(());
        }
        match self.rotate_alone(rotation, open, record) {
            Ok(()) => Ok(()),
            // Somebody else moved or removed the log: it is opened anew.
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(err) => {
                open.room.grow(record);
                self.tally.rotation_failures.add(1);
                Err(Error::io(Doing::Rotate, &self.path, err))
            }
        }
    }

    fn rotate_alone(
        &self,
        rotation: Rotation,
        open: &Arc<OpenFile>,
        record: &[u8],
    ) -> io::Result<()> {
        let _lock = self.root.lock(open.file()?, self.relative())?;
        if !self.still_there(open) {
            return Ok(());
        }
        open.room.look_again(open.file()?)?;
        if open.room.fits(record) {
            return Ok(());
        }
        self.root.shift(self.relative(), kept_by_number(rotation))?;
        self.retire(open);
        self.tally.rotated.add(1);
        Ok(())
    }
}

impl Root {
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
