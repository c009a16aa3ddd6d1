//! [`RootDir`]: the folder below which every log stands, and the only way to open one there.
//!
//! The invariant: unless links are followed on request, nothing outside the root is opened, made or synced, whatever
//! stands or is put on the way meanwhile.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::answer::{answer, attempt, Answer, Call};
use super::obstacle::{folders_of, obstacle, open_failed, other_than_file};
use super::rotation::Rotation;
use super::sys::{self, How, Purpose};
use crate::error::{Error, Kind, Operation};
use crate::process::made_folders;

/// How files and folders are opened, made and rotated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) follow_links: bool,
    pub(crate) file_mode: u32,
    pub(crate) dir_mode: u32,
    pub(crate) rotation: Option<Rotation>,
}

#[derive(Debug)]
pub(crate) struct RootDir {
    path: PathBuf,
    access: Access,
}

/// A file as it was opened.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) created: bool,
    /// Whether its end can be looked at.
    pub(crate) readable: bool,
}

/// How often an open is tried where others make, rename and remove the same path meanwhile.
const TRIES: usize = 32;

impl RootDir {
    pub(crate) fn new(path: PathBuf, access: Access) -> RootDir {
        RootDir { path, access }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn rotation(&self) -> Option<Rotation> {
        self.access.rotation
    }

    /// Opens a log for appending, and makes it and its folders where they are missing.
    pub(crate) fn open(&self, relative: &Path) -> Result<Opened, Error> {
        let path = self.path.join(relative);
        let opened = self.open_or_create(relative)?;
        let kind = attempt(Call::Read, || opened.file.metadata())
            .map_err(|err| Error::io(Operation::Inspect, &path, err))?
            .file_type();
        if kind.is_file() {
            Ok(opened)
        } else {
            Err(Error::from(Kind::NotRegular { path, found: sys::kind_of(&kind) }))
        }
    }

    /// Whether the path of a log that is open stays below the root: false where a link leads out that somebody has put
    /// on the way meanwhile.
    pub(super) fn holds(&self, log: &Path) -> bool {
        let is_link = |part: &Path| fs::symlink_metadata(part).is_ok_and(|part| part.is_symlink());
        let mut parts = log.ancestors().take_while(|part| *part != self.path);
        if self.access.follow_links || !parts.any(is_link) {
            return true;
        }
        let relative = log.strip_prefix(&self.path).unwrap_or(log);
        let opened = self.below().and_then(|below| below.open(relative, Purpose::Append));
        !opened.is_err_and(|err| sys::is_escape(&err))
    }

    fn open_or_create(&self, relative: &Path) -> Result<Opened, Error> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        let mut in_the_way = None;
        for _ in 0..TRIES {
            match self.try_to_open_or_create(relative)? {
                Ok(opened) => return Ok(opened),
                Err(err) => last = err,
            }
            // The same one twice: nobody is about to take it away.
            let found = obstacle(&self.path, relative);
            if found.is_some() && found == in_the_way {
                break;
            }
            in_the_way = found;
        }
        Err(open_failed(&self.path.join(relative), last))
    }

    /// One try. The inner error is one of somebody else who makes, renames or removes the same path meanwhile.
    fn try_to_open_or_create(&self, relative: &Path) -> Result<io::Result<Opened>, Error> {
        let below = match self.below() {
            Err(err) if answer(Call::Open, &err) == Answer::Missing => {
                self.create_root()?;
                self.below()
            }
            below => below,
        };
        let below = below.map_err(|err| open_failed(&self.path, err))?;
        // Without O_CREAT first: a sticky folder lets nobody else's file be opened with it
        // (proc(5), fs.protected_regular).
        match below.open(relative, Purpose::Append) {
            Ok((file, readable)) => return Ok(Ok(Opened { file, created: false, readable })),
            Err(err) if answer(Call::Open, &err) == Answer::Missing => {}
            Err(err) => return Err(self.explain(Operation::Open, relative, err)),
        }
        match self.create_folders(&below, relative) {
            // Moved or removed between two of them.
            Err(err) if err.is_not_found() => return Ok(Err(io::ErrorKind::NotFound.into())),
            created => created?,
        }
        match below.open(relative, Purpose::Create) {
            Ok((file, readable)) => Ok(Ok(Opened { file, created: true, readable })),
            Err(err) => match answer(Call::Create, &err) {
                // Another process was faster, or removed the folder.
                Answer::Exists | Answer::Missing => Ok(Err(err)),
                _ => Err(self.explain(Operation::Open, relative, err)),
            },
        }
    }

    /// Opens a log that is there, to sync what was written to it before it was closed.
    pub(crate) fn open_to_sync(&self, relative: &Path) -> Result<File, Error> {
        let opened = self.below().and_then(|below| below.open(relative, Purpose::Append));
        let failed = |err| Error::io(Operation::Sync, &self.path.join(relative), err);
        opened.map(|(file, _)| file).map_err(failed)
    }

    /// Opens the file a second time, to replace a byte in place.
    pub(crate) fn open_to_overwrite(&self, relative: &Path) -> io::Result<File> {
        self.below()?.open(relative, Purpose::Overwrite).map(|(file, _)| file)
    }

    pub(super) fn below(&self) -> io::Result<Below<'_>> {
        let dir = if self.access.follow_links {
            // The same answer where the root is missing.
            attempt(Call::Inspect, || fs::metadata(&self.path))?;
            None
        } else {
            Some(attempt(Call::Open, || sys::Dir::at(&self.path))?)
        };
        Ok(Below { root: self, dir })
    }

    fn create_root(&self) -> Result<(), Error> {
        let missing: Vec<&Path> =
            self.path.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            made_folders::about_to_make(folder);
            match attempt(Call::CreateFolder, || sys::create_folder(folder, self.access.dir_mode)) {
                Ok(()) => {}
                Err(err) if answer(Call::CreateFolder, &err) == Answer::Exists => {}
                Err(err) => return Err(Error::io(Operation::CreateFolder, folder, err)),
            }
        }
        Ok(())
    }

    fn create_folders(&self, below: &Below<'_>, relative: &Path) -> Result<(), Error> {
        for folder in folders_of(relative) {
            match below.create_folder(folder) {
                Ok(()) => {}
                Err(err) if answer(Call::CreateFolder, &err) == Answer::Exists => {}
                Err(err) => return Err(self.explain(Operation::CreateFolder, folder, err)),
            }
        }
        Ok(())
    }

    /// Puts an error into words: a link that leads out, or what stands in the place of the file.
    fn explain(&self, operation: Operation, relative: &Path, err: io::Error) -> Error {
        let path = self.path.join(relative);
        if sys::is_escape(&err) {
            return Error::from(Kind::Outside { path, root: self.path.clone() });
        }
        if operation == Operation::Open && answer(Call::Open, &err) != Answer::FreeDescriptor {
            if let Some(found) = other_than_file(&path) {
                return Error::from(Kind::NotRegular { path, found });
            }
        }
        Error::io(operation, &path, err)
    }
}

/// The root at one moment: a folder that is not left, or where links are followed, a plain path.
pub(super) struct Below<'a> {
    root: &'a RootDir,
    dir: Option<sys::Dir>,
}

impl Below<'_> {
    /// The file, and whether it can be read.
    pub(super) fn open(&self, relative: &Path, purpose: Purpose) -> io::Result<(File, bool)> {
        let open = |read| {
            let how = How { purpose, read, mode: self.root.access.file_mode };
            let call = if purpose == Purpose::Create { Call::Create } else { Call::Open };
            let open = || match &self.dir {
                Some(dir) => dir.open(relative, how),
                None => sys::open(&self.root.path.join(relative), how),
            };
            match purpose {
                // Who asks for these comes back later.
                Purpose::Lock | Purpose::Replace => open(),
                _ => attempt(call, open),
            }
        };
        match open(true) {
            // A file that we may only write is a log too; its end cannot be looked at.
            Err(err)
                if err.kind() == io::ErrorKind::PermissionDenied
                    && !sys::is_escape(&err)
                    && !matches!(purpose, Purpose::Lock | Purpose::Replace) =>
            {
                open(false).map(|file| (file, false))
            }
            opened => opened.map(|file| (file, true)),
        }
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mode = self.root.access.dir_mode;
        attempt(Call::CreateFolder, || match &self.dir {
            Some(dir) => dir.create_folder(folder, mode),
            None => sys::create_folder(&self.root.path.join(folder), mode),
        })
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        attempt(Call::Rename, || match &self.dir {
            Some(dir) => dir.rename(from, to),
            None => fs::rename(self.root.path.join(from), self.root.path.join(to)),
        })
    }

    /// Renames a file, and fails with `AlreadyExists` if something has the new name.
    pub(super) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        attempt(Call::Rename, || match &self.dir {
            Some(dir) => dir.rename_new(from, to),
            None => sys::rename_new(&self.root.path.join(from), &self.root.path.join(to)),
        })
    }

    /// Of a link itself.
    pub(super) fn metadata(&self, path: &Path) -> io::Result<fs::Metadata> {
        attempt(Call::Inspect, || fs::symlink_metadata(self.root.path.join(path)))
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        match &self.dir {
            Some(dir) => dir.remove(path),
            None => fs::remove_file(self.root.path.join(path)),
        }
    }

    pub(super) fn names_in(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        attempt(Call::Inspect, || match &self.dir {
            Some(dir) => dir.names_in(folder),
            None => {
                let entries = fs::read_dir(self.root.path.join(folder))?;
                entries.map(|entry| Ok(entry?.file_name())).collect()
            }
        })
    }

    pub(super) fn open_folder(&self, folder: &Path) -> io::Result<File> {
        attempt(Call::Open, || match &self.dir {
            Some(dir) => dir.open_folder(folder),
            None => File::open(self.root.path.join(folder)),
        })
    }
}
