//! The promise: a program with the crate runs under valgrind, and memcheck finds no error in it.
//!
//! Linux only: so is valgrind.
#![cfg(all(target_os = "linux", feature = "log4rs"))]

use std::path::Path;
use std::process::Command;

use crate::support::{lacks, Need};

/// Runs it below memcheck: an error of memory is an exit code, whatever the program's own.
fn assert_no_error(program: &Path, args: &[&str]) -> String {
    let root = tempfile::tempdir().unwrap();
    let out = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=99", "--fair-sched=yes"])
        .arg(program)
        .args(args)
        .env("LAB_ROOT", root.path())
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}: {}{}", out.status, text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}

#[test]
fn the_workstation_has_no_error_of_memory() {
    if lacks(&[Need::Tool("valgrind")]) {
        return;
    }
    let test = std::env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/workstation");
    assert!(example.exists(), "not built: `cargo build --example workstation`");
    let printed = assert_no_error(&example, &[]);
    assert!(printed.contains("CONFOCAL_01"), "{printed}");
}

/// The tests of routing, once more.
#[test]
fn the_tests_of_records_have_no_error_of_memory() {
    if lacks(&[Need::Tool("valgrind")]) {
        return;
    }
    let printed = assert_no_error(
        &std::env::current_exe().unwrap(),
        &["routing::", "display::", "--test-threads=2"],
    );
    let passed = printed.split(" passed").next().and_then(|text| text.rsplit(' ').next()).unwrap();
    assert!(passed.parse::<usize>().unwrap() > 5, "{printed}");
}
