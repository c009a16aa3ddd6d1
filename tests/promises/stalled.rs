//! One bad folder harms only its own equipment: neither a file system that answers nothing nor one
//! that refuses everything delays or loses another's records.
//!
//! Linux only: file systems are frozen with fsfreeze, syncs are delayed by strace.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::trace::traced;
use crate::support::{child, image, lacks, log_of, missing, run, sink, tell, Mount, Need, Running};
use equipment_log::{EquipmentSink, Scope};
use log::Level;
use tempfile::{tempdir, TempDir};

/// How long the stall lasts at least; the others' slowest record must be far below it.
const STALL: Duration = Duration::from_millis(600);

/// The slowest that another equipment's record may be meanwhile.
const SLOWEST: Duration = Duration::from_millis(50);

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    assert_eq!(role, "slow sync");
    let sink = sink(&root).build().unwrap();
    thread::scope(|threads| {
        let stalled = threads.spawn(|| write(&sink, "SLOW", Level::Error));
        let slowest = slowest_while(&sink, || !stalled.is_finished());
        tell(slowest.as_millis());
        // A record that is not durable does not wait for the sync of its own file either.
        let stalled = threads.spawn(|| write(&sink, "SLOW", Level::Error));
        let begun = Instant::now();
        while !stalled.is_finished() && begun.elapsed() < STALL / 2 {
            write(&sink, "SLOW", Level::Info);
        }
        assert!(!stalled.is_finished());
        tell("not waited");
    });
}

fn write(sink: &EquipmentSink, id: &str, level: Level) {
    sink.write(&Scope::new(id).unwrap(), level, b"record").unwrap();
}

/// Logs for other equipment, old and new, and returns how long the slowest record took.
fn slowest_while(sink: &EquipmentSink, still: impl Fn() -> bool) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut n = 0;
    while still() {
        let new = format!("NEW-{}", n % 500);
        for (id, level) in [
            ("OLD", Level::Info),
            ("OLD", Level::Error),
            (&*new, Level::Info),
            (&*new, Level::Error),
        ] {
            let begun = Instant::now();
            write(sink, id, level);
            slowest = slowest.max(begun.elapsed());
        }
        n += 1;
    }
    assert!(n > 10, "the others logged only {n} times");
    slowest
}

/// A root on a tmpfs, where a sync takes no time, with an ext4 for the equipment SLOW.
struct Stallable {
    root: PathBuf,
    slow: PathBuf,
    // In this order: what is mounted inside goes first.
    _inner: Mount,
    _outer: Mount,
    _dir: TempDir,
}

impl Stallable {
    fn new() -> Stallable {
        let dir = tempdir().unwrap();
        let root = dir.path().join("root");
        let outer = Mount::tmpfs(&root, "64m");
        image("mkfs.ext4 -q", 16, &root.join("image"));
        let slow = root.join("SLOW");
        let inner = Mount::image(&root.join("image"), &slow);
        Stallable { root, slow, _inner: inner, _outer: outer, _dir: dir }
    }

    fn freeze(&self) -> Frozen<'_> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.slow));
        Frozen(&self.slow)
    }
}

/// A file system that lets nobody write until this is dropped.
struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(self.0).status();
    }
}

/// Others must not wait for a record of the equipment SLOW, and that must be there afterwards.
///
/// Whoever waited would wait for the whole of every stall; a busy machine makes one slow by chance.
fn assert_no_other_waits(stallable: &Stallable, sink: &EquipmentSink, before_each: impl Fn()) {
    let stall = |_| {
        before_each();
        slowest_while_frozen(stallable, sink)
    };
    let stalls: Vec<_> = (0..3).map(stall).collect();
    assert!(stalls.iter().any(|slowest| *slowest < SLOWEST), "{stalls:?}");
    assert_eq!(sink.stats().total.lost, 0);
}

/// The others' slowest record while a thread hangs in a record of the equipment SLOW.
fn slowest_while_frozen(stallable: &Stallable, sink: &EquipmentSink) -> Duration {
    let frozen = stallable.freeze();
    let begun = Instant::now();
    thread::scope(|threads| {
        let stalled = threads.spawn(|| write(sink, "SLOW", Level::Error));
        // Over after that time, whoever else may hang by then.
        threads.spawn(move || {
            thread::sleep(STALL);
            drop(frozen);
        });
        let slowest = slowest_while(sink, || !stalled.is_finished());
        assert!(begun.elapsed() >= STALL, "nothing stalled");
        slowest
    })
}

#[test]
fn a_stalled_write_delays_nobody_else() {
    if lacks(&[Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")]) {
        return;
    }
    let stallable = Stallable::new();
    let sink = sink(&stallable.root).build().unwrap();
    assert_no_other_waits(&stallable, &sink, || write(&sink, "SLOW", Level::Info));
    assert_eq!(crate::support::lines(&log_of(&stallable.root, "SLOW")).len(), 6);
}

#[test]
fn a_stalled_open_delays_nobody_else() {
    if lacks(&[Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")]) {
        return;
    }
    let stallable = Stallable::new();
    let sink = sink(&stallable.root).build().unwrap();
    assert_no_other_waits(&stallable, &sink, || {
        sink.close_all().unwrap();
        let _ = fs::remove_dir_all(stallable.slow.join(".exlab-wizard"));
    });
    // Once for each stall.
    assert_eq!(sink.stats().equipment["SLOW"].opened, 3);
}

#[test]
fn a_stalled_file_that_should_make_room_delays_nobody_else() {
    if lacks(&[Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")]) {
        return;
    }
    let stallable = Stallable::new();
    let sink = sink(&stallable.root).max_open_files(2).build().unwrap();
    assert_no_other_waits(&stallable, &sink, || write(&sink, "SLOW", Level::Info));
    assert_eq!(crate::support::lines(&log_of(&stallable.root, "SLOW")).len(), 6);
    assert!(sink.stats().total.evicted > 10, "{}", sink.stats());
}

#[test]
fn a_stalled_sync_delays_nobody_who_does_not_need_it() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap();
    let log = log_of(dir.path(), "SLOW");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    let delay = format!("inject=fdatasync:delay_enter={}", STALL.as_micros());
    let options =
        ["--seccomp-bpf", "-P", log.to_str().unwrap(), "-e", "trace=fdatasync", "-e", &delay];
    let stall = |_| {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let child = child!("slow sync", dir.path());
        let told = Running::start(&mut traced(&options, trace.path(), &child)).finish();
        assert_eq!(told[1], "not waited");
        Duration::from_millis(told[0].parse().unwrap())
    };
    // As above: whoever waited would wait each time.
    let stalls: Vec<_> = (0..3).map(stall).collect();
    assert!(stalls.iter().any(|slowest| *slowest < SLOWEST), "{stalls:?}");
}

#[test]
fn a_folder_that_cannot_be_made_harms_its_own_equipment_until_it_can() {
    let dir = tempdir().unwrap();
    // A file stands where the folder should be.
    let bad = dir.path().join("BAD");
    fs::write(&bad, "").unwrap();
    let sink = sink(dir.path()).build().unwrap();
    for n in 0..100 {
        let level = [Level::Info, Level::Error][n % 2];
        let result = sink.write(&Scope::new("BAD").unwrap(), level, b"record");
        let err = result.unwrap_err().to_string();
        assert!(err.contains("Not a directory") && err.contains("BAD"), "{err}");
        write(&sink, "GOOD", level);
    }
    let stats = sink.stats();
    assert_eq!((stats.equipment["GOOD"].written, stats.equipment["GOOD"].lost), (100, 0));
    assert_eq!((stats.equipment["BAD"].written, stats.equipment["BAD"].lost), (0, 100));
    assert_eq!(crate::support::lines(&log_of(dir.path(), "GOOD")).len(), 100);

    // No failure is remembered: the next record tries again, and says what is missing.
    fs::remove_file(&bad).unwrap();
    write(&sink, "BAD", Level::Info);
    let lines = crate::support::lines(&log_of(dir.path(), "BAD"));
    assert_eq!((lines.len(), missing(&lines[0])), (2, Some(100)));
    assert_eq!(lines[1], b"record");
}

#[test]
fn a_read_only_file_system_harms_its_own_equipment_only() {
    if lacks(&[Need::Root]) {
        return;
    }
    let dir = tempdir().unwrap();
    let bad = dir.path().join("BAD");
    let _mount = Mount::tmpfs(&bad, "1m");
    let sink = sink(dir.path()).build().unwrap();
    write(&sink, "BAD", Level::Error);
    let remount = |how: &str| {
        run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&bad));
    };
    // The open file keeps a file system from being made read-only.
    sink.close_all().unwrap();
    remount("ro");
    for _ in 0..10 {
        let err = sink.write(&Scope::new("BAD").unwrap(), Level::Error, b"record").unwrap_err();
        assert!(err.to_string().contains("Read-only file system"), "{err}");
        write(&sink, "GOOD", Level::Error);
    }
    remount("rw");
    write(&sink, "BAD", Level::Error);
    assert_eq!(missing(&crate::support::lines(&log_of(dir.path(), "BAD"))[1]), Some(10));
    assert_eq!(crate::support::lines(&log_of(dir.path(), "GOOD")).len(), 10);
}
