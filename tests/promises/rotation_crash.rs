//! The promise: whenever the compressing thread is killed, nothing is lost or doubled, and the next start leaves no
//! half file.
//!
//! Linux only: the thread is killed at a system call by strace.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use equipment_log::{Compress, EquipmentSink, Every, RotationConfig, Scope};
use log::Level;

use crate::support::{
    beside, child, lacks, leave_rotated, log_of, names_in, rotated_suffixes, sink, tell, text_of,
    told, until, Need, Running,
};

fn build(root: &Path) -> EquipmentSink {
    let rotation = RotationConfig::new().every(Every::Day).compress(Compress::Gzip);
    sink(root).rotation(rotation).build().unwrap()
}

fn log(sink: &EquipmentSink, id: &str, record: &str) {
    sink.write(&Scope::new(id).unwrap(), Level::Info, record.as_bytes()).unwrap();
}

/// The thread that compresses is the one that strace looks at. It is started by another of the crate's threads.
#[test]
fn child_plays_its_role() {
    let Some((_, root)) = crate::support::role() else { return };
    let sink = build(&root);
    // Begins the threads, which then wait for more.
    log(&sink, "FIRST", "record");
    let thread = || {
        let threads = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        let ours = threads.filter(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            name.trim() == "equipment-log"
        });
        let mut ours: Vec<_> = ours.collect();
        ours.sort_by_key(|task| {
            task.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap()
        });
        ours.into_iter().nth(1)
    };
    until("the thread is there", || thread().is_some());
    let sleeps = || {
        let state = fs::read_to_string(thread().unwrap().join("wchan")).unwrap_or_default();
        let stat = fs::read_to_string(thread().unwrap().join("stat")).unwrap_or_default();
        state.contains("futex") || stat.contains(") S ")
    };
    until("the thread waits", sleeps);
    tell(thread().unwrap().file_name().unwrap().to_str().unwrap());
    let mut told = told();
    let _ = told.next();
    log(&sink, "EQ", "record of this process");
    let _ = told.next();
}

/// Runs the child with strace at its upkeep thread, until it has compressed its file or is killed. Whether it was.
fn compress_under_strace(root: &Path, options: &[&str], out: &Path) -> bool {
    let mut running = Running::start(&mut child!("compress", root));
    let thread = running.told().unwrap();
    let mut strace = Command::new("strace")
        .args(["-q", "-e", "trace=all", "-p", &thread, "-o"])
        .arg(out)
        .args(options)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/task/{thread}/status", running.process.id());
    until("strace has the thread", || {
        let status = fs::read_to_string(&status).unwrap();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    });
    running.tell("go");
    let is_done = || fs::read_to_string(out).unwrap_or_default().contains(COUNTED);
    let killed = loop {
        match running.process.try_wait().unwrap() {
            Some(_) => break true,
            None if is_done() => break false,
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    drop(running);
    let _ = strace.wait();
    killed
}

/// The removal of the plain file, which is the last call that matters.
const COUNTED: &str = "\"wizard.h.log.2026-04-17\", 0) = 0";

/// The thread's calls in order, each by its name and how many of that name there were by then: strace counts each
/// name by itself.
fn calls_of_a_compression() -> Vec<(String, usize)> {
    let dir = tempfile::tempdir().unwrap();
    leave_rotated(dir.path(), "EQ", "2026-04-17", 1_500_000);
    let out = dir.path().join("trace");
    assert!(!compress_under_strace(dir.path(), &[], &out));
    let trace = fs::read_to_string(out).unwrap();
    let names = trace.lines().filter_map(|line| Some(line.split_once('(')?.0));
    // In the midst of which strace came.
    let names = names.filter(|name| !["restart_syscall", "futex", "exit"].contains(name));
    let mut counts = std::collections::BTreeMap::new();
    let numbered = names.map(|name| {
        let count = counts.entry(name.to_owned()).or_insert(0);
        *count += 1;
        (name.to_owned(), *count)
    });
    numbered.collect()
}

/// Each of the first 100 calls by `EQUIPMENT_LOG_TEST_EACH_CALL`; four of them otherwise.
#[test]
fn a_kill_at_any_system_call_of_the_compressing_thread_loses_and_doubles_nothing() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let stride = if std::env::var_os("EQUIPMENT_LOG_TEST_EACH_CALL").is_some() { 1 } else { 25 };
    let calls = calls_of_a_compression();
    assert!(calls.len() >= 100, "{} calls", calls.len());
    let mut kills = 0;
    for (call, (name, number)) in calls.iter().enumerate().take(100).step_by(stride) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let text = leave_rotated(root, "EQ", "2026-04-17", 1_500_000);
        let inject = format!("inject={name}:signal=SIGKILL:when={number}");
        kills += usize::from(compress_under_strace(root, &["-e", &inject], &root.join("trace")));

        let sink = build(root);
        log(&sink, "EQ", "record of the next process");
        let log_path = log_of(root, "EQ");
        until("it is compressed", || rotated_suffixes(&log_path) == ["2026-04-17.gz"]);
        assert_eq!(text_of(&beside(&log_path, "2026-04-17.gz")), text, "call {call}");
        let lines = fs::read_to_string(&log_path).unwrap();
        // The thread may be killed before the record that gave it work is written.
        let lines = lines.strip_prefix("record of this process\n").unwrap_or(&lines);
        assert_eq!(lines, "record of the next process\n", "call {call}");
        let names = names_in(log_path.parent().unwrap());
        assert_eq!(names, ["wizard.h.log", "wizard.h.log.2026-04-17.gz"], "call {call}");
    }
    eprintln!("killed {kills} times, at each {stride}. of 100 calls");
    // What the allocator asks of the kernel differs a little from run to run.
    assert!(kills >= 100 / stride / 2, "{kills} kills");
}
