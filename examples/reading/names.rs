//! The names of a log's files.
//!
//! `wizard.<host>.log` is the live log. A rotated one has the period of its last record behind its name, and a
//! number where a period has several: `.2026-04-17`, `.2026-04-17.1`, `.2026-04-17T14`, `.2026-04`,
//! `.2026-04-17T14-31-55Z`. A program such as logrotate numbers them instead: `.1` is younger than `.2`. Each may
//! be compressed: `.gz`.

use std::cmp::Reverse;

use super::head::{days_since_1970, DAY};

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

    /// The end of the period of the file's last record, in microseconds since 1970; none without one.
    pub(crate) fn ends(&self) -> Option<i64> {
        let Part::Period(period, _) = self else { return None };
        let number = |at: std::ops::Range<usize>| period.get(at)?.parse::<i64>().ok();
        let month = days_since_1970(number(0..4)?, number(5..7)?, 1);
        let first_of_month = month * DAY;
        match period.len() {
            7 => Some(first_of_month + 31 * DAY),
            // An hour or a second is within its day.
            _ => Some(first_of_month + number(8..10)? * DAY),
        }
    }
}

/// The log's own name, which part of it the file is, and whether it is compressed.
pub(crate) fn split(file_name: &str) -> Option<(&str, Part, bool)> {
    if file_name.ends_with(".log") {
        return Some((file_name, Part::Live, false));
    }
    let (name, compressed) = match file_name.strip_suffix(".gz") {
        Some(name) => (name, true),
        None => (file_name, false),
    };
    if compressed && name.ends_with(".log") {
        return Some((name, Part::ByHand, true));
    }
    let (rest, last) = name.rsplit_once('.')?;
    if rest.ends_with(".log") && is_period(last) {
        return Some((rest, Part::Period(last.to_owned(), 0), compressed));
    }
    // A sign is no part of a number.
    let number = last.parse().ok().filter(|_| last.bytes().all(|byte| byte.is_ascii_digit()))?;
    if rest.ends_with(".log") {
        return Some((rest, Part::Numbered(Reverse(number)), compressed));
    }
    let (log, period) = rest.rsplit_once('.')?;
    (log.ends_with(".log") && is_period(period))
        .then(|| (log, Part::Period(period.to_owned(), number), compressed))
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
