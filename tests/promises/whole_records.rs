//! One record is one write: threads and processes of one host never tear each other's lines, at any
//! size, and a process that is killed harms nobody else's.
//!
//! Linux only: processes are killed at a given write by strace.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use crate::support::trace::traced;
use crate::support::{child, lacks, log_of, sink, tell, Need, Running};
use equipment_log::{EquipmentSink, Scope};
use log::Level;
use tempfile::tempdir;

/// Bytes of a record, and how many of that size each thread logs.
const SIZES: [(usize, usize); 4] = [(200, 400), (8 << 10, 40), (64 << 10, 8), (5 << 20, 1)];

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let sink = sink(&root).build().unwrap();
    match role.as_str() {
        "four threads" => thread::scope(|threads| {
            for thread in 0..4 {
                let writer = format!("{}-{thread}", crate::support::number("PROCESS"));
                let sink = &sink;
                threads.spawn(move || {
                    records(&writer).for_each(|record| write(sink, &record));
                });
            }
        }),
        "neighbour" => {
            let enough = thread::spawn(|| crate::support::told().next());
            tell("started");
            let count = (0..)
                .take_while(|_| !enough.is_finished())
                .map(|n| write(&sink, &short("neighbour", n)));
            tell(count.count());
        }
        "victim" => {
            for n in 0.. {
                write(&sink, &short(&format!("victim{}", crate::support::number("AT")), n));
            }
        }
        "long victim" => {
            tell("started");
            (0..100).for_each(|n| write(&sink, &record("long", n, 5 << 20)));
        }
        role => panic!("unknown role {role}"),
    }
}

fn write(sink: &EquipmentSink, record: &[u8]) {
    sink.write(&Scope::new("EQ").unwrap(), Level::Info, record).unwrap();
}

/// A record that no other is like, and no part of which is like a part of another.
fn record(writer: &str, n: usize, length: usize) -> Vec<u8> {
    let name = format!("<{writer}#{n}>");
    let mut record = name.repeat(length / name.len() + 1).into_bytes();
    record.truncate(length);
    record
}

fn short(writer: &str, n: usize) -> Vec<u8> {
    record(writer, n, 100)
}

/// Everything that one thread logs, the sizes mixed.
fn records(writer: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    let most = SIZES.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let sizes = (0..most)
        .flat_map(|n| SIZES.iter().filter(move |(_, count)| n < *count).map(|(size, _)| *size));
    sizes.enumerate().map(move |(n, size)| record(writer, n, size))
}

#[test]
fn four_processes_with_four_threads_each_lose_tear_and_double_nothing() {
    let dir = tempdir().unwrap();
    let start = |process: u64| {
        Running::start(child!("four threads", dir.path()).env("PROCESS", process.to_string()))
    };
    let writers: Vec<_> = (0..4).map(start).collect();
    writers.into_iter().for_each(|writer| drop(writer.finish()));

    let mut expected = BTreeSet::new();
    for process in 0..4 {
        for thread in 0..4 {
            expected.extend(records(&format!("{process}-{thread}")));
        }
    }
    for line in crate::support::lines(&log_of(dir.path(), "EQ")) {
        assert!(expected.remove(&line), "torn or twice: {}", crate::support::shown(&line));
    }
    assert_eq!(expected.len(), 0, "records are missing");
}

#[test]
fn a_process_killed_at_any_of_its_first_fifty_writes_harms_nobody_else() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    let mut neighbour = Running::start(&mut child!("neighbour", dir.path()));
    neighbour.told().unwrap();
    while !log.exists() {
        thread::yield_now();
    }
    let trace = tempfile::NamedTempFile::new().unwrap();
    for at in 1..=50 {
        let kill = format!("inject=write:signal=SIGKILL:when={at}");
        let options = ["-P", log.to_str().unwrap(), "-e", "trace=write", "-e", &kill];
        let mut victim = child!("victim", dir.path());
        victim.env("AT", at.to_string());
        let mut victim = Running::start(&mut traced(&options, trace.path(), &victim));
        assert!(!victim.process.wait().unwrap().success());
    }
    neighbour.tell("enough");
    let written = neighbour.finish()[0].parse().unwrap();

    let mut expected: BTreeSet<_> = (0..written).map(|n| short("neighbour", n)).collect();
    for at in 1..=50 {
        // All that had returned, and not the one at which it was killed.
        expected.extend((0..at - 1).map(|n| short(&format!("victim{at}"), n)));
    }
    for line in crate::support::lines(&log) {
        assert!(expected.remove(&line), "torn or twice: {}", crate::support::shown(&line));
    }
    assert_eq!(expected.len(), 0, "records are missing");
}

#[test]
fn after_a_kill_in_the_middle_of_a_long_record_the_next_process_begins_a_line() {
    let mut torn = 0;
    for round in 0..10 {
        let dir = tempdir().unwrap();
        let mut victim = Running::start(&mut child!("long victim", dir.path()));
        victim.told().unwrap();
        let log = log_of(dir.path(), "EQ");
        // Until it is in the middle of its writing.
        while fs::metadata(&log).map_or(0, |log| log.len()) < 8 << 20 {
            thread::yield_now();
        }
        drop(victim);
        let after = short("after", round);
        write(&sink(dir.path()).build().unwrap(), &after);

        let lines = crate::support::lines(&log);
        let (last, before) = lines.split_last().unwrap();
        assert_eq!(crate::support::shown(last), crate::support::shown(&after));
        let whole = |(n, line): (usize, &Vec<u8>)| *line == record("long", n, 5 << 20);
        let (tail, before) = before.split_last().unwrap();
        assert!(before.iter().enumerate().all(whole));
        assert!(record("long", before.len(), 5 << 20).starts_with(tail));
        torn += usize::from(tail.len() < 5 << 20);
    }
    assert!(torn > 0, "the kill never came in the middle of a record");
}
