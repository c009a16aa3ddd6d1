//! Counters: what became of every record.
//!
//! Each file has its own counters, which are relaxed atomics. A [`Stats`] is their sum at one moment, and may differ
//! by the records that are being written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::equipment_id::EquipmentId;

/// One counter that any thread may raise.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares the counters of one file once, and from them what is counted, read and printed.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one file.
        #[derive(Debug, Default)]
        #[repr(C)]
        pub(crate) struct FileCounters { $(pub(crate) $name: Counter,)* }

        /// What became of the records of one piece of equipment, or of all.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        impl FileCounters {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }

        impl std::ops::AddAssign for Counts {
            fn add_assign(&mut self, other: Counts) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut gap = "";
                $(
                    write!(f, concat!("{}", stringify!($name), "={}"), gap, self.$name)?;
                    gap = " ";
                )*
                let _ = gap;
                Ok(())
            }
        }
    };
}

counters! {
    /// Records that are whole in a file.
    written,
    /// Records that belong to this equipment, and are whole in no file.
    lost,
    /// Times a file was opened.
    opened,
    /// Times a file could not be opened, or its folder not be made.
    open_failures,
    /// Writes that failed or stopped short.
    write_failures,
    /// Calls of `fdatasync` that succeeded.
    syncs,
    /// Syncs, of a file or of a folder, that failed.
    sync_failures,
    /// Times a file was closed because too many were open.
    evicted,
    /// Times a file was closed because it had no record for `idle_timeout`.
    idle_closed,
    /// Times a file was opened again because its path no longer led to it, or on request.
    reopened,
    /// Times this sink renamed a file that was full, and began a new one.
    rotated,
    /// Times a log could not be rotated: its records continued in the file that was full.
    rotation_failures,
    /// Rotated files that this process compressed.
    compressed,
    /// Rotated files that this process deleted since they were not to be kept.
    deleted,
    /// Times a rotated file could not be compressed or deleted. It is tried again.
    upkeep_failures,
}

/// What became of every record that a sink was given: a copy of its counters at one moment.
///
/// `Display` is one line. With the feature `serde` it is `Serialize`.
///
/// # Examples
///
/// ```
/// # let root = tempfile::tempdir()?;
/// use equipment_log::{EquipmentSink, Scope};
///
/// let sink = EquipmentSink::builder(root.path()).build()?;
/// sink.write(&Scope::new("CONFOCAL_01")?, log::Level::Info, b"stage homed")?;
///
/// let stats = sink.stats();
/// assert_eq!(stats.total.written, 1);
/// assert_eq!(stats.equipment["CONFOCAL_01"].written, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Records that were not this sink's: no equipment, or without a tag that the path names.
    pub skipped: u64,
    /// Records that are less severe than `level`, or than the entry of `levels` for their equipment.
    pub filtered: u64,
    /// Records whose equipment id, or a tag's value in the path, was refused.
    pub refused: u64,
    /// Files open at the moment.
    pub open: u64,
    /// The sum over all equipment.
    pub total: Counts,
    /// The counts of each piece of equipment whose log is known. A log that is closed and owes nothing is
    /// forgotten: its counts stay in the total.
    pub equipment: BTreeMap<EquipmentId, Counts>,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "equipment={} open={} skipped={} filtered={} refused={} {}",
            self.equipment.len(),
            self.open,
            self.skipped,
            self.filtered,
            self.refused,
            self.total
        )
    }
}
