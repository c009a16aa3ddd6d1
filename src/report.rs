//! [`Reporter`]: what an adapter has to report of its failures, and how often.
//!
//! A sink without an adapter reports only what it could not write at its end.
//!
//! Imports `error`, `clock`, `process` and `sync`. The invariant: no log call waits for a report. A report goes
//! to the one reporting thread of the process, which calls the application's function or writes to standard
//! error. Where that thread is held up, reports are dropped and counted.

#![cfg_attr(
    not(all(feature = "log4rs", feature = "fern")),
    allow(dead_code, reason = "an adapter's part is of no use without it")
)]

use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::clock::Time;
use crate::error::{Error, Kind};
use crate::process::reports;
use crate::sync::LockExt;

/// A log is reported once in this time.
const INTERVAL_MILLIS: i64 = 10_000;

/// The most logs whose last report is remembered. Beyond it, all others count as one.
const MOST_LOGS: usize = 1024;

/// What an application wants to be called for each report.
pub(crate) type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// Reports the failures of one adapter. A clone is the same reporter.
#[derive(Clone)]
pub(crate) struct Reporter(Arc<Inner>);

struct Inner {
    to: To,
    rates: Mutex<Rates>,
    /// Reports that the reporting thread had no room for.
    dropped: AtomicU64,
}

enum To {
    /// The reporting thread writes to standard error.
    StandardError,
    /// The reporting thread calls this.
    Application(OnError),
    /// The caller, who gives it to the framework.
    Caller,
}

/// The record that a failure is about.
#[derive(Clone, Copy)]
pub(crate) struct About<'r, 'a> {
    pub(crate) record: &'r log::Record<'a>,
    /// None: it is refused, or unknown.
    pub(crate) equipment: Option<&'r str>,
}

impl fmt::Display for About<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(equipment) = self.equipment {
            write!(f, "{equipment}: ")?;
        }
        write!(f, "{}", self.record.level())?;
        if !self.record.target().is_empty() {
            write!(f, " of {}", self.record.target().escape_debug())?;
        }
        match (self.record.file(), self.record.line()) {
            (Some(file), Some(line)) => write!(f, " at {file}:{line}"),
            _ => Ok(()),
        }
    }
}

impl Reporter {
    /// Through the reporting thread, to `on_error` or to standard error.
    pub(crate) fn new(on_error: Option<OnError>) -> Reporter {
        Reporter::to(on_error.map_or(To::StandardError, To::Application))
    }

    /// To the caller of [`failure`](Reporter::failure).
    #[cfg(feature = "log4rs")]
    pub(crate) fn to_caller() -> Reporter {
        Reporter::to(To::Caller)
    }

    fn to(to: To) -> Reporter {
        Reporter(Arc::new(Inner { to, rates: Mutex::default(), dropped: AtomicU64::new(0) }))
    }

    /// Reports why a log call failed. The error is returned where the caller has to report it.
    pub(crate) fn failure(
        &self,
        about: About<'_, '_>,
        error: Error,
        time: Time,
    ) -> Result<(), Error> {
        let log = match about.equipment {
            Some(equipment) if !error.is_invalid_id() => equipment,
            // Refused names have no end.
            _ => "",
        };
        let Some(unreported) = self.0.rates.lock_any().admit(log, time) else { return Ok(()) };
        let about = about.to_string();
        let error = Error::from(Kind::Reported { about, unreported, source: error });
        match self.0.to {
            To::Caller => Err(error),
            _ => {
                self.send(error, time);
                Ok(())
            }
        }
    }

    /// Reports what no log call is at fault for, such as a mistake in a configuration.
    pub(crate) fn event(&self, error: Error, time: Time) {
        self.send(error, time);
    }

    fn send(&self, error: Error, time: Time) {
        let reporter = self.clone();
        if !reports::submit(Box::new(move || reporter.deliver(&error, time))) {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// On the reporting thread.
    fn deliver(&self, error: &Error, time: Time) {
        let dropped = self.0.dropped.swap(0, Ordering::Relaxed);
        match &self.0.to {
            // What the application's function does wrong is its own.
            To::Application(on_error) => drop(catch_unwind(AssertUnwindSafe(|| on_error(error)))),
            To::StandardError | To::Caller => {
                let time = humantime::format_rfc3339_seconds(after_1970(time));
                let more = match dropped {
                    0 => String::new(),
                    more => format!(" ({more} reports before it were dropped)"),
                };
                // In one write. A standard error that is closed is no reason to panic.
                let line = format!("{time} equipment-log: {error}{more}\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
    }
}

/// humantime panics before 1970.
fn after_1970(time: Time) -> SystemTime {
    SystemTime::from(time).max(SystemTime::UNIX_EPOCH)
}

/// When each log was last reported.
#[derive(Default)]
struct Rates {
    logs: HashMap<String, Rate>,
}

struct Rate {
    reported_millis: i64,
    unreported: u64,
}

impl Rates {
    /// How many failures of this log were not reported since the last report; none: this one is not either.
    fn admit(&mut self, log: &str, time: Time) -> Option<u64> {
        let now = time.millis();
        if let Some(rate) = self.logs.get_mut(log) {
            // A clock that was set back must not silence a log.
            if (0..INTERVAL_MILLIS).contains(&now.saturating_sub(rate.reported_millis)) {
                rate.unreported += 1;
                return None;
            }
            rate.reported_millis = now;
            return Some(std::mem::take(&mut rate.unreported));
        }
        if self.logs.len() >= MOST_LOGS && !log.is_empty() {
            let old = |rate: &Rate| now.saturating_sub(rate.reported_millis) >= INTERVAL_MILLIS;
            self.logs.retain(|_, rate| rate.unreported > 0 || !old(rate));
            if self.logs.len() >= MOST_LOGS {
                return self.admit("", time);
            }
        }
        self.logs.insert(log.to_owned(), Rate { reported_millis: now, unreported: 0 });
        Some(0)
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::Duration;

    use super::*;

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
            reports.extend(rates.admit(log, at(n * 10)).map(|unreported| (log, unreported)));
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
        assert_eq!(rates.admit("A", at(60_000)), Some(0));
        assert_eq!(rates.admit("A", at(60_001)), None);
        assert_eq!(rates.admit("A", at(0)), Some(1));
    }

    #[test]
    fn any_number_of_logs_takes_little_memory() {
        let mut rates = Rates::default();
        for n in 0..100_000 {
            rates.admit(&format!("EQ{n}"), at(n / 1000));
        }
        assert!(rates.logs.len() <= MOST_LOGS + 1);
        // Those without a report of their own are in the common one.
        assert!(rates.logs[""].unreported > 90_000);
    }

    #[test]
    fn a_report_names_the_record_and_keeps_what_the_error_is() {
        let reporter = Reporter(Arc::new(Inner {
            to: To::Caller,
            rates: Mutex::default(),
            dropped: AtomicU64::new(0),
        }));
        let record = log::Record::builder()
            .level(log::Level::Warn)
            .target("acme::stage")
            .file(Some("src/main.rs"))
            .line(Some(7))
            .build();
        let about = About { record: &record, equipment: Some("STAGE_02") };
        let fails = || Error::from(Kind::Encode { why: "no room".to_owned() });
        let report = reporter.failure(about, fails(), at(0)).unwrap_err();
        assert!(report.record_is_lost());
        assert_eq!(
            report.to_string(),
            "STAGE_02: WARN of acme::stage at src/main.rs:7: cannot encode a record: no room"
        );
        for _ in 0..3 {
            reporter.failure(about, fails(), at(1)).unwrap();
        }
        let report = reporter.failure(about, fails(), at(10_000)).unwrap_err();
        assert!(report.to_string().ends_with("no room (3 more since the last report)"), "{report}");
    }
}
