//! [`FilePeriod`]: the period of an open file. It is the period of the file's last record, if the records came in the
//! order of their times.
//!
//! The invariant: once the file has a record, the file's period is the period of one of its records, or of its
//! modification time.
//!
//! A record of a later period begins a new file. An older record goes into the present file, since the times of
//! several threads arrive somewhat out of order. A record that is older than the period by more than
//! [`OUT_OF_ORDER_SECONDS`] was logged after the clock was set back: it goes into the present file as well, and the
//! file then gets the period of that record.

use std::fs::{File, FileTimes};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::SystemTime;

use super::period::Period;
use super::Every;
use crate::clock::Time;

const OUT_OF_ORDER_SECONDS: i64 = 60;

/// The kernel sets a file's modification time to its last timer tick, which is 10 ms ago at most. A record at the
/// beginning of a period could leave the file with a time in the period before. Therefore the modification time is
/// set explicitly for a record in the first milliseconds of a period.
const TICK_MS: u32 = 20;

/// All times are in seconds since 1970.
#[derive(Debug)]
pub(crate) struct FilePeriod {
    every: Option<Every>,
    /// A record of this second or a later one, before `due`, is appended without a check of the period: the first
    /// second of the period is over, in which the file's time may have to be set.
    no_check_from: AtomicI64,
    /// A record of this second or a later one begins a new file.
    due: AtomicI64,
    /// The first second after the period.
    end: AtomicI64,
    /// A record before this second gives the file the record's own period. `i64::MAX`: the file has no period yet.
    new_period_before: AtomicI64,
    /// Whether this process has written a record to the file since it opened the file.
    has_written: AtomicBool,
}

impl FilePeriod {
    pub(crate) fn new(every: Option<Every>) -> FilePeriod {
        let new_period_before = if every.is_some() { i64::MAX } else { i64::MIN };
        let no_check_from = if every.is_some() { i64::MAX } else { i64::MIN };
        FilePeriod {
            every,
            no_check_from: no_check_from.into(),
            due: i64::MAX.into(),
            end: i64::MAX.into(),
            new_period_before: new_period_before.into(),
            has_written: AtomicBool::new(false),
        }
    }

    /// Whether a record of this time is in the middle of the period, and needs no check.
    #[inline]
    pub(crate) fn is_mid_period(&self, time: Time) -> bool {
        let second = time.seconds();
        self.no_check_from.load(Ordering::Relaxed) <= second
            && second < self.due.load(Ordering::Relaxed)
    }

    /// Whether a record of this time begins a new file.
    pub(crate) fn is_past(&self, file: &File, time: Time) -> bool {
        let Some(every) = self.every else { return false };
        if time.seconds() < self.new_period_before.load(Ordering::Relaxed) {
            self.begin_period(every, file, time);
        }
        time.seconds() >= self.due.load(Ordering::Relaxed)
    }

    #[cold]
    fn begin_period(&self, every: Every, file: &File, time: Time) {
        let last_write = match self.new_period_before.load(Ordering::Relaxed) {
            // Other processes may have written to the file since it was opened.
            i64::MAX => last_write(file),
            _ => None,
        };
        self.set(Period::of(every, last_write.unwrap_or(time)));
    }

    fn set(&self, period: Period) {
        self.no_check_from.store(i64::MAX, Ordering::Relaxed);
        self.end.store(period.end(), Ordering::Relaxed);
        self.due.store(period.end(), Ordering::Relaxed);
        let oldest = period.start().saturating_sub(OUT_OF_ORDER_SECONDS);
        self.new_period_before.store(oldest, Ordering::Relaxed);
    }

    /// Notes that a record of this time was written to the file.
    pub(crate) fn record_written(&self, file: &File, time: Time) {
        if self.every.is_none() {
            return;
        }
        if !self.has_written.load(Ordering::Relaxed) {
            self.has_written.store(true, Ordering::Relaxed);
        }
        let start =
            self.new_period_before.load(Ordering::Relaxed).saturating_add(OUT_OF_ORDER_SECONDS);
        if time.seconds() == start && time.subsec_millis() < TICK_MS {
            // A user who may write to another user's file may not set its time. The file's time is then early by one
            // tick.
            let _ = file.set_times(FileTimes::new().set_modified(SystemTime::from(time)));
        } else if time.seconds() > start {
            self.no_check_from.store(start.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Called under the rotation lock. If this process has not written to the file yet, other processes may have: the
    /// file's period is read from its modification time again.
    pub(crate) fn look_again(&self, file: &File) {
        let Some(every) = self.every else { return };
        if self.has_written.load(Ordering::Relaxed) {
            return;
        }
        if let Some(last_write) = last_write(file) {
            self.set(Period::of(every, last_write));
        }
    }

    /// Called where the file is empty: the next record decides the file's period.
    pub(crate) fn forget(&self) {
        if self.every.is_some() {
            self.due.store(i64::MAX, Ordering::Relaxed);
            self.new_period_before.store(i64::MAX, Ordering::Relaxed);
        }
    }

    /// Called where a new file could not be begun: the next attempt is in the next second at the earliest.
    pub(crate) fn postpone(&self, time: Time) {
        if self.every.is_some() {
            self.due.fetch_max(time.seconds().saturating_add(1), Ordering::Relaxed);
        }
    }

    /// The period in the name that the file gets when it is rotated. Without `every`, that is the second of the
    /// file's last write.
    pub(crate) fn period_for_name(&self, file: &File, time: Time) -> Period {
        match self.every {
            Some(every) => {
                Period::of_second(every, self.end.load(Ordering::Relaxed).saturating_sub(1))
            }
            None => Period::of(Every::Second, last_write(file).unwrap_or(time)),
        }
    }
}

/// When the file was last written to. None: the file is empty.
fn last_write(file: &File) -> Option<Time> {
    let metadata = file.metadata().ok()?;
    let modified = (metadata.len() > 0).then(|| metadata.modified().ok())?;
    modified.map(Time::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn at(time: &str) -> Time {
        Time::from(humantime::parse_rfc3339(time).unwrap())
    }

    /// A file with one line, last written at `modified`.
    fn file(modified: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"line\n").unwrap();
        file.set_times(FileTimes::new().set_modified(at(modified).into())).unwrap();
        file
    }

    fn name(period: &FilePeriod, file: &File) -> String {
        period.period_for_name(file, at("2000-01-01T00:00:00Z")).to_string()
    }

    #[test]
    fn an_open_files_period_is_that_of_its_last_record() {
        let (file, period) = (file("2026-04-17T14:00:00Z"), FilePeriod::new(Some(Every::Day)));
        assert!(!period.is_past(&file, at("2026-04-17T23:59:59Z")));
        period.record_written(&file, at("2026-04-17T23:59:59Z"));
        assert!(period.is_mid_period(at("2026-04-17T23:59:59Z")));
        assert!(!period.is_mid_period(at("2026-04-18T00:00:00Z")));
        assert!(period.is_past(&file, at("2026-04-18T00:00:00Z")));
        assert_eq!(name(&period, &file), "2026-04-17");
    }

    #[test]
    fn a_file_that_others_wrote_to_has_the_period_of_its_time() {
        let (file, period) = (file("2026-04-16T14:00:00Z"), FilePeriod::new(Some(Every::Day)));
        assert!(period.is_past(&file, at("2026-04-17T14:00:00Z")));
        assert_eq!(name(&period, &file), "2026-04-16");
        // Another process wrote to it before the lock was taken.
        let today = at("2026-04-17T01:00:00Z");
        file.set_times(FileTimes::new().set_modified(today.into())).unwrap();
        period.look_again(&file);
        assert!(!period.is_past(&file, at("2026-04-17T14:00:00Z")));
        // The time of what this process wrote late is not that of its record.
        period.record_written(&file, at("2026-04-17T23:59:59Z"));
        let late = at("2026-04-18T00:00:03Z");
        file.set_times(FileTimes::new().set_modified(late.into())).unwrap();
        period.look_again(&file);
        assert!(period.is_past(&file, at("2026-04-18T00:00:04Z")));
        assert_eq!(name(&period, &file), "2026-04-17");
    }

    #[test]
    fn an_older_record_goes_into_the_present_file() {
        let (file, period) = (tempfile::tempfile().unwrap(), FilePeriod::new(Some(Every::Hour)));
        assert!(!period.is_past(&file, at("2026-04-17T14:00:00Z")));
        period.record_written(&file, at("2026-04-17T14:00:00Z"));
        for time in ["2026-04-17T13:59:59Z", "2026-04-17T13:59:00Z"] {
            assert!(!period.is_past(&file, at(time)), "{time}");
            period.record_written(&file, at(time));
            assert_eq!(name(&period, &file), "2026-04-17T14");
        }
        // The clock was set back: the next hour of the new time begins a new file.
        assert!(!period.is_past(&file, at("2026-04-17T09:30:00Z")));
        assert_eq!(name(&period, &file), "2026-04-17T09");
        assert!(period.is_past(&file, at("2026-04-17T10:00:00Z")));
    }

    #[test]
    fn a_record_at_the_begin_of_a_period_leaves_the_file_in_it() {
        let file = file("2026-04-16T23:59:59.996Z");
        let period = FilePeriod::new(Some(Every::Day));
        let midnight = at("2026-04-17T00:00:00.001Z");
        period.set(Period::of(Every::Day, midnight));
        period.record_written(&file, midnight);
        assert_eq!(last_write(&file), Some(midnight));
    }

    #[test]
    fn without_a_period_the_name_is_the_second_of_the_last_write() {
        let (file, period) = (file("2026-04-17T14:31:55.7Z"), FilePeriod::new(None));
        assert!(!period.is_past(&file, at("2036-04-17T14:00:00Z")));
        assert!(period.is_mid_period(at("2036-04-17T14:00:00Z")));
        assert_eq!(name(&period, &file), "2026-04-17T14-31-55Z");
    }

    #[test]
    fn after_a_failure_it_is_tried_again_in_the_next_second() {
        let (file, period) = (file("2026-04-16T14:00:00Z"), FilePeriod::new(Some(Every::Day)));
        let time = at("2026-04-17T14:00:00.5Z");
        assert!(period.is_past(&file, time));
        period.postpone(time);
        assert!(!period.is_past(&file, time));
        assert!(period.is_past(&file, at("2026-04-17T14:00:01Z")));
        assert_eq!(name(&period, &file), "2026-04-16");
    }
}
