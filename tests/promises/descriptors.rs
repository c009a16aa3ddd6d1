//! Descriptors are bounded, whatever the number of equipment, and do not leak into children.
//!
//! Linux only: they are counted in /proc.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::support::{child, lacks, log_of, sink, tell, trace, Mount, Need, Running};
use equipment_log::{EquipmentSink, Scope};
use log::Level;
use tempfile::tempdir;

const THREADS: usize = 4;

/// The descriptors that a child may have. One with a higher number was there before the limit.
const LIMIT: usize = 64;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    if role == "a sink that has none beside two that have all" {
        return share(&root);
    }
    if role == "as many threads as descriptors" {
        return many_threads(&root);
    }
    if role == "three sinks without a limit" {
        return three_sinks(&root);
    }
    if role == "forgotten" {
        return forgotten(&root);
    }
    if role == "forgotten and closed" {
        return forgotten_and_closed(&root);
    }
    let builder = match role.as_str() {
        "as many as there may be" => sink(&root),
        "more than there may be" => sink(&root).max_open_files(1_000),
        "sixteen" => sink(&root).max_open_files(16),
        role => panic!("unknown role {role}"),
    };
    let sink = builder.build().unwrap();
    let equipment = crate::support::number("EQUIPMENT") as usize;
    let each = equipment / THREADS;
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let sink = &sink;
            threads
                .spawn(move || (thread * each..(thread + 1) * each).for_each(|n| log_one(sink, n)));
        }
    });
    let stats = sink.stats();
    assert_eq!((stats.total.lost, stats.total.written), (0, equipment as u64), "{stats}");
    tell(stats.open);
}

/// Three sinks, of which two hold every descriptor that there is before the third has its first
/// record.
fn share(root: &Path) {
    let [first, second, third] =
        ["first", "second", "third"].map(|name| sink(&root.join(name)).build().unwrap());
    for n in 0..LIMIT {
        log_one(&first, n);
        log_one(&second, n);
    }
    third.write(&Scope::new("D0").unwrap(), Level::Error, b"record").unwrap();
}

#[test]
fn a_sink_that_has_no_descriptor_takes_one_from_another_sink() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let dir = tempdir().unwrap();
    let child = child!("a sink that has none beside two that have all", dir.path());
    let limit = format!("--nofile={LIMIT}:{LIMIT}");
    Running::start(&mut crate::support::under(["prlimit", &limit], &child)).finish();
    assert_eq!(fs::read_to_string(log_of(&dir.path().join("third"), "D0")).unwrap(), "record\n");
}

/// Each thread needs a descriptor at the same moment, and there are hardly as many.
fn many_threads(root: &Path) {
    let sink = sink(root).build().unwrap();
    thread::scope(|threads| {
        for thread in 0..16 {
            let sink = &sink;
            threads.spawn(move || (0..100).for_each(|n| log_one(sink, 100 * thread + n)));
        }
    });
    let stats = sink.stats();
    assert_eq!((stats.total.lost, stats.total.written), (0, 1600), "{stats}");
}

#[test]
fn threads_that_find_no_descriptor_wait_for_one_and_lose_nothing() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap();
    let child = child!("as many threads as descriptors", dir.path());
    Running::start(&mut crate::support::under(["prlimit", "--nofile=20:20"], &child)).finish();
}

fn three_sinks(root: &Path) {
    let sinks = ["first", "second", "third"].map(|name| sink(&root.join(name)).build().unwrap());
    for n in 0..LIMIT {
        sinks.iter().for_each(|sink| log_one(sink, n));
    }
    let open: u64 = sinks.iter().map(|sink| sink.stats().open).sum();
    assert!((1..=LIMIT as u64 / 2).contains(&open), "{open} open");
    let limited = sink(&root.join("limited")).max_open_files(10).build().unwrap();
    sinks.iter().for_each(|sink| log_one(sink, 0));
    let open: u64 = sinks.iter().map(|sink| sink.stats().open).sum();
    assert!(open <= LIMIT as u64 / 2 - 10, "{open} open beside a sink that may have 10");
    drop(limited);
}

#[test]
fn sinks_without_a_limit_share_half_of_the_descriptors() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let dir = tempdir().unwrap();
    let child = child!("three sinks without a limit", dir.path());
    let limit = format!("--nofile={LIMIT}:{LIMIT}");
    Running::start(&mut crate::support::under(["prlimit", &limit], &child)).finish();
}

/// More logs than are remembered, and a sync of all.
fn forgotten(root: &Path) {
    let sink = sink(root).max_open_files(1).build().unwrap();
    (0..300).for_each(|n| log_one(&sink, n));
    let stats = sink.stats();
    assert!(stats.equipment.len() < 300, "nothing is forgotten");
    assert_eq!(stats.total.written, 300);
    tell("written");
    sink.sync().unwrap();
    tell("synced");
}

fn syncs_and_writes(role: &str, root: &Path) -> Vec<trace::Call> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let options = ["-e", "trace=syncfs,write"];
    Running::start(&mut trace::traced(&options, out.path(), &child!(role, root))).finish();
    trace::read(out.path())
}

#[test]
fn a_sync_of_all_covers_the_logs_that_are_forgotten() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let calls = syncs_and_writes("forgotten", dir.path());
    let place = |words: &str| calls.iter().position(|call| call.args.contains(words)).unwrap();
    let between = &calls[place("told written")..place("told synced")];
    assert!(between.iter().any(|call| call.name == "syncfs" && call.succeeded()));
}

/// Logs that are forgotten, before all of one piece of equipment is closed, and before all is.
fn forgotten_and_closed(root: &Path) {
    let sink = sink(root).max_open_files(1).build().unwrap();
    for round in ["one", "all"] {
        (0..300).for_each(|n| log_one(&sink, n));
        assert!(sink.stats().equipment.len() < 300, "nothing is forgotten");
        tell(format_args!("{round} written"));
        match round {
            "one" => sink.close(&"D0".parse().unwrap()).unwrap(),
            _ => sink.close_all().unwrap(),
        }
        tell(format_args!("{round} closed"));
    }
}

/// Close means synced, also what was closed before to make room.
#[test]
fn a_close_covers_the_logs_that_are_forgotten() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let calls = syncs_and_writes("forgotten and closed", dir.path());
    let place = |words: &str| calls.iter().position(|call| call.args.contains(words)).unwrap();
    for round in ["one", "all"] {
        let written = place(&format!("told {round} written"));
        let between = &calls[written..place(&format!("told {round} closed"))];
        let synced = between.iter().any(|call| call.name == "syncfs" && call.succeeded());
        assert!(synced, "{round}");
    }
}

/// `syncfs` of the root does not reach it.
#[test]
fn a_sync_of_all_covers_the_forgotten_logs_of_another_file_system_below_the_root() {
    if lacks(&[Need::Strace, Need::Root]) {
        return;
    }
    let dir = tempdir().unwrap();
    let folder = dir.path().join("D0");
    std::fs::create_dir(&folder).unwrap();
    let _mount = Mount::tmpfs(&folder, "1m");
    let calls = syncs_and_writes("forgotten", dir.path());
    let synced = calls.iter().filter(|call| call.name == "syncfs" && call.succeeded());
    let paths: Vec<_> = synced.filter_map(|call| call.path()).collect();
    assert!(paths.iter().any(|path| path.starts_with(&folder)), "{paths:?}");
    assert!(paths.iter().any(|path| !path.starts_with(&folder)), "{paths:?}");
    assert_eq!(paths.len(), 2, "{paths:?}");
}

fn log_one(sink: &EquipmentSink, n: usize) {
    let scope = Scope::new(format!("D{n}")).unwrap();
    sink.write(&scope, Level::Info, format!("record {n}").as_bytes()).unwrap();
}

/// How many descriptors a process has, less those that it had before the limit; none if it has
/// ended.
fn descriptors(process: u32) -> Option<usize> {
    let inherited = |name: &str| name.parse::<usize>().is_ok_and(|number| number >= LIMIT);
    let entries = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
    Some(entries.filter(|entry| !inherited(&entry.file_name().to_string_lossy())).count())
}

/// Logs for so many equipment in a child, and returns the most descriptors that it was seen to have.
fn most_descriptors(role: &str, equipment: usize) -> usize {
    // 20,000 folders take a while on a disk.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap();
    let mut child = child!(role, dir.path());
    child.env("EQUIPMENT", equipment.to_string());
    let mut limited =
        crate::support::under(["prlimit", &format!("--nofile={LIMIT}:{LIMIT}")], &child);
    let mut running = Running::start(&mut limited);
    let mut most = 0;
    while running.process.try_wait().unwrap().is_none() {
        most = most.max(descriptors(running.process.id()).unwrap_or(0));
    }
    running.finish();
    for n in 0..equipment {
        let log = fs::read_to_string(log_of(dir.path(), &format!("D{n}"))).unwrap();
        assert_eq!(log, format!("record {n}\n"));
    }
    most
}

#[test]
fn ten_thousand_equipment_lose_nothing_under_a_limit_of_64_descriptors() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let most = most_descriptors("as many as there may be", 10_000);
    assert!((20..=LIMIT).contains(&most), "{most} descriptors");
}

#[test]
fn where_the_system_has_none_left_the_least_recently_used_makes_room() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let most = most_descriptors("more than there may be", 2_000);
    assert!((40..=LIMIT).contains(&most), "{most} descriptors: the limit was never felt");
}

#[test]
fn no_more_files_are_open_than_configured() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let most = most_descriptors("sixteen", 2_000);
    // Beside the logs: the standard three, and for each thread a folder, a file that it opens, and
    // one that was let go while it was written.
    assert!(most <= 16 + 3 + 3 * THREADS, "{most} descriptors");
}

#[test]
fn a_file_in_use_is_never_closed_under_its_writer() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path()).max_open_files(1).build().unwrap();
    let records = 2_000;
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let sink = &sink;
            threads.spawn(move || {
                for n in 0..records {
                    let scope = Scope::new(format!("SHARED{}", n % 3)).unwrap();
                    let record = format!("{thread} {n}");
                    sink.write(&scope, Level::Info, record.as_bytes()).unwrap();
                }
            });
        }
    });
    let mut found: Vec<String> =
        (0..3).flat_map(|n| lines(dir.path(), &format!("SHARED{n}"))).collect();
    found.sort();
    let mut expected: Vec<String> = (0..THREADS)
        .flat_map(|thread| (0..records).map(move |n| format!("{thread} {n}")))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    assert!(sink.stats().total.evicted > 100, "{}", sink.stats());
}

fn lines(root: &Path, id: &str) -> Vec<String> {
    let lines = crate::support::lines(&log_of(root, id));
    lines.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
}

#[test]
fn a_program_that_is_started_inherits_no_log() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path()).build().unwrap();
    for (id, level) in [("A", Level::Info), ("B", Level::Error)] {
        sink.write(&Scope::new(id).unwrap(), level, b"record").unwrap();
    }
    assert_eq!(sink.stats().open, 2);
    let out = Command::new("sh").args(["-c", "ls -l /proc/$$/fd"]).output().unwrap();
    let inherited = String::from_utf8(out.stdout).unwrap();
    assert!(inherited.contains("-> "), "{inherited}");
    assert!(!inherited.contains(dir.path().to_str().unwrap()), "{inherited}");
}

#[test]
fn the_last_sink_that_is_dropped_closes_its_files() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path()).build().unwrap();
    let scope = Scope::new("KEPT").unwrap();
    // A thread remembers the log that it asked for more than once.
    (0..3).for_each(|_| sink.write(&scope, Level::Info, b"record").unwrap());
    assert!(is_open(&log_of(dir.path(), "KEPT")));
    let last = sink.clone();
    drop(sink);
    assert!(is_open(&log_of(dir.path(), "KEPT")));
    drop(last);
    // Another thread closes them, since a close may hang.
    while is_open(&log_of(dir.path(), "KEPT")) {
        thread::yield_now();
    }
}

/// Whether this process has the file open.
fn is_open(path: &Path) -> bool {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|open| open == path)
}

/// A folder can be moved away or unmounted as soon as `close` has returned.
#[test]
fn a_file_is_closed_when_close_has_returned() {
    let root = tempdir().unwrap();
    let sink = sink(root.path()).build().unwrap();
    for n in 0..300 {
        let scope = Scope::new(format!("EQ_{n}")).unwrap();
        sink.write(&scope, Level::Info, b"record").unwrap();
        sink.close(scope.equipment_id()).unwrap();
        let log = log_of(root.path(), scope.equipment_id().as_str());
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let mut open = open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        assert!(!open.any(|path| path == log), "{n}");
    }
}
