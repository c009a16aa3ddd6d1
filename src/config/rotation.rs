//! [`RotationConfig`]: the keys below `rotation`.
//!
//! Imports `error` and the setting's own type. Values stay text until they are checked, as in
//! [`SinkConfig`](super::SinkConfig).

use super::required;
#[cfg(feature = "serde")]
use super::scalar;
use crate::error::Error;
use crate::file::Rotation;

/// The keys below `rotation`, as they are written in YAML. Both are required.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "yaml")] {
/// let rotation: equipment_log::RotationConfig = serde_yaml::from_str("{ limit: 10 mb, keep: 5 }")?;
/// assert_eq!(rotation.keep.as_deref(), Some("5"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(deny_unknown_fields, default, expecting = "a mapping with `limit` and `keep`")
)]
#[non_exhaustive]
pub struct RotationConfig {
    /// The size that a log does not grow past, such as `10 mb`; 1 mb is 1024 kb, as in log4rs.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub limit: Option<String>,
    /// How many rotated files are kept beside the log: `….log.1`, the newest, to `….log.<keep>`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub keep: Option<String>,
}

impl RotationConfig {
    pub(super) fn check(&self) -> Result<Rotation, Error> {
        let limit_bytes = required("rotation.limit", &self.limit, |text| {
            // Powers of 1024 whatever the unit is called, as log4rs reads its own `limit`.
            match parse_size::Config::new().with_binary().parse_size(text) {
                Ok(limit) if (1..=i64::MAX as u64).contains(&limit) => Ok(limit),
                _ => Err("a size above zero, such as 10 mb".to_owned()),
            }
        })?;
        let keep = required("rotation.keep", &self.keep, |text| match text.parse() {
            Ok(keep @ 1..=MAX_KEPT) => Ok(keep),
            _ => Err(format!("a whole number from 1 to {MAX_KEPT}")),
        })?;
        Ok(Rotation { limit_bytes, keep })
    }
}

/// How many rotated files there may be: each rotation renames them all.
const MAX_KEPT: u32 = 999;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_as_log4rs_reads_it() {
        for (limit, bytes) in [
            ("10 mb", 10 << 20),
            ("10MB", 10 << 20),
            ("64 kb", 64 << 10),
            ("64 KiB", 64 << 10),
            ("1 gb", 1 << 30),
            ("1 tib", 1 << 40),
            ("1000", 1000),
            ("1 b", 1),
        ] {
            let config =
                RotationConfig { limit: Some(limit.to_owned()), keep: Some("5".to_owned()) };
            let rotation = config.check().unwrap();
            assert_eq!(rotation, Rotation { limit_bytes: bytes, keep: 5 }, "{limit}");
        }
    }
}
