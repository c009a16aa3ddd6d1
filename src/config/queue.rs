//! [`QueueConfig`]: the keys below `queue`.
//!
//! Imports `error`.

use super::parse;
use crate::error::Error;

/// The most bytes that wait where `limit` says nothing.
const DEFAULT_LIMIT: u64 = 8 << 20;

/// The keys below `queue`, one field for each, as they are written in YAML.
///
/// `None` stands for the default. Nothing is checked until a builder's `build`.
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
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(deny_unknown_fields, default, expecting = "the keys of a queue, or {} for the defaults")
)]
#[non_exhaustive]
pub struct QueueConfig {
    /// How many bytes may wait, over all equipment: `8 mb`, in units of 1024. Default: `8 mb`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "super::scalar"))]
    pub limit: Option<String>,
    /// `block` or `drop`. Default: `block`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "super::scalar"))]
    pub when_full: Option<String>,
    /// `wait` or `continue`. Default: `wait`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "super::scalar"))]
    pub durable: Option<String>,
}

/// What a log call does while the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits for room: nothing is lost.
    #[default]
    Block,
    /// It returns, and its record is lost: counted, and said by a line where it is missing. A record
    /// that its call waits for (`durable: wait`) is not dropped.
    Drop,
}

/// What the log call of a record at `fsync_level` or worse does, with a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDurable {
    /// It returns when the record is on disk, or with the reason why it is not.
    #[default]
    Wait,
    /// It returns when the record is queued. The writer syncs it at once. For event loops.
    Continue,
}

/// What the keys mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueSettings {
    /// In bytes.
    pub(crate) limit: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) durable: WhenDurable,
}

impl QueueConfig {
    /// A queue with the defaults.
    pub fn new() -> QueueConfig {
        QueueConfig::default()
    }

    /// How many bytes may wait, over all equipment.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> QueueConfig {
        self.limit = Some(bytes.to_string());
        self
    }

    /// What a log call does while as many wait.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> QueueConfig {
        let key = match when_full {
            WhenFull::Block => "block",
            WhenFull::Drop => "drop",
        };
        self.when_full = Some(key.to_owned());
        self
    }

    /// What the log call of a durable record does.
    #[must_use]
    pub fn durable(mut self, durable: WhenDurable) -> QueueConfig {
        let key = match durable {
            WhenDurable::Wait => "wait",
            WhenDurable::Continue => "continue",
        };
        self.durable = Some(key.to_owned());
        self
    }

    pub(super) fn check(&self) -> Result<QueueSettings, Error> {
        Ok(QueueSettings {
            limit: parse("queue.limit", &self.limit, DEFAULT_LIMIT, |text| {
                match parse_size::Config::new().with_binary().parse_size(text) {
                    Ok(0) => Err("a size from 1 on, such as 8 mb".to_owned()),
                    Ok(limit) if usize::try_from(limit).is_ok_and(|l| l <= isize::MAX as usize) => {
                        Ok(limit)
                    }
                    Ok(_) | Err(parse_size::Error::PosOverflow) => {
                        Err("a size that memory can have, such as 8 mb".to_owned())
                    }
                    Err(_) => Err("a size such as 8 mb".to_owned()),
                }
            })?,
            when_full: parse(
                "queue.when_full",
                &self.when_full,
                WhenFull::Block,
                |text| match text {
                    "block" => Ok(WhenFull::Block),
                    "drop" => Ok(WhenFull::Drop),
                    _ => Err("block or drop".to_owned()),
                },
            )?,
            durable: parse("queue.durable", &self.durable, WhenDurable::Wait, |text| match text {
                "wait" => Ok(WhenDurable::Wait),
                "continue" => Ok(WhenDurable::Continue),
                _ => Err("wait or continue".to_owned()),
            })?,
        })
    }
}
