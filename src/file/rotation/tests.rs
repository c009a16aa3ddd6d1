//! Days and months on an injected clock: the time of each record is passed in.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Compress, Every, Keep, Rotation};
use crate::clock::Time;
use crate::file::{self, Access, Batch, LogFile, RootDir};

pub(super) const KEEP_ALL: Rotation = Rotation {
    every: Some(Every::Day),
    limit: u64::MAX,
    keep: Keep::All,
    compress: Compress::None,
};

fn at(time: &str) -> Time {
    Time::from(humantime::parse_rfc3339(time).unwrap())
}

pub(super) fn open(root: &Path, rotation: Rotation) -> Arc<LogFile> {
    let access =
        Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: Some(rotation) };
    let root = Arc::new(RootDir::new(root.to_owned(), access));
    LogFile::new(&root, Path::new("EQ/w.log"), " [WARN ] [host:h] ", &file::open_files(Some(10)))
}

pub(super) fn log(file: &LogFile, time: &str) {
    file.append(format!("{time}\n").as_bytes(), at(time)).unwrap();
}

pub(super) fn path(root: &Path, suffix: &str) -> PathBuf {
    root.join(format!("EQ/w.log{suffix}"))
}

/// Each file's suffix and text, sorted by name, the live one first.
fn files(root: &Path) -> Vec<(String, String)> {
    let entries = root.join("EQ").read_dir().unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            (name["w.log".len()..].to_owned(), text)
        })
        .collect();
    files.sort();
    files
}

pub(super) fn suffixes(root: &Path) -> Vec<String> {
    files(root).into_iter().map(|(suffix, _)| suffix).collect()
}

pub(super) fn wait_for(root: &Path, expected: &[&str]) {
    wait_until(expected, || suffixes(root));
}

pub(super) fn wait_until<T: Debug + PartialEq<U>, U: Debug>(expected: U, find: impl Fn() -> T) {
    let start = Instant::now();
    loop {
        let found = find();
        if found == expected {
            return;
        }
        // The upkeep has a low priority: on a busy machine it waits for everybody else.
        assert!(start.elapsed() < Duration::from_secs(300), "{found:?} instead of {expected:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The kernel's clock is another one than the test's.
pub(super) fn set_time(file: &Path, time: &str) {
    let time = SystemTime::from(at(time));
    let file = fs::File::options().append(true).open(file).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn each_day_has_its_file_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let days = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-05", "2026-12-31", "2027-01-01"];
    for (restart, day) in days.iter().enumerate() {
        // Each day is begun by a new process.
        let file = open(root, KEEP_ALL);
        for time in ["T00:00:00Z", "T12:00:00Z", "T23:59:59.999Z"] {
            log(&file, &format!("{day}{time}"));
        }
        set_time(&path(root, ""), &format!("{day}T23:59:59Z"));
        assert_eq!(file.counters.rotated.get(), u64::from(restart > 0));
    }
    let files = files(root);
    assert_eq!(files.len(), days.len());
    for (suffix, text) in files {
        let day = suffix.strip_prefix('.').unwrap_or("2027-01-01");
        assert_eq!(text.lines().count(), 3, "{suffix}: {text}");
        assert!(text.lines().all(|line| line.starts_with(day)), "{suffix}: {text}");
    }
}

#[test]
fn an_idle_log_is_not_rotated_and_a_day_without_a_record_has_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), KEEP_ALL);
    log(&file, "2026-04-17T10:00:00Z");
    log(&file, "2026-04-30T10:00:00Z");
    assert_eq!(suffixes(dir.path()), ["", ".2026-04-17"]);
    drop(file);
    drop(open(dir.path(), KEEP_ALL));
    assert_eq!(suffixes(dir.path()), ["", ".2026-04-17"]);
}

#[test]
fn a_clock_that_is_set_back_makes_no_empty_file_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), KEEP_ALL);
    for time in ["2026-04-17T10:00:00Z", "2026-04-15T10:00:00Z", "2026-04-15T23:00:00Z"] {
        log(&file, time);
    }
    assert_eq!(suffixes(dir.path()), [""]);
    // The next day by the clock as it is now.
    log(&file, "2026-04-16T01:00:00Z");
    log(&file, "2026-04-17T01:00:00Z");
    let lines = |text: &String| text.lines().count();
    let counts: Vec<_> =
        files(dir.path()).iter().map(|(s, text)| (s.clone(), lines(text))).collect();
    let expected = [("", 1), (".2026-04-15", 3), (".2026-04-16", 1)];
    assert_eq!(counts, expected.map(|(suffix, count)| (suffix.to_owned(), count)));
}

#[test]
fn a_batch_ends_where_a_later_period_begins() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), KEEP_ALL);
    let times = [
        "2026-04-17T23:59:58Z",
        "2026-04-17T23:59:59Z",
        "2026-04-18T00:00:00Z",
        // Of another thread, which was somewhat late.
        "2026-04-17T23:59:59Z",
        "2026-04-18T00:00:01Z",
        "2026-04-19T00:00:00Z",
    ];
    let mut batch = Batch::default();
    for (n, time) in times.iter().enumerate() {
        batch.push(format!("{n}\n").as_bytes(), at(time), n % 2 == 0);
    }
    let outcome = file.append_batch(&batch);
    assert!(outcome.failed.is_empty() && outcome.rotation_error.is_none());
    let expected = [("", "5\n"), (".2026-04-17", "0\n1\n"), (".2026-04-18", "2\n3\n4\n")];
    let expected = expected.map(|(suffix, text)| (suffix.to_owned(), text.to_owned()));
    assert_eq!(files(dir.path()), expected);
    assert_eq!((file.counters.written.get(), file.counters.rotated.get()), (6, 2));
}

#[test]
fn a_batch_is_written_an_eighth_of_the_limit_at_once_and_not_past_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), Rotation { limit: 800, ..KEEP_ALL });
    let (record, time) = (b"9 letters\n", at("2026-04-17T10:00:00Z"));
    let mut batch = Batch::default();
    (0..100).for_each(|_| batch.push(record, time, false));
    let mut written = 0;
    for (size, records) in [(10, 10), (700, 10), (750, 5), (795, 1)] {
        file.append(&b"x".repeat(size - written), time).unwrap();
        written = size;
        let open = file.open.load_full().unwrap();
        assert_eq!(open.run_end(&batch, 0), records, "{size}");
    }
    assert!(file.append_batch(&batch).failed.is_empty());
    let sizes: Vec<usize> = files(dir.path()).iter().map(|(_, text)| text.len()).collect();
    assert_eq!(sizes, [200, 795, 800]);
}

#[test]
fn limit_and_day_together_number_the_files_of_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), Rotation { limit: 45, ..KEEP_ALL });
    for hour in 10..16 {
        log(&file, &format!("2026-04-17T{hour}:00:00Z"));
    }
    log(&file, "2026-04-18T00:00:00Z");
    let expected = ["", ".2026-04-17", ".2026-04-17.1", ".2026-04-17.2"];
    assert_eq!(suffixes(dir.path()), expected);
}

#[test]
fn months_and_hours_have_their_names_and_belong_to_one_log() {
    let dir = tempfile::tempdir().unwrap();
    for (every, time) in [
        (Every::Month, "2026-02-10T10:00:00Z"),
        (Every::Hour, "2026-03-10T10:00:00Z"),
        (Every::Day, "2026-03-10T11:59:59Z"),
        (Every::Month, "2026-03-11T11:59:59Z"),
        (Every::Month, "2026-05-01T00:00:00Z"),
    ] {
        let file = open(dir.path(), Rotation { every: Some(every), ..KEEP_ALL });
        log(&file, time);
        set_time(&path(dir.path(), ""), time);
    }
    // A new setting counts from the file's own last record on.
    assert_eq!(suffixes(dir.path()), ["", ".2026-02-10T10", ".2026-03"]);
}

#[test]
fn what_is_older_than_it_is_to_be_kept_goes_with_the_next_rotation() {
    let dir = tempfile::tempdir().unwrap();
    const DAY: Duration = Duration::from_secs(86_400);
    let file = open(dir.path(), Rotation { keep: Keep::Age(3 * DAY), ..KEEP_ALL });
    for day in 10..20 {
        log(&file, &format!("2026-04-{day}T10:00:00Z"));
        // Each pass begins after the one before.
        let oldest = (day - 3).max(10);
        let rotated = (oldest..day).map(|day| format!(".2026-04-{day}"));
        let expected: Vec<_> = [String::new()].into_iter().chain(rotated).collect();
        wait_for(dir.path(), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // It is counted after the file is gone.
    wait_until(6, || file.counters.deleted.get());
}

/// What a rename would replace is never replaced: neither the last number that there is, nor a file that a listing
/// missed, since it was compressed meanwhile.
#[test]
fn no_file_is_replaced_by_one_that_is_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), Rotation { every: Some(Every::Day), ..KEEP_ALL });
    log(&file, "2026-04-10T10:00:00Z");
    let last = path(dir.path(), ".2026-04-10.999999999");
    fs::write(&last, "somebody's\n").unwrap();
    let err = file.append(b"2026-04-11T10:00:00Z\n", at("2026-04-11T10:00:00Z")).unwrap_err();
    assert!(err.is_rotation() && err.to_string().contains("no number is left"), "{err}");
    assert_eq!(fs::read_to_string(&last).unwrap(), "somebody's\n");
    let live = fs::read_to_string(path(dir.path(), "")).unwrap();
    assert_eq!(live, "2026-04-10T10:00:00Z\n2026-04-11T10:00:00Z\n");
}

/// One file read behind the other, the fragment would swallow the first line of the next file.
#[test]
fn a_fragment_is_ended_before_its_file_is_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let by_day = Rotation { every: Some(Every::Day), ..KEEP_ALL };
    log(&open(dir.path(), by_day), "2026-04-10T10:00:00Z");
    let mut other = fs::File::options().append(true).open(path(dir.path(), "")).unwrap();
    std::io::Write::write_all(&mut other, b"torn").unwrap();
    drop(other);
    set_time(&path(dir.path(), ""), "2026-04-10T10:00:00Z");
    log(&open(dir.path(), by_day), "2026-04-11T10:00:00Z");
    let rotated = fs::read_to_string(path(dir.path(), ".2026-04-10")).unwrap();
    assert_eq!(rotated, "2026-04-10T10:00:00Z\ntorn\n");
}

/// Ten years ahead for one record, and back.
#[test]
fn a_clock_that_jumps_ahead_deletes_little() {
    let dir = tempfile::tempdir().unwrap();
    const DAY: Duration = Duration::from_secs(86_400);
    let file = open(dir.path(), Rotation { keep: Keep::Age(90 * DAY), ..KEEP_ALL });
    for day in 10..20 {
        log(&file, &format!("2026-04-{day}T10:00:00Z"));
    }
    log(&file, "2036-04-20T10:00:00Z");
    log(&file, "2026-04-20T10:00:00Z");
    log(&file, "2026-04-21T10:00:00Z");
    drop(file);
    let file = open(dir.path(), Rotation { keep: Keep::Age(90 * DAY), ..KEEP_ALL });
    log(&file, "2026-04-21T11:00:00Z");
    assert_eq!(suffixes(dir.path()).len(), 12);
    assert_eq!(file.counters.deleted.get(), 0);
}

/// The period of a month's file ends later than that of the day's file that was just rotated.
#[test]
#[cfg_attr(windows, ignore = "a new file has the access rights of its folder")]
fn a_new_log_has_the_permissions_of_the_file_that_was_just_rotated() {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = open(dir.path(), KEEP_ALL);
        log(&file, "2026-04-10T10:00:00Z");
        let set_mode = |suffix: &str, mode| {
            fs::set_permissions(path(dir.path(), suffix), fs::Permissions::from_mode(mode))
                .unwrap();
        };
        set_mode("", 0o664);
        for other in [".2026-04", ".2036-01-01"] {
            fs::write(path(dir.path(), other), "record\n").unwrap();
            set_mode(other, 0o600);
        }
        log(&file, "2026-04-11T10:00:00Z");
        assert_eq!(suffixes(dir.path()), ["", ".2026-04", ".2026-04-10", ".2036-01-01"]);
        let mode = fs::metadata(path(dir.path(), "")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o664, "{mode:o}");
    }
}

/// A crash while a new log was made leaves it under its other name.
#[test]
fn what_a_crash_left_of_a_new_log_does_not_stop_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(dir.path(), KEEP_ALL);
    log(&file, "2026-04-10T10:00:00Z");
    fs::write(path(dir.path(), ".2026-04-10.tmp"), "").unwrap();
    log(&file, "2026-04-11T10:00:00Z");
    let expected = [("", "2026-04-11T10:00:00Z\n"), (".2026-04-10", "2026-04-10T10:00:00Z\n")];
    assert_eq!(files(dir.path()), expected.map(|(s, text)| (s.to_owned(), text.to_owned())));
}

/// A thread may be held up between the moment when it gets the descriptor and its write.
#[test]
fn a_sync_covers_what_a_thread_writes_to_a_file_that_was_rotated_and_synced_before() {
    let root = tempfile::tempdir().unwrap();
    let file = open(root.path(), KEEP_ALL);
    log(&file, "2026-04-17T23:59:59Z");
    let late = file.open.load_full().unwrap();
    log(&file, "2026-04-18T00:00:00Z");
    file.sync().unwrap();
    assert_eq!(file.unsynced_files(), 1, "another thread may still write to it");
    file.write(&late, b"late\n", at("2026-04-17T23:59:59Z")).unwrap();
    file.counters.written.add(1);
    drop(late);
    file.sync().unwrap();
    assert_eq!(file.unsynced_files(), 0);
    assert_eq!(files(root.path())[1].1, "2026-04-17T23:59:59Z\nlate\n");
}
