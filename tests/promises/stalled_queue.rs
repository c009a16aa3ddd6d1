//! With a queue, too, a folder that hangs holds up its own equipment alone: the records of all others are in the
//! kernel before it answers again, its own are in order behind it, and nothing is lost.
//!
//! Linux only: file systems are frozen with fsfreeze.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::stalled::{Stallable, HANGS};
use crate::support::{lacks, lines, log_of, sink, within, Mount, Need};
use equipment_log::{EquipmentSink, QueueConfig, Scope};
use log::Level;

const NEEDS: [Need<'static>; 3] = [Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")];

fn write(sink: &EquipmentSink, id: &str, level: Level, number: usize) {
    sink.write(&Scope::new(id).unwrap(), level, format!("{number:099}").as_bytes()).unwrap();
}

fn numbers(root: &Path, id: &str) -> Vec<usize> {
    let lines = lines(&log_of(root, id));
    lines.iter().map(|line| std::str::from_utf8(line).unwrap().parse().unwrap()).collect()
}

/// Waits until so many records are in the kernel.
fn await_records(root: &Path, id: &str, records: usize) {
    let begun = Instant::now();
    let log = log_of(root, id);
    while fs::read(&log).map_or(0, |bytes| bytes.len()) < 100 * records {
        assert!(begun.elapsed() < HANGS, "{id} waits for another's folder");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Equipment whose folders are on the file system that can be frozen, each with an open log of one record.
fn slow_ids(
    stallable: &Stallable,
    sink: &EquipmentSink,
    number: usize,
) -> (Vec<String>, Vec<Mount>) {
    let ids: Vec<_> = (0..number).map(|n| format!("SLOW-{n}")).collect();
    let mounts = ids.iter().map(|id| {
        let folder = stallable.slow.join(id);
        fs::create_dir_all(&folder).unwrap();
        Mount::bind(&folder, &stallable.root.join(id))
    });
    let mounts = mounts.collect();
    ids.iter().for_each(|id| write(sink, id, Level::Info, 0));
    sink.flush();
    (ids, mounts)
}

fn assert_others_are_written(hanging: usize) {
    const OTHERS: usize = 20;
    let stallable = Stallable::new();
    let root = stallable.root.clone();
    let sink = sink(&root).queue(QueueConfig::new()).build().unwrap();
    let (ids, _mounts) = slow_ids(&stallable, &sink, hanging);
    let frozen = stallable.freeze();
    let others = (sink.clone(), root.clone());
    let slow = ids.clone();
    within(HANGS, move || {
        let (sink, root) = others;
        for n in 1..=50 {
            slow.iter().for_each(|id| write(&sink, id, Level::Info, n));
            for other in 0..OTHERS {
                let level = if n % 25 == other { Level::Error } else { Level::Info };
                write(&sink, &format!("GOOD-{other}"), level, n);
            }
        }
        (0..OTHERS).for_each(|other| await_records(&root, &format!("GOOD-{other}"), 50));
    });
    for id in &ids {
        assert_eq!(numbers(&root, id), [0], "nothing hung");
    }
    drop(frozen);
    sink.flush();
    for id in &ids {
        assert_eq!(numbers(&root, id), (0..=50).collect::<Vec<_>>());
    }
    for other in 0..OTHERS {
        assert_eq!(numbers(&root, &format!("GOOD-{other}")), (1..=50).collect::<Vec<_>>());
    }
    assert_eq!(sink.stats().total.lost, 0);
}

#[test]
fn a_folder_that_hangs_holds_up_no_other_record() {
    if !lacks(&NEEDS) {
        assert_others_are_written(1);
    }
}

#[test]
fn eight_folders_that_hang_hold_up_no_other_record() {
    if !lacks(&NEEDS) {
        assert_others_are_written(8);
    }
}

#[test]
fn folders_that_hang_fill_their_halves_and_then_wait_alone() {
    if lacks(&NEEDS) {
        return;
    }
    const RECORDS: usize = 1000;
    let stallable = Stallable::new();
    let root = stallable.root.clone();
    // A half has room for some 80 records.
    let sink = sink(&root).queue(QueueConfig::new().limit(16 << 10)).build().unwrap();
    let (ids, _mounts) = slow_ids(&stallable, &sink, 8);
    let frozen = stallable.freeze();
    let slow: Vec<_> = ids
        .iter()
        .map(|id| {
            let (sink, id) = (sink.clone(), id.clone());
            thread::spawn(move || (1..=RECORDS).for_each(|n| write(&sink, &id, Level::Info, n)))
        })
        .collect();
    let others = (sink.clone(), root.clone());
    within(HANGS, move || {
        // Many times the limit.
        (1..=RECORDS).for_each(|n| write(&others.0, "GOOD", Level::Info, n));
        write(&others.0, "GOOD", Level::Error, RECORDS + 1);
        assert_eq!(numbers(&others.1, "GOOD").len(), RECORDS + 1);
    });
    assert!(slow.iter().all(|thread| !thread.is_finished()), "more than a half");
    drop(frozen);
    slow.into_iter().for_each(|thread| thread.join().unwrap());
    sink.flush();
    for id in &ids {
        assert_eq!(numbers(&root, id), (0..=RECORDS).collect::<Vec<_>>());
    }
    assert_eq!(sink.stats().total.lost, 0);
}

/// What is not written is written when the folder answers again, if the process still runs.
#[test]
fn a_sink_that_is_dropped_waits_for_a_folder_that_hangs_for_drain_timeout_at_most() {
    if lacks(&NEEDS) {
        return;
    }
    let stallable = Stallable::new();
    let root = stallable.root.clone();
    let queue = QueueConfig::new().drain_timeout(Duration::from_millis(300));
    let sink = sink(&root).queue(queue).build().unwrap();
    let (ids, _mounts) = slow_ids(&stallable, &sink, 1);
    let frozen = stallable.freeze();
    write(&sink, &ids[0], Level::Info, 1);
    write(&sink, "GOOD", Level::Info, 1);
    within(HANGS, move || drop(sink));
    assert_eq!(numbers(&root, &ids[0]), [0], "nothing hung");
    await_records(&root, "GOOD", 1);
    drop(frozen);
    await_records(&root, &ids[0], 2);
}
