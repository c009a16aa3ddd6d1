//! One bad folder harms only its own equipment: neither a file system that answers nothing nor one
//! that refuses everything delays or loses another's records.
//!
//! Linux only: file systems are frozen with fsfreeze, syncs are delayed by strace.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::trace::traced;
use crate::support::{
    child, image, lacks, log_of, missing, run, sink, tell, within, Mount, Need, Running,
};
use equipment_log::{EquipmentSink, Error, Scope};
use log::Level;
use tempfile::{tempdir, TempDir};

/// Longer than what is asked of the others takes on any machine; a thread that waits for the stall waits for ever.
pub(crate) const HANGS: Duration = Duration::from_secs(120);

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    assert_eq!(role, "slow sync");
    let sink = sink(&root).build().unwrap();
    let stalled = Stalled::begin(&sink, 't');
    others_log(&sink);
    // A record that is not durable does not wait for the sync of its own file either.
    (0..50).for_each(|_| write(&sink, "SLOW", Level::Info));
    assert!(stalled.is_still());
    tell("nobody waited");
    // Until the parent, who has heard it, ends this process.
    let _ = crate::support::told().next();
}

fn write(sink: &EquipmentSink, id: &str, level: Level) {
    sink.write(&Scope::new(id).unwrap(), level, b"record").unwrap();
}

/// A thread inside a record of the equipment SLOW that does not end before the stall does.
struct Stalled(JoinHandle<Result<(), Error>>);

impl Stalled {
    /// Returns when the kernel says of the thread that it waits: `D` in a call, `t` below strace.
    fn begin(sink: &EquipmentSink, state: char) -> Stalled {
        let sink = sink.clone();
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            send.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
            sink.write(&Scope::new("SLOW").unwrap(), Level::Error, b"record")
        });
        let status = Path::new("/proc").join(receive.recv().unwrap()).join("status");
        let begun = Instant::now();
        let waits = |text: &str| text.contains(&format!("State:\t{state}"));
        // Twice in a row: a thread may be in that state for a moment before.
        let mut seen = 0;
        while seen < 2 {
            seen = if waits(&fs::read_to_string(&status).unwrap()) { seen + 1 } else { 0 };
            assert!(begun.elapsed() < HANGS, "nothing stalls");
            thread::sleep(Duration::from_millis(20));
        }
        Stalled(thread)
    }

    fn is_still(&self) -> bool {
        !self.0.is_finished()
    }
}

/// Logs for other equipment, old and new, durably and not: none of it may wait for the stall.
fn others_log(sink: &EquipmentSink) {
    for n in 0..50 {
        let new = format!("NEW-{n}");
        for id in ["OLD", &new] {
            write(sink, id, Level::Info);
            write(sink, id, Level::Error);
        }
    }
}

/// A root on a tmpfs, where a sync takes no time, with an ext4 for the equipment SLOW.
pub(crate) struct Stallable {
    pub(crate) root: PathBuf,
    pub(crate) slow: PathBuf,
    // In this order: what is mounted inside goes first.
    _inner: Mount,
    _outer: Mount,
    _dir: TempDir,
}

impl Stallable {
    pub(crate) fn new() -> Stallable {
        let dir = tempdir().unwrap();
        let root = dir.path().join("root");
        let outer = Mount::tmpfs(&root, "64m");
        image("mkfs.ext4 -q", 16, &root.join("image"));
        let slow = root.join("SLOW");
        let inner = Mount::image(&root.join("image"), &slow);
        Stallable { root, slow, _inner: inner, _outer: outer, _dir: dir }
    }

    pub(crate) fn freeze(&self) -> Frozen<'_> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.slow));
        Frozen(&self.slow)
    }
}

/// A file system that lets nobody write until this is dropped.
pub(crate) struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(self.0).status();
    }
}

/// Three times a thread hangs in a record of the equipment SLOW; the others write all that they have to before
/// that ends, and its record is there afterwards.
fn assert_no_other_waits(stallable: &Stallable, sink: &EquipmentSink, before_each: impl Fn()) {
    for _ in 0..3 {
        before_each();
        let frozen = stallable.freeze();
        let stalled = Stalled::begin(sink, 'D');
        let others = sink.clone();
        within(HANGS, move || others_log(&others));
        assert!(stalled.is_still(), "nothing stalled");
        drop(frozen);
        stalled.0.join().unwrap().unwrap();
    }
    assert_eq!(sink.stats().total.lost, 0);
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
    // Its own: a log that was closed and owes nothing is forgotten, with its counters.
    assert!((1..=3).contains(&sink.stats().equipment["SLOW"].opened), "{}", sink.stats());
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
    // Once, for longer than anything takes: nobody waits for its end.
    let delay = format!("inject=fdatasync:delay_enter={}:when=1", 2 * HANGS.as_micros());
    let options =
        ["--seccomp-bpf", "-P", log.to_str().unwrap(), "-e", "trace=fdatasync", "-e", &delay];
    let trace = tempfile::NamedTempFile::new().unwrap();
    let child = child!("slow sync", dir.path());
    let mut running = Running::start(&mut traced(&options, trace.path(), &child));
    assert_eq!(running.told().as_deref(), Some("nobody waited"));
    // The program first: strace would wait for the end of the delay.
    drop(running);
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
    let mount = Mount::tmpfs(&bad, "1m");
    let sink = sink(dir.path()).build().unwrap();
    write(&sink, "BAD", Level::Error);
    // The open file keeps a file system from being made read-only.
    sink.close_all().unwrap();
    mount.remount("ro");
    for _ in 0..10 {
        let err = sink.write(&Scope::new("BAD").unwrap(), Level::Error, b"record").unwrap_err();
        assert!(err.to_string().contains("Read-only file system"), "{err}");
        write(&sink, "GOOD", Level::Error);
    }
    mount.remount("rw");
    write(&sink, "BAD", Level::Error);
    assert_eq!(missing(&crate::support::lines(&log_of(dir.path(), "BAD"))[1]), Some(10));
    assert_eq!(crate::support::lines(&log_of(dir.path(), "GOOD")).len(), 10);
}
