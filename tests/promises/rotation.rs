//! The promise: with `rotation` a log does not grow past its limit, a rotated file gets its documented name once,
//! and no record is lost or doubled on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use equipment_log::{
    Compress, EquipmentSink, EquipmentSinkBuilder, Every, Keep, QueueConfig, RotationConfig, Scope,
};
use log::Level;

use crate::support::{
    all_lines, beside, by_size, log_of, names_in, rotated, rotated_suffixes, sink, until,
};

const LIMIT: u64 = 1000;

fn log(sink: &EquipmentSink, level: Level, record: &str) {
    sink.write(&Scope::new("EQ").unwrap(), level, record.as_bytes()).unwrap();
}

fn log_ok(sink: &EquipmentSink, n: usize) {
    log(sink, Level::Info, &numbered(n));
}

/// A record of ten bytes, its end included.
fn numbered(number: usize) -> String {
    format!("{number:09}")
}

fn keep_all(limit: u64) -> RotationConfig {
    RotationConfig::new().limit(limit)
}

#[test]
fn the_newest_files_are_kept_and_none_passes_the_limit() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path()).rotation(by_size(LIMIT, 3)).build().unwrap();
    (0..1234).for_each(|n| log_ok(&sink, n));

    let log = log_of(root.path(), "EQ");
    until("three files are kept", || rotated(&log).len() == 3);
    for file in rotated(&log) {
        assert_eq!(fs::metadata(file).unwrap().len(), LIMIT);
    }
    let expected: Vec<_> = (900..1234).map(numbered).collect();
    assert_eq!(all_lines(&log), expected);
    let total = || sink.stats().total;
    until("the others are counted", || total().deleted == 9);
    assert_eq!((total().written, total().rotated, total().lost), (1234, 12, 0));
    assert_eq!((total().rotation_failures, total().reopened, total().upkeep_failures), (0, 0, 0));
}

/// Without `every` a name has the second in which the file was last written. A number tells those of one second
/// apart: the first has none.
#[test]
fn a_name_is_the_second_of_the_last_record_and_a_number_one_more_than_the_highest() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path()).rotation(keep_all(10)).build().unwrap();
    let log = log_of(root.path(), "EQ");
    for n in 0..4 {
        log_ok(&sink, n);
        let time = time_of("2026-04-17T14:31:55.9Z");
        let file = fs::File::options().append(true).open(&log).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
        if n == 2 {
            fs::remove_file(beside(&log, "2026-04-17T14-31-55Z")).unwrap();
        }
    }
    const SECOND: &str = "2026-04-17T14-31-55Z";
    assert_eq!(rotated_suffixes(&log), [format!("{SECOND}.1"), format!("{SECOND}.2")]);
    assert_eq!(all_lines(&log), [1, 2, 3].map(numbered));
}

fn time_of(time: &str) -> std::time::SystemTime {
    let line = format!("{time} [INFO ] [host:h] [equip:E] text");
    let line = equipment_log::parse_line(&line).unwrap();
    line.time
}

#[test]
fn a_log_that_is_full_already_is_rotated_before_the_first_record() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let sink = sink(root.path()).rotation(by_size(10, 5)).build().unwrap();
        log_ok(&sink, n);
    }
    let log = log_of(root.path(), "EQ");
    assert_eq!(rotated(&log).len(), 2);
    assert_eq!(all_lines(&log), [0, 1, 2].map(numbered));
}

#[test]
fn a_record_longer_than_the_limit_is_whole_and_alone_in_its_file() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path()).rotation(by_size(20, 5)).build().unwrap();
    let long = "x".repeat(5000);
    for record in ["a", &long, "b", &long] {
        log(&sink, Level::Info, record);
    }
    let log = log_of(root.path(), "EQ");
    assert_eq!(all_lines(&log), ["a", &long, "b", &long]);
    assert_eq!(rotated(&log).len(), 3);
}

#[test]
fn durable_records_are_rotated_too() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path()).rotation(by_size(100, 50)).build().unwrap();
    for n in 0..200 {
        log(&sink, if n % 3 == 0 { Level::Error } else { Level::Info }, &numbered(n));
    }
    sink.close_all().unwrap();
    let lines = all_lines(&log_of(root.path(), "EQ"));
    assert_eq!(lines, (0..200).map(numbered).collect::<Vec<_>>());
    assert_eq!(sink.stats().total.rotated, 19);
}

/// One rotates and the others follow, also between two sinks, as during a reload.
#[test]
#[cfg_attr(windows, ignore = "Wine emulates append by seeking: two handles write over each other")]
fn threads_of_two_sinks_lose_and_double_nothing() {
    const THREADS: usize = 4;
    const RECORDS: usize = 2000;
    let root = tempfile::tempdir().unwrap();
    let sinks = [(); 2].map(|()| sink(root.path()).rotation(keep_all(LIMIT)).build().unwrap());
    let together = Barrier::new(THREADS);
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (sink, together) = (&sinks[thread % 2], &together);
            threads.spawn(move || {
                together.wait();
                for n in 0..RECORDS {
                    let level = if n % 500 == 0 { Level::Error } else { Level::Info };
                    log(sink, level, &format!("{thread} {n:05}"));
                }
            });
        }
    });
    let log = log_of(root.path(), "EQ");
    let lines = all_lines(&log);
    for thread in 0..THREADS {
        let prefix = format!("{thread} ");
        let found: Vec<usize> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|n| n.parse().unwrap())
            .collect();
        assert!(found.iter().copied().eq(0..RECORDS), "thread {thread}: {} found", found.len());
    }
    for file in rotated(&log) {
        let length = fs::metadata(&file).unwrap().len();
        // 8 bytes a record, and one record for each writer.
        assert!(length <= LIMIT + 8 * THREADS as u64, "{}: {length}", file.display());
    }
    let times: u64 = sinks.iter().map(|sink| sink.stats().total.rotated).sum();
    assert_eq!(times as usize, rotated(&log).len());
}

/// One writer is slow, and another fills and deletes every file that it knows, sooner than it looks again
/// whether the path still leads to its own.
#[test]
#[cfg_attr(windows, ignore = "Wine does not delete a file that is open")]
fn a_file_is_not_deleted_while_a_slow_writer_has_it_open() {
    let root = tempfile::tempdir().unwrap();
    let build = || sink(root.path()).rotation(by_size(100, 2)).build().unwrap();
    let (slow, quick) = (build(), build());
    let path = log_of(root.path(), "EQ");
    for round in 0..5 {
        log(&slow, Level::Info, "slow");
        (0..50).for_each(|n| log_ok(&quick, n));
        log(&slow, Level::Info, &format!("last {round}"));
        let found = all_lines(&path);
        assert!(found.contains(&format!("last {round}")), "round {round}: {found:?}");
    }
    let total = slow.stats().total;
    assert_eq!((total.written, total.lost), (10, 0), "{total}");
    // Once nobody has it open any more it goes like the others.
    slow.close_all().unwrap();
    log_ok(&quick, 0);
    until("two files are kept", || rotated(&path).len() == 2);
}

/// The last number of the month is taken.
#[test]
fn a_log_that_cannot_be_rotated_goes_on_and_says_why() {
    let root = tempfile::tempdir().unwrap();
    let rotation = keep_all(LIMIT).every(Every::Month);
    let sink = sink(root.path()).rotation(rotation).build().unwrap();
    (0..100).for_each(|n| log_ok(&sink, n));
    let scope = Scope::new("EQ").unwrap();
    let log = sink.path(&scope).unwrap();
    let now = humantime::format_rfc3339(std::time::SystemTime::now()).to_string();
    fs::write(beside(&log, &format!("{}.999999999", &now[.."2026-04".len()])), "").unwrap();

    let mut failed = Vec::new();
    for n in 100..150 {
        let level = if n == 100 { Level::Error } else { Level::Info };
        if let Err(err) = sink.write(&scope, level, numbered(n).as_bytes()) {
            assert!(err.is_rotation() && !err.is_write(), "{err}");
            assert!(err.to_string().contains(log.to_str().unwrap()), "{err}");
            failed.push(n);
        }
    }
    // Not at each record: after each eighth of the limit.
    assert_eq!(failed, [100, 112, 124, 136, 148]);
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost), (150, 0));
    assert_eq!((total.rotation_failures, total.rotated), (5, 0));
    assert_eq!(all_lines(&log), (0..150).map(numbered).collect::<Vec<_>>());
}

/// A log whose name leaves no room for a rotated name could be written and never rotated.
#[test]
fn a_log_whose_rotated_names_would_be_too_long_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = format!("{{equipment_id}}/{}.log", "x".repeat(217));
    let rotating = sink(root.path()).path(&path).rotation(by_size(LIMIT, 5)).build().unwrap();
    let scope = Scope::new("EQ").unwrap();
    let err = rotating.write(&scope, Level::Info, b"m").unwrap_err();
    assert!(err.is_invalid_id() && err.to_string().contains("longer than 220 bytes"), "{err}");
    sink(root.path()).path(&path).build().unwrap().write(&scope, Level::Info, b"m").unwrap();
}

/// `copytruncate` makes a log short again.
#[test]
fn a_log_that_was_cut_meanwhile_is_not_rotated_before_it_is_full_again() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path()).rotation(by_size(100, 4)).build().unwrap();
    (0..10).for_each(|n| log_ok(&sink, n));
    let log = log_of(root.path(), "EQ");
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    (10..20).for_each(|n| log_ok(&sink, n));
    assert!(rotated(&log).is_empty());
    log_ok(&sink, 20);
    assert_eq!(rotated(&log).len(), 1);
    assert_eq!(all_lines(&log), (10..21).map(numbered).collect::<Vec<_>>());
}

/// What is in the folder and is no rotated file of this log, however much it looks like one, stays as it is.
#[test]
fn files_of_others_are_neither_counted_nor_touched() {
    let root = tempfile::tempdir().unwrap();
    let log = log_of(root.path(), "EQ");
    let folder = log.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    let others = [
        "wizard.h.log.1",
        "wizard.h.log.bak",
        "wizard.h.log.2020-01-01.old",
        "wizard.h.log.2020-01-32",
        "wizard.h.log.2020-01-01.01",
        "wizard.h.log.gz",
        "wizard.h2.log.2020-01-01",
        "wizard.h.log2020-01-01",
    ];
    for name in others {
        fs::write(folder.join(name), "another's").unwrap();
    }
    fs::create_dir(folder.join("wizard.h.log.2020-01-02")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("wizard.h.log.bak", folder.join("wizard.h.log.2020-01-03")).unwrap();
    let before = names_in(folder);

    let rotation = by_size(10, 1).compress(Compress::Gzip);
    let sink = sink(root.path()).rotation(rotation).build().unwrap();
    (0..20).for_each(|n| log_ok(&sink, n));
    until("the last is kept", || sink.stats().total.deleted == 18);
    let after = names_in(folder);
    assert!(before.iter().all(|name| after.contains(name)), "{before:?} {after:?}");
    for name in others {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "another's");
    }
}

#[test]
fn a_host_with_a_period_in_its_name_keeps_its_log() {
    let root = tempfile::tempdir().unwrap();
    for host in ["labpc-04", "labpc-04.1", "labpc-04.log.2026-04-17", "labpc-04.log.2026-04-17.log"]
    {
        let sink = sink(root.path()).hostname(host).rotation(by_size(10, 2)).build().unwrap();
        (0..3).for_each(|n| log_ok(&sink, n));
        let path = sink.path(&Scope::new("EQ").unwrap()).unwrap();
        assert_eq!(all_lines(&path), [0, 1, 2].map(numbered), "{host}");
    }
    assert_eq!(names_in(log_of(root.path(), "EQ").parent().unwrap()).len(), 12);
}

#[test]
fn a_path_that_may_be_a_rotated_files_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let build = |path: &str, host: &str| {
        sink(root.path()).hostname(host).path(path).rotation(by_size(1000, 2)).build()
    };
    for (path, host) in [
        ("logs/{equipment_id}", "h"),
        ("{equipment_id}/{run}", "h"),
        ("{equipment_id}/{run}1", "h"),
        ("{equipment_id}/{run}.gz", "h"),
        ("{equipment_id}/w.log.2026-04-17", "h"),
        ("logs/{equipment_id}.01", "h"),
        ("logs/{equipment_id}Z", "h"),
        ("{equipment_id}/w.{hostname}", "2026-04"),
    ] {
        let err = build(path, host).map(drop).unwrap_err();
        assert!(err.is_config() && err.to_string().starts_with("path: "), "{path}: {err}");
    }
    for (path, host) in [
        ("{equipment_id}/w1", "h"),
        ("{equipment_id}/w.log.1", "h"),
        ("logs/{equipment_id}.log", "h"),
        ("{equipment_id}/{hostname}", "labpc-04"),
    ] {
        build(path, host).unwrap();
    }
}

/// The writer gives as many records to one write, and to one sync, as have room in the file.
#[test]
fn with_a_queue_the_records_of_a_rotating_log_share_syncs() {
    let root = tempfile::tempdir().unwrap();
    let queued = |builder: EquipmentSinkBuilder| builder.queue(QueueConfig::new()).build().unwrap();
    let sink = queued(sink(root.path()).rotation(by_size(10_000, 9)));
    let scope = Scope::new("EQ").unwrap();
    thread::scope(|threads| {
        for thread in 0..16 {
            let (sink, scope) = (&sink, &scope);
            threads.spawn(move || {
                for n in 0..50 {
                    let record = format!("{thread:02}-{n:02} {}", ".".repeat(60));
                    sink.write(scope, Level::Error, record.as_bytes()).unwrap();
                }
            });
        }
    });
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost), (800, 0), "{total}");
    // 800 records of 67 bytes.
    assert!((5..=6).contains(&total.rotated), "{total}");
    // Where a sync takes no time at all nobody has anything to share.
    #[cfg(target_os = "linux")]
    assert!(total.syncs < 400, "{total}");
    let log = log_of(root.path(), "EQ");
    let sizes = rotated(&log).into_iter().chain([log.clone()]);
    assert!(sizes.map(|file| fs::metadata(file).unwrap().len()).max().unwrap() <= 10_000);
    let mut found = all_lines(&log);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 800);
}

/// A rotation renames one file, however many are kept: backups copy each once.
#[test]
fn a_thousand_kept_files_keep_their_names() {
    let root = tempfile::tempdir().unwrap();
    let log = log_of(root.path(), "EQ");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    for n in 0..1000 {
        let (year, month) = (1900 + n / 12, n % 12 + 1);
        fs::write(beside(&log, &format!("{year}-{month:02}")), format!("{n}\n")).unwrap();
    }
    let before = identities(&log);
    let keep = RotationConfig::new().every(Every::Day).limit(10).keep(Keep::Files(2000));
    let sink = sink(root.path()).rotation(keep).build().unwrap();
    (0..3).for_each(|n| log_ok(&sink, n));
    let after = identities(&log);
    assert_eq!((after.len(), sink.stats().total.rotated), (1002, 2));
    assert!(before.iter().all(|(name, id)| after.get(name) == Some(id)));
}

/// Which file each name is: where nothing else tells, its content.
fn identities(log: &Path) -> BTreeMap<String, String> {
    let identity = |suffix: &String| {
        let path = beside(log, suffix);
        #[cfg(unix)]
        let identity =
            std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap()).to_string();
        #[cfg(not(unix))]
        let identity = fs::read_to_string(path).unwrap();
        identity
    };
    rotated_suffixes(log).into_iter().map(|suffix| (suffix.clone(), identity(&suffix))).collect()
}
