//! The order in which a log's rotated files were written.
//!
//! The files of periods that do not overlap are ordered by their names. A log whose `every` was edited has files of
//! overlapping periods: `.2026-11` can be older than `.2026-11-04` (a month's file that was rotated on the 4th), or
//! newer. There the time of the last write decides. A copy of a file may have another time: the time counts only
//! within the period of the name.

use std::fs::Metadata;
use std::time::SystemTime;

use super::names::RotatedName;
use super::period::Period;
use crate::clock::Time;

/// One rotated file. If it exists both plain and compressed, this is the plain file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RotatedFile {
    pub(crate) name: RotatedName,
    pub(crate) bytes: u64,
    /// When it was last written, in seconds since 1970. A compressed file has the time of the plain file.
    pub(crate) modified: i64,
}

impl RotatedFile {
    pub(super) fn of(name: RotatedName, metadata: &Metadata) -> RotatedFile {
        let modified = seconds(metadata.modified().ok());
        RotatedFile { name, bytes: metadata.len(), modified }
    }
}

/// Seconds since 1970. A time that is not known counts as late.
pub(super) fn seconds(time: Option<SystemTime>) -> i64 {
    time.map_or(i64::MAX, |time| Time::from(time).seconds())
}

/// Sorts files by age, the oldest first.
pub(super) fn sort_by_age(files: &mut [RotatedFile]) {
    files.sort_unstable_by_key(|file| file.name);
    // The numbers of one period are in the order of writing, whatever the times are.
    let mut last: Option<(Period, i64)> = None;
    let mut keyed: Vec<(i64, RotatedFile)> = Vec::with_capacity(files.len());
    for file in files.iter() {
        let period = file.name.period();
        let written = file.modified.clamp(period.start(), period.end() - 1);
        let written = match last {
            Some((before, latest)) if before == period => latest.max(written),
            _ => written,
        };
        last = Some((period, written));
        keyed.push((written, *file));
    }
    keyed.sort_by_key(|(written, file)| (*written, file.name));
    for (place, (_, file)) in files.iter_mut().zip(keyed) {
        *place = file;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    fn sorted<const N: usize>(files: [(&str, &str); N]) -> [String; N] {
        let mut files = files.map(|(rest, modified)| RotatedFile {
            name: RotatedName::parse("w", &format!("w{rest}")).unwrap(),
            bytes: 1,
            modified: seconds(humantime::parse_rfc3339(modified).ok()),
        });
        sort_by_age(&mut files);
        files.map(|file| file.name.to_string())
    }

    #[test]
    fn an_edit_of_every_leaves_the_files_in_the_order_of_writing() {
        let month_then_day = [
            (".2026-11", "2026-11-04T10:00:00Z"),
            (".2026-11.1", "2026-11-04T10:30:00Z"),
            (".2026-11-04", "2026-11-04T12:00:00Z"),
            (".2026-11-04.1", "2026-11-04T23:00:00Z"),
            (".2026-11-05", "2026-11-05T23:00:00Z"),
        ];
        assert_eq!(sorted(month_then_day), month_then_day.map(|(rest, _)| rest.to_owned()));
        let day_then_month = [
            (".2026-10", "2026-10-31T10:00:00Z"),
            (".2026-11-01", "2026-11-01T10:00:00Z"),
            (".2026-11-04", "2026-11-04T12:00:00Z"),
            (".2026-11", "2026-11-05T10:00:00Z"),
            (".2026-11.1", "2026-11-30T10:00:00Z"),
            (".2026-12-01T00", "2026-12-01T00:10:00Z"),
        ];
        assert_eq!(sorted(day_then_month), day_then_month.map(|(rest, _)| rest.to_owned()));
    }

    #[test]
    fn a_time_that_is_wrong_counts_only_within_the_period_of_the_name() {
        let in_order = [
            (".2026-03", "2036-01-01T00:00:00Z"),
            (".2026-04-01", "2020-01-01T00:00:00Z"),
            (".2026-04-01.2", "2019-01-01T00:00:00Z"),
            (".2026-04-02T05", "2036-01-01T00:00:00Z"),
            (".2026-04-03", "1970-01-01T00:00:00Z"),
        ];
        assert_eq!(sorted(in_order), in_order.map(|(rest, _)| rest.to_owned()));
    }
}
