//! [`RotationConfig`]: the keys below `rotation`.

#[cfg(feature = "serde")]
use super::value::{Keys, Section};
use crate::error::Mistakes;
use crate::file::{parse_size, Rotation};
pub use crate::file::{Compress, Every, Keep};

/// A `RotationConfig` holds the keys below `rotation`: when a log begins a new file, and what happens to the rotated
/// files.
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
///     serde_yaml::from_str("{ every: day, limit: 10 mb, keep: 90 days, compress: gzip }")?,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it says when a log is rotated, and rotates none"]
pub struct RotationConfig {
    every: Option<Every>,
    limit_bytes: Option<u64>,
    keep: Option<Keep>,
    compress: Option<Compress>,
}

impl RotationConfig {
    /// Returns a configuration in which no key is set yet.
    pub fn new() -> RotationConfig {
        RotationConfig::default()
    }

    /// Sets the period of a file, in UTC. The first record of a later period begins a new file. Default: none.
    pub fn every(mut self, every: Every) -> RotationConfig {
        self.every = Some(every);
        self
    }

    /// Sets the size limit of a file, in bytes. A record that would make the file larger begins a new file. A record
    /// that is longer than the limit gets a file of its own. If several threads or processes write at the same moment,
    /// a file can become a little larger. Default: none.
    pub fn limit(mut self, bytes: u64) -> RotationConfig {
        self.limit_bytes = Some(bytes);
        self
    }

    /// Sets which rotated files are kept. Default: all.
    pub fn keep(mut self, keep: Keep) -> RotationConfig {
        self.keep = Some(keep);
        self
    }

    /// Sets whether rotated files are compressed. Default: they are not compressed.
    pub fn compress(mut self, compress: Compress) -> RotationConfig {
        self.compress = Some(compress);
        self
    }

    /// The keys below `rotation`, as they are written.
    #[cfg(feature = "serde")]
    pub(super) fn read(keys: Keys, mistakes: &mut Mistakes) -> RotationConfig {
        let mut section = Section::new("rotation.", keys, mistakes);
        let config = RotationConfig {
            every: section.parse("every"),
            limit_bytes: section.read("limit", |text| {
                parse_size(text).ok_or_else(|| format!("{text:?} is not {LIMIT}"))
            }),
            keep: section.parse("keep"),
            compress: section.parse("compress"),
        };
        section.report_unknown_keys(&[]);
        config
    }

    /// What the keys mean. What is invalid is added to `mistakes`.
    pub(super) fn check(&self, mistakes: &mut Mistakes) -> Rotation {
        if let Some(limit) =
            self.limit_bytes.filter(|limit| parse_size(&limit.to_string()).is_none())
        {
            mistakes.add("rotation.limit", format!("{limit} is not {LIMIT}"));
        }
        if let Some(keep) = self.keep {
            // In code it may be nothing at all.
            mistakes.ok_or_record(keep.to_string().parse::<Keep>());
        }
        let wrong = ["rotation.every", "rotation.limit"].iter().any(|key| mistakes.is_at(key));
        if self.every.is_none() && self.limit_bytes.is_none() && !wrong {
            let words = Every::words();
            let why = format!("one of `every` ({words}) and `limit` (such as 10 mb) is required");
            mistakes.add("rotation", why);
        }
        Rotation {
            every: self.every,
            limit: self.limit_bytes.unwrap_or(u64::MAX),
            keep: self.keep.unwrap_or_default(),
            compress: self.compress.unwrap_or_default(),
        }
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for RotationConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut mistakes = Mistakes::default();
        let config = RotationConfig::read(Keys::deserialize(deserializer)?, &mut mistakes);
        mistakes.into_result(config).map_err(serde::de::Error::custom)
    }
}

const LIMIT: &str = "a size above zero, such as 10 mb";

#[cfg(all(test, feature = "yaml"))]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<Rotation, String> {
        let config: RotationConfig = serde_yaml::from_str(yaml).map_err(|err| err.to_string())?;
        let mut mistakes = Mistakes::default();
        let rotation = config.check(&mut mistakes);
        mistakes.into_result(rotation).map_err(|err| err.to_string())
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
            assert_eq!(check(&format!("limit: {limit}")).unwrap().limit, bytes, "{limit}");
        }
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let Rotation { every, limit, keep, compress } = check("every: day").unwrap();
        assert_eq!((every, limit), (Some(Every::Day), u64::MAX));
        assert_eq!((keep, compress), (Keep::All, Compress::None));
    }

    #[test]
    fn all_mistakes_are_reported_with_key_and_value() {
        let yaml = "{every: week, limit: 0, keep: 5 m, compress: zip}";
        let error = check(yaml).unwrap_err();
        let mistakes: Vec<_> = error.split("; ").collect();
        let keys = ["every: \"week\"", "limit: \"0\"", "keep: \"5 m\"", "compress: \"zip\""];
        assert_eq!(mistakes.len(), keys.len(), "{mistakes:?}");
        for (mistake, key) in mistakes.iter().zip(keys) {
            assert!(mistake.starts_with(&format!("rotation.{key} is not ")), "{mistake}");
        }
        let none = check("keep: all").unwrap_err();
        assert!(none.contains("`every`") && none.contains("required"), "{none:?}");
    }
}
