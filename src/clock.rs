//! [`Time`]: one reading of the wall clock.
//!
//! The invariant: a record's time is read once, where the record enters the crate. So the record's line, the check of
//! its path and the period of its rotation agree.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC, to the nanosecond. Moments before 1970 are valid.
///
/// It is read with `clock_gettime` as the C library calls it (`std::time::SystemTime`), which also works
/// under valgrind; a direct call of the vDSO does not (bytecodealliance/rustix #1559).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    seconds: i64,
    /// 0 to 999,999,999.
    nanoseconds: u32,
}

impl Time {
    /// Reads the clock.
    #[inline]
    pub(crate) fn now() -> Time {
        Time::from(SystemTime::now())
    }

    /// Seconds since 1970, rounded down.
    pub(crate) fn seconds(self) -> i64 {
        self.seconds
    }

    /// Milliseconds since the last whole second: 0 to 999.
    pub(crate) fn subsec_millis(self) -> u32 {
        self.nanoseconds / 1_000_000
    }

    /// Nanoseconds since 1970; the nearest that fits between the years 1677 and 2262.
    pub(crate) fn nanos(self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nanoseconds))
    }

    /// Milliseconds since 1970, rounded down.
    pub(crate) fn millis(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.subsec_millis()))
    }
}

impl From<SystemTime> for Time {
    #[inline]
    fn from(time: SystemTime) -> Time {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Time::after_1970(since),
            Err(before) => Time::before_1970(before.duration()),
        }
    }
}

impl Time {
    #[inline]
    fn after_1970(since: Duration) -> Time {
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Time { seconds, nanoseconds: since.subsec_nanos() }
    }

    #[cold]
    fn before_1970(until: Duration) -> Time {
        let seconds = i64::try_from(until.as_secs()).unwrap_or(i64::MAX);
        match until.subsec_nanos() {
            0 => Time { seconds: -seconds, nanoseconds: 0 },
            nanoseconds => Time {
                seconds: (-seconds).saturating_sub(1),
                nanoseconds: 1_000_000_000 - nanoseconds,
            },
        }
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> SystemTime {
        let fraction = Duration::from_nanos(u64::from(time.nanoseconds));
        let whole = Duration::from_secs(time.seconds.unsigned_abs());
        let second = match time.seconds < 0 {
            true => UNIX_EPOCH.checked_sub(whole),
            false => UNIX_EPOCH.checked_add(whole),
        };
        second.and_then(|second| second.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_is_rounded_down() {
        let time = Time::from(UNIX_EPOCH - Duration::from_millis(1));
        assert_eq!((time.seconds(), time.subsec_millis(), time.millis()), (-1, 999, -1));
        assert_eq!(SystemTime::from(time), UNIX_EPOCH - Duration::from_millis(1));
    }

    #[test]
    fn a_time_is_the_same_after_a_round_trip() {
        for millis in [-86_400_001, -1000, 0, 1, 1_776_435_115_123_i64] {
            let since = Duration::from_millis(millis.unsigned_abs());
            let system = if millis < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since };
            assert_eq!(Time::from(system).millis(), millis);
            assert_eq!(SystemTime::from(Time::from(system)), system);
        }
    }

    #[test]
    fn times_are_ordered() {
        // The least that Windows tells apart.
        let before = Time::from(UNIX_EPOCH - Duration::from_nanos(100));
        assert!(before < Time::from(UNIX_EPOCH));
        assert!(Time::from(UNIX_EPOCH) < Time::now());
    }
}
