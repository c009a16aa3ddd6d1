//! Rotation: which file a record belongs to by its time and by the file's size, what a rotated file is called,
//! which are kept, and in what form.
//!
//! | module | what it knows |
//! |---|---|
//! | `settings` | the keys' values |
//! | `period`, `names`, `age`, `keep` | days and months, names, which is newer, what is kept: pure |
//! | `file_period` | the period of the open file |
//! | `rotate` | when and how a new file is begun |
//! | `folder` | a log's rotated files as they are on disk |
//! | `upkeep`, `gzip` | what the upkeep thread does |
//! | `twin` | what a compressed file has of the plain one beside it |
//! | `pairs` | since when neither of the two was changed |
//! | `unsynced` | what `sync()` must cover beside the open file |
//!
//! Two locks of a log keep processes apart (`sys::lock`). One process at a time holds the **rotation lock** while it
//! renames the log; the lock is taken on a file description that was opened for it. Each process **marks in use** the
//! file that it has open, until it closes the file. The upkeep thread replaces or removes a rotated file only while
//! it has locked out these users, and does not wait for them.

mod age;
mod file_period;
mod folder;
mod gzip;
mod keep;
mod names;
mod pairs;
mod period;
mod rotate;
mod settings;
#[cfg(test)]
mod tests;
mod twin;
mod unsynced;
mod upkeep;
#[cfg(test)]
mod upkeep_tests;

use std::sync::atomic::{AtomicBool, AtomicI64};

pub(super) use file_period::FilePeriod;
pub(crate) use names::{may_be_rotated, may_end_rotated, LONGEST_ROTATED_ENDING};
pub(super) use rotate::FileFor;
pub(crate) use settings::{parse_size, Rotation};
pub use settings::{Compress, Every, Keep};

/// What is known of a log that is rotated, beside its open file.
#[derive(Debug, Default)]
pub(super) struct RotationState {
    /// Whether the log has asked for upkeep since it is known.
    had_upkeep: AtomicBool,
    /// Whether the upkeep that was asked for has not begun yet.
    upkeep_is_due: AtomicBool,
    /// The time of the record that caused the last request for upkeep, in seconds since 1970.
    upkeep_second: AtomicI64,
    unsynced: unsynced::UnsyncedFiles,
    pairs: pairs::Pairs,
}
