//! What the upkeep does with files that other programs pack, unpack, move or leave, and which files it keeps.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::tests::{log, open, path, set_time, wait_for, wait_until, KEEP_ALL};
use super::{Compress, Every, Keep, Rotation};

const GZIP: Rotation = Rotation { compress: Compress::Gzip, ..KEEP_ALL };

fn pack(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn unpack(file: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(file).unwrap())
        .read_to_end(&mut text)
        .unwrap();
    text
}

fn put(root: &Path, suffix: &str, content: &[u8]) {
    fs::create_dir_all(root.join("EQ")).unwrap();
    fs::write(path(root, suffix), content).unwrap();
}

/// Half of a compressed file, which no program is writing any more.
fn put_half(root: &Path, suffix: &str) {
    put(root, suffix, b"\x1f\x8b\x08 half");
    set_time(&path(root, suffix), "2026-04-10T00:00:00Z");
}

/// gunzip removes the compressed file as its last step: a compressed file that is replaced or whose plain file is
/// removed meanwhile is lost.
#[test]
fn a_file_that_another_program_is_unpacking_keeps_both_names() {
    let whole: Vec<u8> = (0..1000).flat_map(|n| format!("record {n}\n").into_bytes()).collect();
    for compress in [Compress::Gzip, Compress::None] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, ".2026-04-08", &whole[..5000]);
        put(root, ".2026-04-08.gz", &pack(&whole));
        // The upkeep works in the order of the names: when this one is done, the other was looked at.
        put(root, ".2026-04-09", b"other\n");
        put_half(root, ".2026-04-09.gz");
        let file = open(root, Rotation { compress, ..GZIP });
        log(&file, "2026-04-17T10:00:00Z");
        let other = if compress == Compress::Gzip { ".2026-04-09.gz" } else { ".2026-04-09" };
        wait_for(root, &["", ".2026-04-08", ".2026-04-08.gz", other]);
        assert_eq!(fs::read(path(root, ".2026-04-08")).unwrap(), &whole[..5000]);
        assert_eq!(unpack(&path(root, ".2026-04-08.gz")), whole);
    }
}

/// A crash after the compressed file got its name.
#[test]
fn a_compressed_file_that_is_complete_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, ".2026-04-08", b"record\n");
    // This crate would pack it in another way.
    let packed = [pack(b"rec"), pack(b"ord\n")].concat();
    put(root, ".2026-04-08.gz", &packed);
    let file = open(root, GZIP);
    log(&file, "2026-04-17T10:00:00Z");
    wait_for(root, &["", ".2026-04-08.gz"]);
    assert_eq!(fs::read(path(root, ".2026-04-08.gz")).unwrap(), packed);
}

/// A program that moves compressed files away would take a part, and leave no plain file.
#[test]
fn a_compressed_file_is_complete_when_it_gets_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let text: Vec<u8> = (0..100_000_u64)
        .flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
        .collect();
    put(root, ".2026-04-08", &text);
    let file = open(root, GZIP);
    log(&file, "2026-04-17T10:00:00Z");
    let compressed = path(root, ".2026-04-08.gz");
    wait_until(true, || compressed.exists());
    let taken = root.join("taken");
    fs::rename(&compressed, &taken).unwrap();
    assert!(unpack(&taken) == text, "a part was taken");
}

#[test]
fn unfinished_compressed_files_of_a_crash_are_removed_at_the_next_start() {
    for (compress, left) in [(Compress::Gzip, ".2026-04-08.gz"), (Compress::None, ".2026-04-08")] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, ".2026-04-08", b"record\n");
        put(root, ".2026-04-08.tmp", b"half");
        put(root, ".2026-04-07.1.tmp", b"its plain file was moved away");
        put(root, ".tmp", b"somebody's");
        let file = open(root, Rotation { compress, ..GZIP });
        log(&file, "2026-04-17T10:00:00Z");
        wait_for(root, &["", left, ".tmp"]);
    }
}

const KEEP_TWO: Rotation = Rotation { keep: Keep::Files(2), ..KEEP_ALL };

/// A clock that was ahead for a while leaves names of its time, and all later rotations made files that are older.
#[test]
fn files_of_a_time_to_come_do_not_displace_the_files_of_now() {
    for keep in [Keep::Files(2), Keep::Bytes(45)] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for suffix in [".2136-01-01", ".2136-01-02", ".2136-01-03"] {
            put(root, suffix, b"record of a wrong clock\n");
        }
        let file = open(root, Rotation { keep, ..KEEP_ALL });
        for day in 10..15 {
            log(&file, &format!("2026-04-{day}T10:00:00Z"));
        }
        let to_come = [".2136-01-01", ".2136-01-02", ".2136-01-03"];
        let kept = [&["", ".2026-04-12", ".2026-04-13"], &to_come[..]].concat();
        wait_for(root, &kept);
    }
}

#[test]
fn a_file_that_was_rotated_after_an_edit_of_every_is_newer_than_those_before() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (suffix, time) in [
        (".2026-04", "2026-04-02T10:00:00Z"),
        (".2026-04.1", "2026-04-03T10:00:00Z"),
        (".2026-04.2", "2026-04-04T10:00:00Z"),
    ] {
        put(root, suffix, b"record\n");
        set_time(&path(root, suffix), time);
    }
    put(root, "", b"record\n");
    set_time(&path(root, ""), "2026-04-04T11:00:00Z");
    let file = open(root, KEEP_TWO);
    log(&file, "2026-04-05T10:00:00Z");
    wait_for(root, &["", ".2026-04-04", ".2026-04.2"]);
    drop(file);

    // And back to months. The files' times are those of the records.
    set_time(&path(root, ""), "2026-04-05T10:00:00Z");
    let file = open(root, Rotation { every: Some(Every::Month), ..KEEP_TWO });
    log(&file, "2026-05-01T10:00:00Z");
    wait_for(root, &["", ".2026-04-04", ".2026-04.3"]);
}
