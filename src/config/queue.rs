//! [`QueueConfig`]: the keys below `queue`.

use std::time::Duration;

#[cfg(feature = "serde")]
use super::choice::Choice;
#[cfg(feature = "serde")]
use super::value::{Keys, Section};
#[cfg(feature = "serde")]
use super::{binary_size, time_above_zero};
use crate::error::Mistakes;

/// The default of `limit`, in bytes.
const DEFAULT_LIMIT: u64 = 8 << 20;

/// The default of `drain_timeout`.
pub(crate) const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A `QueueConfig` holds the keys below `queue`. Each key has a setter of the same name. A key that is not set has its
/// default.
///
/// The values are checked by a builder's `build`.
///
/// # Examples
///
/// ```
/// use equipment_log::{QueueConfig, WhenFull};
///
/// let queue = QueueConfig::new().limit(64 << 20).when_full(WhenFull::Drop);
/// # let root = tempfile::tempdir()?;
/// let sink = equipment_log::EquipmentSink::builder(root.path()).queue(queue).build()?;
/// # drop(sink);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it says how a queue is, and makes none"]
pub struct QueueConfig {
    limit_bytes: Option<u64>,
    when_full: Option<WhenFull>,
    durable: Option<WhenDurable>,
    drain_timeout: Option<Duration>,
}

/// `WhenFull` says what a log call does while the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The log call waits until the queue has room, and nothing is lost.
    #[default]
    Block,
    /// The log call returns, and its record is lost. The lost record is counted, and a line in the log reports that it
    /// is missing. With `durable: wait`, a record at `fsync_level` or more severe is not dropped.
    Drop,
}

/// `WhenDurable` says what the log call of a record at `fsync_level` or more severe does, with a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDurable {
    /// The log call waits until the record is on disk. If this fails, an error is reported.
    #[default]
    Wait,
    /// The log call returns when the record is queued. The writer thread syncs the record without delay. This is for
    /// event loops.
    Continue,
}

/// What the keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueSettings {
    /// In bytes.
    pub(crate) limit: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) durable: WhenDurable,
    /// How long a drop waits for queued records.
    pub(crate) drain_timeout: Duration,
}

impl QueueConfig {
    /// Returns a configuration with the defaults.
    pub fn new() -> QueueConfig {
        QueueConfig::default()
    }

    /// Sets how many bytes of records may wait, of all equipment together. A record of any size is accepted while fewer
    /// bytes wait, so the waiting records can exceed this limit by one record. The memory for managing the records has
    /// a second limit of the same size, but at least 64 KiB: 32 bytes for each record, and 512 bytes for each log with
    /// waiting records. Default: 8 MiB.
    pub fn limit(mut self, bytes: u64) -> QueueConfig {
        self.limit_bytes = Some(bytes);
        self
    }

    /// Sets what a log call does while the queue is full. Default: it waits.
    pub fn when_full(mut self, when_full: WhenFull) -> QueueConfig {
        self.when_full = Some(when_full);
        self
    }

    /// Sets what the log call of a record at `fsync_level` or more severe does. Default: it waits until the record is
    /// on disk.
    pub fn durable(mut self, durable: WhenDurable) -> QueueConfig {
        self.durable = Some(durable);
        self
    }

    /// Sets how long the drop of the handle of log4rs, or of the last clone of a sink, waits for queued records.
    /// Default: 10 seconds.
    pub fn drain_timeout(mut self, timeout: Duration) -> QueueConfig {
        self.drain_timeout = Some(timeout);
        self
    }

    /// The keys below `queue`, as they are written.
    #[cfg(feature = "serde")]
    pub(super) fn read(keys: Keys, mistakes: &mut Mistakes) -> QueueConfig {
        let mut section = Section::new("queue.", keys, mistakes);
        let config = QueueConfig {
            limit_bytes: section.read("limit", |text| match binary_size(text) {
                Ok(bytes) => check_limit(bytes).map_err(|right| format!("{text:?} is not {right}")),
                Err(parse_size::Error::PosOverflow) => {
                    Err(format!("{text:?} is not {FITS_MEMORY}"))
                }
                Err(_) => Err(format!("{text:?} is not a size such as 8 mb")),
            }),
            when_full: section.read("when_full", WhenFull::from_word),
            durable: section.read("durable", WhenDurable::from_word),
            drain_timeout: section
                .read("drain_timeout", |text| time_above_zero(text, "10 seconds")),
        };
        section.report_unknown_keys(&[]);
        config
    }

    pub(super) fn check(&self, mistakes: &mut Mistakes) -> QueueSettings {
        let limit = self.limit_bytes.unwrap_or(DEFAULT_LIMIT);
        if let Err(right) = check_limit(limit) {
            mistakes.add("queue.limit", format!("{limit} is not {right}"));
        }
        let drain_timeout = self.drain_timeout.unwrap_or(DEFAULT_DRAIN_TIMEOUT);
        if drain_timeout.is_zero() {
            mistakes.add("queue.drain_timeout", "0s is not a time above zero, such as 10 seconds");
        }
        QueueSettings {
            limit,
            when_full: self.when_full.unwrap_or_default(),
            durable: self.durable.unwrap_or_default(),
            drain_timeout,
        }
    }
}

const FITS_MEMORY: &str = "a size that memory can have, such as 8 mb";

fn check_limit(bytes: u64) -> Result<u64, &'static str> {
    match bytes {
        0 => Err("a size from 1 on, such as 8 mb"),
        bytes if isize::try_from(bytes).is_err() => Err(FITS_MEMORY),
        bytes => Ok(bytes),
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for QueueConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut mistakes = Mistakes::default();
        let config = QueueConfig::read(Keys::deserialize(deserializer)?, &mut mistakes);
        mistakes.into_result(config).map_err(serde::de::Error::custom)
    }
}
