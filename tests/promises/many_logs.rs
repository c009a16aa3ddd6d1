//! The promise: `close` of one piece of equipment, `stats()`, and the first record of a new one cost no more where a
//! process has had many logs, or has many open, than where there are few. Counted in instructions, which no other
//! load changes, by callgrind.
//!
//! Linux only: so is valgrind.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use crate::support::{child, lacks, sink, under, Need, Running};
use equipment_log::{EquipmentId, EquipmentSink, Scope};
use log::Level;

/// How many logs there were before, and how many there are after: as many times the number at which logs are looked
/// through for what can be forgotten, so that nothing depends on when that was done last.
const FEW_PAST: usize = 4 * 64;
const MANY_PAST: usize = 20 * 64;

/// Open at once. None of them is just below a power of two, where a table grows.
const FEW_OPEN: usize = 130;
const MANY_OPEN: usize = 1_100;

/// How many new logs are counted together.
const NEW: usize = 64;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let (limit, few, many) = match role.as_str() {
        "past" => (64, FEW_PAST, MANY_PAST),
        "open" => (MANY_OPEN + 3 * NEW, FEW_OPEN, MANY_OPEN),
        role => panic!("unknown role {role}"),
    };
    let sink = sink(&root).max_open_files(limit).build().unwrap();
    write(&sink, 0, few);
    // In the same order as what is asserted. Each makes as many logs as it takes away, for the next.
    let first = measured_first_records(&sink, few);
    measured_stats(&sink);
    measured_close(&sink, few);
    write(&sink, first, many);
    measured_first_records(&sink, many);
    measured_stats(&sink);
    measured_close(&sink, many);
}

fn id(number: usize) -> String {
    format!("D{number:06}")
}

fn write(sink: &EquipmentSink, from: usize, to: usize) {
    for number in from..to {
        sink.write(&Scope::new(id(number)).unwrap(), Level::Info, b"record").unwrap();
    }
}

/// Returns the number of the next.
#[inline(never)]
fn measured_first_records(sink: &EquipmentSink, from: usize) -> usize {
    write(sink, from, from + NEW);
    from + NEW
}

#[inline(never)]
fn measured_stats(sink: &EquipmentSink) {
    assert_eq!(sink.stats().total.lost, 0);
}

#[inline(never)]
fn measured_close(sink: &EquipmentSink, number: usize) {
    sink.close(&EquipmentId::new(id(number)).unwrap()).unwrap();
}

/// The instructions of each function that is measured, in the order of the calls.
fn instructions(role: &str) -> Vec<u64> {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let out = dir.path().join("callgrind");
    let files = format!("--callgrind-out-file={}", out.display());
    let measured =
        ["--toggle-collect=*many_logs::measured*", "--dump-after=promises::many_logs::measured*"];
    // It warns of system calls that it does not know.
    let quiet = ["--log-file=/dev/null", "--collect-atstart=no", &files];
    let options = ["prlimit", "--nofile=4096:4096", "valgrind", "--tool=callgrind"];
    let options = options.into_iter().chain(measured).chain(quiet);
    Running::start(&mut under(options, &child!(role, &dir.path().join("logs")))).finish();
    // What comes after the last is in a file without a number.
    (1..).map_while(|number| total(&out.with_extension(number.to_string()))).collect()
}

fn total(dump: &Path) -> Option<u64> {
    let text = fs::read_to_string(dump).ok()?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Some(totals.unwrap().trim().parse().unwrap())
}

/// The first records of new logs, and the close of one, cost with many what they cost with few.
fn assert_same(role: &str, measured: &[&str]) {
    if lacks(&[Need::Tool("valgrind"), Need::Tool("prlimit")]) {
        return;
    }
    let counts = instructions(role);
    assert_eq!(counts.len(), 6, "{counts:?}");
    for (at, name) in ["the first records", "stats", "close"].iter().enumerate() {
        let (few, many) = (counts[at], counts[at + 3]);
        println!("{role}, {name}: {few} instructions with few logs, {many} with many");
        if measured.contains(name) {
            assert!(2 * many < 3 * few, "{role}, {name}: {few} with few logs, {many} with many");
        }
    }
}

#[test]
fn many_logs_that_there_were_make_nothing_dearer() {
    assert_same("past", &["the first records", "stats", "close"]);
}

/// `stats()` lists them.
#[test]
fn many_open_logs_make_neither_a_new_one_nor_a_close_dearer() {
    assert_same("open", &["the first records", "close"]);
}
