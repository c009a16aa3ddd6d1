//! The promise: a log that was moved or deleted, with its folder, with the whole root or by an unmount,
//! is noticed by the next durable record at once, and by any other within a second; that record is in a
//! new file at the path. What was logged meanwhile is in the file that was moved, and counted so.
//!
//! Linux only: elsewhere an open file may hold its folder in place; and file systems are mounted.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{lacks, lines, log_of, run, sink, tell, trace, Mount, Need, Running};
use equipment_log::{EquipmentSink, Scope};
use log::Level;
use tempfile::{tempdir, TempDir};

/// Within this a log that is gone is noticed, as promised.
const NOTICED: Duration = Duration::from_secs(1);

fn log(sink: &EquipmentSink, level: Level, record: &str) {
    sink.write(&Scope::new("EQ").unwrap(), level, record.as_bytes()).unwrap();
}

#[test]
fn child_plays_its_role() {
    let Some((_, root)) = crate::support::role() else { return };
    let sink = sink(&root).build().unwrap();
    log(&sink, Level::Info, "opened");
    tell("begin");
    (0..RECORDS).for_each(|_| log(&sink, Level::Info, "record"));
    tell("end");
}

/// How many records are traced.
const RECORDS: usize = 2000;

#[test]
fn a_record_that_finds_its_log_in_place_costs_one_write_and_nothing_else() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let out = dir.path().join("trace");
    let child = crate::support::child!("log", &dir.path().join("lab"));
    Running::start(&mut trace::traced(&["-e", "trace=%file,%desc"], &out, &child)).finish();
    let calls = trace::read(&out);
    let told = |what| calls.iter().position(|call| call.args.contains(what)).unwrap();
    let between = &calls[told("told begin") + 1..told("told end")];
    let writes = between.iter().filter(|call| call.name == "write").count();
    assert_eq!(writes, RECORDS);
    // A look at the path and at each folder on the way twice a second, on a machine that may be slow.
    let others = between.len() - writes;
    assert!(others < RECORDS / 5, "{others} other calls, such as {:?}", between.last());
}

/// A root in a folder of its own, and a sink whose log is open.
fn begun(dir: &TempDir) -> (PathBuf, EquipmentSink) {
    let root = dir.path().join("lab");
    let sink = sink(&root).build().unwrap();
    log(&sink, Level::Error, "before");
    (root, sink)
}

/// Takes the log away by `take`, which returns where it is now, if it is anywhere.
fn take_away(take: impl Fn(&Path) -> Option<PathBuf>) {
    // A durable record notices at once.
    let dir = tempdir().unwrap();
    let (root, sink) = begun(&dir);
    let there = take(&root);
    log(&sink, Level::Error, "after");
    assert_eq!(lines(&log_of(&root, "EQ")), [b"after"]);
    assert_eq!((sink.stats().total.written, sink.stats().total.reopened), (2, 1));
    if let Some(there) = there {
        assert_eq!(lines(&there), [b"before"]);
    }

    // Another one within a second.
    let dir = tempdir().unwrap();
    let (root, sink) = begun(&dir);
    let there = take(&root);
    log(&sink, Level::Info, "meanwhile");
    thread::sleep(NOTICED);
    log(&sink, Level::Info, "after");
    let now: Vec<_> = lines(&log_of(&root, "EQ"));
    assert_eq!(now.last().unwrap(), b"after");
    let stats = sink.stats();
    assert_eq!((stats.total.written, stats.total.lost, stats.total.reopened), (3, 0, 1));
    if let Some(there) = there {
        // On a machine that stood still for half a second the one in between may have noticed already.
        let found = [lines(&there), now].concat();
        assert_eq!(found, [&b"before"[..], b"meanwhile", b"after"]);
    }

    // `reopen` at once, for a handler of SIGHUP.
    let dir = tempdir().unwrap();
    let (root, sink) = begun(&dir);
    take(&root);
    sink.reopen();
    log(&sink, Level::Info, "after");
    assert_eq!(lines(&log_of(&root, "EQ")), [b"after"]);
}

#[test]
fn the_file_is_deleted() {
    take_away(|root| {
        fs::remove_file(log_of(root, "EQ")).unwrap();
        None
    });
}

#[test]
fn the_file_is_renamed() {
    take_away(|root| {
        let there = log_of(root, "EQ").with_extension("moved");
        fs::rename(log_of(root, "EQ"), &there).unwrap();
        Some(there)
    });
}

#[test]
fn another_file_is_put_in_its_place() {
    let dir = tempdir().unwrap();
    let (root, sink) = begun(&dir);
    let other = dir.path().join("other");
    fs::write(&other, "another\n").unwrap();
    fs::rename(&other, log_of(&root, "EQ")).unwrap();
    log(&sink, Level::Error, "after");
    assert_eq!(lines(&log_of(&root, "EQ")), [&b"another"[..], b"after"]);
}

#[test]
fn the_folder_of_the_equipment_is_deleted() {
    take_away(|root| {
        run(Command::new("rm").arg("-r").arg(root.join("EQ")));
        None
    });
}

#[test]
fn the_folder_of_the_equipment_is_renamed() {
    take_away(|root| {
        fs::rename(root.join("EQ"), root.join("OLD")).unwrap();
        Some(log_of(root, "OLD"))
    });
}

#[test]
fn the_root_is_deleted() {
    take_away(|root| {
        run(Command::new("rm").arg("-r").arg(root));
        None
    });
}

#[test]
fn the_root_is_renamed() {
    take_away(|root| {
        let there = root.with_extension("moved");
        fs::rename(root, &there).unwrap();
        Some(log_of(&there, "EQ"))
    });
}

#[test]
fn a_file_stands_where_the_folder_was() {
    let dir = tempdir().unwrap();
    let (root, sink) = begun(&dir);
    fs::rename(root.join("EQ"), root.join("OLD")).unwrap();
    fs::write(root.join("EQ"), "in the way").unwrap();
    let scope = Scope::new("EQ").unwrap();
    let err = sink.write(&scope, Level::Error, b"lost").unwrap_err();
    assert!(err.is_open(), "{err}");
    assert_eq!((sink.stats().total.written, sink.stats().total.lost), (1, 1));
    fs::remove_file(root.join("EQ")).unwrap();
    log(&sink, Level::Error, "after");
    let found = lines(&log_of(&root, "EQ"));
    assert_eq!(crate::support::missing(&found[0]), Some(1), "{}", crate::support::shown(&found[0]));
    assert_eq!(found[1], b"after");
}

/// The root is a file system of its own, which goes away while a log on it is open, and another comes.
#[test]
fn the_root_is_unmounted_and_mounted_again() {
    if lacks(&[Need::Root]) {
        return;
    }
    for (level, wait) in [(Level::Error, Duration::ZERO), (Level::Info, NOTICED)] {
        let dir = tempdir().unwrap();
        let root = dir.path().join("lab");
        let first = Mount::tmpfs(&root, "1m");
        let sink = sink(&root).build().unwrap();
        log(&sink, Level::Error, "first");
        // Lazily: it has an open file.
        drop(first);
        let second = Mount::tmpfs(&root, "1m");
        thread::sleep(wait);
        log(&sink, level, "second");
        assert_eq!(lines(&log_of(&root, "EQ")), [b"second"]);
        assert_eq!((sink.stats().total.written, sink.stats().total.reopened), (2, 1));

        // Once all is closed it can be unmounted in the ordinary way.
        sink.close_all().unwrap();
        second.unmount();
        let _third = Mount::tmpfs(&root, "1m");
        log(&sink, Level::Info, "third");
        assert_eq!(lines(&log_of(&root, "EQ")), [b"third"]);
        drop(sink);
    }
}
