//! Rotation: which file a record belongs to by its time and by the file's size, what a rotated file is called,
//! which are kept, and in what form.
//!
//! | module | what it knows |
//! |---|---|
//! | `settings` | the keys' values |
//! | `period`, `names`, `keep` | days and months, names, what is kept: pure |
//! | `file_period` | the period of the open file |
//! | `rotate` | when and how a new file is begun |
//! | `folder` | a log's rotated files as they are on disk |
//! | `upkeep`, `gzip` | what the upkeep thread does |
//! | `unsynced` | what `sync()` must cover beside the open file |
//!
//! Two locks of a log keep processes apart (`sys::lock`). The **rotation lock** is held while the log is renamed, by
//! one process at a time, on a description that was opened for it. Each writer has **marked in use** the file that it
//! has open, for as long as it is open; the upkeep thread replaces or removes a rotated file only while it
//! has locked out such users, and does not wait for that.

mod file_period;
mod folder;
mod gzip;
mod keep;
mod names;
mod period;
mod rotate;
mod settings;
#[cfg(test)]
mod tests;
mod unsynced;
mod upkeep;

use std::sync::atomic::{AtomicBool, AtomicI64};

pub(super) use file_period::FilePeriod;
pub(crate) use names::{may_be_rotated, may_end_rotated, LONGEST_ROTATED_ENDING};
pub(super) use rotate::FileFor;
pub(crate) use settings::{parse_size, Rotation};
pub use settings::{Compress, Every, Keep};

/// What a log that is rotated knows beside its open file.
#[derive(Debug, Default)]
pub(super) struct RotationState {
    /// Whether upkeep was asked for since the log is known.
    had_upkeep: AtomicBool,
    /// Whether it was asked for and has not begun.
    upkeep_is_due: AtomicBool,
    /// The time of the record that gave reason to it, in seconds since 1970.
    upkeep_second: AtomicI64,
    unsynced: unsynced::UnsyncedFiles,
}
