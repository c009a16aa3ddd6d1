//! The promise: with `rotation` a log does not grow past its limit, the newest files are kept under
//! the names that are documented, and no record is lost or doubled on the way.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use equipment_log::{
    EquipmentSink, EquipmentSinkBuilder, Keep, QueueConfig, RotationConfig, Scope,
};
use log::Level;

const LIMIT: u64 = 1000;

fn sink(root: &Path) -> EquipmentSinkBuilder {
    EquipmentSink::builder(root).hostname("h")
}

fn log(sink: &EquipmentSink, level: Level, record: &str) {
    sink.write(&Scope::new("EQ").unwrap(), level, record.as_bytes()).unwrap();
}

fn log_of(root: &Path) -> PathBuf {
    root.join("EQ/.exlab-wizard/wizard.h.log")
}

fn kept(log: &Path, number: usize) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The names beside a log, sorted; its own is `log`.
fn names(log: &Path) -> Vec<String> {
    let entries = log.parent().unwrap().read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.map(|name| name.replace("wizard.h.", "")).collect();
    names.sort();
    names
}

/// Every line that is kept, the oldest first.
fn lines(log: &Path) -> Vec<String> {
    let files = (1..100).rev().map(|number| kept(log, number)).chain([log.to_owned()]);
    let text = files.filter_map(|file| fs::read_to_string(file).ok()).collect::<String>();
    text.lines().map(str::to_owned).collect()
}

/// A record of ten bytes, its end included.
fn numbered(number: usize) -> String {
    format!("{number:09}")
}

#[test]
fn the_newest_files_are_kept_and_none_passes_the_limit() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(LIMIT).keep(Keep::Files(3)))
        .build()
        .unwrap();
    (0..1234).for_each(|n| log(&sink, Level::Info, &numbered(n)));

    let log = log_of(root.path());
    assert_eq!(names(&log), ["log", "log.1", "log.2", "log.3"]);
    for number in 1..=3 {
        assert_eq!(fs::metadata(kept(&log, number)).unwrap().len(), LIMIT);
    }
    let expected: Vec<_> = (900..1234).map(numbered).collect();
    assert_eq!(lines(&log), expected);
    let total = sink.stats().total;
    assert_eq!((total.written, total.rotated, total.lost), (1234, 12, 0));
    assert_eq!((total.rotation_failures, total.reopened), (0, 0));
}

#[test]
fn a_log_that_is_full_already_is_rotated_before_the_first_record() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let sink = sink(root.path())
            .rotation(RotationConfig::new().limit(10).keep(Keep::Files(5)))
            .build()
            .unwrap();
        log(&sink, Level::Info, &numbered(n));
    }
    assert_eq!(names(&log_of(root.path())), ["log", "log.1", "log.2"]);
    assert_eq!(lines(&log_of(root.path())), ["000000000", "000000001", "000000002"]);
}

#[test]
fn a_record_longer_than_the_limit_is_whole_and_alone_in_its_file() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(20).keep(Keep::Files(5)))
        .build()
        .unwrap();
    let long = "x".repeat(5000);
    for record in ["a", &long, "b", &long] {
        log(&sink, Level::Info, record);
    }
    assert_eq!(lines(&log_of(root.path())), ["a", &long, "b", &long]);
    assert_eq!(names(&log_of(root.path())), ["log", "log.1", "log.2", "log.3"]);
}

#[test]
fn durable_records_are_rotated_too() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(100).keep(Keep::Files(50)))
        .build()
        .unwrap();
    for n in 0..200 {
        log(&sink, if n % 3 == 0 { Level::Error } else { Level::Info }, &numbered(n));
    }
    sink.close_all().unwrap();
    assert_eq!(lines(&log_of(root.path())), (0..200).map(numbered).collect::<Vec<_>>());
    assert_eq!(sink.stats().total.rotated, 19);
}

/// One rotates and the others follow, also between two sinks, as during a reload.
#[test]
#[cfg_attr(windows, ignore = "Wine emulates append by seeking: two handles write over each other")]
fn threads_of_two_sinks_lose_and_double_nothing() {
    const THREADS: usize = 4;
    const RECORDS: usize = 2000;
    let root = tempfile::tempdir().unwrap();
    let sinks = [(); 2].map(|()| {
        sink(root.path())
            .rotation(RotationConfig::new().limit(LIMIT).keep(Keep::Files(99)))
            .build()
            .unwrap()
    });
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
    let log = log_of(root.path());
    let lines = lines(&log);
    for thread in 0..THREADS {
        let prefix = format!("{thread} ");
        let found: Vec<usize> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|n| n.parse().unwrap())
            .collect();
        assert!(found.iter().copied().eq(0..RECORDS), "thread {thread}: {} found", found.len());
    }
    for number in 1..99 {
        let Ok(metadata) = fs::metadata(kept(&log, number)) else { break };
        // 8 bytes a record, and one record for each writer.
        assert!(metadata.len() <= LIMIT + 8 * THREADS as u64, "{number}: {metadata:?}");
    }
    let rotated: u64 = sinks.iter().map(|sink| sink.stats().total.rotated).sum();
    assert_eq!(rotated as usize, names(&log).len() - 1);
}

/// One writer is slow, and the others fill and drop every file that it knows, sooner than it looks again
/// whether the path still leads to its own.
#[test]
#[cfg_attr(windows, ignore = "Wine does not drop a file that is open")]
fn a_record_never_goes_to_a_file_that_is_not_kept_any_more() {
    let root = tempfile::tempdir().unwrap();
    let [slow, quick] = [(); 2].map(|()| {
        sink(root.path())
            .rotation(RotationConfig::new().limit(100).keep(Keep::Files(2)))
            .build()
            .unwrap()
    });
    for round in 0..20 {
        log(&slow, Level::Info, "slow");
        (0..50).for_each(|n| log_ok(&quick, n));
        log(&slow, Level::Info, "last");
        let found = lines(&log_of(root.path()));
        assert!(found.contains(&"last".to_owned()), "round {round}: {found:?}");
    }
    let total = slow.stats().total;
    assert_eq!((total.written, total.lost), (40, 0), "{total}");
}

/// A folder at the first kept name, where no file can be put.
#[test]
fn a_log_that_cannot_be_rotated_goes_on_and_says_why() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(LIMIT).keep(Keep::Files(1)))
        .build()
        .unwrap();
    (0..100).for_each(|n| log_ok(&sink, n));
    let log = log_of(root.path());
    let in_the_way = kept(&log, 1);
    fs::create_dir(&in_the_way).unwrap();
    fs::write(in_the_way.join("file"), "").unwrap();

    let scope = Scope::new("EQ").unwrap();
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
    assert_eq!(total.rotation_failures, 5);

    fs::remove_dir_all(&in_the_way).unwrap();
    (150..170).for_each(|n| log_ok(&sink, n));
    assert_eq!(sink.stats().total.rotated, 1);
    assert_eq!(lines(&log), (0..170).map(numbered).collect::<Vec<_>>());
}

fn log_ok(sink: &EquipmentSink, n: usize) {
    log(sink, Level::Info, &numbered(n));
}

#[test]
fn a_hole_among_the_kept_files_costs_none() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(10).keep(Keep::Files(4)))
        .build()
        .unwrap();
    (0..4).for_each(|n| log_ok(&sink, n));
    let log = log_of(root.path());
    assert_eq!(names(&log), ["log", "log.1", "log.2", "log.3"]);
    fs::remove_file(kept(&log, 2)).unwrap();
    log_ok(&sink, 4);
    assert_eq!(names(&log), ["log", "log.1", "log.2", "log.3"]);
    assert_eq!(lines(&log), [0, 2, 3, 4].map(numbered));
}

/// `copytruncate` makes a log short again.
#[test]
fn a_log_that_was_cut_meanwhile_is_not_rotated_before_it_is_full_again() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(100).keep(Keep::Files(4)))
        .build()
        .unwrap();
    (0..10).for_each(|n| log_ok(&sink, n));
    let log = log_of(root.path());
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    (10..20).for_each(|n| log_ok(&sink, n));
    assert_eq!(names(&log), ["log"]);
    log_ok(&sink, 20);
    assert_eq!(names(&log), ["log", "log.1"]);
    assert_eq!(lines(&log), (10..21).map(numbered).collect::<Vec<_>>());
}

#[test]
fn a_host_with_a_number_in_its_name_keeps_its_log() {
    let root = tempfile::tempdir().unwrap();
    for host in ["labpc-04", "labpc-04.1", "labpc-04.log.1"] {
        let sink = sink(root.path())
            .hostname(host)
            .rotation(RotationConfig::new().limit(10).keep(Keep::Files(2)))
            .build()
            .unwrap();
        (0..3).for_each(|n| log_ok(&sink, n));
        let path = sink.path(&Scope::new("EQ").unwrap()).unwrap();
        let found = lines(&path);
        assert_eq!(found, [0, 1, 2].map(numbered), "{host}");
    }
    assert_eq!(names(&log_of(root.path())).len(), 9);
}

#[test]
fn a_path_that_may_be_a_rotated_files_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let build = |path: &str, host: &str| {
        sink(root.path())
            .hostname(host)
            .path(path)
            .rotation(RotationConfig::new().limit(1000).keep(Keep::Files(2)))
            .build()
    };
    for (path, host) in [
        ("logs/{equipment_id}", "h"),
        ("{equipment_id}/{run}", "h"),
        ("{equipment_id}/{run}1", "h"),
        ("{equipment_id}/w.log.1", "h"),
        ("logs/{equipment_id}.01", "h"),
        ("{equipment_id}/{hostname}", "labpc-04.1"),
        ("{equipment_id}/w.{hostname}", "7"),
    ] {
        let err = build(path, host).map(drop).unwrap_err();
        assert!(err.is_config() && err.to_string().starts_with("path: "), "{path}: {err}");
    }
    for (path, host) in [
        ("{equipment_id}/w1", "h"),
        ("logs/{equipment_id}.log", "h"),
        ("{equipment_id}/{hostname}", "labpc-04"),
    ] {
        build(path, host).unwrap();
    }
}

/// What was logged before the rotation is made durable by a `sync` after it.
#[test]
fn a_sync_covers_the_files_that_were_rotated_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(20).keep(Keep::Files(5)))
        .build()
        .unwrap();
    (0..8).for_each(|n| log_ok(&sink, n));
    // The kept one cannot be opened to be synced: a folder is in its place.
    let third = kept(&log_of(root.path()), 3);
    fs::remove_file(&third).unwrap();
    fs::create_dir(&third).unwrap();
    let err = sink.sync().unwrap_err();
    assert!(err.to_string().contains("wizard.h.log.3"), "{err}");
    fs::remove_dir(&third).unwrap();
    sink.sync().unwrap();
}

/// The writer gives as many records to one write, and to one sync, as have room in the file.
#[test]
fn with_a_queue_the_records_of_a_rotating_log_share_syncs() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path())
        .rotation(RotationConfig::new().limit(10_000).keep(Keep::Files(9)))
        .queue(QueueConfig::new())
        .build()
        .unwrap();
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
    let log = log_of(root.path());
    let all: Vec<_> = (1..=6).map(|n| kept(&log, n)).chain([log.clone()]).collect();
    let sizes = all.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len());
    assert!(sizes.max().unwrap() <= 10_000);
    let mut found: Vec<_> =
        all.iter().filter(|file| file.exists()).flat_map(|file| lines(file)).collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 800);
}
