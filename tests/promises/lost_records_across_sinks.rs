//! The promise: what a sink could not say of lost records before it was dropped, as by a reload while
//! the disk is full, is said by the next sink that writes to the same log, once.

use std::fs;
use std::path::{Path, PathBuf};

use equipment_log::{parse_line, EquipmentSink, Scope};
use log::Level;

fn sink(root: &Path) -> EquipmentSink {
    EquipmentSink::builder(root).hostname("h").build().unwrap()
}

fn log(sink: &EquipmentSink, record: &str) -> bool {
    sink.write(&Scope::new("EQ").unwrap(), Level::Info, record.as_bytes()).is_ok()
}

/// What the log's first line says is missing, and the lines after it.
fn said(log: &Path) -> (String, Vec<String>) {
    let text = fs::read_to_string(log).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let message = parse_line(&lines.next().unwrap()).unwrap().message;
    (message.split_once(" here").unwrap().0.to_owned(), lines.collect())
}

/// A root on which the log of `EQ` cannot be opened, and the log.
fn in_the_way(root: &Path) -> PathBuf {
    let log = root.join("EQ/.exlab-wizard/wizard.h.log");
    fs::create_dir_all(&log).unwrap();
    log
}

#[test]
fn the_next_sink_says_what_the_last_could_not() {
    let root = tempfile::tempdir().unwrap();
    let path = in_the_way(root.path());
    // Twice, and once by a sink that lives while the earlier one is dropped.
    let first = sink(root.path());
    assert!(!log(&first, "a") && !log(&first, "b"));
    drop(first);
    let second = sink(root.path());
    assert!(!log(&second, "c"));
    let third = sink(root.path());
    assert!(!log(&third, "d"));
    drop(second);

    fs::remove_dir(&path).unwrap();
    assert!(log(&third, "e") && log(&third, "f"));
    assert_eq!(said(&path), ("4 records are missing".to_owned(), vec!["e".into(), "f".into()]));
    // Once.
    drop(third);
    assert!(log(&sink(root.path()), "g"));
    assert_eq!(said(&path).1, ["e", "f", "g"]);
}

#[test]
fn a_log_that_is_closed_before_it_could_say_it_is_not_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let path = in_the_way(root.path());
    let sink = sink(root.path());
    assert!(!log(&sink, "a"));
    sink.close_all().unwrap();
    fs::remove_dir(&path).unwrap();
    assert!(log(&sink, "b"));
    assert_eq!(said(&path), ("1 record is missing".to_owned(), vec!["b".into()]));
}

#[test]
fn another_log_does_not_say_it() {
    let root = tempfile::tempdir().unwrap();
    let path = in_the_way(root.path());
    assert!(!log(&sink(root.path()), "lost"));
    let other = tempfile::tempdir().unwrap();
    assert!(log(&sink(other.path()), "a"));
    let text = fs::read_to_string(other.path().join("EQ/.exlab-wizard/wizard.h.log")).unwrap();
    assert_eq!(text, "a\n");
    fs::remove_dir(&path).unwrap();
    assert!(log(&sink(root.path()), "b"));
    assert_eq!(said(&path), ("1 record is missing".to_owned(), vec!["b".into()]));
}
