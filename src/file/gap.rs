//! [`PendingGap`]: the lost records of one log, until a line in the log reports them.
//!
//! The invariant: a record that was counted here is reported in exactly one line, or is still counted here.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Time;
use crate::locks::LockExt as _;
use crate::process::gaps;
pub(crate) use crate::process::gaps::Gap;

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct PendingGap {
    /// Whether there is a gap. Every record reads this, without the lock.
    pending: AtomicBool,
    /// Boxed, so that it takes little of the cache line that every record reads.
    gap: Mutex<Option<Box<Gap>>>,
}

impl PendingGap {
    /// Whether records are missing that no line reports yet.
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Takes the gap, to report it.
    pub(crate) fn take(&self) -> Option<Gap> {
        let mut gap = self.gap.lock_any();
        self.pending.store(false, Ordering::Release);
        gap.take().map(|gap| *gap)
    }

    /// Puts back a gap that could not be reported. Its records were lost before those that were added meanwhile.
    pub(crate) fn put_back(&self, earlier: Gap) {
        let mut gap = self.gap.lock_any();
        let records = earlier.records + gap.take().map_or(0, |later| later.records);
        *gap = Some(Box::new(Gap { records, ..earlier }));
        self.pending.store(true, Ordering::Release);
    }

    /// Adds records that were lost later than those that are counted here.
    pub(crate) fn add(&self, later: Gap) {
        let mut gap = self.gap.lock_any();
        match gap.as_mut() {
            Some(gap) => gap.records += later.records,
            None => *gap = Some(Box::new(later)),
        }
        self.pending.store(true, Ordering::Release);
    }

    /// Leaves the gap to the next log of this process at that path: nothing more is written through this one.
    pub(crate) fn hand_on(&self, path: &Path) {
        if let Some(gap) = self.take() {
            gaps::leave(path, gap);
        }
    }

    /// Takes over the gaps that earlier logs at that path left.
    pub(crate) fn adopt(&self, path: &Path) {
        gaps::take(path).into_iter().for_each(|gap| self.put_back(gap));
    }
}

/// Appends the line that reports a gap, with its line end. The message ends with a full stop: a line without it was
/// torn itself, and its records are reported again. `head` is the log's `gap_head`.
pub(super) fn write_gap_line(out: &mut Vec<u8>, head: &str, gap: &Gap, time: Time) {
    let records = if gap.records == 1 { "record is" } else { "records are" };
    let (now, since) = (rfc3339(time), rfc3339(gap.since));
    // Writing to a vector does not fail.
    let _ = write!(out, "{now}{head}{} {records} missing here since {since}: ", gap.records);
    for c in gap.reason.chars() {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            c if c.is_control() => out.push(b' '),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.extend_from_slice(b".\n");
}

/// The time in UTC, to the second. A time before 1970 or after 9999 is printed as the nearest time that humantime can
/// print.
fn rfc3339(time: Time) -> humantime::Rfc3339Timestamp {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let time = SystemTime::from(time).clamp(UNIX_EPOCH, UNIX_EPOCH + LAST);
    humantime::format_rfc3339_seconds(time)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    fn line(gap: &Gap, time: SystemTime) -> String {
        let mut out = Vec::new();
        write_gap_line(&mut out, " [WARN ] [host:h] [equip:EQ] ", gap, Time::from(time));
        String::from_utf8(out).unwrap()
    }

    fn gap(records: u64, since: SystemTime, reason: &str) -> Gap {
        Gap { records, since: Time::from(since), reason: reason.to_owned() }
    }

    #[test]
    fn a_gap_is_one_line_that_parse_line_reads() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let text = line(&gap(3, at(1_776_436_315), "a\\b\nc"), at(1_776_436_316));
        assert_eq!(
            text,
            "2026-04-17T14:31:56Z [WARN ] [host:h] [equip:EQ] \
             3 records are missing here since 2026-04-17T14:31:55Z: a\\\\b c.\n"
        );
        let line = crate::line::parse_line(text.trim_end()).unwrap();
        assert_eq!(line.equipment.unwrap().as_str(), "EQ");
    }

    fn told(gap: Option<Gap>) -> Option<(u64, Time, String)> {
        gap.map(|gap| (gap.records, gap.since, gap.reason))
    }

    #[test]
    fn records_that_are_lost_while_a_gap_is_reported_are_added_to_it_if_it_could_not_be() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let pending = PendingGap::default();
        assert!(!pending.is_some() && pending.take().is_none());
        pending.add(gap(1, at(1), "full"));
        pending.add(gap(2, at(2), "later"));
        let taken = pending.take().unwrap();
        assert!(!pending.is_some());
        pending.add(gap(4, at(4), "meanwhile"));
        pending.put_back(taken);
        assert!(pending.is_some());
        assert_eq!(told(pending.take()), told(Some(gap(7, at(1), "full"))));
        pending.put_back(gap(1, at(1), "full"));
        pending.hand_on(Path::new("/gap/w.log"));
        assert!(!pending.is_some());
        pending.adopt(Path::new("/gap/other.log"));
        assert!(!pending.is_some());
        pending.adopt(Path::new("/gap/w.log"));
        assert_eq!(told(pending.take()), told(Some(gap(1, at(1), "full"))));
    }

    /// A laboratory computer whose battery is empty starts in 1970 or before.
    #[test]
    #[cfg_attr(windows, ignore = "its SystemTime begins in 1601 and ends in 30828")]
    fn a_clock_before_1970_or_after_9999_is_no_panic() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        let text = line(&gap(1, before, "full"), UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert!(text.starts_with("9999-12-31T23:59:59Z [WARN ]"), "{text}");
        assert!(text.ends_with("1 record is missing here since 1970-01-01T00:00:00Z: full.\n"));
    }
}
