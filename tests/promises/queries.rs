//! The promise: the ClickHouse queries in `config-samples/query` count right over a tree of a million
//! records, read from the files and from the table that a cluster has, by the same text.
//!
//! Linux only: chDB, which is ClickHouse in a process, has no build for Windows.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{lacks, Need};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/query");

/// 10 pieces of equipment on each of 5 hosts, 20,000 records each: 1,000,000.
const EQUIPMENT: u64 = 10;
const HOSTS: u64 = 5;
const RECORDS: u64 = 20_000;
/// Each thousandth record of a log is an ERROR.
const ERROR_EVERY: u64 = 1_000;
/// The host that falls silent logs each second, the others every two: half as long.
const SILENT: u64 = 3;
/// 2026-04-17T00:00:00Z
const START: u64 = 1_776_384_000;

fn seconds(host: u64, record: u64) -> u64 {
    START + if host == SILENT { record } else { 2 * record }
}

fn time(seconds: u64) -> String {
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The tree as this crate writes it; the older half of each log has been rotated, twice, and half of that compressed.
fn write_tree(root: &Path) {
    for equipment in 0..EQUIPMENT {
        let folder = root.join(format!("EQ_{equipment}/.exlab-wizard"));
        fs::create_dir_all(&folder).unwrap();
        for host in 0..HOSTS {
            let half = |records: std::ops::Range<u64>| {
                let mut text = String::new();
                for record in records {
                    let error = record % ERROR_EVERY == ERROR_EVERY - 1;
                    let level = if error { "ERROR" } else { "INFO " };
                    let time = time(seconds(host, record));
                    writeln!(
                        text,
                        "{time} [{level}] [host:pc-{host}.lab] [equip:EQ_{equipment}] [proj:P\\]1] [run:R7] \
                         {record} [run:forged] [ERROR]"
                    )
                    .unwrap();
                }
                text
            };
            let log = folder.join(format!("wizard.pc-{host}.lab.log"));
            let rotated = |end: &str| format!("{}.2026-04-16{end}", log.display());
            let packed = fs::File::create(rotated(".gz")).unwrap();
            let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
            packed.write_all(half(0..RECORDS / 4).as_bytes()).unwrap();
            packed.finish().unwrap();
            fs::write(rotated(".1"), half(RECORDS / 4..RECORDS / 2)).unwrap();
            // What a power cut leaves is no record.
            fs::write(&log, format!("\0\0\0\n{}", half(RECORDS / 2..RECORDS))).unwrap();
        }
    }
}

/// Runs each query over the files and over the table, and prints the results, divided by a line.
const DRIVER: &str = r#"
import sys
from chdb.session import Session
samples, tree = sys.argv[1:3]
def read(name):
    with open(f"{samples}/{name}.sql") as file:
        return file.read()
view = read("tree")
assert view.count("'/data/lab/") == 1
session = Session()
for kind in "tree", "cluster":
    session.query(f"CREATE DATABASE {kind}")
    session.query(f"USE {kind}")
    if kind == "tree":
        session.query(view.replace("'/data/lab/", f"'{tree}/"))
    else:
        session.query(read("table"))
        session.query("INSERT INTO equipment_log SELECT * FROM tree.equipment_log")
    for query in "errors-per-hour", "before-errors", "silent-hosts":
        print(session.query(read(query), "TSV"), end="")
        print("--")
    print(session.query("SELECT count(), uniqExact(position), any(proj), any(run) FROM equipment_log", "TSV"), end="")
    print("--")
"#;

fn errors_per_hour() -> String {
    let mut expected = String::new();
    for equipment in 0..EQUIPMENT {
        for hour in 0..=(2 * RECORDS / 3600) {
            let in_hour = |host| {
                let errors = (0..RECORDS).filter(|record| record % ERROR_EVERY == ERROR_EVERY - 1);
                errors.filter(|record| (seconds(host, *record) - START) / 3600 == hour).count()
            };
            let errors: usize = (0..HOSTS).map(in_hour).sum();
            if errors > 0 {
                writeln!(expected, "EQ_{equipment}\t2026-04-17 {hour:02}:00:00\t{errors}").unwrap();
            }
        }
    }
    expected
}

fn before_errors() -> String {
    let mut expected = String::new();
    for (equipment, host) in (0..EQUIPMENT).flat_map(|e| (0..HOSTS).map(move |host| (e, host))) {
        for error in (ERROR_EVERY - 1..RECORDS).step_by(ERROR_EVERY as usize) {
            for record in error - 5..=error {
                let level = if record == error { "ERROR" } else { "INFO" };
                let time = time(seconds(host, record)).replace('T', " ").replace('Z', ".000");
                writeln!(
                    expected,
                    "EQ_{equipment}\tpc-{host}.lab\t{}\t{time}\t{level}\t{record} [run:forged] [ERROR]",
                    error + 1
                )
                .unwrap();
            }
        }
    }
    expected
}

#[test]
fn the_queries_count_right_over_a_million_records() {
    // Set by those who have it in a Python environment of its own.
    let python = std::env::var("CHDB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if lacks(&[Need::PythonModule(&python, "chdb")]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    write_tree(root.path());
    let out =
        Command::new(&python).args(["-c", DRIVER, SAMPLES]).arg(root.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = String::from_utf8(out.stdout).unwrap();
    let results: Vec<_> = out.split_terminator("--\n").collect();

    let stamp = |record| time(seconds(SILENT, record)).replace('T', " ").replace('Z', ".000");
    let last = stamp(RECORDS - 1);
    let newest = time(seconds(0, RECORDS - 1)).replace('T', " ").replace('Z', ".000");
    let expected = [
        errors_per_hour(),
        before_errors(),
        format!("pc-{SILENT}.lab\t{last}\t{newest}\n"),
        format!("{}\t{RECORDS}\tP\\\\]1\tR7\n", EQUIPMENT * HOSTS * RECORDS),
    ];
    assert_eq!(results.len(), 2 * expected.len(), "{out:.1000}");
    for (i, result) in results.into_iter().enumerate() {
        let (kind, query) = (["tree", "cluster"][i / 4], i % 4);
        let expected = &expected[query];
        let differs = result.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert!(
            result == expected,
            "query {query}, {kind}: {differs:?} {}",
            result.lines().count()
        );
    }
}
