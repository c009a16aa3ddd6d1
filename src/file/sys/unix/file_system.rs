//! The file system that a file is on.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Identity;

/// Makes everything of the file system durable that the folder is on.
#[cfg(target_os = "linux")]
pub(crate) fn sync_file_system(folder: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

/// The number of the file system of a file that [`sync_file_system`] makes durable.
#[cfg(target_os = "linux")]
pub(crate) fn synced_as_a_whole(_: &File, identity: &Identity, _folder: &Path) -> Option<u64> {
    Some(identity.device)
}

/// sync(2) does not wait for the writes (POSIX).
#[cfg(not(target_os = "linux"))]
pub(crate) fn synced_as_a_whole(_: &File, _: &Identity, _folder: &Path) -> Option<u64> {
    None
}

/// The number of the file system that a file is on. Another one may be mounted on the way to the file.
pub(crate) fn file_system(file: &Identity) -> u64 {
    file.device
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_file_system(_: &File) -> io::Result<()> {
    Ok(())
}
