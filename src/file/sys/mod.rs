//! What each platform must do, and the one place that picks it.
//!
//! Each platform's file exports the same items.
//!
//! - `Identity`, `identity(&File)`, `identity_at(&Path)`: two identities MUST be equal exactly when
//!   both name the same file on disk. `identity_at` MUST NOT open the path for writing, and MUST be
//!   `NotFound` where nothing is there.
//! - `open(path, How)`: what is opened to append MUST append every write at the end of the file,
//!   whatever other processes do, MUST NOT block on a pipe, MUST NOT pass to child processes, and
//!   MUST let others rename and delete the open file. The mode MUST be less the umask.
//! - `create_folder(path, mode)`: the mode MUST be less the umask.
//! - `Dir`, with `at(path)`, `open(relative, How)`, `create_folder(relative, mode)`,
//!   `open_folder(relative)`, `names_in(folder)`, `remove(relative)`,
//!   `rename(relative, relative)` and `rename_new(relative, relative)`: the same below a folder, and MUST NOT leave it, whatever links stand or
//!   are put on the way. `is_escape(&io::Error)` tells the refusal to do so.
//! - `rename_new(from, to)`, both in one folder: MUST NOT replace what has the new name, and MUST be `AlreadyExists`
//!   then. A file system that has neither such a rename nor hard links is asked whether the name is free before the
//!   rename.
//! - `append(&File, bytes)`: MUST be one write.
//! - `WriteLock`, with `take(&self)`: what `take` returns is held over a write. Nothing, where the kernel
//!   keeps the writes through one descriptor apart.
//! - `read_at(&File, …)`: MUST NOT depend on the file's position.
//! - `kind_of(&FileType)`: what stands at a path, in words for a person.
//! - `sync_folder(open)`: makes the entries of the folder that `open` opens durable, or does nothing
//!   where the platform cannot.
//! - `synced_as_a_whole(&File, &Identity, folder)`: the number of the file system that the file is on. It MUST NOT be 0,
//!   and MUST be None where `sync_file_system(&File)` with a descriptor of the file's folder does not make the file
//!   durable. `file_system(&Identity)`: that number, of any file or folder.
//! - `wait_for_inflight_writes(&File)`: returns when the writes that were under way have ended, where the platform
//!   can tell; it MUST NOT change the file.
//! - `size(&File)`: the file's length, as cheap as the platform has it.
//! - `end_of_own_write(&File)`: where the last write through this descriptor ended, if known.
//! - `FileKey`, `file_key(&Identity)`: the identity as a value that holds no file open, if the platform has one;
//!   `file_key_at(&Path)`: that of what is there.
//! - `inherit(&Metadata, &File)`: gives a new file the permissions and the group of another, as far as it is
//!   allowed to.
//! - `lower_priority()`: the calling thread, and no other, yields to all others, where the platform can do so.
//! - `overwrite(&File, byte, offset)`: replaces one byte in place, on a descriptor that does not
//!   append.
//! - `cause(&io::Error)`: which [`Cause`] the platform's code stands for.
//! - `descriptor_limit()`: how many descriptors this process may have, the soft limit.

/// Why a call failed, whatever the platform calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Interrupted,
    /// Another holds it at this moment.
    WouldBlock,
    OutOfDescriptors,
    NotSupported,
    Invalid,
    /// Nothing is at the path, or a folder on its way is missing.
    Missing,
    /// Something other than a folder is on the way.
    NotAFolder,
    Exists,
    /// The file or its device does not answer any more.
    Unreachable,
    /// No space, quota or length is left.
    Full,
    Denied,
    Other,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) purpose: Purpose,
    /// Whether it may be read, too.
    pub(crate) read: bool,
    pub(crate) mode: u32,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To append to one that is there.
    Append,
    /// To append to one that is made now.
    Create,
    /// To replace bytes in one that is there.
    Overwrite,
    /// To be the only one that has it open, on a platform that locks so. It is deleted when it is closed.
    Lock,
    /// To be compressed or deleted, read and locked. On Windows it cannot be opened while another has it open
    /// to write, nor while one has it open who does not share deletion.
    Replace,
}

mod lock;
pub(crate) use lock::*;

mod stamp;
pub(crate) use stamp::*;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
