//! A queue's writer sleeps while there is nothing to do, is not in a copy of the process, and takes
//! with it, when the process ends at once, no more than what it had not written.
//!
//! Linux only: what the writer does is seen below /proc.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::StopFlag;
use crate::support::{child, lines, log_of, tell, Running};
use equipment_log::{EquipmentSink, QueueConfig, Scope};
use fork::Fork;
use log::Level;
use tempfile::tempdir;

/// Longer than anything here takes, where nothing hangs.
const NOT_HUNG: Duration = Duration::from_secs(120);

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    match role.as_str() {
        "idle" => idle(&root),
        "fork" => forks(&root, 2, 0),
        "fork while threads log" => forks(&root, 30, 3),
        "fork while threads sync" => forks_while_syncing(&root),
        "end at once" => end_at_once(&root),
        role => panic!("unknown role {role}"),
    }
}

fn queued(root: &Path) -> EquipmentSink {
    crate::support::sink(root).queue(QueueConfig::new().limit(1 << 10)).build().unwrap()
}

fn scope() -> Scope {
    Scope::new("EQ").unwrap()
}

/// How often each of the queue's threads has gone to sleep so far, by its task.
fn sleeps() -> BTreeMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    // One that ends meanwhile is no longer there.
    let sleeps = tasks.filter_map(|task| {
        let ours = fs::read_to_string(task.join("comm")).ok()? == "equipment-log\n";
        let status = fs::read_to_string(task.join("status")).ok().filter(|_| ours)?;
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Some((task.display().to_string(), count?.trim().parse().unwrap()))
    });
    sleeps.collect()
}

fn idle(root: &Path) {
    let sink = queued(root);
    sink.write(&scope(), Level::Info, b"record").unwrap();
    sink.flush();
    // The thread that stands by ends when it has had nothing to do for ten seconds.
    let begun = Instant::now();
    while sleeps().len() > 1 {
        assert!(begun.elapsed() < NOT_HUNG, "two threads for nothing");
        thread::sleep(Duration::from_millis(100));
    }
    let before = sleeps();
    thread::sleep(Duration::from_secs(1));
    tell(format!("{} thread, asleep: {}", before.len(), sleeps() == before));
}

#[test]
fn a_writer_with_nothing_to_do_sleeps() {
    let dir = tempdir().unwrap();
    let told = Running::start(&mut child!("idle", dir.path())).finish();
    assert_eq!(told, ["1 thread, asleep: true"]);
}

/// Copies of the process that log, while `threads` log in this one; tells how each copy ended.
fn forks(root: &Path, copies: usize, threads: usize) {
    // Made once: the list of ids that are in use has a lock, which the copy may find locked for ever.
    let (sink, scope) = (queued(root), scope());
    sink.write(&scope, Level::Info, b"before").unwrap();
    sink.flush();
    let stop = StopFlag::default();
    thread::scope(|all| {
        let _stopper = stop.stop_on_drop();
        for _ in 0..threads {
            all.spawn(|| {
                while !stop.is_set() {
                    sink.write(&scope, Level::Info, b"meanwhile").unwrap();
                }
            });
        }
        for copy in 0..copies {
            match fork::fork().unwrap() {
                Fork::Child if copy % 2 == 1 => {
                    std::process::exit(in_a_copy_that_begins_with_an_error(&sink, &scope))
                }
                Fork::Child => std::process::exit(in_the_copy(&sink, &scope)),
                Fork::Parent(copy) => tell(outcome_of(copy)),
            }
        }
    });
    sink.write(&scope, Level::Info, b"after").unwrap();
}

/// Without a queue: copies that log ERRORs to a file that threads of this process sync all the time.
fn forks_while_syncing(root: &Path) {
    let sink = crate::support::sink(root).build().unwrap();
    let scope = scope();
    sink.write(&scope, Level::Error, b"before").unwrap();
    let stop = StopFlag::default();
    thread::scope(|all| {
        let _stopper = stop.stop_on_drop();
        for _ in 0..3 {
            all.spawn(|| {
                while !stop.is_set() {
                    sink.write(&scope, Level::Error, b"meanwhile").unwrap();
                }
            });
        }
        for _ in 0..COPIES {
            match fork::fork().unwrap() {
                Fork::Child => {
                    let result = sink.write(&scope, Level::Error, b"copy");
                    std::process::exit(i32::from(result.is_err()));
                }
                Fork::Parent(copy) => tell(outcome_of(copy)),
            }
        }
    });
}

/// How many copies are made while threads sync.
const COPIES: usize = 40;

#[test]
fn a_copy_of_the_process_waits_for_no_sync_of_the_other_s_threads() {
    let dir = tempdir().unwrap();
    let told = Running::start(&mut child!("fork while threads sync", dir.path())).finish();
    assert_eq!(told, vec!["ended 0"; COPIES]);
    let copies = lines(&log_of(dir.path(), "EQ"));
    assert_eq!(copies.iter().filter(|line| **line == b"copy").count(), COPIES);
}

/// What a copy does; 0 where it is as it should be.
fn in_the_copy(sink: &EquipmentSink, scope: &Scope) -> i32 {
    // It is seen at the first record that would wait: the queue is full.
    let tries = (0..256).map(|_| sink.write(scope, Level::Info, b"copy").err());
    let mut refused = tries.enumerate().skip_while(|(_, err)| err.is_none());
    let Some((accepted, Some(err))) = refused.next() else { return 1 };
    if !err.is_queue() || !err.to_string().contains("forked") {
        return 1;
    }
    // Those that were accepted before, and the refused one.
    if sink.stats().total.lost <= accepted as u64 {
        return 5;
    }
    for level in [Level::Error, Level::Info] {
        if !sink.write(scope, level, b"copy").is_err_and(|err| err.is_queue()) {
            return 2;
        }
    }
    sink.flush();
    if !sink.sync().is_err_and(|err| err.is_queue()) {
        return 3;
    }
    // The one that lives in the other process is not ended by this one's end; and a queue that the
    // copy makes for itself is its own.
    let new = queued(Path::new(&std::env::var_os("LOG_ROOT").unwrap()));
    if new.write(scope, Level::Error, b"new").is_err() {
        return 4;
    }
    0
}

/// What a copy does whose queue is not full; 0 where it is as it should be.
fn in_a_copy_that_begins_with_an_error(sink: &EquipmentSink, scope: &Scope) -> i32 {
    for (level, exit) in [(Level::Error, 6), (Level::Info, 7)] {
        if !sink.write(scope, level, b"copy").is_err_and(|err| err.is_queue()) {
            return exit;
        }
    }
    0
}

fn outcome_of(copy: i32) -> String {
    let begun = Instant::now();
    loop {
        match fork::waitpid_nohang(copy).unwrap() {
            Some(status) => return format!("ended {status}"),
            None if begun.elapsed() > NOT_HUNG => {
                crate::support::run(
                    std::process::Command::new("kill").args(["-9", &copy.to_string()]),
                );
                return "hung".to_owned();
            }
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn in_a_copy_of_the_process_a_record_is_an_error_and_nothing_hangs() {
    for (role, copies) in [("fork", 2), ("fork while threads log", 30)] {
        let dir = tempdir().unwrap();
        let told = Running::start(&mut child!(role, dir.path())).finish();
        assert_eq!(told, vec!["ended 0"; copies]);
        let lines = lines(&log_of(dir.path(), "EQ"));
        assert_eq!((&lines[0][..], &lines[lines.len() - 1][..]), (&b"before"[..], &b"after"[..]));
        // Each second copy makes no queue of its own.
        assert_eq!(lines.iter().filter(|line| **line == b"new").count(), copies / 2);
        assert!(!lines.contains(&b"copy".to_vec()));
    }
}

/// Records that are flushed, and more of which nobody waits for one.
fn end_at_once(root: &Path) {
    let sink = queued(root);
    let write = |n: usize| sink.write(&scope(), Level::Info, n.to_string().as_bytes()).unwrap();
    (0..1000).for_each(write);
    sink.flush();
    (1000..1100).for_each(write);
    std::process::exit(0);
}

#[test]
fn an_end_without_a_flush_loses_at_most_what_was_handed_over_since() {
    for _ in 0..20 {
        let dir = tempdir().unwrap();
        Running::start(&mut child!("end at once", dir.path())).finish();
        let text = fs::read_to_string(log_of(dir.path(), "EQ")).unwrap();
        let mut lines: Vec<&str> = text.split('\n').collect();
        // The end of a process interrupts a write, between two pages of the file.
        let fragment = lines.pop().unwrap();
        assert!(lines.len() >= 1000, "only {} records", lines.len());
        assert!(lines.len().to_string().starts_with(fragment), "{fragment}");
        assert!(lines.iter().enumerate().all(|(n, line)| **line == n.to_string()));
    }
}

/// The writer opens files until the last record is written: they are closed after that.
#[test]
fn no_file_is_open_when_the_last_sink_is_dropped() {
    let dir = tempdir().unwrap();
    // It outlives the sink, and remembers its log.
    let scope = scope();
    let log = log_of(dir.path(), "EQ");
    for records in 1..=20 {
        let sink = queued(dir.path());
        sink.write(&scope, Level::Info, b"record").unwrap();
        drop(sink);
        assert_eq!(lines(&log).len(), records);
        // By a thread of its own, since a close may hang.
        let begun = Instant::now();
        while is_open(&log) {
            assert!(begun.elapsed() < NOT_HUNG, "it is open still");
            thread::yield_now();
        }
    }
}

fn is_open(log: &Path) -> bool {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).any(|path| path == log)
}
