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

/// A sink that is kept over an edit, accepted or refused, closes its idle files as before. Each edit makes a second watch
/// of the sink, and one of the two is dropped.
#[cfg(feature = "log4rs")]
mod after_an_edit {
    use std::path::PathBuf;
    use std::sync::mpsc;

    use super::*;
    use crate::support::{log4rs_yaml, put_in_place, NOT_HUNG};
    use equipment_log::log4rs::{Handle, Setup};

    struct Program {
        root: PathBuf,
        file: PathBuf,
        handle: Handle,
        reports: mpsc::Receiver<String>,
    }

    impl Program {
        fn start(folder: &Path, keys: &str) -> Program {
            let (root, file) = (folder.join("lab"), folder.join("log4rs.yaml"));
            put_in_place(&file, &log4rs_yaml(&root, keys, "info"));
            let (report, reports) = mpsc::channel();
            // The receiver may be gone at the end of the program.
            let setup = Setup::new(&file).on_error(move |err| drop(report.send(err.to_string())));
            let handle = setup.init().unwrap();
            Program { root, file, handle, reports }
        }

        /// Puts an edit in place, and returns when the report about it is there.
        fn edit(&self, text: &str, words: &str) {
            put_in_place(&self.file, text);
            while !self.reports.recv_timeout(NOT_HUNG).unwrap().contains(words) {}
        }

        /// Returns when the edit is installed. No logger lets the entry of `levels` through: the warning about it
        /// tells so.
        fn accept(&self, keys: &str, id: &str) {
            let keys = format!("{keys}\n    levels: {{{id}: trace}}");
            self.edit(&log4rs_yaml(&self.root, &keys, "info"), id);
        }

        /// Returns when the edit is refused. Ours is built before log4rs's own appender fails.
        fn refuse(&self, keys: &str) {
            let broken =
                "\n  broken: {kind: rolling_file, path: x.log, policy: {kind: none}}\nroot:";
            let text = log4rs_yaml(&self.root, keys, "info").replace("\nroot:", broken);
            self.edit(&text, "appender broken");
        }

        /// One record, and then nothing: its file is closed.
        fn closes_idle_files(&self, when: &str) {
            let closed = || self.handle.sinks()[0].stats().total.idle_closed;
            let before = closed();
            log::info!(equipment_id = "EQ"; "record");
            until(&format!("the close {when}"), || closed() > before);
            until(&format!("the end of the close {when}"), || open_below(&self.root) == 0);
        }
    }

    fn closes_idle_files_after_edits(queue: &str) {
        let folder = tempfile::tempdir().unwrap();
        let with = |keys: &str| format!("    {queue}\n    idle_timeout: {keys}");
        let program = Program::start(folder.path(), &with("50 ms"));
        program.closes_idle_files("before any edit");
        let level = "50 ms\n    fsync_level: warn";
        let edits = [level, &format!("{level} # a comment"), "20 ms", "70 ms"];
        for (n, keys) in edits.iter().enumerate() {
            program.accept(&with(keys), &format!("EDIT_{n}"));
            program.closes_idle_files(&format!("after {keys:?}"));
            program.refuse(&with(keys));
            program.closes_idle_files(&format!("after {keys:?} was refused"));
        }

        // A program that holds a sink from before an edit does not keep the timeout of that time.
        let held = program.handle.sinks();
        let threads_before = threads();
        program.accept(&format!("    {queue}"), "WITHOUT");
        until("the end of the thread", || threads() < threads_before);
        program.accept(&with("50 ms"), "WITH");
        program.closes_idle_files("when the key is there again");
        drop(held);
        program.closes_idle_files("when the earlier sink is dropped");
    }

    #[test]
    fn idle_files_are_closed_directly() {
        alone!();
        closes_idle_files_after_edits("");
    }

    #[test]
    fn idle_files_are_closed_with_a_queue() {
        alone!();
        closes_idle_files_after_edits("queue: {}");
    }
}
