//! The rotated files of a log in its folder: they are listed, locked, measured and removed, all below the root.
//!
//! The invariant: only a regular file whose name is a rotated name of the log is read, measured, replaced or removed
//! here.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::age::{sort_by_age, RotatedFile};
use super::names::RotatedName;
use super::period::Period;
use crate::file::answer::{attempt, Call};
use crate::file::root::RootDir;
use crate::file::sys::{self, Lock, LockOn, Purpose};

/// How long a record waits for another process that is renaming the same log. A rename takes microseconds, unless
/// that process was stopped in the middle of it.
const WAIT: Duration = Duration::from_secs(1);

impl RootDir {
    /// Waits for the lock under which a log is renamed. None: another process has renamed the log meanwhile.
    pub(super) fn wait_for_rotation_lock(
        &self,
        relative: &Path,
        log: &sys::Identity,
    ) -> io::Result<Option<Lock>> {
        let begin = Instant::now();
        loop {
            if let Some(lock) = attempt(Call::Lock, || self.try_rotation_lock(relative))? {
                return Ok(Some(lock));
            }
            let path = self.path().join(relative);
            if attempt(Call::Inspect, || sys::identity_at(&path))? != *log {
                return Ok(None);
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

    fn try_rotation_lock(&self, relative: &Path) -> io::Result<Option<Lock>> {
        let below = self.below()?;
        let file = match sys::ROTATION_LOCK_IS_ON {
            LockOn::Log => below.open(relative, Purpose::Append)?.0,
            LockOn::Folder => below.open_folder(folder_of(relative))?,
            LockOn::FileBeside => {
                let mut beside = OsString::from(relative);
                beside.push(".lock");
                match below.open(Path::new(&beside), Purpose::Lock) {
                    Ok((file, _)) => file,
                    Err(err) if sys::is_in_use(&err) => return Ok(None),
                    Err(err) => return Err(err),
                }
            }
        };
        sys::take_rotation_lock(file)
    }

    /// The names of a log's rotated files, in no order.
    pub(in crate::file) fn rotated_names(&self, relative: &Path) -> io::Result<Vec<RotatedName>> {
        let Some(log) = relative.file_name().and_then(|name| name.to_str()) else {
            return Ok(Vec::new());
        };
        let names = self.below()?.names_in(folder_of(relative))?;
        let rotated = |name: &OsString| RotatedName::parse(log, name.to_str()?);
        Ok(names.iter().filter_map(rotated).collect())
    }

    /// The plain names of the files whose compressed file is unfinished, in no order.
    pub(super) fn unfinished_names(&self, relative: &Path) -> io::Result<Vec<RotatedName>> {
        let Some(log) = relative.file_name().and_then(|name| name.to_str()) else {
            return Ok(Vec::new());
        };
        let names = self.below()?.names_in(folder_of(relative))?;
        let unfinished = |name: &OsString| RotatedName::parse_unfinished(log, name.to_str()?);
        Ok(names.iter().filter_map(unfinished).collect())
    }

    /// The name for a log that is rotated now. Called under the rotation lock. The name is checked to be free, since
    /// the rename would replace a file, and a listing can miss a file that is compressed meanwhile.
    pub(super) fn free_name(&self, relative: &Path, period: Period) -> io::Result<RotatedName> {
        let mut name = RotatedName::next(&self.rotated_names(relative)?, period);
        // The plain name is checked first: if that file has just been removed, its compressed file was made before.
        while self.is_there(relative, name)? || self.is_there(relative, name.compressed())? {
            name = name.following().ok_or_else(|| {
                io::Error::other(format!(
                    "no number is left after {}",
                    name.beside(relative).display()
                ))
            })?;
        }
        Ok(name)
    }

    fn is_there(&self, relative: &Path, name: RotatedName) -> io::Result<bool> {
        Ok(self.metadata_of(relative, name)?.is_some())
    }

    /// The metadata of whatever has this name. None: nothing has it.
    fn metadata_of(&self, relative: &Path, name: RotatedName) -> io::Result<Option<Metadata>> {
        match self.below()?.metadata(&name.beside(relative)) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// The metadata of a rotated file. None: the file does not exist, or is not a regular file.
    pub(super) fn rotated_metadata(
        &self,
        relative: &Path,
        name: RotatedName,
    ) -> io::Result<Option<Metadata>> {
        Ok(self.metadata_of(relative, name)?.filter(Metadata::is_file))
    }

    /// Locks a rotated file: no process writes to it until the lock is dropped. None: a process may still write to
    /// it.
    pub(super) fn lock_rotated(
        &self,
        relative: &Path,
        name: RotatedName,
    ) -> io::Result<Option<Lock>> {
        let path = name.beside(relative);
        let lock = match self.below()?.open(&path, Purpose::Replace) {
            Ok((file, _)) => sys::lock_out_users(file)?,
            Err(err) if sys::is_in_use(&err) => return Ok(None),
            Err(err) => return Err(err),
        };
        // Another process may have compressed or deleted the file while this process opened it.
        match lock {
            Some(lock)
                if sys::identity_at(&self.path().join(&path))? == sys::identity(lock.file())? =>
            {
                Ok(Some(lock))
            }
            Some(_) => Err(io::ErrorKind::NotFound.into()),
            None => Ok(None),
        }
    }

    /// Removes a rotated file. `false`: another process has the file open in a way that keeps it from being removed.
    pub(super) fn remove_rotated(&self, relative: &Path, name: RotatedName) -> io::Result<bool> {
        self.remove_beside(&name.beside(relative))
    }

    /// Removes an unfinished compressed file, or a rotated file. `false` as in [`RootDir::remove_rotated`].
    pub(super) fn remove_beside(&self, path: &Path) -> io::Result<bool> {
        match self.below()?.remove(path) {
            Ok(()) => Ok(true),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(err) if sys::is_in_use(&err) => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// Renames a log, and makes the new log with the permissions and the group of the renamed one, so that the same
    /// users can write to it. `log` is the open log. The new log is made first, under another name: if it cannot be
    /// made, since the disk has no inode left or for any other reason, the records still need the old one. Called
    /// under the rotation lock.
    pub(super) fn begin_new_log(
        &self,
        relative: &Path,
        rotated: RotatedName,
        log: &File,
    ) -> io::Result<()> {
        let (below, new) = (self.below()?, rotated.unfinished_beside(relative));
        let rotated = rotated.beside(relative);
        let create = || below.open(&new, Purpose::Create);
        let (file, _) = match create() {
            // A crash has left it.
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
                self.remove_beside(&new)?;
                create()?
            }
            created => created?,
        };
        // A user who may not change the file's group keeps the file as it is.
        let _ = log.metadata().and_then(|metadata| sys::inherit(&metadata, &file));
        drop(file);
        if let Err(err) = below.rename(relative, &rotated) {
            let _ = self.remove_beside(&new);
            return Err(err);
        }
        match below.rename_new(&new, relative) {
            Ok(()) => Ok(()),
            // Another process that missed the log has made it, or has removed the new one as an unfinished file: then
            // the next record makes a new one.
            Err(err)
                if matches!(err.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
            {
                let _ = self.remove_beside(&new);
                Ok(())
            }
            Err(err) => {
                let _ = self.remove_beside(&new);
                below.rename_new(&rotated, relative).and(Err(err))
            }
        }
    }

    /// Gives a log that was made without a rotation the permissions and the group of the file that was rotated last.
    pub(in crate::file) fn inherit_from_rotated(&self, relative: &Path, log: &File) {
        if let Some(newest) = self.newest_rotated(relative) {
            let _ = sys::inherit(&newest, log);
        }
    }

    fn newest_rotated(&self, relative: &Path) -> Option<Metadata> {
        let file = |name: &RotatedName| {
            let metadata = self.rotated_metadata(relative, *name).ok()??;
            Some((RotatedFile::of(*name, &metadata), metadata))
        };
        let names = self.rotated_names(relative).ok()?;
        let files: Vec<_> = names.iter().filter_map(file).collect();
        let mut by_age: Vec<RotatedFile> = files.iter().map(|(file, _)| *file).collect();
        sort_by_age(&mut by_age);
        let newest = by_age.last()?.name;
        files.into_iter().find(|(file, _)| file.name == newest).map(|(_, metadata)| metadata)
    }

    /// Whether the log was made within the last second, where rotation is on.
    pub(super) fn is_newly_made(&self, relative: &Path) -> bool {
        let made = || self.below().ok()?.metadata(relative).ok()?.created().ok()?.elapsed().ok();
        self.rotation().is_some() && made().is_some_and(|since| since < Duration::from_secs(1))
    }
}

/// The folder below the root; empty for the root itself.
pub(super) fn folder_of(relative: &Path) -> &Path {
    relative.parent().unwrap_or(Path::new(""))
}
