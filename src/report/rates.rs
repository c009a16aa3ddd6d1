//! [`Rates`]: which failure is reported at once, and in which later report the others are counted.
//!
//! The invariant: each failure is counted in exactly one report: its own, the next report of its log, or the last
//! report.

use std::collections::HashMap;

use crate::clock::Time;
use crate::error::Failures;

/// A log is reported at most once in this time.
const INTERVAL_MILLIS: i64 = 10_000;

/// The most logs whose last report is remembered. If there are more, all further logs count as one.
const MOST_LOGS: usize = 1024;

/// When each log was last reported.
#[derive(Default)]
pub(super) struct Rates {
    logs: HashMap<String, Rate>,
}

struct Rate {
    reported_millis: i64,
    unreported: Failures,
}

impl Rates {
    /// What failed of this log since its last report; none: these failures are not reported either.
    pub(super) fn admit(&mut self, log: &str, failures: Failures, time: Time) -> Option<Failures> {
        let now = time.millis();
        if let Some(rate) = self.logs.get_mut(log) {
            // A clock that was set back must not silence a log.
            if (0..INTERVAL_MILLIS).contains(&now.saturating_sub(rate.reported_millis)) {
                rate.unreported += failures;
                return None;
            }
            rate.reported_millis = now;
            return Some(std::mem::take(&mut rate.unreported));
        }
        if self.logs.len() >= MOST_LOGS && !log.is_empty() {
            let old = |rate: &Rate| now.saturating_sub(rate.reported_millis) >= INTERVAL_MILLIS;
            self.logs.retain(|_, rate| rate.unreported.number > 0 || !old(rate));
            if self.logs.len() >= MOST_LOGS {
                return self.admit("", failures, time);
            }
        }
        let unreported = Failures::default();
        self.logs.insert(log.to_owned(), Rate { reported_millis: now, unreported });
        Some(unreported)
    }

    /// What no report has counted, by log. It is counted by one from now on.
    pub(super) fn take_unreported(&mut self) -> Vec<(String, Failures)> {
        let owing = self.logs.iter_mut().filter(|(_, rate)| rate.unreported.number > 0);
        let mut all: Vec<_> =
            owing.map(|(log, rate)| (log.clone(), std::mem::take(&mut rate.unreported))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::{Duration, SystemTime};

    use log::Level;

    use super::*;

    const ONE: Failures = Failures { number: 1, worst: Some(Level::Info) };

    fn at(millis: u64) -> Time {
        Time::from(SystemTime::UNIX_EPOCH + Duration::from_millis(1_776_000_000_000 + millis))
    }

    #[test]
    fn a_log_is_reported_once_in_ten_seconds_with_the_number_since() {
        let mut rates = Rates::default();
        let mut reports = Vec::new();
        for n in 0..10_000 {
            // A record each ten milliseconds, of two logs in turn.
            let log = if n % 2 == 0 { "A" } else { "B" };
            reports.extend(rates.admit(log, ONE, at(n * 10)).map(|since| (log, since.number)));
        }
        assert_eq!(reports.len(), 20);
        for log in ["A", "B"] {
            let mut of_log = reports.iter().filter(|(it, _)| *it == log).map(|(_, number)| *number);
            assert_eq!(of_log.next(), Some(0));
            assert!(of_log.all(|number| number == 499));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_silences_no_log() {
        let mut rates = Rates::default();
        assert_eq!(rates.admit("A", ONE, at(60_000)), Some(Failures::default()));
        assert_eq!(rates.admit("A", ONE, at(60_001)), None);
        assert_eq!(rates.admit("A", ONE, at(0)), Some(ONE));
    }

    #[test]
    fn any_number_of_logs_takes_little_memory() {
        let mut rates = Rates::default();
        for n in 0..100_000 {
            rates.admit(&format!("EQ{n}"), ONE, at(n / 1000));
        }
        assert!(rates.logs.len() <= MOST_LOGS + 1);
        // Those without a report of their own are in the common one.
        assert!(rates.logs[""].unreported.number > 90_000);
    }

    #[test]
    fn a_lost_error_does_not_hide_behind_the_report_of_a_lost_info() {
        let mut rates = Rates::default();
        let of = |level| Failures { number: 1, worst: Some(level) };
        rates.admit("A", of(Level::Info), at(0));
        for level in [Level::Info, Level::Error, Level::Warn] {
            assert_eq!(rates.admit("A", of(level), at(1)), None);
        }
        let since = rates.admit("A", of(Level::Info), at(10_000));
        assert_eq!(since, Some(Failures { number: 3, worst: Some(Level::Error) }));
    }

    #[test]
    fn what_is_left_is_told_once_by_log() {
        let mut rates = Rates::default();
        for log in ["B", "A", "B", "C", "A", "B"] {
            rates.admit(log, ONE, at(0));
        }
        let two = Failures { number: 2, worst: ONE.worst };
        let left = [("A".to_owned(), ONE), ("B".to_owned(), two)];
        assert_eq!(rates.take_unreported(), left);
        assert_eq!(rates.take_unreported(), []);
    }
}
