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

        /// These are the counters of one piece of equipment, or of all equipment together.
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
    /// Records that are completely in a file.
    written,
    /// Records of this equipment that could not be written, or not completely.
    lost,
    /// Times a file was opened.
    opened,
    /// Times a file could not be opened, or its folder could not be created.
    open_failures,
    /// Writes that failed, or that wrote only a part.
    write_failures,
    /// Calls of `fdatasync` that succeeded.
    syncs,
    /// Syncs, of a file or of a folder, that failed.
    sync_failures,
    /// Times a file was closed because too many were open.
    evicted,
    /// Times a file was closed because it had no record for `idle_timeout`.
    idle_closed,
    /// Times a file was given up, so that the next record opens it again: because it was moved or deleted, because a
    /// write failed and the descriptor can no longer be used, or because `reopen` was called.
    reopened,
    /// Times this process renamed a log and began a new file.
    rotated,
    /// Rotations that failed. The records are in the old file.
    rotation_failures,
    /// Rotated files that this process compressed.
    compressed,
    /// Rotated files that this process deleted.
    deleted,
    /// Times a rotated file could not be compressed or deleted. This is tried again, but if a permission is missing,
    /// only after the next rotation or start.
    upkeep_failures,
}

/// A `Stats` is a copy of a sink's counters at one moment.
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
    /// Records without equipment, or without a tag that `path` names.
    pub skipped: u64,
    /// Records that are less severe than `level`, or than the entry of `levels` for their equipment.
    pub filtered: u64,
    /// Records whose id or path was refused ([`Error::is_invalid_id`](crate::Error::is_invalid_id)).
    pub refused: u64,
    /// Files that are open now.
    pub open: u64,
    /// The sum over all equipment, with the entries that were removed. `lost` also counts the records that could not be
    /// formatted.
    pub total: Counts,
    /// The counters of each piece of equipment. The entry can be removed when all files of the equipment are closed,
    /// and no file still needs a line about missing records. The removed counts stay in `total`.
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
