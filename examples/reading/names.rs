//! The names of a log's files.
//!
//! `wizard.<host>.log` is the live log. A rotated one has the period of its last record behind its name, and a
//! number where a period has several: `.2026-04-17`, `.2026-04-17.1`, `.2026-04-17T14`, `.2026-04`,
//! `.2026-04-17T14-31-55Z`. A program such as logrotate numbers them instead: `.1` is younger than `.2`. Each may
//! be compressed: `.gz`.

use std::cmp::Reverse;

use super::head::{days_since_1970, DAY, HOUR, SECOND};

/// Which file of its log. The order is that of writing, as far as the names tell it: see [`Part::kind`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The live log, compressed by hand. Nothing tells when.
    ByHand,
    /// Numbered by another program: the higher, the older.
    Numbered(Reverse<u32>),
    /// The period, and its number within the period.
    Period(String, u32),
    /// The file that is written now.
    Live,
}

impl Part {
    /// Names of one kind are in the order of their writing. Between kinds only the records' times tell: a log
    /// whose `every` was changed has several.
    pub(crate) fn kind(&self) -> usize {
        match self {
            Part::Live => 0,
            Part::ByHand => 1,
            Part::Numbered(_) => 2,
            Part::Period(period, _) => period.len(),
        }
    }

    /// The period of the file's last record: its end and its start, in microseconds since 1970. None: the name has no
    /// period.
    pub(crate) fn period(&self) -> Option<(i64, i64)> {
        let Part::Period(period, _) = self else { return None };
        let number = |at: std::ops::Range<usize>| period.get(at)?.parse::<i64>().ok();
        let (year, month) = (number(0..4)?, number(5..7)?);
        let day = |day| days_since_1970(year, month, day) * DAY;
        let (start, length) = match period.len() {
            7 => {
                let next = (year + month / 12, month % 12 + 1);
                (day(1), days_since_1970(next.0, next.1, 1) * DAY - day(1))
            }
            10 => (day(number(8..10)?), DAY),
            13 => (day(number(8..10)?) + number(11..13)? * HOUR, HOUR),
            _ => {
                let seconds = 60 * number(14..16)? + number(17..19)?;
                (day(number(8..10)?) + number(11..13)? * HOUR + seconds * SECOND, SECOND)
            }
        };
        Some((start + length, start))
    }
}

/// The log's own name, which part of it the file is, and whether it is compressed. None: no log that ends with `.log`
/// has a file of this name.
pub(crate) fn split(file_name: &str) -> Option<(&str, Part, bool)> {
    if file_name.ends_with(".log") {
        return Some((file_name, Part::Live, false));
    }
    let (name, compressed) = without_gz(file_name);
    if compressed && name.ends_with(".log") {
        return Some((name, Part::ByHand, true));
    }
    let (log, part) = split_period(name).or_else(|| {
        let (log, number) = name.rsplit_once('.')?;
        // logrotate may begin with 0.
        Some((log, Part::Numbered(Reverse(number_of(number)?))))
    })?;
    log.ends_with(".log").then_some((log, part, compressed))
}

/// The same for a file of any name, as `path` gives it. What ends with a number alone may be a log of its own
/// (`camera.1`), but behind `.log`.
pub(crate) fn split_any(file_name: &str) -> (&str, Part, bool) {
    if let Some(split) = split(file_name) {
        return split;
    }
    let (name, compressed) = without_gz(file_name);
    match split_period(name) {
        Some((log, part)) => (log, part, compressed),
        None => (name, if compressed { Part::ByHand } else { Part::Live }, compressed),
    }
}

/// Whether a name that [`split`] does not know looks like that of a log's file all the same.
pub(crate) fn looks_like_log(name: &str) -> bool {
    let mut behind = name.split(".log").skip(1);
    behind.any(|behind| !behind.starts_with(|c: char| c.is_alphanumeric()))
}

fn without_gz(file_name: &str) -> (&str, bool) {
    file_name.strip_suffix(".gz").map_or((file_name, false), |name| (name, true))
}

/// The log's name, and the period behind it with or without a number.
fn split_period(name: &str) -> Option<(&str, Part)> {
    let (rest, last) = name.rsplit_once('.')?;
    if is_period(last) {
        return Some((rest, Part::Period(last.to_owned(), 0)));
    }
    // The crate gives no number of more than nine digits.
    let ours = 1..=999_999_999;
    let number = number_of(last).filter(|number| ours.contains(number))?;
    let (log, period) = rest.rsplit_once('.')?;
    is_period(period).then(|| (log, Part::Period(period.to_owned(), number)))
}

/// A number as rotations write it: without a sign, and without zeros before it. `.01` and `.1` are two files.
fn number_of(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| canonical && digits)
}

fn is_period(text: &str) -> bool {
    const LONGEST: &[u8] = b"0000-00-00T00-00-00Z";
    let same = |(byte, form): (u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == *form,
    };
    matches!(text.len(), 7 | 10 | 13 | 20) && text.bytes().zip(LONGEST).all(same)
}

/// The host in `wizard.<host>.log`.
pub(crate) fn host(log_name: &str) -> Option<&str> {
    log_name.strip_prefix("wizard.")?.strip_suffix(".log")
}
