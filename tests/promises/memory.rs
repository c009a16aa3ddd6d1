//! The promise: ten thousand open files cost less than 16 MB of memory.
//!
//! Linux only: it is read in /proc.
#![cfg(target_os = "linux")]

use std::fs;

use crate::support::{child, lacks, sink, tell, Need, Running};
use equipment_log::Scope;
use log::Level;

const FILES: usize = 10_000;

/// The sink's files, and some for the process itself.
const DESCRIPTORS: usize = FILES + 100;

const MOST_KB: u64 = 16 * 1024;

#[test]
fn child_plays_its_role() {
    let Some((_, root)) = crate::support::role() else { return };
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
