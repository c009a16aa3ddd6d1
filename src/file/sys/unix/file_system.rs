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

/// The file systems whose syncfs(2) makes every file of them durable, by their numbers in statfs(2). The kernel does not
/// ask the daemon of a FUSE file system (fuse(4)), and says OK.
#[cfg(target_os = "linux")]
const SYNCED_AS_A_WHOLE: [u32; 8] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0x0102_1994, // tmpfs
    0x6969,      // NFS
    0x794C_7630, // overlayfs
];

/// The number of the file system of a file, if [`sync_file_system`] makes the file durable through the file's folder.
/// The folder is on another one if the file itself is a mount point, and in some overlays (overlayfs, "Inode
/// properties").
#[cfg(target_os = "linux")]
pub(crate) fn synced_as_a_whole(file: &File, identity: &Identity, folder: &Path) -> Option<u64> {
    // The number has 32 bits, in a field that has a sign and 64 bits on some processors.
    let kind = rustix::fs::fstatfs(file).ok()?.f_type as u32;
    let folder = super::identity_at(folder).ok()?;
    let is_whole = SYNCED_AS_A_WHOLE.contains(&kind) && folder.device == identity.device;
    is_whole.then_some(identity.device)
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

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::super::{file_system, identity};
    use super::*;

    #[test]
    fn a_file_is_synced_as_a_whole_only_if_its_folder_leads_to_its_file_system() {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let file = File::create(dir.path().join("file")).unwrap();
        let it = identity(&file).unwrap();
        assert_eq!(synced_as_a_whole(&file, &it, dir.path()), Some(file_system(&it)));
        assert_eq!(synced_as_a_whole(&file, &it, Path::new("/proc")), None);
        assert_eq!(synced_as_a_whole(&file, &it, &dir.path().join("missing")), None);
        let other = File::open("/proc/self/status").unwrap();
        let it = identity(&other).unwrap();
        assert_eq!(synced_as_a_whole(&other, &it, Path::new("/proc/self")), None);
    }
}
