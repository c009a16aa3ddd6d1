//! With a queue the logging thread hands over and another writes: nothing is lost that should not be,
//! the order is kept, and nobody waits for ever.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use equipment_log::{EquipmentSink, Keep, QueueConfig, RotationConfig, Scope, WhenFull};
use log::Level;

fn sink(root: &Path, queue: QueueConfig) -> EquipmentSink {
    EquipmentSink::builder(root).hostname("h").queue(queue).build().unwrap()
}

fn log_of(root: &Path, id: &str) -> PathBuf {
    root.join(id).join(".exlab-wizard/wizard.h.log")
}

fn lines(root: &Path, id: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log_of(root, id)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn write(sink: &EquipmentSink, scope: &Scope, level: Level, record: impl std::fmt::Display) {
    sink.write(scope, level, record.to_string().as_bytes()).unwrap();
}

/// What each thread logs, in the order in which it stands in the file, as `thread number`.
fn by_thread(lines: &[String], threads: usize) -> Vec<Vec<usize>> {
    let mut by_thread = vec![Vec::new(); threads];
    for line in lines {
        let (thread, number) = line.split_once(' ').unwrap();
        by_thread[thread.parse::<usize>().unwrap()].push(number.parse().unwrap());
    }
    by_thread
}

#[test]
fn a_full_queue_that_blocks_loses_nothing_and_keeps_each_threads_order() {
    const RECORDS: usize = 50_000;
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), QueueConfig::new().limit(64 << 10));
    let scopes = ["A", "B"].map(|id| Scope::new(id).unwrap());
    thread::scope(|threads| {
        for thread in 0..4 {
            let (sink, scopes) = (&sink, &scopes);
            threads.spawn(move || {
                for n in 0..RECORDS {
                    write(sink, &scopes[n % 2], Level::Info, format_args!("{thread} {n}"));
                }
            });
        }
    });
    sink.flush();
    for (half, id) in ["A", "B"].into_iter().enumerate() {
        for numbers in by_thread(&lines(root.path(), id), 4) {
            assert!(numbers.into_iter().eq((half..RECORDS).step_by(2)));
        }
    }
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost), (4 * RECORDS as u64, 0));
}

#[test]
fn what_was_heard_of_stands_before_what_was_logged_for_it() {
    const LAPS: usize = 1000;
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), QueueConfig::new());
    let scope = Scope::new("ORDER").unwrap();
    // A number goes around between threads that use piles of their own; each logs it and adds one.
    let (begin, mut heard) = mpsc::channel();
    thread::scope(|threads| {
        for _ in 0..3 {
            let (tell, next) = mpsc::channel();
            let heard = std::mem::replace(&mut heard, next);
            let (sink, scope) = (&sink, &scope);
            threads.spawn(move || {
                for number in heard {
                    write(sink, scope, Level::Info, number);
                    tell.send(number + 1).unwrap();
                }
            });
        }
        let mut number = 0_usize;
        for _ in 0..LAPS {
            begin.send(number).unwrap();
            number = heard.recv().unwrap();
        }
        drop(begin);
    });
    sink.flush();
    let numbers =
        lines(root.path(), "ORDER").into_iter().map(|line| line.parse::<usize>().unwrap());
    assert!(numbers.eq(0..3 * LAPS), "out of order");
}

#[test]
fn what_a_full_queue_drops_is_counted_and_said_where_it_is_missing() {
    const RECORDS: u64 = 100_000;
    let root = tempfile::tempdir().unwrap();
    // Room for some tens of records, where the writer needs the time of hundreds to wake.
    let sink = sink(root.path(), QueueConfig::new().limit(1 << 10).when_full(WhenFull::Drop));
    let scope = Scope::new("FULL").unwrap().tag("proj", "PROJ-0042");
    for n in 0..RECORDS {
        write(&sink, &scope, Level::Info, format_args!("record {n}"));
    }
    sink.flush();
    write(&sink, &scope, Level::Info, format_args!("record {RECORDS}"));
    sink.flush();

    let total = sink.stats().total;
    assert!(total.lost > 0, "nothing was dropped: {total}");
    assert_eq!(total.written + total.lost, RECORDS + 1);
    let (mut expected, mut said, mut found) = (0, 0, 0);
    for line in lines(root.path(), "FULL") {
        if let Some(number) = line.strip_prefix("record ") {
            assert_eq!(number, expected.to_string());
            expected += 1;
            found += 1;
        } else {
            let gap = equipment_log::parse_line(&line).unwrap();
            assert_eq!(
                (gap.level, gap.equipment.as_ref().unwrap().as_str()),
                (Level::Warn, "FULL")
            );
            assert!(gap.message.ends_with(": the queue was full."), "{}", gap.message);
            let missing: u64 = gap.message.split_once(' ').unwrap().0.parse().unwrap();
            expected += missing;
            said += missing;
        }
    }
    assert_eq!((found, said, expected), (total.written, total.lost, RECORDS + 1));
}

#[test]
fn a_record_larger_than_the_limit_has_its_turn() {
    for when_full in [WhenFull::Block, WhenFull::Drop] {
        let root = tempfile::tempdir().unwrap();
        let sink = sink(root.path(), QueueConfig::new().limit(1).when_full(when_full));
        let scope = Scope::new("LARGE").unwrap();
        let records = ["small".to_owned(), "x".repeat(3 << 20), "last".to_owned()];
        for record in &records {
            write(&sink, &scope, Level::Info, record);
            sink.flush();
        }
        assert_eq!(lines(root.path(), "LARGE"), records);
    }
}

#[test]
fn an_error_that_its_call_waits_for_is_not_dropped() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), QueueConfig::new().limit(1).when_full(WhenFull::Drop));
    let scope = Scope::new("ERRORS").unwrap();
    for n in 0..20 {
        // It fills the queue.
        write(&sink, &scope, Level::Info, "maybe");
        write(&sink, &scope, Level::Error, format_args!("error {n}"));
    }
    let lines = lines(root.path(), "ERRORS");
    let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("error")).collect();
    assert_eq!(
        errors,
        (0..20).map(|n| format!("error {n}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
}

/// Without a flush: what a call waits for is there when it returns, and what was before it, too.
#[test]
fn an_error_is_written_when_its_call_returns_and_all_before_it() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), QueueConfig::new());
    let scope = Scope::new("ERRORS").unwrap();
    let mut expected = Vec::new();
    for n in 0..100 {
        for (level, record) in
            [(Level::Info, format!("info {n}")), (Level::Error, format!("error {n}"))]
        {
            write(&sink, &scope, level, &record);
            expected.push(record);
        }
        assert_eq!(lines(root.path(), "ERRORS"), expected);
    }
    assert!(sink.stats().total.syncs >= 100);
}

#[test]
fn whatever_looks_at_the_files_sees_what_was_handed_over_before() {
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), QueueConfig::new());
    let scope = Scope::new("LOOK").unwrap();
    let log = log_of(root.path(), "LOOK");
    let mut handed = 0;
    let mut hand_over = || {
        (0..10).for_each(|_| write(&sink, &scope, Level::Info, "record"));
        handed += 10;
        handed
    };
    for _ in 0..20 {
        let handed = hand_over();
        sink.flush();
        assert_eq!(sink.stats().total.written, handed);
        let handed = hand_over();
        sink.sync().unwrap();
        assert_eq!(lines(root.path(), "LOOK").len() as u64, handed);
        let handed = hand_over();
        sink.close(scope.equipment_id()).unwrap();
        assert_eq!(lines(root.path(), "LOOK").len() as u64, handed);
        let handed = hand_over();
        sink.close_all().unwrap();
        assert_eq!(lines(root.path(), "LOOK").len() as u64, handed);
        let handed = hand_over();
        sink.flush();
        assert_eq!(lines(root.path(), "LOOK").len() as u64, handed);
    }
    // What was logged before the file was moved is in the file that was moved.
    let moved = log.with_extension("1");
    let handed = hand_over();
    std::fs::rename(&log, &moved).unwrap();
    sink.reopen();
    write(&sink, &scope, Level::Info, "after");
    sink.flush();
    assert_eq!(std::fs::read_to_string(moved).unwrap().lines().count() as u64, handed);
    assert_eq!(lines(root.path(), "LOOK"), ["after"]);
}

#[test]
fn the_last_sink_that_is_dropped_writes_what_waits() {
    let root = tempfile::tempdir().unwrap();
    for round in 1..=50 {
        let sink = sink(root.path(), QueueConfig::new());
        for id in ["A", "B"] {
            (0..10).for_each(|n| write(&sink, &Scope::new(id).unwrap(), Level::Info, n));
        }
        drop(sink.clone());
        drop(sink);
        for id in ["A", "B"] {
            assert_eq!(lines(root.path(), id).len(), 10 * round);
        }
    }
}

/// The record of which it is told is another one: it must not pass for the one that was logged.
#[test]
fn a_record_that_could_not_be_written_is_told_by_the_next_call() {
    let root = tempfile::tempdir().unwrap();
    // A file stands where the folder should be.
    std::fs::write(root.path().join("BAD"), "").unwrap();
    let sink = sink(root.path(), QueueConfig::new());
    let (bad, good) = (Scope::new("BAD").unwrap(), Scope::new("GOOD").unwrap());
    write(&sink, &bad, Level::Info, "lost 1");
    write(&sink, &good, Level::Info, "record");
    sink.flush();
    write(&sink, &good, Level::Info, "record");
    let err = sink.write(&bad, Level::Info, b"lost 2").unwrap_err();
    assert!(err.is_earlier_record() && !err.is_open(), "{err}");
    assert!(err.io_error().is_some());
    let err = err.to_string();
    assert!(err.contains("1 record") && err.contains("BAD") && err.contains("cannot "), "{err}");
    // One that waits is told its own reason.
    let err = sink.write(&bad, Level::Error, b"lost 3").unwrap_err();
    assert!(err.is_open(), "{err}");
    assert_eq!(sink.stats().equipment["BAD"].lost, 3);

    std::fs::remove_file(root.path().join("BAD")).unwrap();
    let err = sink.write(&bad, Level::Info, b"written 1").unwrap_err();
    assert!(err.is_earlier_record(), "{err}");
    write(&sink, &bad, Level::Info, "written 2");
    sink.flush();
    let lines = lines(root.path(), "BAD");
    assert_eq!(lines[1..], ["written 1", "written 2"]);
    assert!(lines[0].contains(" 3 records are missing here"), "{}", lines[0]);
    assert_eq!(sink.stats().equipment["GOOD"].written, 2);
}

/// A thread that destroys its thread-locals has no place of its own to wait in, or pile.
#[test]
fn a_destructor_of_a_thread_local_can_log() {
    struct Logs(EquipmentSink);

    impl Drop for Logs {
        fn drop(&mut self) {
            let scope = Scope::new("ENDING").unwrap();
            write(&self.0, &scope, Level::Info, "info");
            write(&self.0, &scope, Level::Error, "error");
        }
    }

    thread_local! {
        static FIRST: std::cell::RefCell<Option<Logs>> = const { std::cell::RefCell::new(None) };
    }
    let root = tempfile::tempdir().unwrap();
    let sink = sink(root.path(), QueueConfig::new());
    let theirs = sink.clone();
    thread::spawn(move || {
        FIRST.with(|first| *first.borrow_mut() = Some(Logs(theirs.clone())));
        write(&theirs, &Scope::new("ENDING").unwrap(), Level::Info, "before");
    })
    .join()
    .unwrap();
    sink.flush();
    assert_eq!(lines(root.path(), "ENDING"), ["before", "info", "error"]);
}

#[test]
fn a_queued_log_is_rotated_and_keeps_every_record_in_its_place() {
    let root = tempfile::tempdir().unwrap();
    let builder = EquipmentSink::builder(root.path())
        .hostname("h")
        .rotation(RotationConfig::new().limit(1 << 10).keep(Keep::Files(999)));
    let sink = builder.queue(QueueConfig::new()).build().unwrap();
    let scope = Scope::new("ROTATED").unwrap();
    for n in 0..2000 {
        let level = if n % 500 == 0 { Level::Error } else { Level::Info };
        write(&sink, &scope, level, format_args!("record {n}"));
    }
    sink.flush();
    let log = log_of(root.path(), "ROTATED");
    let files = crate::support::rotated(&log);
    assert!(files.len() > 10, "{} files", files.len());
    let mut found = Vec::new();
    for path in files.iter().chain([&log]) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.len() <= 1 << 10, "{} has {} bytes", path.display(), text.len());
        found.extend(text.lines().map(str::to_owned));
    }
    assert_eq!(found, (0..2000).map(|n| format!("record {n}")).collect::<Vec<_>>());
}

/// The sink that dropped it is gone; the next one for the same file says it.
#[test]
fn what_was_dropped_and_not_said_is_said_by_the_next_sink() {
    let root = tempfile::tempdir().unwrap();
    let scope = Scope::new("LEFT").unwrap();
    let old = sink(root.path(), QueueConfig::new().limit(1).when_full(WhenFull::Drop));
    write(&old, &scope, Level::Info, "first");
    while old.stats().total.lost == 0 {
        (0..100).for_each(|_| write(&old, &scope, Level::Info, "maybe"));
    }
    let lost = old.stats().total.lost;
    drop((old, scope));
    let new = sink(root.path(), QueueConfig::new());
    write(&new, &Scope::new("LEFT").unwrap(), Level::Info, "last");
    drop(new);
    let gaps = lines(root.path(), "LEFT").into_iter().filter_map(|line| {
        let gap = equipment_log::parse_line(&line)?;
        gap.message.split_once(' ')?.0.parse::<u64>().ok()
    });
    assert_eq!(gaps.sum::<u64>(), lost);
}
