//! The promise: whatever stands in a log, a configuration or a path template, reading it neither panics nor leads
//! astray. The texts are what fuzzing began with and what it found.

#![cfg(all(feature = "yaml", feature = "fern"))]

use std::path::Path;

mod checks;

/// Runs a check over each file of a folder; how many there were.
fn replay(folder: &str, check: fn(&str)) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promises/corpus").join(folder);
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter_map(|file| String::from_utf8(std::fs::read(file).unwrap()).ok());
    texts.map(|text| check(&text)).count()
}

#[test]
fn a_line_is_read_and_written_the_same_or_not_read() {
    assert!(replay("parse_line", checks::line) > 10);
}

#[test]
fn a_configuration_is_taken_or_refused_with_one_line() {
    assert!(replay("yaml", checks::yaml) > 10);
}

#[test]
fn a_path_template_that_is_taken_stays_below_the_root() {
    assert!(replay("path", checks::path) > 10);
}
