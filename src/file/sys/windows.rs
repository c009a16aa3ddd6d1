//! Windows. Relies on:
//!
//! - `FILE_APPEND_DATA` without `FILE_WRITE_DATA`: every write goes to the end of the file, whatever
//!   position it names (File Access Rights Constants). That is what `append(true)` asks for.
//! - `FILE_SHARE_DELETE`: others may rename and delete the open file (CreateFileW). std
//!   shares for read, write and delete unless told otherwise.
//! - Handles are not inherited unless asked for.
//!
//! A folder cannot be synced there, and there are no permission bits to set.

use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, Write as _};
use std::os::windows::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cause, How, Purpose};

/// The volume and the file's index on it. The handle inside keeps the index from being given to
/// another file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity(same_file::Handle);

pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    same_file::Handle::from_file(file.try_clone()?).map(Identity)
}

/// Asks for no access, so that neither a missing right nor another program's refusal to share stands
/// in the way.
///
/// What is left of "access denied" is a file that was deleted where the file system keeps the name
/// until the last handle is closed, FAT or SMB: for us it is gone, and its name with our handle.
pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    let opened = fs::OpenOptions::new().access_mode(0).custom_flags(BACKUP_SEMANTICS).open(path);
    match opened.and_then(same_file::Handle::from_file) {
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            Err(io::ErrorKind::NotFound.into())
        }
        found => found.map(Identity),
    }
}

/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a link itself, not what it leads to.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// `FILE_FLAG_BACKUP_SEMANTICS`: without it a folder cannot be opened.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// `FILE_READ_ATTRIBUTES`: enough to see what a handle is of.
const READ_ATTRIBUTES: u32 = 0x0080;

/// `FILE_SHARE_READ | FILE_SHARE_WRITE`, without `FILE_SHARE_DELETE`: while such a handle is open,
/// the folder cannot be renamed, deleted, or swapped for a link.
const PINNED: u32 = 0x0000_0003;

pub(crate) fn open(path: &Path, how: How) -> io::Result<File> {
    options(how).open(path)
}

fn options(how: How) -> fs::OpenOptions {
    let How { purpose, read, mode: _no_permission_bits } = how;
    let mut options = fs::OpenOptions::new();
    options.read(read).create_new(purpose == Purpose::Create);
    match purpose {
        Purpose::Overwrite => options.write(true),
        Purpose::Append | Purpose::Create => options.append(true),
        Purpose::Lock => {
            options.read(false).write(true).create(true).access_mode(DELETE).share_mode(0)
        }
        Purpose::Replace => {
            options.read(true).access_mode(GENERIC_READ | DELETE).share_mode(SHARE_READ_DELETE)
        }
    };
    options.custom_flags(flags(how));
    options
}

fn flags(how: How) -> u32 {
    /// `FILE_FLAG_DELETE_ON_CLOSE`
    const DELETE_ON_CLOSE: u32 = 0x0400_0000;
    if how.purpose == Purpose::Lock {
        DELETE_ON_CLOSE
    } else {
        0
    }
}

/// `GENERIC_READ`
const GENERIC_READ: u32 = 0x8000_0000;

/// `FILE_SHARE_READ | FILE_SHARE_DELETE`: nobody has the file open to write, and nobody can open it so.
const SHARE_READ_DELETE: u32 = 0x0000_0005;

/// `DELETE`, the right to delete the file.
const DELETE: u32 = 0x0001_0000;

pub(crate) fn create_folder(path: &Path, _mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().create(path)
}

/// A folder that is not left: each folder on the way is opened as what it is, refused if it is a
/// link, and pinned until the file at its end is open.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn at(path: &Path) -> io::Result<Dir> {
        fs::metadata(path)?;
        Ok(Dir(path.to_owned()))
    }

    pub(crate) fn open(&self, relative: &Path, how: How) -> io::Result<File> {
        let _pinned = self.pin_folders_of(relative)?;
        let flags = OPEN_REPARSE_POINT | flags(how);
        let file = options(how).custom_flags(flags).open(self.0.join(relative))?;
        refuse_link(file)
    }

    pub(crate) fn create_folder(&self, relative: &Path, mode: u32) -> io::Result<()> {
        let _pinned = self.pin_folders_of(relative)?;
        create_folder(&self.0.join(relative), mode)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _pinned = self.pin_folders_of(from)?;
        fs::rename(self.0.join(from), self.0.join(to))
    }

    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _pinned = self.pin_folders_of(from)?;
        rename_new(&self.0.join(from), &self.0.join(to))
    }

    pub(crate) fn remove(&self, relative: &Path) -> io::Result<()> {
        let _pinned = self.pin_folders_of(relative)?;
        fs::remove_file(self.0.join(relative))
    }

    pub(crate) fn names_in(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let _pinned = self.pin_folders_of(&folder.join("any"))?;
        fs::read_dir(self.0.join(folder))?.map(|entry| Ok(entry?.file_name())).collect()
    }

    pub(crate) fn open_folder(&self, relative: &Path) -> io::Result<File> {
        pin(&self.0.join(relative))
    }

    fn pin_folders_of(&self, relative: &Path) -> io::Result<Vec<File>> {
        let folders = relative.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let mut folders: Vec<&Path> = folders.collect();
        folders.reverse();
        folders.into_iter().map(|folder| pin(&self.0.join(folder))).collect()
    }
}

/// std's rename replaces (MoveFileExW), and ours may not.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(err) => Err(err),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

fn pin(folder: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options
        .access_mode(READ_ATTRIBUTES)
        .share_mode(PINNED)
        .custom_flags(BACKUP_SEMANTICS | OPEN_REPARSE_POINT);
    options.open(folder).and_then(refuse_link)
}

/// std counts junctions as links, too.
fn refuse_link(file: File) -> io::Result<File> {
    if file.metadata()?.file_type().is_symlink() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, LINK));
    }
    Ok(file)
}

/// The text of our own refusal, which has no code of the OS's.
const LINK: &str = "a link stands on the way";

pub(crate) fn is_escape(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::PermissionDenied && err.raw_os_error().is_none()
}

/// Windows keeps the writes through one handle apart itself, so that the lock costs nothing there;
/// Wine looks for the end and writes in two steps.
#[derive(Debug, Default)]
pub(crate) struct WriteLock(Mutex<()>);

impl WriteLock {
    pub(crate) fn new() -> WriteLock {
        WriteLock::default()
    }

    pub(crate) fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn append(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    file.write(bytes)
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    // `seek_read` moves the position, which appending ignores.
    match file.seek_read(buffer, offset)? {
        n if n == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(crate) fn kind_of(kind: &FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else {
        "not a regular file"
    }
}

pub(crate) fn sync_folder(_open: impl Fn() -> io::Result<File>) -> io::Result<()> {
    Ok(())
}

/// FlushFileBuffers of a volume needs the rights of an administrator.
pub(crate) fn synced_as_a_whole(_: &File, _: &Identity, _folder: &Path) -> Option<u64> {
    None
}

/// Of no use where no file system is synced as a whole.
pub(crate) fn file_system(_: &Identity) -> u64 {
    0
}

pub(crate) fn sync_file_system(_: &File) -> io::Result<()> {
    Ok(())
}

pub(crate) fn wait_for_inflight_writes(_: &File) {}

/// A handle alone keeps a file's index from being given to another.
pub(crate) type FileKey = ();

pub(crate) fn file_key(_: &Identity) -> Option<FileKey> {
    None
}

pub(crate) fn file_key_at(_: &Path) -> Option<FileKey> {
    None
}

pub(crate) fn inherit(_: &fs::Metadata, _: &File) -> io::Result<()> {
    // Access control lists are the folder's.
    Ok(())
}

/// `SetThreadPriority` needs `unsafe`.
pub(crate) fn lower_priority() {}

pub(crate) fn size(file: &File) -> io::Result<u64> {
    file.metadata().map(|metadata| metadata.len())
}

/// Not known: the position is that of the last read.
pub(crate) fn end_of_own_write(_: &File) -> Option<u64> {
    None
}

pub(crate) fn overwrite(file: &File, byte: u8, offset: u64) -> io::Result<()> {
    file.seek_write(&[byte], offset).map(drop)
}

/// By the numbers of winerror.h.
pub(crate) fn cause(err: &io::Error) -> Cause {
    match err.raw_os_error() {
        // ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
        Some(32 | 33) => Cause::WouldBlock,
        // ERROR_TOO_MANY_OPEN_FILES
        Some(4) => Cause::OutOfDescriptors,
        // ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED
        Some(1 | 50) => Cause::NotSupported,
        // ERROR_INVALID_PARAMETER
        Some(87) => Cause::Invalid,
        // ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND
        Some(2 | 3) => Cause::Missing,
        // ERROR_DIRECTORY
        Some(267) => Cause::NotAFolder,
        // ERROR_FILE_EXISTS, ERROR_ALREADY_EXISTS
        Some(80 | 183) => Cause::Exists,
        // ERROR_INVALID_HANDLE, ERROR_NOT_READY, ERROR_BAD_NETPATH, ERROR_DEV_NOT_EXIST, ERROR_UNEXP_NET_ERR,
        // ERROR_NETNAME_DELETED, ERROR_SEM_TIMEOUT, ERROR_IO_DEVICE
        Some(6 | 21 | 53 | 55 | 59 | 64 | 121 | 1117) => Cause::Unreachable,
        // ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL, ERROR_DISK_QUOTA_EXCEEDED
        Some(39 | 112 | 1295) => Cause::Full,
        // ERROR_ACCESS_DENIED, ERROR_WRITE_PROTECT, ERROR_FILENAME_EXCED_RANGE
        Some(5 | 19 | 206) => Cause::Denied,
        _ => match err.kind() {
            io::ErrorKind::Interrupted => Cause::Interrupted,
            io::ErrorKind::NotFound => Cause::Missing,
            io::ErrorKind::AlreadyExists => Cause::Exists,
            io::ErrorKind::PermissionDenied => Cause::Denied,
            _ => Cause::Other,
        },
    }
}

/// Windows has no such limit for handles but the 16 million of a process; this is the share of
/// them that a log may take.
pub(crate) fn descriptor_limit() -> usize {
    16_384
}
