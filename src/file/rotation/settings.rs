//! [`Every`], [`Keep`] and [`Compress`]: the values of the keys below `rotation`, and [`Rotation`]: all of them,
//! checked.
//!
//! Each type reads the text of its key, and prints it in a form that it reads again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::Error;

/// `Every` is the period of one log file, in UTC. The first record of a later period begins a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Every {
    /// One file for each hour. The rotated file ends in `.2026-04-17T14`.
    Hour,
    /// One file for each day. The rotated file ends in `.2026-04-17`.
    Day,
    /// One file for each month. The rotated file ends in `.2026-04`.
    Month,
    /// One file for each second, for tests.
    #[doc(hidden)]
    Second,
}

/// `Keep` says which rotated files of a log are kept. The live log and the newest rotated file are never deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keep {
    /// All rotated files are kept.
    #[default]
    All,
    /// This many of the newest rotated files are kept.
    Files(u32),
    /// A file is kept until its period ended this long ago. The period is read from the file's name.
    Age(Duration),
    /// The newest files are kept, as long as they have at most this many bytes together. A compressed file counts with
    /// its compressed size.
    Bytes(u64),
}

/// `Compress` says whether rotated files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compress {
    /// Rotated files are not compressed.
    #[default]
    None,
    /// Rotated files are compressed, and their names end in `.gz`. A separate thread does this, and no log call waits
    /// for it.
    Gzip,
}

/// The settings of a log that is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) every: Option<Every>,
    /// In bytes; `u64::MAX` where the size does not matter.
    pub(crate) limit: u64,
    pub(crate) keep: Keep,
    pub(crate) compress: Compress,
}

impl Every {
    /// All periods, those that are documented first. A new period MUST be added here as well: the compiler only demands
    /// its word in `word`.
    pub(super) const ALL: [Every; 4] = [Every::Hour, Every::Day, Every::Month, Every::Second];

    /// The period as it is written in YAML.
    fn word(self) -> &'static str {
        match self {
            Every::Hour => "hour",
            Every::Day => "day",
            Every::Month => "month",
            Every::Second => "second",
        }
    }

    fn is_documented(self) -> bool {
        match self {
            Every::Hour | Every::Day | Every::Month => true,
            Every::Second => false,
        }
    }

    /// The words that an error names: `hour, day, month`.
    pub(crate) fn words() -> String {
        let documented = Every::ALL.into_iter().filter(|every| every.is_documented());
        documented.map(Every::word).collect::<Vec<_>>().join(", ")
    }
}

/// A text that is invalid, and what would be right.
fn refused(key: &str, text: &str, right: &str) -> Error {
    Error::config(key, format!("{text:?} is not {right}"))
}

/// As it is written in YAML. The error names the key, and what would be right.
impl FromStr for Every {
    type Err = Error;

    fn from_str(text: &str) -> Result<Every, Error> {
        let named = Every::ALL.into_iter().find(|every| every.word() == text);
        named.ok_or_else(|| refused("rotation.every", text, &format!("one of {}", Every::words())))
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A size in powers of 1024 whatever its unit is called, as log4rs reads its own `limit`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let size = parse_size::Config::new().with_binary().parse_size(text).ok()?;
    (1..=i64::MAX as u64).contains(&size).then_some(size)
}

/// As it is written in YAML. The error names the key, and what would be right.
impl FromStr for Keep {
    type Err = Error;

    fn from_str(text: &str) -> Result<Keep, Error> {
        const RIGHT: &str =
            "all, a number of files such as 5, a time such as 90 days, or a size such as 20 gb";
        if text == "all" {
            return Ok(Keep::All);
        }
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
        match unit.chars().next_back() {
            None => text.trim().parse().ok().filter(|files| *files > 0).map(Keep::Files),
            // `m` may mean a minute, a month or a megabyte.
            _ if unit.eq_ignore_ascii_case("m") => None,
            // The units of bytes end with b; no unit of time does.
            Some('b' | 'B') => parse_size(text).map(Keep::Bytes),
            Some(_) => {
                humantime::parse_duration(text).ok().filter(|age| !age.is_zero()).map(Keep::Age)
            }
        }
        .ok_or_else(|| refused("rotation.keep", text, RIGHT))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::All => f.write_str("all"),
            Keep::Files(files) => write!(f, "{files}"),
            Keep::Age(age) => write!(f, "{}", humantime::format_duration(*age)),
            Keep::Bytes(bytes) => write!(f, "{bytes} b"),
        }
    }
}

/// As it is written in YAML. The error names the key, and what would be right.
impl FromStr for Compress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Compress, Error> {
        match text {
            "none" => Ok(Compress::None),
            "gzip" => Ok(Compress::Gzip),
            _ => Err(refused("rotation.compress", text, "gzip or none")),
        }
    }
}

impl fmt::Display for Compress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compress::None => "none",
            Compress::Gzip => "gzip",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_kept_is_a_number_a_time_a_size_or_all() {
        for (text, keep) in [
            ("all", Keep::All),
            ("5", Keep::Files(5)),
            ("1000000", Keep::Files(1_000_000)),
            ("90 days", Keep::Age(90 * DAY)),
            ("90d", Keep::Age(90 * DAY)),
            ("2 weeks", Keep::Age(14 * DAY)),
            ("1day 12h", Keep::Age(DAY * 3 / 2)),
            ("90 min", Keep::Age(Duration::from_secs(90 * 60))),
            ("20 gb", Keep::Bytes(20 << 30)),
            ("20GB", Keep::Bytes(20 << 30)),
            ("1.5 kib", Keep::Bytes(1536)),
            ("17 b", Keep::Bytes(17)),
        ] {
            assert_eq!(text.parse::<Keep>().unwrap(), keep, "{text}");
        }
    }

    #[test]
    fn a_wrong_value_is_answered_by_what_would_be_right() {
        for text in
            ["", "0", "-1", "5 m", "5M", "0 days", "0 gb", "5 parsecs", "9 eb", "none", "5.5"]
        {
            let err = text.parse::<Keep>().unwrap_err();
            assert!(err.is_config() && err.to_string().contains("90 days"), "{err}");
        }
        assert_eq!(
            "week".parse::<Every>().unwrap_err().to_string(),
            "rotation.every: \"week\" is not one of hour, day, month"
        );
        assert_eq!(
            "zstd".parse::<Compress>().unwrap_err().to_string(),
            "rotation.compress: \"zstd\" is not gzip or none"
        );
    }

    fn keeps() -> impl Strategy<Value = Keep> {
        prop_oneof![
            Just(Keep::All),
            (1..=u32::MAX).prop_map(Keep::Files),
            (1..=u64::from(u32::MAX)).prop_map(|secs| Keep::Age(Duration::from_secs(secs))),
            (1..=i64::MAX as u64).prop_map(Keep::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(keep in keeps()) {
            prop_assert_eq!(keep.to_string().parse::<Keep>().unwrap(), keep);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
            let _ = text.parse::<Keep>();
        }
    }

    #[test]
    fn names_of_periods_and_of_compression_are_read_again() {
        for every in Every::ALL {
            assert_eq!(every.to_string().parse::<Every>().unwrap(), every);
        }
        for compress in [Compress::None, Compress::Gzip] {
            assert_eq!(compress.to_string().parse::<Compress>().unwrap(), compress);
        }
    }
}
