//! Windows. Relies on:
//!
//! - `FILE_APPEND_DATA` without `FILE_WRITE_DATA`: "the caller can write only to the end of the
//!   file, and any offset information about writes to the file is ignored" (File Access Rights
//!   Constants). That is what `append(true)` asks for.
//! - `FILE_SHARE_DELETE`: others may rename and delete the open file (CreateFileW). std and cap-std
//!   share for read, write and delete unless told otherwise.
//! - Handles are not inherited unless asked for.
//!
//! A folder cannot be synced there, and there are no permission bits to set.

use std::fs::{self, File, FileType};
use std::io;
use std::os::windows::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// The volume and the file's index on it. The handle inside keeps the index from being given to
/// another file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity(same_file::Handle);

pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    same_file::Handle::from_file(file.try_clone()?).map(Identity)
}

pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    // A file that is deleted while it is open keeps its name until the last handle is closed, and
    // refuses to be opened meanwhile: for us it is gone.
    same_file::Handle::from_path(path).map(Identity).map_err(|_| io::ErrorKind::NotFound.into())
}

pub(crate) fn append_flags(options: &mut cap_std::fs::OpenOptions, _mode: u32) {
    options.append(true);
}

pub(crate) fn append_flags_std(options: &mut fs::OpenOptions, _mode: u32) {
    options.append(true);
}

pub(crate) fn dir_builder(_mode: u32) -> cap_std::fs::DirBuilder {
    cap_std::fs::DirBuilder::new()
}

pub(crate) fn dir_builder_std(_mode: u32) -> fs::DirBuilder {
    fs::DirBuilder::new()
}

/// Windows keeps the writes through one handle apart itself, so that the lock costs nothing there;
/// Wine looks for the end and writes in two steps.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<()>);

impl Turn {
    pub(crate) fn new() -> Turn {
        Turn::default()
    }

    pub(crate) fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

pub(crate) fn sync_folder(_open: impl FnOnce() -> io::Result<File>) -> io::Result<()> {
    Ok(())
}

pub(crate) fn settle(_: &File) {}

/// Not known: the position is that of the last read.
pub(crate) fn end_of_own_write(_: &File) -> Option<u64> {
    None
}

pub(crate) fn overwrite(file: &File, byte: u8, offset: u64) -> io::Result<()> {
    file.seek_write(&[byte], offset).map(drop)
}

pub(crate) fn out_of_descriptors(err: &io::Error) -> bool {
    /// `ERROR_TOO_MANY_OPEN_FILES`
    const TOO_MANY_OPEN_FILES: i32 = 4;
    err.raw_os_error() == Some(TOO_MANY_OPEN_FILES)
}

/// Windows has no such limit for handles but the 16 million of a process; this is the share of
/// them that a log may take.
pub(crate) fn descriptor_limit() -> usize {
    16_384
}

pub(crate) fn coarse_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}
