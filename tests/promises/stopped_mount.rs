//! One bad folder harms only its own equipment: here it is on a FUSE mount whose daemon is stopped, as of a share whose
//! server does not answer. There every call hangs, close(2) among them. Whatever is done meanwhile (an eviction, an
//! idle close, `close`, an edit of the configuration, a rotation, no descriptor left), all records of the others
//! are written before the daemon goes on, with one such log and with eight, direct and queued.
//!
//! Linux only: a FUSE mount.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{
    all_lines, by_size, child, lacks, rotated_suffixes, sink, tell, told, under, until, Fuse, Need,
    Running, NOT_HUNG,
};
use equipment_log::{Compress, EquipmentId, EquipmentSink, EquipmentSinkBuilder};
use equipment_log::{QueueConfig, Scope};
use log::Level;

const NEEDS: [Need<'static>; 2] = [Need::Root, Need::Tool("mergerfs")];

const PATH: &str = "{place}/{equipment_id}/wizard.log";

/// Threads that write for the others, and how much each does in one phase.
const THREADS: usize = 3;
const IDS_EACH: usize = 10;
const ROUNDS: usize = 5;

/// How a record is written: by a sink, or by the global logger.
type Write<'a> = &'a (dyn Fn(&Scope, Level, &str) + Sync);

fn scope(place: &str, id: impl AsRef<str>) -> Scope {
    Scope::new(id).unwrap().tag("place", place)
}

fn slow(number: usize) -> Scope {
    scope("mount", format!("SLOW-{number}"))
}

/// The others log. When this returns, every record is in the kernel: the last one of each is durable.
fn others_write(write: Write<'_>, phase: &str) {
    thread::scope(|threads| {
        for thread in 0..THREADS {
            threads.spawn(move || {
                for round in 0..ROUNDS {
                    let last = round == ROUNDS - 1;
                    let level = if last { Level::Error } else { Level::Info };
                    for id in 0..IDS_EACH {
                        let good = scope("disk", format!("GOOD-{thread}-{id}"));
                        write(&good, level, &format!("{phase} {round:0200}"));
                    }
                }
            });
        }
    });
}

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let words: Vec<&str> = role.split('/').collect();
    let (way, is_queued, hanging) = (words[0], words[1] == "queued", words[2].parse().unwrap());
    #[cfg(feature = "log4rs")]
    if way == "edited" {
        return edited::play(&root, is_queued, hanging);
    }
    let sink = build(&root, way, is_queued, hanging);
    let write = |scope: &Scope, level, text: &str| sink.write(scope, level, text).unwrap();
    let act = || act(&sink, &root, way, hanging);
    play(&write, &|| sink.flush(), &act, hanging);
    sink.close_all().unwrap();
    let stats = sink.stats();
    assert_eq!(stats.total.lost, 0, "{stats}");
    assert!(!["evicted", "no descriptor"].contains(&way) || stats.total.evicted > 0, "{stats}");
    assert_all_is_there(&[&|log| log.join("wizard.log")], &root, hanging);
}

fn build(root: &Path, way: &str, is_queued: bool, hanging: usize) -> EquipmentSink {
    let builder: EquipmentSinkBuilder = sink(root).path(PATH);
    let builder = match way {
        "evicted" => builder.max_open_files(hanging + 1),
        "idle" => builder.idle_timeout(Duration::from_millis(500)),
        "rotated" => builder.rotation(by_size(1000, 1000).compress(Compress::Gzip)),
        "no descriptor" => {
            // Each log that hangs has one that is synced before it is closed, and its next record needs two.
            leave_descriptors(3 * hanging + 3 * THREADS);
            // More than there are.
            builder.max_open_files(1000)
        }
        _ => builder,
    };
    let builder = if is_queued { builder.queue(QueueConfig::new()) } else { builder };
    builder.build().unwrap()
}

/// Takes all descriptors but these, for as long as the program runs.
fn leave_descriptors(number: usize) {
    let mut taken: Vec<_> = (0..).map_while(|_| fs::File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - number);
    std::mem::forget(taken);
}

/// What is done while the daemon is stopped.
fn act(sink: &EquipmentSink, root: &Path, way: &str, hanging: usize) {
    match way {
        "idle" => {
            let closed = || sink.stats().total.idle_closed as usize;
            let others = THREADS * IDS_EACH;
            until("idle files are closed", || closed() >= others + hanging);
            // What closes them was not held up.
            others_write(
                &|scope, level, text| sink.write(scope, level, text).unwrap(),
                "meanwhile",
            );
            until("they are closed again", || closed() >= 2 * others + hanging);
        }
        "closed" => {
            for number in 0..hanging {
                let sink = sink.clone();
                thread::spawn(move || sink.close(slow(number).equipment_id()).unwrap());
            }
            sink.close(&EquipmentId::new("GOOD-0-0").unwrap()).unwrap();
        }
        "rotated" => {
            others_write(
                &|scope, level, text| sink.write(scope, level, text).unwrap(),
                "meanwhile",
            );
            for (thread, id) in
                (0..THREADS).flat_map(|thread| (0..IDS_EACH).map(move |id| (thread, id)))
            {
                let log = root.join(format!("disk/GOOD-{thread}-{id}/wizard.log"));
                until("rotated files are compressed", || {
                    let suffixes = rotated_suffixes(&log);
                    !suffixes.is_empty() && suffixes.iter().all(|suffix| suffix.ends_with(".gz"))
                });
            }
        }
        _ => {}
    }
}

/// One run: the parent stops the daemon and lets it go on.
fn play(write: Write<'_>, flush: &dyn Fn(), act: &dyn Fn(), hanging: usize) {
    others_write(write, "before");
    (0..hanging).for_each(|number| write(&slow(number), Level::Info, "before"));
    flush();
    tell("ready");
    assert_eq!(told().next().as_deref(), Some("stopped"));
    act();
    others_write(write, "first");
    let begun = AtomicUsize::new(0);
    thread::scope(|threads| {
        let slow_ones: Vec<_> = (0..hanging)
            .map(|number| {
                let begun = &begun;
                threads.spawn(move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    write(&slow(number), Level::Info, "meanwhile");
                    write(&slow(number), Level::Error, "durable");
                })
            })
            .collect();
        until("the slow ones log", || begun.load(Ordering::Relaxed) == hanging);
        others_write(write, "second");
        assert!(slow_ones.iter().all(|thread| !thread.is_finished()), "nothing hung");
        tell("the others are written");
        assert_eq!(told().next().as_deref(), Some("continued"));
    });
}

/// Every record once, in order, in the files that the log had one after the other.
fn assert_all_is_there(files: &[&dyn Fn(PathBuf) -> PathBuf], root: &Path, hanging: usize) {
    let found = |place: &str, id: &str| -> Vec<String> {
        let folder = root.join(place).join(id);
        files.iter().flat_map(|file| all_lines(&file(folder.clone()))).collect()
    };
    for number in 0..hanging {
        assert_eq!(found("mount", &format!("SLOW-{number}")), ["before", "meanwhile", "durable"]);
    }
    for thread in 0..THREADS {
        for id in 0..IDS_EACH {
            let lines = found("disk", &format!("GOOD-{thread}-{id}"));
            let phase = |phase: &'static str| (0..ROUNDS).map(move |n| format!("{phase} {n:0200}"));
            let meanwhile = lines.iter().any(|line| line.starts_with("meanwhile"));
            let meanwhile = phase("meanwhile").filter(|_| meanwhile);
            let expected =
                phase("before").chain(meanwhile).chain(phase("first")).chain(phase("second"));
            assert_eq!(lines, expected.collect::<Vec<_>>(), "GOOD-{thread}-{id}");
        }
    }
}

#[cfg(feature = "log4rs")]
mod edited {
    use super::*;
    use crate::support::{log4rs_yaml, put_in_place};
    use equipment_log::log4rs::Setup;

    fn yaml(root: &Path, is_queued: bool, file: &str, more: &str) -> String {
        let queue = if is_queued { "queue: {}" } else { "" };
        let path = format!("path: \"{{place}}/{{equipment_id}}/{file}.log\"");
        let encoder = "encoder: {pattern: \"{m}{n}\"}";
        let keys = [&path, encoder, queue, more].map(|key| format!("    {key}\n"));
        log4rs_yaml(root, &keys.concat(), "trace")
    }

    /// The sink is replaced twice while its files hang: no edit waits for the one before.
    pub(super) fn play(root: &Path, is_queued: bool, hanging: usize) {
        let file = root.join("log4rs.yaml");
        put_in_place(&file, &yaml(root, is_queued, "first", ""));
        let handle = Setup::new(&file).init().unwrap();
        let write = |scope: &Scope, level, text: &str| scope.run(|| log::log!(level, "{text}"));
        let act = || {
            for (name, more) in [("second", ""), ("third", "level: debug")] {
                put_in_place(&file, &yaml(root, is_queued, name, more));
                until("an edit is taken", || {
                    scope("disk", "EDITED").run(|| log::info!("edited"));
                    root.join(format!("disk/EDITED/{name}.log")).exists()
                });
            }
        };
        super::play(&write, &|| handle.flush(), &act, hanging);
        handle.flush();
        let lost = || handle.sinks().iter().map(|sink| sink.stats().total.lost).sum::<u64>();
        assert_eq!(lost(), 0);
        assert_all_is_there(
            &[&|log| log.join("first.log"), &|log| log.join("third.log")],
            root,
            hanging,
        );
    }
}

fn assert_the_others_are_written(way: &str) {
    if lacks(&NEEDS) {
        return;
    }
    for (queue, hanging) in [("direct", 1), ("direct", 8), ("queued", 1), ("queued", 8)] {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let root = dir.path().join("logs");
        // It ends after the mount: until then it may wait for the daemon.
        let mut running;
        let fuse = Fuse::mount(&dir.path().join("source"), &root.join("mount"));
        let role = format!("{way}/{queue}/{hanging}");
        let mut child = child!(&role, &root);
        if way == "no descriptor" {
            child = under(["prlimit", "--nofile=100:100"], &child);
        }
        running = Running::start(&mut child);
        assert_eq!(running.told_within(NOT_HUNG).as_deref(), Some("ready"), "{role}");
        fuse.stop();
        running.tell("stopped");
        let told = running.told_within(NOT_HUNG);
        assert_eq!(told.as_deref(), Some("the others are written"), "{role}");
        fuse.signal("-CONT");
        running.tell("continued");
        running.finish();
    }
}

#[test]
fn a_log_that_hangs_while_it_is_written_holds_up_nobody() {
    assert_the_others_are_written("written");
}

#[test]
fn a_log_that_hangs_when_it_is_evicted_holds_up_nobody() {
    assert_the_others_are_written("evicted");
}

#[test]
fn a_log_that_hangs_when_it_is_idle_holds_up_nobody() {
    assert_the_others_are_written("idle");
}

#[test]
fn a_log_that_hangs_when_it_is_closed_holds_up_nobody() {
    assert_the_others_are_written("closed");
}

#[test]
#[cfg(feature = "log4rs")]
fn a_log_that_hangs_when_its_sink_is_replaced_holds_up_nobody() {
    assert_the_others_are_written("edited");
}

#[test]
fn a_log_that_hangs_when_it_is_rotated_holds_up_nobody() {
    assert_the_others_are_written("rotated");
}

#[test]
fn a_log_that_hangs_where_there_is_no_descriptor_left_holds_up_nobody() {
    if !lacks(&[Need::Tool("prlimit")]) {
        assert_the_others_are_written("no descriptor");
    }
}
