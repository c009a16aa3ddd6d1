//! [`Reporter`]: reports the failures of an adapter, each piece of equipment at a limited rate.
//!
//! A sink without an adapter reports only what it could not write at its end.
//!
//! The invariant: no log call waits for a report. A report goes to the one reporting thread of the process, which
//! calls the application's function or writes to standard error. If that thread hangs, reports are dropped and
//! counted.

mod rates;

use std::fmt;
use std::io::Write as _;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

use rates::Rates;

use crate::clock::Time;
use crate::error::{Error, Failures, Kind};
use crate::locks::LockExt;
use crate::process::end::{self, AtEnd};
use crate::process::reports;

/// The application's function that is called for each report.
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
    /// The error is returned to the caller, which passes it to the framework.
    Caller,
}

/// The record that a failure is about.
#[derive(Clone, Copy)]
pub(crate) struct About<'r, 'a> {
    pub(crate) record: &'r log::Record<'a>,
    /// None: the equipment's id is refused, or unknown.
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
    pub(crate) fn to_caller() -> Reporter {
        Reporter::to(To::Caller)
    }

    fn to(to: To) -> Reporter {
        let inner = Inner { to, rates: Mutex::default(), dropped: AtomicU64::new(0) };
        let reporter = Reporter(Arc::new(inner));
        end::at_end(Arc::new(reporter.downgrade()));
        reporter
    }

    pub(crate) fn downgrade(&self) -> WeakReporter {
        WeakReporter(Arc::downgrade(&self.0))
    }

    /// Reports the failures that no report has counted yet: their number for each log, and the worst of their levels.
    pub(crate) fn report_rest(&self) {
        let rest = self.0.rates.lock_any().take_unreported();
        if !rest.is_empty() {
            self.send(Error::from(Kind::Unreported(rest)), Time::now());
        }
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
        // A record that was queued before is not the one of this call.
        let level = (!error.is_earlier_record()).then(|| about.record.level());
        let failures = Failures { number: error.failures(), worst: level };
        let admitted = self.0.rates.lock_any().admit(log, failures, time);
        let Some(since) = admitted else { return Ok(()) };
        let about = about.to_string();
        let error = Error::from(Kind::Reported { about, since, source: error });
        match self.0.to {
            To::Caller => Err(error),
            _ => {
                self.send(error, time);
                Ok(())
            }
        }
    }

    /// Reports an event that no log call has caused, such as a mistake in a configuration.
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
        let reports = self.0.dropped.swap(0, Ordering::Relaxed);
        if reports > 0 {
            self.tell(&Error::from(Kind::ReportsDropped { reports }), time);
        }
        self.tell(error, time);
    }

    fn tell(&self, error: &Error, time: Time) {
        match &self.0.to {
            // What the application's function does wrong is its own.
            To::Application(on_error) => drop(catch_unwind(AssertUnwindSafe(|| on_error(error)))),
            To::StandardError | To::Caller => {
                let time = humantime::format_rfc3339_seconds(after_1970(time));
                // In one write. A standard error that is closed is no reason to panic.
                let line = format!("{time} equipment-log: {error}\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
    }
}

/// humantime panics before 1970.
fn after_1970(time: Time) -> SystemTime {
    SystemTime::from(time).max(SystemTime::UNIX_EPOCH)
}

/// When the last adapter is dropped, the failures that no report has counted are reported.
impl Drop for Inner {
    fn drop(&mut self) {
        let rest = self.rates.lock_any().take_unreported();
        if rest.is_empty() {
            return;
        }
        let to = std::mem::replace(&mut self.to, To::Caller);
        let inner = Inner { to, rates: Mutex::default(), dropped: AtomicU64::new(0) };
        Reporter(Arc::new(inner)).send(Error::from(Kind::Unreported(rest)), Time::now());
    }
}

/// A reference that does not keep its reporter alive.
pub(crate) struct WeakReporter(Weak<Inner>);

impl WeakReporter {
    pub(crate) fn upgrade(&self) -> Option<Reporter> {
        self.0.upgrade().map(Reporter)
    }
}

impl AtEnd for WeakReporter {
    fn end(&self) {
        if let Some(reporter) = self.upgrade() {
            reporter.report_rest();
        }
    }

    fn is_needed(&self) -> bool {
        self.0.strong_count() > 0
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
    fn a_report_names_the_record_and_keeps_what_the_error_is() {
        let reporter = Reporter::to(To::Caller);
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
        let more = "no room (3 more since the last report, the worst of level WARN)";
        assert!(report.to_string().ends_with(more), "{report}");
    }
}
