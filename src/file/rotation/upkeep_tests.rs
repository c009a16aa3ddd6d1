//! What the upkeep does with files that other programs pack, unpack, move or leave, and which files it keeps.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use flate2::{Compression, GzBuilder};

use super::gzip::{compress, is_marked, Outcome, MARK};
use super::names::RotatedName;
use super::pairs::{Pair, SETTLED_AFTER};
use super::tests::{log, open, path, set_time, suffixes, wait_for, wait_until, KEEP_ALL};
use super::{Compress, Every, Keep, Rotation};
use crate::process::upkeep::Next;

const GZIP: Rotation = Rotation { compress: Compress::Gzip, ..KEEP_ALL };

fn pack(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
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

/// The minutes that other programs may need have passed, though nobody waited for them.
fn much_later() -> Instant {
    Instant::now() + 60 * SETTLED_AFTER
}

const BOTH: [&str; 2] = [".2026-04-08", ".2026-04-08.gz"];

/// Another program made the compressed file, or a gunzip(1) has not removed the compressed file yet.
#[test]
fn a_plain_and_a_compressed_file_of_one_content_are_left_alone_for_a_minute() {
    for (compress, left) in [(Compress::Gzip, BOTH[1]), (Compress::None, BOTH[0])] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, BOTH[0], b"record\n");
        // This crate would pack it in another way.
        let packed = [pack(b"rec"), pack(b"ord\n")].concat();
        put(root, BOTH[1], &packed);
        for suffix in BOTH {
            set_time(&path(root, suffix), "2026-04-10T00:00:00Z");
        }
        let file = open(root, Rotation { compress, ..GZIP });
        let begin = Instant::now();
        for seconds in [0, 3, 59] {
            let next = file.upkeep_pass(&|| begin + Duration::from_secs(seconds));
            assert_eq!((next, &suffixes(root)[..]), (Next::Later, &BOTH.map(String::from)[..]));
        }
        assert_eq!(file.upkeep_pass(&|| begin + SETTLED_AFTER), Next::Done);
        assert_eq!(suffixes(root), [left]);
        let content = fs::read(path(root, left)).unwrap();
        assert_eq!(content, if left == BOTH[1] { packed } else { b"record\n".to_vec() });
    }
}

/// gunzip(1) removes the compressed file as its last step, however long it took: the plain file was removed before
/// where it was made more than two seconds ago, and both were lost.
#[test]
fn a_file_that_another_program_is_unpacking_keeps_both_names() {
    let whole: Vec<u8> = (0..1000).flat_map(|n| format!("record {n}\n").into_bytes()).collect();
    for compress in [Compress::Gzip, Compress::None] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, BOTH[1], &pack(&whole));
        put(root, BOTH[0], &whole[..5000]);
        let file = open(root, Rotation { compress, ..GZIP });
        assert_eq!(file.upkeep_pass(&Instant::now), Next::Later);
        // The program pauses, and nobody decides for a person.
        assert_eq!(file.upkeep_pass(&much_later), Next::Done);
        put(root, BOTH[0], &whole);
        set_time(&path(root, BOTH[0]), "2026-04-08T00:00:00Z");
        assert_eq!(file.upkeep_pass(&much_later), Next::Later);
        assert_eq!(suffixes(root), BOTH);
        fs::remove_file(path(root, BOTH[1])).unwrap();
        file.upkeep_pass(&much_later);
        match compress {
            Compress::Gzip => assert_eq!(unpack(&path(root, BOTH[1])), whole),
            Compress::None => assert_eq!(fs::read(path(root, BOTH[0])).unwrap(), whole),
        }
    }
}

/// gzip(1) removes the plain file as its last step. It was stopped for hours: its file was removed before as one that
/// nobody was writing to, and it removed the plain file when it continued.
#[test]
fn half_a_compressed_file_of_another_program_stays() {
    let whole = pack(b"record\n");
    for compress in [Compress::Gzip, Compress::None] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, BOTH[0], b"record\n");
        put(root, BOTH[1], b"");
        let mut gzip = fs::File::options().append(true).open(path(root, BOTH[1])).unwrap();
        gzip.write_all(&whole[..12]).unwrap();
        let file = open(root, Rotation { compress, ..GZIP });
        assert_eq!(file.upkeep_pass(&Instant::now), Next::Later);
        file.upkeep_pass(&much_later);
        assert_eq!(suffixes(root), BOTH);
        gzip.write_all(&whole[12..]).unwrap();
        drop(gzip);
        fs::remove_file(path(root, BOTH[0])).unwrap();
        assert_eq!(file.upkeep_pass(&much_later), Next::Done);
        assert_eq!(unpack(&path(root, BOTH[1])), b"record\n");
    }
}

/// This crate ended after the compressed file got its name. Nobody else makes a marked file, so gzip(1) is not at work;
/// and the plain file was there first, so gunzip(1) is not.
#[test]
fn what_a_crash_of_this_crate_left_is_finished_at_once() {
    const TEXT: &[u8] = b"record\n";
    let mut marked = GzBuilder::new().comment(MARK).write(Vec::new(), Compression::fast());
    marked.write_all(TEXT).unwrap();
    let marked = marked.finish().unwrap();
    for compress in [Compress::Gzip, Compress::None] {
        for (first, then, is_crash) in [
            ((BOTH[0], TEXT), (BOTH[1], &marked[..]), true),
            ((BOTH[0], TEXT), (BOTH[1], &pack(TEXT)), false),
            ((BOTH[1], &marked), (BOTH[0], TEXT), false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path();
            put(root, first.0, first.1);
            // The kernel's clock for files ticks every few milliseconds.
            thread::sleep(Duration::from_millis(30));
            put(root, then.0, then.1);
            set_time(&path(root, BOTH[1]), "2026-04-08T00:00:00Z");
            let file = open(root, Rotation { compress, ..GZIP });
            let name = RotatedName::parse("w.log", "w.log.2026-04-08").unwrap();
            let pair = Pair::of(&file.root, file.relative(), name).unwrap().unwrap();
            // Not every platform and file system knows when a file was made.
            let is_crash = is_crash && pair.plain_is_older;
            let next = file.upkeep_pass(&Instant::now);
            assert_eq!(next, if is_crash { Next::Done } else { Next::Later });
            assert_eq!(suffixes(root).len(), if is_crash { 1 } else { 2 });
        }
    }
}

#[test]
fn a_compressed_file_of_this_crate_has_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), BOTH[0], b"record\n");
    let file = open(dir.path(), GZIP);
    assert_eq!(file.upkeep_pass(&Instant::now), Next::Done);
    let name = RotatedName::parse("w.log", "w.log.2026-04-08").unwrap();
    assert!(is_marked(&file.root, file.relative(), name).unwrap());
    put(dir.path(), BOTH[1], &pack(b"record\n"));
    assert!(!is_marked(&file.root, file.relative(), name).unwrap());
    put(dir.path(), BOTH[1], b"");
    assert!(!is_marked(&file.root, file.relative(), name).unwrap());
}

/// Another program begins while the two are compared, or while the compressed file is synced.
#[test]
fn a_pair_that_has_changed_since_it_was_settled_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, BOTH[0], b"record\n");
    put(root, BOTH[1], &pack(b"record\n"));
    let file = open(root, GZIP);
    let name = RotatedName::parse("w.log", "w.log.2026-04-08").unwrap();
    let settled = Pair::of(&file.root, file.relative(), name).unwrap();
    set_time(&path(root, BOTH[0]), "2026-04-08T00:00:00Z");
    for settled in [settled, None] {
        let outcome = compress(&file.root, file.relative(), name, settled).unwrap();
        assert_eq!((outcome, suffixes(root).len()), (Outcome::InUse, 2));
    }
    let settled = Pair::of(&file.root, file.relative(), name).unwrap();
    assert_eq!(compress(&file.root, file.relative(), name, settled).unwrap(), Outcome::Done);
    assert_eq!(suffixes(root), BOTH[1..]);
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
