//! The promise: ten thousand open files cost less than 16 MB of memory, and a hundred thousand logs that a process
//! has had, of equipment or of runs, no more than those that are in use.
//!
//! Linux only: it is read in /proc.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use crate::support::{child, lacks, sink, tell, Mount, Need, Running};
use equipment_log::{QueueConfig, Scope};
use log::Level;

const FILES: usize = 10_000;

/// The sink's files, and some for the process itself.
const DESCRIPTORS: usize = FILES + 100;

const MOST_KB: u64 = 16 * 1024;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    if role != "ten thousand files" {
        return logs_one_after_the_other(&role, &root);
    }
    let sink = sink(&root).max_open_files(FILES).build().unwrap();
    let log = |n: usize| {
        let scope = Scope::new(format!("D{n:05}")).unwrap();
        sink.write(&scope, Level::Info, b"record").unwrap();
    };
    log(0);
    let before = resident_kb();
    (1..FILES).for_each(log);
    let after = resident_kb();
    assert_eq!(sink.stats().open, FILES as u64);
    tell(after - before);
}

fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_open_files_cost_less_than_16_mb() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    // 20,000 folders take a while on a disk.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let limit = format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}");
    let child = child!("ten thousand files", dir.path());
    let told = Running::start(&mut crate::support::under(["prlimit", &limit], &child)).finish();
    let kb: u64 = told[0].parse().unwrap();
    println!("{kb} kB for {FILES} open files");
    assert!(kb < MOST_KB, "{kb} kB for {FILES} open files");
}

/// So many logs; by hand, a million.
fn logs() -> usize {
    std::env::var("EQUIPMENT_LOG_LOGS").map_or(100_000, |number| number.parse().unwrap())
}

/// Tells the memory after a tenth of the logs, and at the end.
fn logs_one_after_the_other(role: &str, root: &Path) {
    let mut builder = sink(root).max_open_files(500);
    if role.contains("runs") {
        builder = builder.path("{equipment_id}/{run}/wizard.{hostname}.log");
    }
    if role.contains("queued") {
        builder = builder.queue(QueueConfig::new());
    }
    let sink = builder.build().unwrap();
    let logs = logs();
    for n in 0..logs {
        let scope = if role.contains("runs") {
            Scope::new("EQ").unwrap().tag("run", n.to_string())
        } else {
            Scope::new(format!("D{n}")).unwrap()
        };
        sink.write(&scope, Level::Info, b"record").unwrap();
        if n % 100 == 0 {
            // What waits is in use: it is bounded by `limit`, not here.
            sink.flush();
        }
        if n == logs / 10 {
            tell(resident_kb());
        }
    }
    sink.flush();
    tell(resident_kb());
    let stats = sink.stats();
    assert_eq!((stats.total.written, stats.total.lost), (logs as u64, 0));
    // What was forgotten is in the total alone.
    assert!(stats.equipment.len() <= 2_000, "{} are remembered", stats.equipment.len());
}

fn assert_bounded(roles: [&str; 2]) {
    if lacks(&[Need::Root]) {
        return;
    }
    // The first in the ordinary run; each way by hand.
    let count = if std::env::var_os("EQUIPMENT_LOG_LOGS").is_some() { 2 } else { 1 };
    for role in &roles[..count] {
        let dir = tempfile::tempdir().unwrap();
        // Unmounted at the end: to remove so many files takes longer than to make them.
        let disk = Mount::tmpfs(dir.path(), "80%");
        let told = Running::start(&mut child!(role, &dir.path().join("logs"))).finish();
        let [tenth, end] = [&told[0], &told[1]].map(|kb| kb.parse::<u64>().unwrap());
        println!("{role}: {tenth} kB after a tenth of {}, {end} kB at the end", logs());
        disk.unmount();
        assert!(end < tenth + MOST_KB, "{role}: from {tenth} to {end} kB");
    }
}

#[test]
fn a_hundred_thousand_pieces_of_equipment_take_no_more_memory_than_those_in_use() {
    assert_bounded(["ids", "ids, queued"]);
}

#[test]
fn a_hundred_thousand_runs_take_no_more_memory_than_those_in_use() {
    assert_bounded(["runs, queued", "runs"]);
}
