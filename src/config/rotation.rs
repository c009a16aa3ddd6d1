//! [`RotationConfig`]: the keys below `rotation`.
//!
//! Imports `error` and the setting's own types. Values stay text until they are checked, as in
//! [`SinkConfig`](super::SinkConfig), so that all mistakes of a file can be reported at once.

use std::str::FromStr;

#[cfg(feature = "serde")]
use super::scalar;
use crate::error::Error;
use crate::file::{parse_size, Rotation};
pub use crate::file::{Compress, Every, Keep};

/// The keys below `rotation`: when a log begins a new file, and what becomes of the rotated ones.
///
/// At least one of [`every`](RotationConfig::every) and [`limit`](RotationConfig::limit) is required. The
/// values are checked when the sink is built.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use equipment_log::{Compress, Every, Keep, RotationConfig};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
///
/// let rotation = RotationConfig::new()
///     .every(Every::Day)
///     .limit(10 << 20)
///     .keep(Keep::Age(90 * DAY))
///     .compress(Compress::Gzip);
/// # #[cfg(feature = "yaml")]
/// assert_eq!(
///     rotation,
///     serde_yaml::from_str("{ every: day, limit: 10485760, keep: 90days, compress: gzip }")?,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(deny_unknown_fields, default, expecting = "a mapping with `every` or `limit`")
)]
#[non_exhaustive]
pub struct RotationConfig {
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    every: Option<String>,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    limit: Option<String>,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    keep: Option<String>,
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    compress: Option<String>,
}

impl RotationConfig {
    /// No key is given yet.
    pub fn new() -> RotationConfig {
        RotationConfig::default()
    }

    /// A record of a later period begins a new file. Default: the time does not matter.
    #[must_use]
    pub fn every(mut self, every: Every) -> RotationConfig {
        self.every = Some(every.to_string());
        self
    }

    /// A record that would take the file past this many bytes begins a new file. Default: the size does not
    /// matter.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> RotationConfig {
        self.limit = Some(bytes.to_string());
        self
    }

    /// Which rotated files are kept. Default: all.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> RotationConfig {
        self.keep = Some(keep.to_string());
        self
    }

    /// How rotated files are stored. Default: as they were written.
    #[must_use]
    pub fn compress(mut self, compress: Compress) -> RotationConfig {
        self.compress = Some(compress.to_string());
        self
    }

    /// What the keys mean, or every mistake in them, added to `mistakes`.
    pub(super) fn check(&self, mistakes: &mut Vec<Error>) -> Option<Rotation> {
        let every = read("rotation.every", &self.every, FromStr::from_str, mistakes);
        let limit = |text: &str| parse_size(text).ok_or("a size above zero, such as 10 mb");
        let limit = read("rotation.limit", &self.limit, limit, mistakes);
        let keep = read("rotation.keep", &self.keep, FromStr::from_str, mistakes);
        let compress = read("rotation.compress", &self.compress, FromStr::from_str, mistakes);
        if self.every.is_none() && self.limit.is_none() {
            let why = "one of `every` (hour, day, month) and `limit` (such as 10 mb) is required";
            mistakes.push(Error::config("rotation", why));
        }
        Some(Rotation {
            every: every?,
            limit: limit?.unwrap_or(u64::MAX),
            keep: keep?.unwrap_or_default(),
            compress: compress?.unwrap_or_default(),
        })
    }
}

/// The value of a key, `Some(None)` where it is not given; `None` where it is wrong.
fn read<T>(
    key: &str,
    text: &Option<String>,
    read: impl FnOnce(&str) -> Result<T, &'static str>,
    mistakes: &mut Vec<Error>,
) -> Option<Option<T>> {
    let Some(text) = text else { return Some(None) };
    match read(text) {
        Ok(value) => Some(Some(value)),
        Err(right) => {
            mistakes.push(Error::config(key, format!("{text:?} is not {right}")));
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(config: &RotationConfig) -> Result<Rotation, Vec<String>> {
        let mut mistakes = Vec::new();
        let rotation = config.check(&mut mistakes);
        if mistakes.is_empty() {
            Ok(rotation.unwrap())
        } else {
            Err(mistakes.iter().map(Error::to_string).collect())
        }
    }

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
            let config = RotationConfig { limit: Some(limit.to_owned()), ..Default::default() };
            assert_eq!(check(&config).unwrap().limit, bytes, "{limit}");
        }
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let rotation = check(&RotationConfig::new().every(Every::Day)).unwrap();
        let Rotation { every, limit, keep, compress } = rotation;
        assert_eq!((every, limit), (Some(Every::Day), u64::MAX));
        assert_eq!((keep, compress), (Keep::All, Compress::None));
    }

    #[test]
    fn typed_values_are_what_the_text_means() {
        let ninety_days = Keep::Age(Duration::from_secs(90 * 86_400));
        let typed = RotationConfig::new().every(Every::Month).limit(1000).keep(ninety_days);
        let rotation = check(&typed.compress(Compress::Gzip)).unwrap();
        let Rotation { every, limit, keep, compress } = rotation;
        assert_eq!((every, limit), (Some(Every::Month), 1000));
        assert_eq!((keep, compress), (ninety_days, Compress::Gzip));
    }

    #[test]
    fn all_mistakes_are_reported_with_key_and_value() {
        let text = |text: &str| Some(text.to_owned());
        let config = RotationConfig {
            every: text("week"),
            limit: text("0"),
            keep: text("5 m"),
            compress: text("zip"),
        };
        let mistakes = check(&config).unwrap_err();
        let keys = ["every: \"week\"", "limit: \"0\"", "keep: \"5 m\"", "compress: \"zip\""];
        assert_eq!(mistakes.len(), keys.len(), "{mistakes:?}");
        for (mistake, key) in mistakes.iter().zip(keys) {
            assert!(mistake.starts_with(&format!("rotation.{key} is not ")), "{mistake}");
        }
        let none = check(&RotationConfig::new().keep(Keep::All)).unwrap_err();
        assert!(none[0].contains("`every`") && none[0].contains("required"), "{none:?}");
    }
}
