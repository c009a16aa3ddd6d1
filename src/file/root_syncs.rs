//! The syncs of the folders of a [`RootDir`], and of the file systems that they are on.

use std::fs::File;
use std::io;
use std::path::Path;

use super::answer::{attempt, attempt_sync, Call};
use super::root::RootDir;
use super::sys::{self, Cause};
use crate::error::{Error, Operation};
use crate::process::made_folders;

impl RootDir {
    /// Makes the entries durable on the way to the file: its own, those of the folders below the root, and of
    /// those that this process made above it.
    pub(crate) fn sync_entries_of(&self, relative: &Path) -> Result<(), Error> {
        let sync = |folder: &Path| {
            self.sync_folder(folder).map_err(|err| Error::io(Operation::SyncFolder, folder, err))
        };
        let path = self.path().join(relative);
        let below = path.ancestors().skip(1);
        below.take_while(|folder| folder.starts_with(self.path())).try_for_each(sync)?;
        for (folder, serial) in made_folders::unsynced(self.path()) {
            folder.parent().map_or(Ok(()), sync)?;
            made_folders::synced(&folder, serial);
        }
        Ok(())
    }

    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let open = || match folder.strip_prefix(self.path()) {
            Ok(inside) => self.open_folder(inside),
            Err(_) => attempt(Call::Open, || File::open(folder)),
        };
        attempt_sync(Call::SyncFolder, || sys::sync_folder(open)).map(drop)
    }

    /// Opens a folder below the root, or with an empty path the root itself.
    fn open_folder(&self, inside: &Path) -> io::Result<File> {
        match inside.as_os_str().is_empty() {
            true => attempt(Call::Open, || File::open(self.path())),
            false => self.below()?.open_folder(inside),
        }
    }

    /// Makes everything durable that was written to a file system, also to logs that are known no more. `inside` is a
    /// folder that was on it. If that folder was moved away, any folder on the way to it will do.
    ///
    /// # Errors
    ///
    /// A sync failed, or no folder on the way is on this file system: then the error
    /// [is not found](Error::is_not_found), and another call would not find it either.
    pub(crate) fn sync_file_system(&self, number: u64, inside: &Path) -> Result<(), Error> {
        let synced = self.folder_on(number, inside).and_then(|folder| {
            attempt_sync(Call::SyncFile, || sys::sync_file_system(&folder)).map(drop)
        });
        synced.map_err(|err| Error::io(Operation::SyncFolder, &self.path().join(inside), err))
    }

    /// The nearest folder on a file system, from `inside` up to the root.
    fn folder_on(&self, number: u64, inside: &Path) -> io::Result<File> {
        let mut failed = None;
        for folder in inside.ancestors() {
            let opened = self.open_folder(folder).and_then(|folder| {
                let identity = attempt(Call::Inspect, || sys::identity(&folder))?;
                Ok((sys::file_system(&identity) == number).then_some(folder))
            });
            match opened {
                Ok(Some(folder)) => return Ok(folder),
                Ok(None) => {}
                // Something else has its name now.
                Err(err) if sys::is_escape(&err) => {}
                Err(err) if matches!(sys::cause(&err), Cause::Missing | Cause::NotAFolder) => {}
                Err(err) => failed = Some(err),
            }
        }
        Err(failed.unwrap_or_else(|| {
            let why = "no folder on its way is on the file system that its logs were written to";
            io::Error::new(io::ErrorKind::NotFound, why)
        }))
    }
}
