//! The beginning of a record's line: its time and its level.
//!
//! Most lines need to be no further read than that. What other encoders write is taken too, where it begins with
//! an RFC 3339 time and a level, in brackets or not: log4rs's own pattern does.

use log::Level;

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 60 * 60 * SECOND;

/// Microseconds in a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// What a record's line begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Microseconds since 1970.
    pub(crate) time: i64,
    pub(crate) level: Level,
}

impl Head {
    /// None where the line is no record's first.
    pub(crate) fn parse(line: &[u8]) -> Option<Head> {
        let (time, rest) = parse_time(line)?;
        let rest = rest.strip_prefix(b" ")?;
        let rest = rest.strip_prefix(b"[").unwrap_or(rest);
        let word = |level: Level| level.as_str().as_bytes();
        let level = Level::iter().find(|level| rest.starts_with(word(*level)))?;
        let next = rest.get(level.as_str().len());
        next.is_some_and(|byte| matches!(byte, b' ' | b']')).then_some(Head { time, level })
    }
}

/// An RFC 3339 time at the beginning of the text, and what follows.
fn parse_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (fixed, mut rest) = text.split_at_checked(19)?;
    let number = |at: usize| two_digits(fixed, at);
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let separated = separators.iter().all(|(at, byte)| fixed[*at] == *byte);
    if !separated || !matches!(fixed[10], b'T' | b' ') {
        return None;
    }
    let (year, month, day) = (100 * number(0)? + number(2)?, number(5)?, number(8)?);
    let (hour, minute, second) = (number(11)?, number(14)?, number(17)?);
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut time =
        days_since_1970(year, month, day) * DAY + (60 * (60 * hour + minute) + second) * SECOND;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut unit = SECOND;
        for digit in &fraction[..digits] {
            unit /= 10;
            time += unit * i64::from(digit - b'0');
        }
        rest = &fraction[digits..];
    }
    if let Some(rest) = rest.strip_prefix(b"Z") {
        return Some((time, rest));
    }
    let (offset, rest) = rest.split_at_checked(6)?;
    let sign = match offset[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let minutes = 60 * two_digits(offset, 1)? + two_digits(offset, 4)?;
    (offset[3] == b':').then_some((time - sign * 60 * minutes * SECOND, rest))
}

fn two_digits(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(10 * tens + ones))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
pub(crate) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
