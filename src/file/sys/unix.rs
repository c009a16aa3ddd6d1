//! Unix. Relies on:
//!
//! - `O_APPEND`: each write goes to what is the file's end at that moment, and nothing can come
//!   between finding the end and writing there (POSIX write(2)); Linux holds the inode's lock over both.
//! - `O_NONBLOCK`: opening a pipe does not wait for the other end (POSIX open(2)); it means nothing
//!   for a regular file.
//! - fsync(2) of a file says nothing of its entry in the folder: the folder needs one of its own.

use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::Path;

use rustix::fs::OFlags;

use super::{Cause, How, Purpose};

mod file_system;
pub(crate) use file_system::*;

/// The device and the inode number: unique while the file exists (POSIX sys/stat.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    file.metadata().map(|metadata| Identity::of(&metadata))
}

pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| Identity::of(&metadata))
}

fn open_flags() -> i32 {
    // NOCTTY: a terminal at the path must not become ours before we see what it is.
    (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32
}

pub(crate) fn open(path: &Path, how: How) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(how.read).create_new(how.purpose == Purpose::Create).custom_flags(open_flags());
    if matches!(how.purpose, Purpose::Overwrite | Purpose::Replace) {
        options.write(true);
    } else {
        options.append(true).mode(how.mode);
    }
    options.open(path)
}

pub(crate) fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().mode(mode).create(path)?;
    add_special_bits(mode, || File::open(path))
}

/// mkdir(2) makes no set-user-ID and set-group-ID bits, whatever it is asked for: they are added, and what the umask
/// has left of the others stays.
fn add_special_bits(mode: u32, open: impl FnOnce() -> io::Result<File>) -> io::Result<()> {
    const SPECIAL: u32 = 0o6000;
    if mode & SPECIAL == 0 {
        return Ok(());
    }
    let folder = open()?;
    let made = folder.metadata()?.mode() & 0o7777;
    folder.set_permissions(fs::Permissions::from_mode(made | mode & SPECIAL))
}

/// A folder that is not left: `openat2` with `RESOLVE_BENEATH` where the kernel has it, a walk that
/// checks each link elsewhere.
#[derive(Debug)]
pub(crate) struct Dir(cap_std::fs::Dir);

impl Dir {
    pub(crate) fn at(path: &Path) -> io::Result<Dir> {
        cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority()).map(Dir)
    }

    pub(crate) fn open(&self, relative: &Path, how: How) -> io::Result<File> {
        use cap_std::fs::OpenOptionsExt as _;
        let mut options = cap_std::fs::OpenOptions::new();
        options
            .read(how.read)
            .create_new(how.purpose == Purpose::Create)
            .custom_flags(open_flags());
        if matches!(how.purpose, Purpose::Overwrite | Purpose::Replace) {
            options.write(true);
        } else {
            options.append(true).mode(how.mode);
        }
        self.0.open_with(relative, &options).map(cap_std::fs::File::into_std)
    }

    pub(crate) fn create_folder(&self, relative: &Path, mode: u32) -> io::Result<()> {
        use cap_std::fs::DirBuilderExt as _;
        let mut builder = cap_std::fs::DirBuilder::new();
        self.0.create_dir_with(relative, builder.mode(mode))?;
        add_special_bits(mode, || self.open_folder(relative))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, &self.0, to)
    }

    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let folder = self.open_folder(from.parent().unwrap_or(Path::new("")))?;
        rename_new_in(&folder, from, to)
    }

    pub(crate) fn remove(&self, relative: &Path) -> io::Result<()> {
        self.0.remove_file(relative)
    }

    pub(crate) fn names_in(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.0.read_dir(here_if_empty(folder))?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// A pipe that has the folder's name now would be waited for without `O_DIRECTORY`.
    pub(crate) fn open_folder(&self, relative: &Path) -> io::Result<File> {
        use cap_std::fs::OpenOptionsExt as _;
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).custom_flags(OFlags::DIRECTORY.bits() as i32);
        self.0.open_with(here_if_empty(relative), &options).map(cap_std::fs::File::into_std)
    }
}

/// The root's own relative path is empty, which is no path for the system.
fn here_if_empty(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_new_in(&File::open(here_if_empty(from.parent().unwrap_or(Path::new(""))))?, from, to)
}

/// renameat2(2) with `RENAME_NOREPLACE`; where the file system cannot do so (NFS), a hard link, which is never made in
/// the place of a file (link(2)).
fn rename_new_in(folder: &File, from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{linkat, renameat, statat, unlinkat, AtFlags};
    let name =
        |path: &Path| path.file_name().map(OsString::from).ok_or(io::ErrorKind::InvalidInput);
    let (from, to) = (name(from)?, name(to)?);
    #[cfg(target_os = "linux")]
    match rustix::fs::renameat_with(folder, &from, folder, &to, rustix::fs::RenameFlags::NOREPLACE)
        .map_err(io::Error::from)
    {
        Err(err) if matches!(cause(&err), Cause::Invalid | Cause::NotSupported) => {}
        renamed => return renamed,
    }
    match linkat(folder, &from, folder, &to, AtFlags::empty()).map_err(io::Error::from) {
        Ok(()) => return Ok(unlinkat(folder, &from, AtFlags::empty())?),
        Err(err) if matches!(cause(&err), Cause::Exists | Cause::Missing) => return Err(err),
        Err(_) => {}
    }
    match statat(folder, &to, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from) {
        Err(err) if cause(&err) == Cause::Missing => Ok(renameat(folder, &from, folder, &to)?),
        Err(err) => Err(err),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// The sandbox's own refusal is the one that has no code of the OS's.
pub(crate) fn is_escape(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::PermissionDenied && err.raw_os_error().is_none()
}

/// The kernel keeps writes apart: there is nothing to take.
#[derive(Debug)]
pub(crate) struct WriteLock;

/// What [`WriteLock::take`] returns, as the other platforms' guard.
pub(crate) struct Taken;

impl WriteLock {
    pub(crate) fn new() -> WriteLock {
        WriteLock
    }

    pub(crate) fn take(&self) -> Taken {
        Taken
    }
}

/// The system call itself, where rustix makes it so: libc's wrapper is a cancellation point, and costs
/// a tenth of the call in a process with threads (pthreads(7)).
#[inline(always)]
pub(crate) fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(file, bytes)?)
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

pub(crate) fn kind_of(kind: &FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "not a regular file"
    }
}

pub(crate) fn sync_folder(open: impl Fn() -> io::Result<File>) -> io::Result<()> {
    open()?.sync_all()
}

/// Reserving a range takes the same lock of the inode as a write does, so that it waits for one
/// that is under way; the range is the first byte, which is there already. It also sets the file's time to now, which
/// would give a rotated log another period: where nobody has written meanwhile the time is put back.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for_inflight_writes(file: &File) {
    use rustix::fs::FallocateFlags;
    let before = file.metadata();
    // A file system that cannot reserve has no such barrier: the caller then looks a moment early.
    let _ = rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, 1);
    if let (Ok(before), Ok(after)) = (before, file.metadata()) {
        if let (true, Ok(modified)) = (before.len() == after.len(), before.modified()) {
            // Not everybody who may write to a file may set its time.
            let _ = file.set_times(fs::FileTimes::new().set_modified(modified));
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_for_inflight_writes(_: &File) {}

/// The device and the inode number.
pub(crate) type FileKey = (u64, u64);

pub(crate) fn file_key(identity: &Identity) -> Option<FileKey> {
    Some((identity.device, identity.inode))
}

pub(crate) fn file_key_at(path: &Path) -> Option<FileKey> {
    file_key(&Identity::of(&fs::symlink_metadata(path).ok()?))
}

/// The group first: giving a file away clears its setgid bit (chown(2)). Who may not do so has a file of his own.
pub(crate) fn inherit(from: &fs::Metadata, to: &File) -> io::Result<()> {
    const PERMISSIONS: u32 = 0o7777;
    let own = to.metadata()?;
    if own.gid() != from.gid() {
        std::os::unix::fs::fchown(to, None, Some(from.gid()))?;
    }
    if (own.mode() ^ from.mode()) & PERMISSIONS != 0 {
        to.set_permissions(fs::Permissions::from_mode(from.mode() & PERMISSIONS))?;
    }
    Ok(())
}

/// A thread's nice value is its own, against POSIX (setpriority(2), NOTES). Not the least: on a machine that is
/// busy, a thread at 19 may not run for a second, in the midst of a call that has the folder's lock in the kernel.
#[cfg(target_os = "linux")]
pub(crate) fn lower_priority() {
    const LOW: i32 = 10;
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOW);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_priority() {}

/// By the position, since a call that also asks for the file's times would be dearer: since Linux 6.13 the write after
/// it takes the exact time and changes the inode, which costs as much as the write itself (multigrain timestamps).
pub(crate) fn size(file: &File) -> io::Result<u64> {
    let mut file = file;
    file.seek(SeekFrom::End(0))
}

/// A write with `O_APPEND` leaves the descriptor's position at its own end.
pub(crate) fn end_of_own_write(file: &File) -> Option<u64> {
    let mut file = file;
    file.stream_position().ok()
}

pub(crate) fn overwrite(file: &File, byte: u8, offset: u64) -> io::Result<()> {
    file.write_all_at(&[byte], offset)
}

pub(crate) fn cause(err: &io::Error) -> Cause {
    use rustix::io::Errno;
    let Some(errno) = Errno::from_io_error(err) else {
        return match err.kind() {
            io::ErrorKind::Interrupted => Cause::Interrupted,
            io::ErrorKind::NotFound => Cause::Missing,
            io::ErrorKind::PermissionDenied => Cause::Denied,
            _ => Cause::Other,
        };
    };
    // Two names of one number on some platforms, which a pattern may not list.
    if errno == Errno::OPNOTSUPP || errno == Errno::NOTSUP {
        return Cause::NotSupported;
    }
    match errno {
        Errno::INTR => Cause::Interrupted,
        Errno::AGAIN => Cause::WouldBlock,
        Errno::MFILE | Errno::NFILE => Cause::OutOfDescriptors,
        Errno::NOSYS => Cause::NotSupported,
        Errno::INVAL => Cause::Invalid,
        Errno::NOENT => Cause::Missing,
        Errno::NOTDIR => Cause::NotAFolder,
        Errno::EXIST => Cause::Exists,
        Errno::STALE | Errno::NOTCONN | Errno::IO | Errno::NXIO | Errno::NODEV => {
            Cause::Unreachable
        }
        Errno::SHUTDOWN | Errno::TIMEDOUT | Errno::BADF => Cause::Unreachable,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Cause::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::TXTBSY => Cause::Denied,
        Errno::LOOP | Errno::NAMETOOLONG => Cause::Denied,
        _ => Cause::Other,
    }
}

pub(crate) fn descriptor_limit() -> usize {
    let soft = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    soft.map_or(usize::MAX, |soft| usize::try_from(soft).unwrap_or(usize::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::file::obstacle::{obstacle, open_failed};

    #[test]
    fn a_link_is_in_the_way_only_if_it_leads_to_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (root, relative) = (root.path(), Path::new("EQ/w.log"));
        let (folder, file) = (root.join("EQ"), root.join(relative));
        symlink("real", &folder).unwrap();
        assert_eq!(obstacle(root, relative), Some(folder.clone()));
        let err = open_failed(&file, io::ErrorKind::NotFound.into());
        let words = format!("the link {} leads to nothing", folder.display());
        assert!(err.to_string().ends_with(&words) && err.is_not_found(), "{err}");
        fs::create_dir(root.join("real")).unwrap();
        assert_eq!(obstacle(root, relative), None);
        symlink("other.log", &file).unwrap();
        assert_eq!(obstacle(root, relative), Some(file.clone()));
        fs::write(root.join("real/other.log"), "").unwrap();
        assert_eq!(obstacle(root, relative), None);
        let err = open_failed(&file, io::ErrorKind::PermissionDenied.into());
        assert!(!err.to_string().contains("link"), "{err}");
    }
}
