//! The promise: rotated files are compressed without a record lost or doubled, whatever other processes have open
//! and whenever this one is killed; what a crash left is finished at the next start.

use std::fs;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::thread;
use std::time::Duration;

use equipment_log::{Compress, EquipmentSink, Every, Keep, RotationConfig, Scope};
use log::Level;

use crate::support::{
    all_lines, beside, log_of, names_in, rotated, rotated_suffixes, sink, text_of, wait_until,
};
#[cfg(target_os = "linux")]
use crate::support::{child, lacks, tell, told, Need, Running};

fn gzip() -> RotationConfig {
    RotationConfig::new().every(Every::Day).limit(1000).compress(Compress::Gzip)
}

fn build(root: &Path, rotation: RotationConfig) -> EquipmentSink {
    sink(root).rotation(rotation).build().unwrap()
}

fn log(sink: &EquipmentSink, id: &str, record: &str) {
    sink.write(&Scope::new(id).unwrap(), Level::Info, record.as_bytes()).unwrap();
}

/// A rotated file of `id`, as an earlier process left it: its text.
fn leave_rotated(root: &Path, id: &str, suffix: &str, bytes: usize) -> String {
    let path = beside(&log_of(root, id), suffix);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let line = |n: usize| format!("{suffix} {n:06} {:x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let text: String = (0..bytes / 40).map(line).collect();
    fs::write(path, &text).unwrap();
    text
}

#[test]
fn a_rotated_file_becomes_a_gzip_file_of_the_same_time() {
    let root = tempfile::tempdir().unwrap();
    let text = leave_rotated(root.path(), "EQ", "2026-04-17", 300_000);
    let log_path = log_of(root.path(), "EQ");
    let time = fs::metadata(beside(&log_path, "2026-04-17")).unwrap().modified().unwrap();
    let sink = build(root.path(), gzip());
    log(&sink, "EQ", "record");
    wait_until("it is compressed", || rotated_suffixes(&log_path) == ["2026-04-17.gz"]);
    let compressed = beside(&log_path, "2026-04-17.gz");
    assert_eq!(text_of(&compressed), text);
    assert_eq!(fs::metadata(compressed).unwrap().modified().unwrap(), time);
    wait_until("it is counted", || sink.stats().total.compressed == 1);
}

/// Where both are there a crash has come between: the plain file counts.
#[test]
fn half_a_compressed_file_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let log_path = log_of(root.path(), "EQ");
    for (compress, left) in [(Compress::Gzip, "2026-04-17.gz"), (Compress::None, "2026-04-17")] {
        let text = leave_rotated(root.path(), "EQ", "2026-04-17", 10_000);
        fs::write(beside(&log_path, "2026-04-17.gz"), b"\x1f\x8b\x08 half").unwrap();
        let sink = build(root.path(), gzip().compress(compress));
        log(&sink, "EQ", "record");
        wait_until("one of them is left", || rotated_suffixes(&log_path) == [left]);
        assert_eq!(text_of(&beside(&log_path, left)), text);
        drop(sink);
    }
}

/// Two sinks stand for two processes: each opens the log for itself.
#[test]
#[cfg_attr(windows, ignore = "Wine emulates append by seeking: two handles write over each other")]
fn a_file_that_another_writer_has_open_is_compressed_when_it_lets_it_go() {
    let root = tempfile::tempdir().unwrap();
    let log_path = log_of(root.path(), "EQ");
    let (slow, quick) = (build(root.path(), gzip()), build(root.path(), gzip()));
    log(&slow, "EQ", "first");
    (0..30).for_each(|n| log(&quick, "EQ", &format!("{n:099}")));
    wait_until("the others are compressed", || {
        rotated_suffixes(&log_path).iter().filter(|suffix| suffix.ends_with(".gz")).count() == 2
    });
    // The slow one has not noticed: its record goes into the file that was rotated first.
    log(&slow, "EQ", "late");
    let first = rotated(&log_path).remove(0);
    assert!(first.extension().is_none_or(|end| end != "gz"), "{}", first.display());
    slow.close_all().unwrap();
    let is_compressed = |file: &Path| fs::metadata(format!("{}.gz", file.display())).is_ok();
    wait_until("the first is compressed", || is_compressed(&first) && !first.exists());
    let mut lines = all_lines(&log_path);
    assert_eq!(lines.len(), 32);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 32);
    assert!(lines.contains(&"late".to_owned()));
}

#[test]
fn what_is_kept_is_counted_by_the_size_on_disk() {
    let root = tempfile::tempdir().unwrap();
    for day in 10..20 {
        leave_rotated(root.path(), "EQ", &format!("2026-04-{day}"), 20_000);
    }
    let log_path = log_of(root.path(), "EQ");
    let sink = build(root.path(), gzip().keep(Keep::Bytes(60_000)));
    log(&sink, "EQ", "record");
    let all_small = || rotated_suffixes(&log_path).iter().all(|suffix| suffix.ends_with(".gz"));
    wait_until("all are compressed", all_small);
    let total = || sink.stats().total;
    wait_until("all are counted", || total().compressed == 10);
    // Compressed they are small enough, or nearly.
    let size: u64 = rotated(&log_path).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    wait_until("few are deleted", || size <= 60_000 || total().deleted > 0);
    assert!(total().deleted <= 5 && total().upkeep_failures == 0, "{}", total());
}

/// The thread that the strace below looks at.
#[cfg(target_os = "linux")]
#[test]
fn child_plays_its_role() {
    let Some((_, root)) = crate::support::role() else { return };
    let sink = build(&root, gzip());
    // Begins the thread, which then waits for more.
    log(&sink, "FIRST", "record");
    let thread = || {
        let mut threads = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        threads.find(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            name.trim() == "equipment-log"
        })
    };
    wait_until("the thread is there", || thread().is_some());
    let sleeps = || {
        let state = fs::read_to_string(thread().unwrap().join("wchan")).unwrap_or_default();
        let stat = fs::read_to_string(thread().unwrap().join("stat")).unwrap_or_default();
        state.contains("futex") || stat.contains(") S ")
    };
    wait_until("the thread waits", sleeps);
    tell(thread().unwrap().file_name().unwrap().to_str().unwrap());
    let mut told = told();
    let _ = told.next();
    log(&sink, "EQ", "record of this process");
    let _ = told.next();
}

/// Runs the child with strace at its upkeep thread, until it has compressed its file or is killed. Whether it was.
#[cfg(target_os = "linux")]
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
    wait_until("strace has the thread", || {
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
#[cfg(target_os = "linux")]
const COUNTED: &str = "\"wizard.h.log.2026-04-17\", 0) = 0";

/// The thread's calls in order, each by its name and how many of that name there were by then: strace counts each
/// name by itself.
#[cfg(target_os = "linux")]
fn calls_of_a_compression() -> Vec<(String, usize)> {
    let dir = tempfile::tempdir().unwrap();
    leave_rotated(dir.path(), "EQ", "2026-04-17", 1_000_000);
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

/// Each of the first 100 calls by `EQUIPMENT_LOG_TEST_EACH_CALL`; a tenth of them otherwise.
#[test]
#[cfg(target_os = "linux")]
fn a_kill_at_any_system_call_of_the_compressing_thread_loses_and_doubles_nothing() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let stride = if std::env::var_os("EQUIPMENT_LOG_TEST_EACH_CALL").is_some() { 1 } else { 11 };
    let calls = calls_of_a_compression();
    assert!(calls.len() >= 100, "{} calls", calls.len());
    let mut kills = 0;
    for (call, (name, number)) in calls.iter().enumerate().take(100).step_by(stride) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let text = leave_rotated(root, "EQ", "2026-04-17", 1_000_000);
        let inject = format!("inject={name}:signal=SIGKILL:when={number}");
        kills += usize::from(compress_under_strace(root, &["-e", &inject], &root.join("trace")));

        let sink = build(root, gzip());
        log(&sink, "EQ", "record of the next process");
        let log_path = log_of(root, "EQ");
        wait_until("it is compressed", || rotated_suffixes(&log_path) == ["2026-04-17.gz"]);
        assert_eq!(text_of(&beside(&log_path, "2026-04-17.gz")), text, "call {call}");
        let lines = fs::read_to_string(&log_path).unwrap();
        assert_eq!(lines, "record of this process\nrecord of the next process\n", "call {call}");
        let names = names_in(log_path.parent().unwrap());
        assert_eq!(names, ["wizard.h.log", "wizard.h.log.2026-04-17.gz"], "call {call}");
    }
    eprintln!("killed {kills} times, at each {stride}. of 100 calls");
    // What the allocator asks of the kernel differs a little from run to run.
    assert!(kills >= 100 / stride * 4 / 5, "{kills} kills");
}
