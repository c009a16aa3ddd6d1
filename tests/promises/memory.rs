//! The promise: ten thousand open files cost less than 16 MB of memory, and a hundred thousand logs that a process
//! has had, of equipment or of runs, no more than those that are in use.
//!
//! Linux only: it is read in /proc.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{child, lacks, sink, tell, Mount, Need, Running};
use equipment_log::{QueueConfig, Scope};
use log::Level;

const FILES: usize = 10_000;

/// The sink's files, and some for the process itself.
const DESCRIPTORS: usize = FILES + 100;

const MOST_KB: u64 = 16 * 1024;

/// What many logs cost is read after each of so many parts of them.
const TENTHS: usize = 10;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    if role == "tiny records" {
        return tiny_records(&root);
    }
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
    status_kb("VmRSS:")
}

fn peak_kb() -> u64 {
    status_kb("VmHWM:")
}

fn status_kb(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
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

const TINY_LOGS: usize = 20_000;

/// One record for each of many logs, faster than they can be made. Tells how much memory that took at most.
fn tiny_records(root: &Path) {
    let queue = QueueConfig::new().limit(1 << 20);
    let sink = sink(root).max_open_files(200).queue(queue).build().unwrap();
    let log = |n: usize| {
        let scope = Scope::new(format!("D{n:05}")).unwrap();
        sink.write(&scope, Level::Info, b"x").unwrap();
    };
    log(0);
    sink.flush();
    let before = peak_kb();
    (1..TINY_LOGS).for_each(log);
    sink.flush();
    assert_eq!(sink.stats().total.written, TINY_LOGS as u64);
    tell(peak_kb() - before);
}

#[test]
fn tiny_records_of_many_logs_take_memory_in_proportion_to_the_limit() {
    if lacks(&[Need::Root]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = Mount::tmpfs(dir.path(), "80%,nr_inodes=0");
    let told = Running::start(&mut child!("tiny records", &dir.path().join("logs"))).finish();
    disk.unmount();
    let kb: u64 = told[0].parse().unwrap();
    println!("{kb} kB for {TINY_LOGS} records with a limit of 1 MB");
    assert!(kb < 20 * 1024, "{kb} kB");
}

/// So many logs; by hand, a million: then each way, beside a bare program that makes the same files.
fn logs() -> usize {
    std::env::var("EQUIPMENT_LOG_LOGS").map_or(100_000, |number| number.parse().unwrap())
}

/// One log after the other gets a record; after each tenth of them this tells the memory, and what a log has cost in it.
fn logs_one_after_the_other(role: &str, root: &Path) {
    let write = if role.contains("bare") { bare(role, root) } else { ours(role, root) };
    let each = logs() / TENTHS;
    for tenth in 0..TENTHS {
        let (wall, cpu) = (Instant::now(), process_time());
        write(tenth * each, (tenth + 1) * each);
        let per_log = |time: Duration| (time / each as u32).as_nanos();
        tell(format_args!(
            "{} {} {}",
            resident_kb(),
            per_log(process_time() - cpu),
            per_log(wall.elapsed())
        ));
    }
}

fn process_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Writes the records of a range of logs.
type WriteLogs = Box<dyn Fn(usize, usize)>;

fn ours(role: &str, root: &Path) -> WriteLogs {
    let of_runs = role.contains("runs");
    let mut builder = sink(root).max_open_files(500);
    if of_runs {
        builder = builder.path("{equipment_id}/{run}/wizard.{hostname}.log");
    }
    if role.contains("queued") {
        builder = builder.queue(QueueConfig::new());
    }
    let sink = builder.build().unwrap();
    Box::new(move |from, to| {
        for n in from..to {
            let scope = if of_runs {
                Scope::new("EQ").unwrap().tag("run", n.to_string())
            } else {
                Scope::new(format!("D{n}")).unwrap()
            };
            sink.write(&scope, Level::Info, b"record").unwrap();
            if n % 100 == 0 {
                // What waits is in use: it is bounded by `limit`, not here.
                sink.flush();
            }
        }
        sink.flush();
        let stats = sink.stats();
        assert_eq!((stats.total.written, stats.total.lost), (to as u64, 0));
        // What was forgotten is in the total alone.
        assert!(stats.equipment.len() <= 2_000, "{} are remembered", stats.equipment.len());
    })
}

fn bare(role: &str, root: &Path) -> WriteLogs {
    let (of_runs, root) = (role.contains("runs"), root.to_owned());
    Box::new(move |from, to| {
        for n in from..to {
            let folder = match of_runs {
                true => root.join(format!("EQ/{n}")),
                false => root.join(format!("D{n}/.exlab-wizard")),
            };
            fs::create_dir_all(&folder).unwrap();
            let log = folder.join("wizard.h.log");
            let mut log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
            log.write_all(b"record\n").unwrap();
        }
    })
}

fn assert_bounded(roles: [&str; 3]) {
    if lacks(&[Need::Root]) {
        return;
    }
    // The first in the ordinary run.
    let count = if std::env::var_os("EQUIPMENT_LOG_LOGS").is_some() { roles.len() } else { 1 };
    for role in &roles[..count] {
        let dir = tempfile::tempdir().unwrap();
        // Unmounted at the end: to remove so many files takes longer than to make them.
        let disk = Mount::tmpfs(dir.path(), "80%,nr_inodes=0");
        let told = Running::start(&mut child!(role, &dir.path().join("logs"))).finish();
        disk.unmount();
        let numbers = |line: &String| line.split(' ').map(|n| n.parse().unwrap()).collect();
        let tenths: Vec<Vec<u64>> = told.iter().map(numbers).collect();
        for (tenth, row) in tenths.iter().enumerate() {
            let (kb, cpu, wall) = (row[0], row[1], row[2]);
            println!("{role}, tenth {tenth} of {}: {kb} kB, {cpu} ns a log of the processor, {wall} ns in all", logs());
        }
        let [first, end] = [tenths[0][0], tenths[TENTHS - 1][0]];
        assert!(end < first + MOST_KB, "{role}: from {first} to {end} kB");
    }
}

#[test]
fn a_hundred_thousand_pieces_of_equipment_take_no_more_memory_than_those_in_use() {
    assert_bounded(["ids", "ids, queued", "ids, bare"]);
}

#[test]
fn a_hundred_thousand_runs_take_no_more_memory_than_those_in_use() {
    assert_bounded(["runs, queued", "runs", "runs, bare"]);
}
