//! [`to_delete`]: which rotated files of a log are not kept.
//!
//! The invariants: the newest file is never deleted. One pass deletes at most half of the files, so that a wrong
//! clock or a mistyped setting costs little before a person notices it.

use super::age::{sort_by_age, RotatedFile};
use super::names::RotatedName;
use super::Keep;

const SECONDS_A_DAY: i64 = 86_400;

/// The result of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The files to delete, the oldest first.
    pub(crate) delete: Vec<RotatedName>,
    /// Whether too many files are left, by number or size, so that another pass follows. Files that are too old wait
    /// for the next rotation.
    pub(crate) more: bool,
}

/// Which files one pass deletes. `now` is in seconds since 1970.
///
/// No file is deleted by its age while the clock is more than a day ahead of the newest file: either the clock is
/// wrong, or the log was idle. Its next rotation makes a file of the period before, and the one after that a newer file.
pub(crate) fn to_delete(keep: Keep, files: &[RotatedFile], now: i64) -> Verdict {
    let mut files = files.to_vec();
    sort_by_age(&mut files);
    let Some(newest) = files.last() else {
        return Verdict { delete: Vec::new(), more: false };
    };
    let too_many = match keep {
        Keep::All => 0,
        Keep::Files(kept) => {
            files.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX))
        }
        Keep::Age(_) if is_a_day_ahead(now, newest.name) => 0,
        Keep::Age(age) => {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            let is_old = |file: &&RotatedFile| now.saturating_sub(file.name.period().end()) >= age;
            files.iter().take_while(is_old).count()
        }
        Keep::Bytes(most) => {
            let mut bytes = 0_u64;
            let fits = |file: &&RotatedFile| {
                bytes = bytes.saturating_add(file.bytes);
                bytes <= most
            };
            files.len() - files.iter().rev().take_while(fits).count()
        }
    };
    let most = files.len() / 2;
    let delete = files.iter().take(too_many.min(most)).map(|file| file.name).collect();
    // Half of one file is none, and a further pass would not change that.
    Verdict { delete, more: too_many > most && most > 0 && needs_all_passes(keep) }
}

/// Whether another pass follows at once where one was not enough.
fn needs_all_passes(keep: Keep) -> bool {
    match keep {
        Keep::Files(_) | Keep::Bytes(_) => true,
        Keep::All | Keep::Age(_) => false,
    }
}

fn is_a_day_ahead(now: i64, newest: RotatedName) -> bool {
    now.saturating_sub(newest.period().end()) > SECONDS_A_DAY
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn file(rest: &str, bytes: u64) -> RotatedFile {
        let name = RotatedName::parse("w", &format!("w{rest}")).unwrap();
        RotatedFile { name, bytes, modified: i64::MAX }
    }

    fn days(days: u64) -> Keep {
        Keep::Age(Duration::from_secs(days * 86_400))
    }

    fn at(time: &str) -> i64 {
        let time = humantime::parse_rfc3339(time).unwrap();
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
    }

    fn deleted(keep: Keep, files: &[RotatedFile], now: &str) -> Vec<String> {
        to_delete(keep, files, at(now)).delete.iter().map(RotatedName::to_string).collect()
    }

    fn april() -> Vec<RotatedFile> {
        (1..=8).rev().map(|day| file(&format!(".2026-04-{day:02}"), 100)).collect()
    }

    const MORNING: &str = "2026-04-09T06:00:00Z";

    #[test]
    fn the_newest_are_kept_by_number_time_or_size() {
        let oldest = [".2026-04-01", ".2026-04-02", ".2026-04-03"];
        assert_eq!(deleted(Keep::Files(5), &april(), MORNING), oldest);
        assert_eq!(deleted(days(5), &april(), MORNING), oldest);
        assert_eq!(deleted(Keep::Bytes(599), &april(), MORNING), oldest);
        assert_eq!(deleted(Keep::Bytes(600), &april(), MORNING), oldest[..2]);
        for keep in [Keep::All, Keep::Files(8), days(9), Keep::Bytes(800)] {
            assert!(deleted(keep, &april(), MORNING).is_empty(), "{keep}");
        }
    }

    #[test]
    fn names_of_earlier_settings_count_as_well() {
        let files =
            [".2026-03", ".2026-04-01.gz", ".2026-04-01.2", ".2026-04-02T05", ".2026-04-03"];
        let files = files.map(|rest| file(rest, 1));
        assert_eq!(deleted(Keep::Files(3), &files, MORNING), [".2026-03", ".2026-04-01.gz"]);
    }

    #[test]
    fn one_pass_deletes_half_at_most() {
        assert_eq!(deleted(Keep::Files(1), &april(), MORNING).len(), 4);
        assert_eq!(deleted(Keep::Bytes(1), &april()[..3], MORNING).len(), 1);
        assert!(deleted(Keep::Bytes(1), &april()[..1], MORNING).is_empty());
    }

    #[test]
    fn a_clock_that_jumps_ahead_deletes_none_by_age() {
        assert!(deleted(days(90), &april(), "2036-04-09T06:00:00Z").is_empty());
        assert!(deleted(days(1), &april(), "2026-04-10T00:00:01Z").is_empty());
        assert!(!deleted(days(1), &april(), "2026-04-10T00:00:00Z").is_empty());
    }

    proptest! {
        #[test]
        fn the_deleted_are_the_oldest_and_not_more_than_half(
            days_and_bytes in prop::collection::vec((1_u64..28, 0_u64..5, 0_u64..1000), 0..40),
            keep in prop_oneof![
                Just(Keep::All),
                (1_u32..50).prop_map(Keep::Files),
                (1_u64..40).prop_map(days),
                (1_u64..20_000).prop_map(Keep::Bytes),
            ],
            day in 1_u64..28
        ) {
            let mut files: Vec<_> = days_and_bytes
                .iter()
                .map(|(day, number, bytes)| match number {
                    0 => file(&format!(".2026-04-{day:02}"), *bytes),
                    number => file(&format!(".2026-04-{day:02}.{number}"), *bytes),
                })
                .collect();
            let verdict = to_delete(keep, &files, at(&format!("2026-04-{day:02}T12:00:00Z")));
            let deleted = verdict.delete;
            files.sort_by_key(|file| file.name);
            let oldest: Vec<_> = files.iter().take(deleted.len()).map(|file| file.name).collect();
            prop_assert_eq!(&deleted, &oldest);
            prop_assert!(deleted.len() <= files.len() / 2);
            if let Keep::Files(kept) = keep {
                prop_assert!(files.len() - deleted.len() >= (kept as usize).min(files.len()));
            }
        }
    }
}
