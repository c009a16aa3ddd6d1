//! A torn record never damages its neighbour, and what was lost is said.
//!
//! Linux only: full disks are a tmpfs's, a limit's, and strace's.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

use crate::support::trace::traced;
use crate::support::{
    all_lines, alone, by_size, child, lacks, log_of, missing, names_in, sink, tell, Mount, Need,
    Running,
};
use equipment_log::{parse_line, EquipmentSink, QueueConfig, Scope};
use log::Level;
use tempfile::{tempdir, TempDir};

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let sink = sink(&root).build().unwrap();
    match role.as_str() {
        "in turn" => crate::support::told().for_each(|name| tell(outcome(&sink, &name))),
        "until told" => {
            let enough = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&enough);
            let room = thread::spawn(move || {
                let told = crate::support::told().take(2);
                told.inspect(|_| seen.store(true, Ordering::Relaxed)).count()
            });
            let records = (0..).take_while(|_| !enough.load(Ordering::Relaxed));
            records.for_each(|n| tell(outcome(&sink, &format!("theirs-{n}"))));
            tell("stopped");
            // Told a second time that there is room now.
            assert_eq!(room.join().unwrap(), 2);
            tell(outcome(&sink, "theirs-last"));
        }
        "twenty" => (0..20).for_each(|n| tell(outcome(&sink, &format!("ours-{n}")))),
        "a batch" => {
            let sink = crate::support::sink(&root).queue(QueueConfig::new()).build().unwrap();
            let log = |n: usize| {
                let record = record(&format!("ours-{n}"));
                match sink.write(&Scope::new("EQ").unwrap(), Level::Info, &record) {
                    // The writer may have come so far already. This record is taken all the same.
                    Err(err) if err.is_earlier_record() => {}
                    result => result.unwrap(),
                }
            };
            log(0);
            sink.flush();
            (1..20).for_each(log);
            sink.flush();
            let total = sink.stats().total;
            tell(format_args!("{} {} {}", total.written, total.lost, total.opened));
        }
        "under a limit" => {
            (0..40).for_each(|n| tell(outcome(&sink, &format!("before-{n}"))));
            let me = std::process::id().to_string();
            crate::support::run(Command::new("prlimit").args(["--fsize=unlimited", "--pid", &me]));
            (0..2).for_each(|n| tell(outcome(&sink, &format!("after-{n}"))));
        }
        role => panic!("unknown role {role}"),
    }
}

/// A record that tells its name, and is as long as its name makes it: 20 to 6000 bytes.
fn record(name: &str) -> Vec<u8> {
    let number = name.bytes().fold(7_usize, |sum, b| (sum * 31 + usize::from(b)) % 6000);
    format!("<{name}{}>", ".".repeat(number)).into_bytes()
}

/// Logs the record of that name and says what became of it.
fn outcome(sink: &EquipmentSink, name: &str) -> String {
    match sink.write(&Scope::new("EQ").unwrap(), Level::Info, record(name)) {
        Ok(()) => format!("ok {name}"),
        // With a queue: what became of this one is not known yet.
        Err(err) if err.is_earlier_record() => format!("ok {name}"),
        Err(err) if err.is_write() => format!("lost {name}"),
        Err(err) => panic!("{err}"),
    }
}

/// What became of a record of ours, by the file: nobody is told when it is queued.
fn seen(lines: &BTreeSet<Vec<u8>>, outcome: &str) -> String {
    match outcome.split_once(' ') {
        Some((_, name)) if name.starts_with("ours") && !lines.contains(&record(name)) => {
            format!("lost {name}")
        }
        _ => outcome.to_owned(),
    }
}

/// What the file must hold for the outcomes that were told: each record that was acknowledged once
/// and whole; beginnings of records alone on their lines; and as many missing as were lost. The
/// count of the fragments.
fn assert_whole(log: &Path, outcomes: &[String]) -> usize {
    let mut expected = BTreeMap::new();
    for outcome in outcomes {
        let (told, name) = outcome.split_once(' ').unwrap();
        expected.insert(record(name), told == "ok");
    }
    let (mut said, mut fragments) = (0, 0);
    let mut whole = Vec::new();
    for line in crate::support::lines(log) {
        if let Some(missing) = missing(&line) {
            said += missing;
        } else if expected.get(&line) == Some(&true) {
            whole.push(line);
        } else {
            // Of one line: a whole one behind it would not be seen.
            let hosts = String::from_utf8_lossy(&line).matches("[host:").count();
            let gap_line = line.starts_with(b"20") && !line.contains(&b'<') && hosts < 2;
            // A record of which the line is the beginning stands right behind it in the order.
            let next = expected.range(line.clone()..).next();
            let fragment = gap_line || next.is_some_and(|(record, _)| record.starts_with(&line));
            assert!(fragment, "neither whole nor a fragment: {}", crate::support::shown(&line));
            fragments += 1;
        }
    }
    whole.sort();
    let acknowledged = expected.iter().filter(|(_, ok)| **ok).map(|(record, _)| record.clone());
    assert_eq!(whole, acknowledged.collect::<Vec<_>>());
    assert_eq!(said, expected.values().filter(|ok| !**ok).count() as u64);
    fragments
}

/// A full disk to be: 64 KiB, of which 32 can be freed.
fn small_disk() -> (TempDir, Mount, PathBuf) {
    let dir = tempdir().unwrap();
    let disk = Mount::tmpfs(dir.path(), "64k");
    let ballast = dir.path().join("ballast");
    fs::write(&ballast, [0; 32 << 10]).unwrap();
    (dir, disk, ballast)
}

#[test]
fn two_processes_that_fill_a_disk_in_turn_leave_whole_records_and_say_what_is_missing() {
    if lacks(&[Need::Root]) {
        return;
    }
    let (dir, _disk, ballast) = small_disk();
    let root = dir.path().join("logs");
    let sink = sink(&root).build().unwrap();
    let mut other = Running::start(&mut child!("in turn", &root));
    let mut outcomes = Vec::new();
    let mut turn = |n: usize| {
        outcomes.push(outcome(&sink, &format!("ours-{n}")));
        other.tell(&format!("theirs-{n}"));
        outcomes.push(other.told().unwrap());
    };
    (0..40).for_each(&mut turn);
    fs::remove_file(ballast).unwrap();
    (40..42).for_each(&mut turn);
    let lost = outcomes.iter().filter(|outcome| outcome.starts_with("lost")).count();
    assert!(lost > 20, "the disk was never full: {outcomes:?}");
    assert!(assert_whole(&log_of(&root, "EQ"), &outcomes) > 0, "no record was torn");
    let ours = outcomes.iter().filter(|outcome| outcome.starts_with("lost ours")).count();
    assert_eq!(sink.stats().total.lost, ours as u64);
}

/// Two processes, this one queued or not.
fn fill_at_once(queued: bool) {
    let dir = tempdir().unwrap();
    let _disk = Mount::tmpfs(dir.path(), "4m");
    let filler = File::create(dir.path().join("filler")).unwrap();
    let _ = (&filler).write_all(&[0; 4 << 20]);
    let mut filled = filler.metadata().unwrap().len();

    let root = dir.path().join("logs");
    let mut sink = sink(&root);
    if queued {
        sink = sink.queue(QueueConfig::new());
    }
    let sink = sink.build().unwrap();
    // Nobody can log until there is room for the folders.
    filled -= 64 << 10;
    filler.set_len(filled).unwrap();
    let mut other = Running::start(&mut child!("until told", &root));
    let mut outcomes = vec![other.told().unwrap()];
    // Little by little: each time both of them run into the end again.
    for step in 0..200 {
        filled -= 12 << 10;
        filler.set_len(filled).unwrap();
        outcomes.extend((0..20).map(|n| outcome(&sink, &format!("ours-{step}-{n}"))));
        sink.flush();
    }
    // It stops first: it would fill the disk again, and its last record would be lost with all that it has to report.
    other.tell("enough");
    outcomes.extend(std::iter::from_fn(|| other.told()).take_while(|told| told != "stopped"));
    filler.set_len(0).unwrap();
    other.tell("room");
    outcomes.push(outcome(&sink, "ours-last"));
    sink.flush();
    outcomes.extend(other.finish());
    let log = log_of(&root, "EQ");
    if queued {
        let lines = crate::support::lines(&log).into_iter().collect();
        outcomes = outcomes.iter().map(|outcome| seen(&lines, outcome)).collect();
    }
    let fragments = assert_whole(&log, &outcomes);
    assert!(fragments > 100, "only {fragments} records were torn");
    let ours = outcomes.iter().filter(|outcome| outcome.starts_with("lost ours")).count();
    assert_eq!(sink.stats().total.lost, ours as u64);
}

#[test]
fn two_processes_that_fill_a_disk_at_once_never_damage_each_others_records() {
    // The descriptors of other tests' sinks are no part of this.
    alone!();
    if lacks(&[Need::Root]) {
        return;
    }
    fill_at_once(false);
}

#[test]
fn a_queue_damages_no_other_processs_records_either() {
    // The descriptors of other tests' sinks are no part of this.
    alone!();
    if lacks(&[Need::Root]) {
        return;
    }
    fill_at_once(true);
}

/// Nobody is told of a record's fate when it is queued: the file and the counters must agree.
#[test]
fn a_queue_that_fills_a_disk_leaves_whole_records_and_counts_and_says_what_is_missing() {
    if lacks(&[Need::Root]) {
        return;
    }
    // Of how many records a write is made, at most.
    for together in [1, 3, 100] {
        let (dir, _disk, ballast) = small_disk();
        let root = dir.path().join("logs");
        let sink = sink(&root).queue(QueueConfig::new()).build().unwrap();
        let scope = Scope::new("EQ").unwrap();
        let mut told = 0;
        let mut log = |n: usize| match sink.write(&scope, Level::Info, record(&format!("ours-{n}")))
        {
            Ok(()) => {}
            // Of another record: this one is queued.
            Err(err) if err.is_earlier_record() => told += 1,
            Err(err) => panic!("{err}"),
        };
        for n in 0..100 {
            log(n);
            if n % together == 0 {
                sink.flush();
            }
        }
        sink.flush();
        fs::remove_file(ballast).unwrap();
        (100..102).for_each(&mut log);
        sink.flush();
        let total = sink.stats().total;
        assert!(total.lost > 20, "the disk was never full: {total}");
        assert_eq!(total.written + total.lost, 102);
        assert!(told > 0, "no call was told");

        let log = log_of(&root, "EQ");
        let lines: BTreeSet<_> = crate::support::lines(&log).into_iter().collect();
        let outcomes: Vec<_> = (0..102).map(|n| seen(&lines, &format!("ok ours-{n}"))).collect();
        let written = outcomes.iter().filter(|outcome| outcome.starts_with("ok")).count();
        assert_eq!(written as u64, total.written);
        assert!(assert_whole(&log, &outcomes) > 0, "no record was torn");
        assert!(outcomes[100..].iter().all(|outcome| outcome.starts_with("ok")));
    }
}

/// What a child tells that logs to a file that exists, with a fault at some of its writes.
fn with_fault(role: &str, fault: &str) -> (TempDir, Vec<String>) {
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    let inject = format!("inject=write:{fault}");
    let options = ["-P", log.to_str().unwrap(), "-e", "trace=write", "-e", &inject];
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut command = traced(&options, trace.path(), &child!(role, dir.path()));
    let outcomes = Running::start(&mut command).finish();
    (dir, outcomes)
}

#[test]
fn a_write_of_many_records_that_the_kernel_refuses_costs_no_more_than_one_of_each_refusal() {
    if lacks(&[Need::Strace]) {
        return;
    }
    // The last answer lets the descriptor go: those that follow in the batch open the path again.
    for (error, writes, lost, opened) in
        [("ENOSPC", "2", 1, 1), ("ENOSPC", "2..3", 2, 1), ("EIO", "2", 1, 2)]
    {
        let (dir, told) = with_fault("a batch", &format!("error={error}:when={writes}"));
        assert_eq!(told, [format!("{} {lost} {opened}", 20 - lost)], "{error} {writes}");
        let lines = crate::support::lines(&log_of(dir.path(), "EQ"));
        // It stands where they are missing.
        assert_eq!(missing(&lines[1]), Some(lost), "{}", crate::support::shown(&lines[1]));
        let records = (0..20).filter(|n| !(1..=lost).contains(n));
        let expected: Vec<_> = records.map(|n| record(&format!("ours-{n}"))).collect();
        assert_eq!([&lines[..1], &lines[2..]].concat(), expected);
    }
}

#[test]
fn a_write_that_the_kernel_refuses_is_told_and_said_and_costs_no_other_record() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for (error, reason) in [
        ("ENOSPC", "No space left on device"),
        ("EDQUOT", "Disk quota exceeded"),
        ("EFBIG", "File too large"),
    ] {
        let (dir, outcomes) = with_fault("twenty", &format!("error={error}:when=4..6"));
        let log = log_of(dir.path(), "EQ");
        let lost: Vec<_> = outcomes.iter().filter(|outcome| outcome.starts_with("lost")).collect();
        assert_eq!(lost, ["lost ours-3", "lost ours-4", "lost ours-5"]);
        assert_eq!(assert_whole(&log, &outcomes), 0);
        let lines = crate::support::lines(&log);
        // It stands where they are missing.
        assert_eq!(missing(&lines[3]), Some(3), "{}", crate::support::shown(&lines[3]));
        let line = parse_line(std::str::from_utf8(&lines[3]).unwrap()).unwrap();
        assert!(line.message.contains(reason), "{}", line.message);
        assert_eq!(line.equipment.unwrap().as_str(), "EQ");
    }
}

#[test]
fn a_write_that_a_signal_interrupts_is_made_again() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let (dir, outcomes) = with_fault("twenty", "error=EINTR:when=2+3");
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("ok")), "{outcomes:?}");
    assert_eq!(assert_whole(&log_of(dir.path(), "EQ"), &outcomes), 0);
}

#[test]
fn a_limit_on_the_size_of_files_tears_one_record_and_ends_nothing() {
    if lacks(&[Need::Tool("prlimit")]) {
        return;
    }
    let dir = tempdir().unwrap();
    // The limit is a soft one: the child lifts it. Its signal would end a process that heeds it.
    let limited =
        crate::support::under(["prlimit", "--fsize=50000:"], &child!("under a limit", dir.path()));
    let outcomes = Running::start(&mut crate::support::after("trap '' XFSZ", &limited)).finish();
    assert_eq!(outcomes.len(), 42);
    assert!(outcomes.contains(&"lost before-39".to_owned()), "{outcomes:?}");
    assert!(assert_whole(&log_of(dir.path(), "EQ"), &outcomes) > 0, "no record was torn");
}

#[test]
fn a_file_that_ends_within_a_line_gets_a_line_end_before_the_first_record() {
    for tail in [&b"a record without its e"[..], b"\0\0\0\0", b"a line\n\0"] {
        let dir = tempdir().unwrap();
        let log = log_of(dir.path(), "EQ");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(&log, tail).unwrap();
        let sink = sink(dir.path()).build().unwrap();
        for record in ["one", "two"] {
            sink.write(&Scope::new("EQ").unwrap(), Level::Info, record.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(&log).unwrap(), [tail, b"\none\ntwo\n"].concat());
    }
}

/// A log that can be written stays one.
#[test]
fn a_log_is_not_rotated_while_no_inode_is_left_for_the_new_one() {
    if lacks(&[Need::Root]) {
        return;
    }
    let dir = tempdir().unwrap();
    // The root, two folders and the log.
    let disk = Mount::tmpfs_of_inodes(dir.path(), 4);
    let sink = sink(dir.path()).rotation(by_size(100, 5)).build().unwrap();
    let log = |n: usize| {
        sink.write(&Scope::new("EQ").unwrap(), Level::Info, format!("{n:039}").as_bytes())
    };
    let failed = (0..20).filter(|n| match log(*n) {
        Err(err) if err.is_rotation() && !err.record_is_lost() => true,
        result => {
            result.unwrap();
            false
        }
    });
    assert!(failed.count() > 0);
    let path = log_of(dir.path(), "EQ");
    assert_eq!(all_lines(&path).len(), 20);
    assert_eq!(names_in(path.parent().unwrap()), ["wizard.h.log"]);
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost, total.rotated), (20, 0, 0));

    disk.remount("nr_inodes=20");
    (20..30).for_each(|n| drop(log(n)));
    assert_eq!(all_lines(&path).len(), 30);
    assert!(sink.stats().total.rotated > 0 && sink.stats().total.lost == 0);
    sink.close_all().unwrap();
}
