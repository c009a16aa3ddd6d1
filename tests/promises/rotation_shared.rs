//! The promise: where several processes rotate the same log, one renames and the others follow: each
//! writer's records stand in order, whole, once, and the files kept hold the end of them.
//!
//! Linux only: the processes are this test binary again; the rest of rotation runs everywhere.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{child, log_of, sink, tell, Running};
use equipment_log::{Keep, RotationConfig, Scope, Stats};
use log::Level;
use tempfile::tempdir;

const THREADS: u64 = 2;
const PROCESSES: u64 = 2;
const LIMIT: u64 = 64 << 10;

/// A record's length, with its end: `0 0 000000`, and what makes it as long as an ordinary one.
const RECORD: u64 = 81;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let (process, records) = (crate::support::number("PROCESS"), crate::support::number("RECORDS"));
    let keep = crate::support::number("KEEP") as u32;
    let sink = sink(&root)
        .rotation(RotationConfig::new().limit(LIMIT).keep(Keep::Files(keep)))
        .build()
        .unwrap();
    tell("ready");
    let _ = crate::support::told().next();
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (sink, role) = (&sink, &role);
            threads.spawn(move || {
                let scope = Scope::new("EQ").unwrap();
                for n in 0..records {
                    let level = match role.as_str() {
                        "some durable" if n % 100 == 0 => Level::Error,
                        _ => Level::Info,
                    };
                    let record = format!("{process} {thread} {n:06} {}", "x".repeat(69));
                    sink.write(&scope, level, record.as_bytes()).unwrap();
                }
            });
        }
    });
    let Stats { total, .. } = sink.stats();
    assert_eq!((total.lost, total.rotation_failures), (0, 0), "{total}");
    tell(total.rotated);
}

fn kept(log: &Path, number: u32) -> PathBuf {
    format!("{}.{number}", log.display()).into()
}

/// Two processes of two threads that each log so many records; how often they rotated.
fn log_together(role: &str, root: &Path, records: u64, keep: u32) -> u64 {
    let children = (0..PROCESSES).map(|process| {
        let mut child = child!(role, root);
        child.env("PROCESS", process.to_string());
        child.env("RECORDS", records.to_string()).env("KEEP", keep.to_string());
        Running::start(&mut child)
    });
    let mut children: Vec<_> = children.collect();
    children.iter_mut().for_each(|child| assert_eq!(child.told().unwrap(), "ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    children.into_iter().map(|child| child.finish().pop().unwrap().parse::<u64>().unwrap()).sum()
}

/// The numbers of each writer's records, in the order of the files, the oldest first.
fn by_writer(log: &Path, keep: u32) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::<_, Vec<u64>>::new();
    let files = (1..=keep).rev().map(|number| kept(log, number)).chain([log.to_owned()]);
    for line in files.filter(|file| file.exists()).flat_map(|file| crate::support::lines(&file)) {
        assert_eq!(line.len() as u64 + 1, RECORD, "{}", crate::support::shown(&line));
        let line = String::from_utf8(line).unwrap();
        found.entry(line[..3].to_owned()).or_default().push(line[4..10].parse().unwrap());
    }
    found
}

fn assert_no_file_is_too_long(log: &Path, keep: u32) {
    for file in (1..=keep).map(|number| kept(log, number)).chain([log.to_owned()]) {
        let length = fs::metadata(&file).unwrap().len();
        let most = LIMIT + PROCESSES * THREADS * RECORD;
        assert!(length <= most, "{}: {length} bytes", file.display());
    }
}

#[test]
fn what_is_kept_is_the_end_of_what_each_writer_logged() {
    const RECORDS: u64 = 25_000;
    const KEEP: u32 = 3;
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    let rotated = log_together("none durable", dir.path(), RECORDS, KEEP);

    let names = log.parent().unwrap().read_dir().unwrap().count();
    assert_eq!(names, 1 + KEEP as usize, "the live log and those that are kept");
    assert_no_file_is_too_long(&log, KEEP);
    let found = by_writer(&log, KEEP);
    for (writer, numbers) in &found {
        let first = numbers[0];
        let all = numbers.iter().copied().eq(first..RECORDS);
        assert!(all, "{writer}: {} found from {first} on", numbers.len());
    }
    // Whoever logged the last record is there; all of them, usually.
    assert!(!found.is_empty());
    let bytes = PROCESSES * THREADS * RECORDS * RECORD;
    assert!((bytes / LIMIT / 2..=bytes / LIMIT).contains(&rotated), "rotated {rotated} times");
}

/// As a process that was stopped in the midst of a rotation would hold it.
#[test]
fn a_lock_that_is_never_released_delays_a_record_by_a_second_and_loses_none() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path())
        .rotation(RotationConfig::new().limit(1000).keep(Keep::Files(2)))
        .build()
        .unwrap();
    let (scope, record) = (Scope::new("EQ").unwrap(), [b'x'; 99]);
    (0..10).for_each(|_| sink.write(&scope, Level::Info, &record).unwrap());

    let log = log_of(dir.path(), "EQ");
    let held = fs::File::open(&log).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let begin = Instant::now();
    let err = sink.write(&scope, Level::Info, &record).unwrap_err();
    assert!(err.is_rotation() && err.to_string().contains("held its lock"), "{err}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    // Another equipment's log is none of its business.
    sink.write(&Scope::new("OTHER").unwrap(), Level::Info, &record).unwrap();

    drop(held);
    (0..12).for_each(|_| sink.write(&scope, Level::Info, &record).unwrap());
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost), (24, 0), "{total}");
    assert_eq!((total.rotated, total.rotation_failures), (1, 1), "{total}");
    let lines =
        [kept(&log, 1), log].iter().map(|file| crate::support::lines(file).len()).sum::<usize>();
    assert_eq!(lines, 23);
}

/// Whoever waited while another thread tried does not wait for a second of its own.
#[test]
fn a_lock_that_is_never_released_delays_many_threads_by_the_same_second() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path())
        .rotation(RotationConfig::new().limit(1000).keep(Keep::Files(2)))
        .build()
        .unwrap();
    let (scope, record) = (Scope::new("EQ").unwrap(), [b'x'; 99]);
    (0..10).for_each(|_| sink.write(&scope, Level::Info, &record).unwrap());
    let held = fs::File::open(log_of(dir.path(), "EQ")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();

    let results: Vec<_> = std::thread::scope(|threads| {
        let write = || sink.write(&scope, Level::Info, &record);
        let threads: Vec<_> = (0..6).map(|_| threads.spawn(write)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost, total.rotation_failures), (16, 0, 1), "{total}");
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1, "{results:?}");
}

#[test]
fn where_all_is_kept_nothing_is_lost_or_doubled() {
    const RECORDS: u64 = 5_000;
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    let rotated = log_together("some durable", dir.path(), RECORDS, 99);
    let found = by_writer(&log, 99);
    assert_eq!(found.len() as u64, PROCESSES * THREADS);
    for (writer, numbers) in found {
        assert!(numbers.iter().copied().eq(0..RECORDS), "{writer}: {} found", numbers.len());
    }
    assert_no_file_is_too_long(&log, rotated as u32);
    assert!(!kept(&log, rotated as u32 + 1).exists());
}
