//! [`Period`]: the second, hour, day or month of UTC that a file belongs to, and its stamp in a file's name.
//!
//! The invariant: a stamp is read back as the period that it was made from. No other text is read as a period.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use super::Every;
use crate::clock::Time;

const SECONDS_A_DAY: i64 = 86_400;

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: a stamp's year has four digits. A clock beyond these years is
/// wrong, and is taken for the nearest time that can be named.
const YEAR_0: i64 = -62_167_219_200;
const YEAR_9999_ENDS: i64 = 253_402_300_799;

/// A span of UTC. Periods are ordered by their beginnings. If two begin together, the longer one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Period {
    every: Every,
    /// Its first second, since 1970.
    start: i64,
}

impl Period {
    /// The period that a moment is in.
    pub(crate) fn of(every: Every, time: Time) -> Period {
        Period::of_second(every, time.seconds())
    }

    /// The period that a second since 1970 is in.
    pub(super) fn of_second(every: Every, second: i64) -> Period {
        let second = second.clamp(YEAR_0, YEAR_9999_ENDS);
        let start = match every {
            Every::Second => second,
            Every::Hour => second - second.rem_euclid(3600),
            Every::Day => second - second.rem_euclid(SECONDS_A_DAY),
            Every::Month => {
                let Date { year, month, .. } = Date::of(second);
                Date { year, month, day: 1 }.start()
            }
        };
        Period { every, start }
    }

    /// Its first second, since 1970.
    pub(crate) fn start(self) -> i64 {
        self.start
    }

    /// The first second after the period, since 1970.
    pub(crate) fn end(self) -> i64 {
        match self.every {
            Every::Second => self.start + 1,
            Every::Hour => self.start + 3600,
            Every::Day => self.start + SECONDS_A_DAY,
            Every::Month => match Date::of(self.start) {
                Date { year, month: 12, .. } => Date { year: year + 1, month: 1, day: 1 }.start(),
                Date { year, month, .. } => Date { year, month: month + 1, day: 1 }.start(),
            },
        }
    }

    /// The period of a stamp: `2026-04`, `2026-04-17`, `2026-04-17T14` or `2026-04-17T14-31-55Z`.
    pub(crate) fn parse(stamp: &str) -> Option<Period> {
        let digits = |at: std::ops::Range<usize>| -> Option<i64> {
            let digits = stamp.get(at)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| digits.parse().ok())?
        };
        let has_length = |every: &Every| StampParts::of(*every).length() == stamp.len();
        let every = Every::ALL.into_iter().find(has_length)?;
        let parts = StampParts::of(every);
        let day = if parts.day { digits(8..10)? } else { 1 };
        let hour = if parts.hour { digits(11..13)? } else { 0 };
        let (minute, second) = match parts.second {
            true => (digits(14..16)?, digits(17..19)?),
            false => (0, 0),
        };
        let date = Date { year: digits(0..4)?, month: digits(5..7)?, day };
        let start = date.start() + hour * 3600 + minute * 60 + second;
        let period = Period { every, start };
        // Only a stamp that this crate writes: no 31st of April, no hour 24, no other sign in between.
        (period.to_string() == stamp).then_some(period)
    }
}

/// Which parts a stamp has behind its year and month.
struct StampParts {
    /// `-17`
    day: bool,
    /// `T14`
    hour: bool,
    /// `-31-55Z`: the minute, the second and the sign of UTC.
    second: bool,
}

impl StampParts {
    fn of(every: Every) -> StampParts {
        match every {
            Every::Month => StampParts { day: false, hour: false, second: false },
            Every::Day => StampParts { day: true, hour: false, second: false },
            Every::Hour => StampParts { day: true, hour: true, second: false },
            Every::Second => StampParts { day: true, hour: true, second: true },
        }
    }

    /// The length of the whole stamp, in bytes. No two periods have stamps of one length.
    fn length(&self) -> usize {
        let parts =
            [(true, "2026-04"), (self.day, "-17"), (self.hour, "T14"), (self.second, "-31-55Z")];
        parts.iter().filter(|(is_there, _)| *is_there).map(|(_, part)| part.len()).sum()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day } = Date::of(self.start);
        let second = self.start.rem_euclid(SECONDS_A_DAY);
        write!(f, "{year:04}-{month:02}")?;
        let parts = StampParts::of(self.every);
        if parts.day {
            write!(f, "-{day:02}")?;
        }
        if parts.hour {
            write!(f, "T{:02}", second / 3600)?;
        }
        if parts.second {
            write!(f, "-{:02}-{:02}", second / 60 % 60, second % 60)?;
            f.write_char('Z')?;
        }
        Ok(())
    }
}

impl Ord for Period {
    fn cmp(&self, other: &Period) -> Ordering {
        self.start.cmp(&other.start).then_with(|| other.end().cmp(&self.end()))
    }
}

impl PartialOrd for Period {
    fn partial_cmp(&self, other: &Period) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A day of the proleptic Gregorian calendar.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

/// Days in 400 years, after which the calendar repeats itself.
const DAYS_AN_ERA: i64 = 146_097;

/// From 0000-03-01, where each era begins, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// The calendar's arithmetic is Howard Hinnant's: <https://howardhinnant.github.io/date_algorithms.html>. Its year
/// begins in March, so that a leap day is the last.
impl Date {
    fn of(second: i64) -> Date {
        let days = second.div_euclid(SECONDS_A_DAY) + DAYS_TO_1970;
        let (era, day_of_era) = (days.div_euclid(DAYS_AN_ERA), days.rem_euclid(DAYS_AN_ERA));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Date {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }

    /// Its first second, since 1970.
    fn start(&self) -> i64 {
        let Date { year, month, day } = self;
        let year = year - i64::from(*month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * DAYS_AN_ERA + day_of_era - DAYS_TO_1970) * SECONDS_A_DAY
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Time {
        let distance = Duration::from_secs(second.unsigned_abs());
        Time::from(if second < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance })
    }

    #[test]
    fn each_stamp_is_the_documented_one() {
        let time = Time::from(humantime::parse_rfc3339("2026-04-17T14:31:55.999Z").unwrap());
        let stamps = Every::ALL.map(|every| Period::of(every, time).to_string());
        assert_eq!(stamps, ["2026-04-17T14", "2026-04-17", "2026-04", "2026-04-17T14-31-55Z"]);
    }

    #[test]
    fn a_month_ends_where_the_next_begins_in_leap_years_too() {
        for (month, next) in
            [("2024-02", "2024-03-01"), ("2026-12", "2027-01-01"), ("1900-02", "1900-03-01")]
        {
            let end = Period::parse(month).unwrap().end();
            assert_eq!(Period::of(Every::Day, at(end)).to_string(), next);
            assert_ne!(Period::of(Every::Month, at(end - 1)), Period::of(Every::Month, at(end)));
        }
    }

    #[test]
    fn what_is_no_stamp_of_ours_is_no_period() {
        for text in [
            "",
            "1",
            "2026",
            "2026-13",
            "2026-00",
            "2026-04-31",
            "2026-04-00",
            "2026-04-17T24",
            "2026-04-17t14",
            "2026-04-17T14-60-00Z",
            "2026-04-17T14-31-55z",
            "2026-04-17T14:31:55Z",
            "+026-04",
            "2026-+4",
            "2026_04_17",
            "2026-04-17T14-31-55",
            "２026-04",
            "2026-4-17",
        ] {
            assert_eq!(Period::parse(text), None, "{text:?}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "its SystemTime begins in 1601 and ends in 30828")]
    fn a_clock_that_is_out_of_all_bounds_has_periods_too() {
        for second in [i64::MIN / 2, i64::MAX / 2] {
            let time = at(second.clamp(-200_000_000_000, 300_000_000_000));
            for every in Every::ALL {
                let period = Period::of(every, time);
                assert_eq!(Period::parse(&period.to_string()), Some(period));
            }
        }
    }

    proptest! {
        #[test]
        #[cfg_attr(windows, ignore = "its SystemTime begins in 1601 and ends in 30828")]
        fn a_moment_is_in_its_period_and_a_stamp_is_read_back(
            second in YEAR_0..YEAR_9999_ENDS, every in prop::sample::select(&Every::ALL[..])
        ) {
            let period = Period::of(every, at(second));
            prop_assert!(period.start() <= second && second < period.end());
            prop_assert_eq!(Period::of(every, at(period.start())), period);
            prop_assert_eq!(Period::of(every, at(period.end() - 1)), period);
            prop_assert_eq!(Period::parse(&period.to_string()), Some(period));
            prop_assert!(period < Period::of(every, at(period.end())) || period.end() > YEAR_9999_ENDS);
        }

        #[test]
        fn the_calendar_is_the_one_of_the_times_in_the_lines(second in 0..YEAR_9999_ENDS) {
            let time = UNIX_EPOCH + Duration::from_secs(second as u64);
            let line = humantime::format_rfc3339_seconds(time).to_string();
            let stamp = Period::of(Every::Second, Time::from(time)).to_string();
            prop_assert_eq!(stamp, line.replace(':', "-"));
        }
    }

    #[test]
    fn periods_are_in_the_order_in_which_they_begin() {
        let in_order = ["2026-03", "2026-04", "2026-04-01", "2026-04-01T00", "2026-04-02T00"];
        let mut periods = in_order.map(|stamp| Period::parse(stamp).unwrap());
        periods.reverse();
        periods.sort();
        assert_eq!(periods.map(|period| period.to_string()), in_order);
    }
}
