//! The file system that a file is on.

use std::fs::File;
use std::io;

use super::Identity;

/// Makes everything of the file system durable that the folder is on.
#[cfg(target_os = "linux")]
pub(crate) fn sync_file_system(folder: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

/// Whether [`sync_file_system`] does so.
pub(crate) const SYNCS_FILE_SYSTEM: bool = cfg!(target_os = "linux");

/// The number of the file system that a file is on. Another one may be mounted on the way to the file.
pub(crate) fn file_system(file: &Identity) -> u64 {
    file.device
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_file_system(_: &File) -> io::Result<()> {
    Ok(())
}
