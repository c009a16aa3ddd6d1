//! [`RotatedName`]: the names of a log's rotated files.
//!
//! The invariant: a name belongs to a log exactly if this module could have given it to a rotated file of that log. A
//! similar name (`….log.bak`, `….log.2026-04-17.old`, `….log.1`) belongs to another program.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::period::Period;

const GZIP_END: &str = ".gz";

/// A file that is being made has this end: a compressed file, in the place of `.gz`, or a new live log.
const UNFINISHED_END: &str = ".tmp";

/// A name with more than nine digits is not one of ours. So a foreign name with a very large number stops no rotation.
const LARGEST_NUMBER: u32 = 999_999_999;

/// How many bytes the longest name of a rotated file adds to its log's name.
pub(crate) const LONGEST_ROTATED_ENDING: usize = ".2026-04-17T14-31-55Z.999999999.tmp".len();

/// The part of a rotated file's name that follows the log's name. Names are ordered by the time at which they were
/// given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RotatedName {
    period: Period,
    /// 0: the name has no number.
    number: u32,
    is_gzip: bool,
}

impl RotatedName {
    /// The name for a file that is rotated now. `names` are the names of the log's rotated files. The name is one
    /// that none of these files has.
    pub(crate) fn next<'a>(
        names: impl IntoIterator<Item = &'a RotatedName>,
        period: Period,
    ) -> RotatedName {
        let of_period = names.into_iter().filter(|name| name.period == period);
        let highest = of_period.map(|name| name.number).max();
        let number = highest.map_or(0, |highest| LARGEST_NUMBER.min(highest + 1));
        RotatedName { period, number, is_gzip: false }
    }

    /// The name with the next number. None: there is no higher number.
    pub(crate) fn following(self) -> Option<RotatedName> {
        (self.number < LARGEST_NUMBER).then(|| RotatedName { number: self.number + 1, ..self })
    }

    /// Reads the part of `name` that follows the log's name, if `name` is the name of a rotated file.
    pub(crate) fn parse(log: &str, name: &str) -> Option<RotatedName> {
        let rest = name.strip_prefix(log)?.strip_prefix('.')?;
        let (rest, is_gzip) = match rest.strip_suffix(GZIP_END) {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (stamp, number) = match rest.split_once('.') {
            Some((stamp, number)) => (stamp, read_number(number)?),
            None => (rest, 0),
        };
        Some(RotatedName { period: Period::parse(stamp)?, number, is_gzip })
    }

    /// The plain name of a rotated file, if `name` is the name of a file that is being made beside it.
    pub(crate) fn parse_unfinished(log: &str, name: &str) -> Option<RotatedName> {
        let plain = RotatedName::parse(log, name.strip_suffix(UNFINISHED_END)?)?;
        (!plain.is_gzip).then_some(plain)
    }

    pub(crate) fn period(&self) -> Period {
        self.period
    }

    pub(crate) fn is_gzip(&self) -> bool {
        self.is_gzip
    }

    /// The name of the same file once it is compressed.
    pub(crate) fn compressed(self) -> RotatedName {
        RotatedName { is_gzip: true, ..self }
    }

    /// The name of the same file before it was compressed.
    pub(crate) fn plain(self) -> RotatedName {
        RotatedName { is_gzip: false, ..self }
    }

    /// The rotated file's path, beside its log.
    pub(crate) fn beside(&self, log: &Path) -> PathBuf {
        let mut path = OsString::from(log);
        path.push(self.to_string());
        PathBuf::from(path)
    }

    /// The path of the compressed file while it is being written, and of the new live log while the log is renamed to
    /// this name.
    pub(crate) fn unfinished_beside(self, log: &Path) -> PathBuf {
        let mut path = OsString::from(self.plain().beside(log));
        path.push(UNFINISHED_END);
        PathBuf::from(path)
    }
}

/// The text begins with a dot.
impl fmt::Display for RotatedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", self.period)?;
        if self.number > 0 {
            write!(f, ".{}", self.number)?;
        }
        f.write_str(if self.is_gzip { GZIP_END } else { "" })
    }
}

/// A number from 1 to [`LARGEST_NUMBER`], without leading zeros.
fn read_number(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number = canonical.then(|| text.parse().ok())?;
    number.filter(|number| *number <= LARGEST_NUMBER)
}

/// Whether a file of this name may be a rotated one of another log.
pub(crate) fn may_be_rotated(name: &str) -> bool {
    let dots = name.match_indices('.').map(|(at, _)| &name[..at]);
    let is_name = |log| {
        RotatedName::parse(log, name).or_else(|| RotatedName::parse_unfinished(log, name)).is_some()
    };
    dots.into_iter().any(is_name)
}

/// Whether a name that ends with `end` may be the name of a rotated file of a log whose name ends with `end` as well.
pub(crate) fn may_end_rotated(end: &str) -> bool {
    let last = end.chars().next_back();
    let has_end = |known: &str| end.ends_with(known) || known.ends_with(end);
    last.is_none_or(|last| last.is_ascii_digit() || last == 'Z')
        || has_end(GZIP_END)
        || has_end(UNFINISHED_END)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOG: &str = "wizard.labpc-04.log";

    fn name(rest: &str) -> RotatedName {
        RotatedName::parse(LOG, &format!("{LOG}{rest}")).unwrap()
    }

    fn next(names: &[&str], stamp: &str) -> String {
        let names: Vec<_> = names.iter().map(|rest| name(rest)).collect();
        RotatedName::next(&names, Period::parse(stamp).unwrap()).to_string()
    }

    #[test]
    fn a_number_is_one_more_than_the_highest_of_the_period() {
        const DAY: &str = "2026-04-17";
        assert_eq!(next(&[], DAY), ".2026-04-17");
        assert_eq!(next(&[".2026-04-16", ".2026-04", ".2026-04-17T01"], DAY), ".2026-04-17");
        assert_eq!(next(&[".2026-04-17"], DAY), ".2026-04-17.1");
        assert_eq!(next(&[".2026-04-17.gz"], DAY), ".2026-04-17.1");
        assert_eq!(next(&[".2026-04-17.9.gz", ".2026-04-17.10"], DAY), ".2026-04-17.11");
        // Those before it were deleted: their names are not given again.
        assert_eq!(next(&[".2026-04-17.3"], DAY), ".2026-04-17.4");
    }

    #[test]
    fn names_of_all_settings_belong_to_the_log() {
        for rest in [
            ".2026-04",
            ".2026-04-17",
            ".2026-04-17T14",
            ".2026-04-17T14-31-55Z",
            ".2026-04-17.1",
            ".2026-04-17.12.gz",
            ".2026-04.gz",
            ".2026-04-17.999999999",
        ] {
            assert_eq!(name(rest).to_string(), rest);
        }
    }

    #[test]
    fn no_name_of_a_rotated_file_adds_more_than_the_longest_ending() {
        for stamp in ["2026-04", "2026-04-17", "2026-04-17T14", "2026-04-17T14-31-55Z"] {
            let period = Period::parse(stamp).unwrap();
            let longest = RotatedName { period, number: LARGEST_NUMBER, is_gzip: true };
            assert!(longest.to_string().len() <= LONGEST_ROTATED_ENDING, "{longest}");
            let unfinished = longest.unfinished_beside(Path::new(""));
            assert!(unfinished.as_os_str().len() <= LONGEST_ROTATED_ENDING, "{longest}");
        }
    }

    #[test]
    fn an_unfinished_file_is_known_by_its_name_and_is_no_rotated_file() {
        let plain = name(".2026-04-17.1");
        let unfinished = plain.unfinished_beside(Path::new(LOG));
        let unfinished = unfinished.to_str().unwrap();
        assert_eq!(unfinished, format!("{LOG}.2026-04-17.1.tmp"));
        assert_eq!(RotatedName::parse_unfinished(LOG, unfinished), Some(plain));
        assert_eq!(RotatedName::parse(LOG, unfinished), None);
        for rest in [".tmp", ".2026-04-17.gz.tmp", ".2026-04-17", ".2026-04-17.tmp.tmp"] {
            assert_eq!(RotatedName::parse_unfinished(LOG, &format!("{LOG}{rest}")), None, "{rest}");
        }
    }

    #[test]
    fn what_merely_looks_like_a_rotated_file_does_not() {
        for rest in [
            "",
            ".",
            ".1",
            ".gz",
            ".1.gz",
            ".2026-04-17.0",
            ".2026-04-17.01",
            ".2026-04-17.",
            ".lock",
            ".2026-04-17.old",
            ".2026-04-17.gz.gz",
            ".2026-04-17.1.2",
            ".2026-04-17.GZ",
            ".bak",
            ".2026-04-17.1000000000",
            ".2026-04-17.4294967295",
            ".2026-04-17.4294967296",
            ".2026-04-17.tmp",
            ".2026-04-17.+1",
            "2026-04-17",
            "..2026-04-17",
            ".2026-04-17~",
        ] {
            assert_eq!(RotatedName::parse(LOG, &format!("{LOG}{rest}")), None, "{rest}");
        }
        assert_eq!(RotatedName::parse(LOG, "wizard.labpc-05.log.2026-04-17"), None);
        assert_eq!(RotatedName::parse("a", "a.b.2026-04-17"), None);
    }

    #[test]
    fn a_name_that_another_logs_file_may_get_is_known() {
        for rotated in ["w.2026-04", "w.2026-04-17.1.gz", "a.b.2026-04-17T14", "w.2026-04-17.3.tmp"]
        {
            assert!(may_be_rotated(rotated), "{rotated}");
        }
        for not in ["w.log", "w1", "w.1", "labpc-04.1", "w.2026-04-17.log", "2026-04-17"] {
            assert!(!may_be_rotated(not), "{not}");
        }
        for end in ["", "7", ".1", "z", "gz", ".gz", ".log.gz", "Z", "-17", ".GZ", ".tmp", "mp"] {
            assert!(may_end_rotated(end), "{end}");
        }
        for end in [".log", "log", "x", ".", "-"] {
            assert!(!may_end_rotated(end), "{end}");
        }
    }

    fn stamps() -> impl Strategy<Value = String> {
        prop_oneof!["20[0-9]{2}-0[1-9]", "20[0-9]{2}-1[0-2]-2[0-8]", "20[0-9]{2}-06-30T1[0-9]"]
    }

    proptest! {
        #[test]
        fn what_is_given_is_read_back_and_is_new(
            given in prop::collection::vec((stamps(), 0_u32..5, any::<bool>()), 0..20), stamp in stamps()
        ) {
            let names: Vec<_> = given
                .into_iter()
                .map(|(stamp, number, is_gzip)| {
                    RotatedName { period: Period::parse(&stamp).unwrap(), number, is_gzip }
                })
                .collect();
            let next = RotatedName::next(&names, Period::parse(&stamp).unwrap());
            prop_assert!(names.iter().all(|name| name.plain() != next));
            for name in names.iter().chain([&next]) {
                let file = name.beside(Path::new(LOG));
                prop_assert_eq!(RotatedName::parse(LOG, file.to_str().unwrap()), Some(*name));
                prop_assert!(may_be_rotated(file.to_str().unwrap()));
                prop_assert!(!name.is_gzip() || name.plain().compressed() == *name);
            }
        }

        #[test]
        fn any_text_is_a_name_or_none(text in "\\PC{0,40}") {
            let full = format!("{LOG}.{text}");
            if let Some(name) = RotatedName::parse(LOG, &full) {
                prop_assert_eq!(format!("{LOG}{name}"), full);
            }
        }

        #[test]
        fn no_log_is_named_as_anothers_rotated_file(
            a in "[a-z0-9.Z-]{0,6}", b in "[a-z0-9.Z-]{0,6}", end in "[a-z0-9.Z-]{0,4}",
            stamp in stamps(), number in 0_u32..3, is_gzip in any::<bool>()
        ) {
            let name = RotatedName { period: Period::parse(&stamp).unwrap(), number, is_gzip };
            let rotated = format!("{a}{end}{name}");
            // Two logs of one pattern that ends with `end`: one's rotated file is the other's live one.
            if rotated.ends_with(&end) || rotated == format!("{b}{end}") {
                prop_assert!(may_end_rotated(&end), "{} ends with {:?}", rotated, end);
            }
        }
    }
}
