//! One log file for each piece of equipment that a program drives.
//!
//! Laboratory and plant software runs several instruments from one process. This crate gives each
//! of them its own log, where its data is, to programs that already log through [`log`](mod@log):
//!
//! ```text
//! <local_root>/<equipment_id>/.exlab-wizard/wizard.<hostname>.log
//! ```
//!
//! - with log4rs: declare `kind: equipment_scoped` in YAML after [`log4rs::register`], or build an
//!   [`EquipmentScopedAppender`];
//! - with fern: chain an [`EquipmentScopedOutput`] into a dispatch;
//! - with neither: give an [`EquipmentSink`] ready lines.
//!
//! The application says which equipment it works on with a [`Scope`], and logs as usual:
//!
//! ```
//! # let root = tempfile::tempdir()?;
//! use equipment_log::{EquipmentScopedOutput, Scope};
//!
//! let output = EquipmentScopedOutput::builder(root.path()).hostname("labpc-04").build()?;
//! fern::Dispatch::new().format(equipment_log::fern::line_format()).chain(output).apply()?;
//!
//! let scope = Scope::new("CONFOCAL_01")?.tag("proj", "PROJ-0042");
//! scope.run(|| log::info!("stage homed"));
//! log::info!("of no equipment: not in any equipment's log");
//!
//! let log = root.path().join("CONFOCAL_01/.exlab-wizard/wizard.labpc-04.log");
//! assert!(std::fs::read_to_string(log)?.ends_with("[proj:PROJ-0042] stage homed\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = include_str!("book/start.md")]
//! # Whose a record is
//!
//! That is decided on the thread that logs it: the record's own `equipment_id` key-value
//! (`log::info!(equipment_id = "STAGE_02"; "…")`), else the innermost [`Scope`] entered on that
//! thread, else, under log4rs, `equipment_id` in its diagnostic context. A key-value that names
//! another equipment than the scope's leaves the scope's tags behind. Where there is none, or an
//! empty one, the record is no equipment's: nothing is written, made or reported.
//!
//! # Durability
//!
//! What a log call that returned without an error guarantees:
//!
//! | record | survives the program's end, a panic, `SIGKILL` | survives a power cut |
//! |---|---|---|
//! | below `fsync_level` | yes: it is in the kernel, whole | not promised |
//! | at `fsync_level` (default: ERROR) or worse | yes | yes |
//!
//! - A durable record is followed by an `fdatasync` that *began after its write returned*. Threads
//!   that wait at the same time share one. Nothing that a non-durable record needs is held
//!   meanwhile.
//! - For a file or folder that this process made, the folders above it are synced too, up to one
//!   that was there before, at the first durable record.
//! - A failed sync is never reported as success. The kernel drops the data and says OK the next
//!   time (<https://lwn.net/Articles/752063/>), so a descriptor that failed once is never synced
//!   again: the path is opened anew, the record appended once more, and that synced once. If that
//!   fails too, the log call returns the error. Such a record may stand in the log twice.
//! - One record is one `write` on an append-only descriptor: threads and processes of one host
//!   never tear each other's lines, at any size. NFS and SMB have no atomic append, which is why
//!   the host's name is in the file's. On Windows folders cannot be synced: a new file's entry is
//!   as durable as the file system makes it.
//!
//! ## What a queue changes
//!
//! `queue: {}` in YAML, or [`QueueConfig`]: the log call hands the line over, with its time and scope,
//! and one thread of the sink writes, many records at a time.
//!
//! | record | survives a panic or the end of the program | survives a power cut |
//! |---|---|---|
//! | below `fsync_level` | once it is written: within about ten milliseconds, and when `flush` returns | not promised |
//! | durable, `durable: wait` | yes: its call returns when it is on disk, or with the error | yes |
//! | durable, `durable: continue` | once it is written; the writer does so at once | once it is synced |
//!
//! - In one log the order is that in which records were handed over, also between threads: what one
//!   thread logs after it has heard of another's record stands behind that.
//! - [`EquipmentSink::flush`], `sync`, `close`, `reopen` and `stats` act after what was handed over
//!   before. Dropping the last clone of a sink, and the drop of log4rs's handle, write what waits. A
//!   newer sink for the same files, as a reload makes it, writes behind an older one's queue.
//! - A full queue makes the call wait (`block`), or loses the record (`drop`), counts it, and says so
//!   in the file where it is missing. A durable record whose call waits is never dropped. Another
//!   record is taken in while fewer bytes than `limit` wait, so that one per thread may go beyond it.
//! - A record that could not be written is lost as described below. Its call has returned by then: the
//!   next call for the same log returns the error, as [`Error::is_earlier_record`], though its own
//!   record is queued. The line that says a gap names the equipment alone, without other tags.
//! - **One thread writes for all equipment.** A file system that stalls holds up the records of all, and
//!   in the end, with `block`, their calls. Without a queue it holds up its own equipment's alone.
//! - The thread is not in a child that `fork` made: there, a record is an error
//!   ([`Error::is_queue`]), after at most 128 that are lost.
//!
//! # Handling IO failures
//!
//! Errors go to the framework: log4rs's error handler, and standard error under fern. A failure
//! concerns one equipment's file alone, is tried again with that equipment's next record, and holds
//! no lock that another's needs.
//!
//! - **A short write** (full disk, quota, file size limit) is never continued, since another
//!   process may have appended meanwhile. The fragment's last byte becomes a line end, in place, so
//!   that it stands on a line of its own; then the whole record is tried once more.
//! - **A lost record is counted and said.** The first record that can be written again is preceded,
//!   in the same write, by one structured line at WARN: how many records are missing there, since
//!   when, and the OS's reason; it is structured whatever the encoder or format of the others,
//!   and ends with a full stop: without it the line was torn itself, and the number is said again.
//!   [`EquipmentSink::stats`] counts them as `lost`. What a sink
//!   could not say before a reload dropped it is said by the next; at the program's end it stays unsaid.
//! - **A file size limit** (`RLIMIT_FSIZE`) is an error only to a program that ignores `SIGXFSZ`; to
//!   others the kernel sends that signal, which ends them.
//! - **A torn end** (a crash, a run of NULs after a power cut) is closed with a line end before the
//!   first record that is appended, in the same write. What is torn stays in the file as it is. The
//!   end of a file that we may write and not read cannot be seen: a blank line is put there. A
//!   process that is killed *inside* a write of several pages can leave a fragment to which a
//!   process that has the file open already appends; the next that opens the file heals it.
//! - **Too many open files**: beyond `max_open_files`, and whenever the OS has no descriptor left,
//!   the least recently used file is closed, never one that is being written to.
//! - **A moved or deleted file** is noticed within a second, and at each durable record: the next
//!   record makes folder and file again. Records in between are in the file that was moved.
//!
//! - **A log that is idle** for `idle_timeout` is closed, by one thread for all sinks, and opened again
//!   at its next record.
//! - **A log that is full**, with `rotation`, is renamed to `….log.1` by the thread whose record does not
//!   fit, under a lock of the file itself; other threads and processes follow with their next record.
//!   What they write until then is whole, in a file that is kept. Where the rename fails, the record goes
//!   into the full file and the log call returns [`Error::is_rotation`]; it is tried again after each
//!   eighth of the limit, or eight records. One attempt waits a second at most for another process that
//!   was stopped while it renamed, and so do the records that have no room meanwhile.
//!
//! Nothing here logs, panics, or writes to standard error under a lock.
//!
//! # Where platforms differ
//!
//! - **Windows**: `file_mode` and `dir_mode` mean nothing. Folders cannot be synced. No link or
//!   junction below `local_root` is followed, unless `follow_links` allows all of them. The default
//!   of `max_open_files` is 8192, since there is no soft limit to take half of. An open log can be
//!   read, renamed and deleted by others; the folder that holds it can be neither renamed nor deleted
//!   while it is open, which is the system's own rule. A short write leaves its fragment to be closed
//!   by the next record, since a second handle cannot find its end. `rotation` is locked by a file
//!   `….log.lock` that is there only for the renames; a kept file that another program holds open, and
//!   does not share for deletion, delays the next rotation until it is closed.
//! - **macOS**: a durable record is synced with `F_FULLFSYNC`, as std does it, which empties the
//!   drive's cache too.
//!
//! # Security
//!
//! - [`EquipmentId`] is the only way from text met at run time to a part of a path; tags' values in
//!   the configured `path` pass the same check. No id can climb, hide, or name a device. Two
//!   spellings that differ by letter case only are refused, the second on every system.
//! - Folders are walked from `local_root` without leaving it (`openat2` with `RESOLVE_BENEATH` on
//!   Linux, a checked walk elsewhere). A link that leads out of it is refused, also one that is put
//!   there meanwhile; a link that stays inside is followed, but on Windows, where no link below
//!   `local_root` is. `follow_links: true` gives this up. A file that is open stays in use while its
//!   path leads to it, also where a folder was moved away and a link to it left in its place.
//!   `local_root` itself may be a link: it is the operator's.
//! - Only regular files are written. Pipes, devices, sockets and folders are refused and never
//!   waited for. A hard link is a regular file.
//! - Control characters in a record are written as visible escapes, and the structured line escapes
//!   what could pass for a tag: no message can forge a line, a tag, or command a terminal.
//! - Descriptors are not inherited by child processes. New files and folders get `file_mode` and
//!   `dir_mode`, less the umask.
//! - No `unsafe` code in this crate.
#![doc = include_str!("book/reference.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Each adapter uses a part of the core, and both together use all of it.
#![cfg_attr(not(all(feature = "log4rs", feature = "fern")), allow(dead_code, unused_imports))]

#[allow(dead_code, reason = "the rooms take it up one by one")]
mod clock;
mod config;
mod context;
mod equipment_id;
mod error;
mod file;
mod layout;
mod line;
mod process;
mod queue;
mod registry;
mod report;
mod sink;
mod stats;
#[allow(dead_code, reason = "the rooms take it up one by one")]
mod sync;

#[cfg(feature = "fern")]
pub mod fern;
#[cfg(feature = "log4rs")]
pub mod log4rs;

pub use crate::config::{
    Compress, Every, Keep, QueueConfig, RotationConfig, SinkConfig, WhenDurable, WhenFull,
};
pub use crate::context::{InScope, Scope, ScopeFutureExt, ScopeGuard};
pub use crate::equipment_id::EquipmentId;
pub use crate::error::Error;
#[cfg(feature = "fern")]
pub use crate::fern::EquipmentScopedOutput;
pub use crate::line::{parse_line, ControlCharacters, Line, Precision};
#[cfg(feature = "log4rs")]
pub use crate::log4rs::EquipmentScopedAppender;
pub use crate::sink::{EquipmentSink, EquipmentSinkBuilder};
pub use crate::stats::{Counts, Stats};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
