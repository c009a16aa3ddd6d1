//! The promise: rotated files are compressed without a record lost or doubled, whatever other processes have open
//! and whenever this one is killed; what a crash left is finished at the next start.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use equipment_log::{Compress, EquipmentSink, Every, Keep, RotationConfig, Scope};
use log::Level;

use crate::support::{
    all_lines, beside, lacks, leave_rotated, log_of, rotated, rotated_suffixes, sink, text_of,
    until, Need,
};

fn gzip() -> RotationConfig {
    RotationConfig::new().every(Every::Day).limit(1000).compress(Compress::Gzip)
}

fn build(root: &Path, rotation: RotationConfig) -> EquipmentSink {
    sink(root).rotation(rotation).build().unwrap()
}

fn log(sink: &EquipmentSink, id: &str, record: &str) {
    sink.write(&Scope::new(id).unwrap(), Level::Info, record.as_bytes()).unwrap();
}

#[test]
fn a_rotated_file_becomes_a_gzip_file_of_the_same_time() {
    let root = tempfile::tempdir().unwrap();
    let text = leave_rotated(root.path(), "EQ", "2026-04-17", 300_000);
    let log_path = log_of(root.path(), "EQ");
    let time = fs::metadata(beside(&log_path, "2026-04-17")).unwrap().modified().unwrap();
    let sink = build(root.path(), gzip());
    log(&sink, "EQ", "record");
    until("it is compressed", || rotated_suffixes(&log_path) == ["2026-04-17.gz"]);
    let compressed = beside(&log_path, "2026-04-17.gz");
    assert_eq!(text_of(&compressed), text);
    assert_eq!(fs::metadata(compressed).unwrap().modified().unwrap(), time);
    until("it is counted", || sink.stats().total.compressed == 1);
}

/// A pass deletes half of the files at most.
#[test]
fn what_is_not_kept_is_deleted_before_the_rest_is_compressed() {
    let root = tempfile::tempdir().unwrap();
    for day in 10..16 {
        leave_rotated(root.path(), "EQ", &format!("2026-04-{day}"), 1_000);
    }
    let log_path = log_of(root.path(), "EQ");
    let sink = build(root.path(), gzip().keep(Keep::Files(2)));
    log(&sink, "EQ", "record");
    let kept = ["2026-04-14.gz", "2026-04-15.gz"];
    until("two compressed files are kept", || rotated_suffixes(&log_path) == kept);
    until("all are counted", || sink.stats().total.deleted == 4);
    let compressed = sink.stats().total.compressed;
    assert!(compressed <= 3, "{compressed} of six are compressed, of which three went at once");
}

/// gzip removes the file that it has read as its last step. A plain file that was more than two seconds old was
/// removed before, while gunzip was about to remove the compressed file; and half a compressed file that gzip had not
/// written to for two seconds.
#[test]
#[cfg_attr(windows, ignore = "gzip is slowed down by strace")]
fn gzip_and_gunzip_lose_nothing_however_slow_they_are() {
    if lacks(&[Need::Strace, Need::Tool("gzip")]) {
        return;
    }
    let packs = ("inject=write:delay_enter=4000000:when=2", &[][..]);
    let unpacks = ("inject=unlink,unlinkat:delay_enter=4000000", &["-d"][..]);
    for (slow_call, options) in [packs, unpacks] {
        let root = tempfile::tempdir().unwrap();
        let text = leave_rotated(root.path(), "EQ", "2026-04-17", 3_000_000);
        let log_path = log_of(root.path(), "EQ");
        let plain = beside(&log_path, "2026-04-17");
        let compressed = beside(&log_path, "2026-04-17.gz");
        let read = if options.is_empty() {
            &plain
        } else {
            assert!(Command::new("gzip").arg(&plain).status().unwrap().success());
            &compressed
        };
        let mut slow = Command::new("strace")
            .args(["-q", "-o", "/dev/null", "-e", slow_call, "gzip"])
            .args(options)
            .arg(read)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("gzip is at work", || plain.exists() && compressed.exists());
        let sink = build(root.path(), gzip());
        while slow.try_wait().unwrap().is_none() {
            (0..12).for_each(|n| log(&sink, "EQ", &format!("{n:099}")));
            thread::sleep(Duration::from_millis(50));
        }
        let slow = slow.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&slow.stderr);
        assert!(slow.status.success() && message.is_empty(), "{options:?}: {message}");
        until("it is compressed", || {
            (0..12).for_each(|n| log(&sink, "EQ", &format!("{n:099}")));
            compressed.exists() && !plain.exists()
        });
        assert!(text_of(&compressed) == text, "{options:?}");
    }
}

/// Two sinks stand for two processes: each opens the log for itself.
#[test]
#[cfg_attr(windows, ignore = "Wine emulates append by seeking: two handles write over each other")]
fn a_file_that_another_writer_has_open_is_compressed_when_it_lets_it_go() {
    let root = tempfile::tempdir().unwrap();
    let log_path = log_of(root.path(), "EQ");
    let (slow, quick) = (build(root.path(), gzip()), build(root.path(), gzip()));
    log(&slow, "EQ", "first");
    (0..30).for_each(|n| log(&quick, "EQ", &format!("{n:099}")));
    until("the others are compressed", || {
        rotated_suffixes(&log_path).iter().filter(|suffix| suffix.ends_with(".gz")).count() == 2
    });
    // The slow one has not noticed: its record goes into the file that was rotated first.
    log(&slow, "EQ", "late");
    let first = rotated(&log_path).remove(0);
    assert!(first.extension().is_none_or(|end| end != "gz"), "{}", first.display());
    slow.close_all().unwrap();
    let is_compressed = |file: &Path| fs::metadata(format!("{}.gz", file.display())).is_ok();
    until("the first is compressed", || is_compressed(&first) && !first.exists());
    let mut lines = all_lines(&log_path);
    assert_eq!(lines.len(), 32);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 32);
    assert!(lines.contains(&"late".to_owned()));
}

#[test]
fn what_is_kept_is_counted_by_the_size_on_disk() {
    let root = tempfile::tempdir().unwrap();
    for day in 10..20 {
        leave_rotated(root.path(), "EQ", &format!("2026-04-{day}"), 20_000);
    }
    let log_path = log_of(root.path(), "EQ");
    let sink = build(root.path(), gzip().keep(Keep::Bytes(60_000)));
    log(&sink, "EQ", "record");
    let all_small = || rotated_suffixes(&log_path).iter().all(|suffix| suffix.ends_with(".gz"));
    until("all are compressed", all_small);
    let total = || sink.stats().total;
    until("all are counted", || total().compressed == 10);
    // Compressed they are small enough, or nearly.
    let size: u64 = rotated(&log_path).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    until("few are deleted", || size <= 60_000 || total().deleted > 0);
    assert!(total().deleted <= 5 && total().upkeep_failures == 0, "{}", total());
}
