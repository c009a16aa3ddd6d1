//! The promise: with `idle_timeout` a log that has no record for so long is closed, also when nothing
//! else is logged, and its next record opens it again. The thread that sees to it ends with the last
//! sink that asks for it.
//!
//! Linux only: open files and threads are counted in /proc.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{alone, until};
use equipment_log::{EquipmentSink, Scope};
use log::Level;

/// A file is closed within so much more than its timeout; more than a busy machine needs.
const SOON: Duration = Duration::from_secs(90);

fn sink(root: &Path, timeout: Duration) -> EquipmentSink {
    EquipmentSink::builder(root).hostname("h").idle_timeout(timeout).build().unwrap()
}

fn log(sink: &EquipmentSink, id: &str) {
    sink.write(&Scope::new(id).unwrap(), Level::Info, b"record").unwrap();
}

/// The logs below `root` that this process has open.
fn open_below(root: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|link| fs::read_link(link.unwrap().path()).ok())
        .filter(|file| file.starts_with(root))
        .count()
}

/// The threads that look after idle files.
fn threads() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm"));
    let names = threads.filter_map(|thread| name(thread.unwrap()).ok());
    names.filter(|name| name.trim_end() == "equipment-log").count()
}

#[test]
fn an_idle_log_is_closed_with_nothing_else_logged_and_its_next_record_reopens_it() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), Duration::from_secs(1));
    // It remembers its log, so that the log is not forgotten when it is closed.
    let scope = Scope::new("EQ").unwrap();
    let log = || sink.write(&scope, Level::Info, "record").unwrap();
    log();
    assert_eq!(open_below(root.path()), 1);
    let took = until("the close", || open_below(root.path()) == 0);
    assert!(took > Duration::from_millis(900), "closed after {took:?}");
    // It counts until the thread that closes it has done so.
    until("the count", || sink.stats().open == 0);
    let stats = sink.stats();
    assert_eq!((stats.total.idle_closed, stats.total.evicted), (1, 0));

    log();
    assert_eq!((open_below(root.path()), sink.stats().open), (1, 1));
    let text = fs::read_to_string(root.path().join("EQ/.exlab-wizard/wizard.h.log")).unwrap();
    assert_eq!(text, "record\nrecord\n");
    // What was closed without a sync is covered by a later one.
    until("the second close", || open_below(root.path()) == 0);
    sink.sync().unwrap();
    assert_eq!(sink.stats().total.syncs, 1);
}

#[test]
fn a_log_in_use_stays_open_beside_an_idle_one() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), Duration::from_secs(5));
    log(&sink, "IDLE");
    until("the close", || {
        log(&sink, "BUSY");
        sink.stats().total.idle_closed > 0
    });
    // Another thread closes the descriptor, and the log is forgotten after that.
    until("the end of the close", || {
        log(&sink, "BUSY");
        let stats = sink.stats();
        stats.open == 1 && !stats.equipment.contains_key("IDLE")
    });
    let stats = sink.stats();
    assert_eq!(stats.total.idle_closed, 1);
    assert_eq!((stats.equipment["BUSY"].idle_closed, stats.equipment["BUSY"].opened), (0, 1));
}

/// Files are closed between any two records of theirs, and none is lost.
#[test]
fn no_record_is_lost_to_a_close() {
    const THREADS: usize = 4;
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), Duration::from_millis(1));
    let written: usize = thread::scope(|threads| {
        let writers: Vec<_> = (0..THREADS)
            .map(|_| {
                threads.spawn(|| {
                    let start = Instant::now();
                    let mut written = 0;
                    while sink.stats().total.idle_closed < 20 && start.elapsed() < SOON {
                        log(&sink, "EQ");
                        written += 1;
                        thread::sleep(Duration::from_millis(3));
                    }
                    written
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let text = fs::read_to_string(root.path().join("EQ/.exlab-wizard/wizard.h.log")).unwrap();
    assert_eq!(text, "record\n".repeat(written));
    assert!(sink.stats().total.idle_closed >= 20, "{}", sink.stats());
}

#[test]
fn one_thread_serves_all_sinks_and_ends_with_the_last() {
    alone!();
    until("the end of the thread of an earlier test", || threads() == 0);
    let root = tempfile::tempdir().unwrap();
    let _without = EquipmentSink::builder(root.path()).build().unwrap();
    assert_eq!(threads(), 0);
    let mut sinks: Vec<_> = (0..20).map(|_| sink(root.path(), Duration::from_secs(60))).collect();
    until("the thread", || threads() == 1);
    sinks.truncate(1);
    // The last but one is gone; another takes its turn, as in a reload.
    for _ in 0..20 {
        sinks.push(sink(root.path(), Duration::from_secs(60)));
        sinks.remove(0);
        assert!(threads() <= 1);
    }
    assert_eq!(threads(), 1);
    drop(sinks);
    until("the end of the thread", || threads() == 0);
    let again = sink(root.path(), Duration::from_millis(10));
    log(&again, "EQ");
    until("the close", || open_below(root.path()) == 0);
}
