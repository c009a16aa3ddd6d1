//! What may hang of one log never happens on another's way: a close that does not return holds up neither a log
//! that needs a descriptor, nor a sink that is dropped, nor an idle log. And close means closed.
//!
//! Linux only: calls are delayed by strace, as by a FUSE daemon that is stopped.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::support::{child, lacks, log_of, sink, tell, trace, Need, Running};
use equipment_log::{EquipmentId, EquipmentSink, Scope};
use log::Level;
use tempfile::tempdir;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    match role.as_str() {
        "evicted" => evicted(&root),
        "idle" => idle(&root),
        "dropped" => {
            let sink = sink(&root).build().unwrap();
            write(&sink, "SLOW");
            drop(sink);
        }
        "moved" => {
            let sink = sink(&root).build().unwrap();
            write(&sink, "SLOW");
            fs::remove_file(log_of(&root, "SLOW")).unwrap();
            sink.write(&Scope::new("SLOW").unwrap(), Level::Error, b"record").unwrap();
        }
        "closed while it is written" => return closed_while_written(&root),
        role => panic!("unknown role {role}"),
    }
    tell("done");
    // The parent has seen enough, and ends this process: the close hangs for much longer.
    thread::sleep(Duration::from_secs(100));
}

fn write(sink: &EquipmentSink, id: &str) {
    sink.write(&Scope::new(id).unwrap(), Level::Info, b"record").unwrap();
}

/// One log is evicted, and its close hangs; three threads write to three others, of which two may be open.
fn evicted(root: &Path) {
    let sink = sink(root).max_open_files(2).build().unwrap();
    write(&sink, "SLOW");
    thread::scope(|threads| {
        for thread in 0..3 {
            let sink = &sink;
            threads.spawn(move || {
                (0..300).for_each(|n| write(sink, ["A", "B", "C"][(thread + n) % 3]))
            });
        }
    });
    let stats = sink.stats();
    assert_eq!((stats.total.written, stats.total.lost), (901, 0), "{stats}");
    assert!(stats.total.evicted > 3, "{stats}");
}

fn idle(root: &Path) {
    let sink = sink(root).idle_timeout(Duration::from_millis(100)).build().unwrap();
    write(&sink, "SLOW");
    while sink.stats().total.idle_closed < 1 {
        thread::sleep(Duration::from_millis(5));
    }
    // The thread that closes idle files is not held up either.
    write(&sink, "OTHER");
    while sink.stats().total.idle_closed < 2 {
        thread::sleep(Duration::from_millis(5));
    }
}

/// The log SLOW, which is there, so that strace finds the calls on it.
fn slow_log(root: &Path) -> PathBuf {
    let log = log_of(root, "SLOW");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    log
}

#[test]
fn a_close_that_hangs_holds_up_nobody() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["evicted", "idle", "dropped", "moved"] {
        let dir = tempdir().unwrap();
        let log = slow_log(dir.path());
        let out = tempfile::NamedTempFile::new().unwrap();
        let path = log.to_str().unwrap();
        let options = ["-P", path, "-e", "trace=close", "-e", "inject=close:delay_enter=100s"];
        let mut traced = trace::traced(&options, out.path(), &child!(role, dir.path()));
        let mut running = Running::start(&mut traced);
        assert_eq!(running.told().as_deref(), Some("done"), "{role}");
        // The close has begun by now, or begins in a moment, and cannot have ended.
        while !fs::read_to_string(out.path()).unwrap().contains("close(") {
            thread::yield_now();
        }
        // strace would wait for the delay to end.
        let tracer = running.process.id();
        let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"));
        for pid in children.unwrap_or_default().split_whitespace() {
            crate::support::run(std::process::Command::new("kill").args(["-KILL", pid]));
        }
    }
}

/// A record is being written when its descriptor is evicted and its log is closed.
fn closed_while_written(root: &Path) {
    let sink = sink(root).max_open_files(1).build().unwrap();
    thread::scope(|threads| {
        let writer = threads.spawn(|| write(&sink, "SLOW"));
        while sink.stats().total.opened == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        write(&sink, "OTHER");
        assert_eq!(sink.stats().total.evicted, 1);
        let was_writing = !writer.is_finished();
        sink.close(&EquipmentId::new("SLOW").unwrap()).unwrap();
        tell(format_args!("closed {was_writing}"));
    });
}

#[test]
fn close_waits_for_a_writer_whose_descriptor_was_evicted_and_syncs_what_it_wrote() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let log = slow_log(dir.path());
    let out = tempfile::NamedTempFile::new().unwrap();
    // The first write to the log takes two seconds. What is told goes to standard output.
    let options = [
        "-P",
        log.to_str().unwrap(),
        "-P",
        "/dev/stdout",
        "-e",
        "trace=write,fdatasync",
        "-e",
        "inject=write:delay_enter=2s:when=1",
    ];
    let role = "closed while it is written";
    let mut traced = trace::traced(&options, out.path(), &child!(role, dir.path()));
    let told = Running::start(&mut traced).finish();
    assert_eq!(told, ["closed true"]);
    let calls = trace::read(out.path());
    let at = |name: &str| {
        let found = calls.iter().find(|call| call.name == name && call.path() == Some(&log));
        found.unwrap_or_else(|| panic!("no {name} of the log"))
    };
    assert!(at("write").ended < at("fdatasync").began);
    assert_eq!(fs::read_to_string(&log).unwrap(), "record\n");
}
