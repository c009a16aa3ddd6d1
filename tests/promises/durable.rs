//! An ERROR is on disk when the log call returns, a failed sync is never reported as a success, and
//! concurrent ERRORs share their syncs.
//!
//! Linux only: the order of system calls is strace's word, and faults are injected by it.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::support::trace::{self, generations, Call};
use crate::support::{child, lacks, log_of, rotated, sink, tell, Mount, Need, Running};
use equipment_log::{
    EquipmentSink, EquipmentSinkBuilder, Keep, QueueConfig, RotationConfig, Scope, WhenDurable,
};
use log::{Level, LevelFilter};
use tempfile::tempdir;

/// The calls that open, close, write and sync.
const CALLS: &str = "trace=openat,openat2,mkdir,mkdirat,close,write,fsync,fdatasync";

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    match role.as_str() {
        "many threads" => many_threads(&sink(&root)),
        "many threads, queued" => many_threads(&queued(&root)),
        "deleted meanwhile" => deleted_meanwhile(&limited(sink(&root)), &root),
        "deleted meanwhile, queued" => deleted_meanwhile(&limited(queued(&root)), &root),
        "one by one, queued" => one_by_one(&queued(&root)),
        "sixteen threads, queued" => sixteen_threads(&queued(&root)),
        "without waiting" => without_waiting(&root),
        "each level" => each_level(&root),
        "folders" => folders(&root),
        "evicted" => evicted(&root),
        "reloaded" => reloaded(&root),
        "made by another" => made_by_another(&root),
        "rotated by another" => rotated_by_another(&root),
        "synced at last" => synced_at_last(&root),
        "synced by three" => synced_by_three(&root),
        "an error before a sync" => an_error_before_a_sync(&root),
        "one by one" => one_by_one(&sink(&root)),
        "sixteen threads" => sixteen_threads(&sink(&root)),
        role => panic!("unknown role {role}"),
    }
}

/// ERRORs from four threads to one file; each tells what its log call returned.
fn many_threads(sink: &EquipmentSinkBuilder) {
    let sink = sink.clone().build().unwrap();
    thread::scope(|threads| {
        for thread in 0..4 {
            let sink = &sink;
            threads.spawn(move || (0..25).for_each(|n| error(sink, &format!("r{thread}-{n}-"))));
        }
    });
}

fn queued(root: &Path) -> EquipmentSinkBuilder {
    sink(root).queue(QueueConfig::new())
}

/// Begins a new file at almost every record.
fn limited(sink: EquipmentSinkBuilder) -> EquipmentSinkBuilder {
    sink.rotation(RotationConfig::new().limit(64).keep(Keep::Files(2)))
}

/// ERRORs from four threads, while others remove the log and its rotated files all the time.
fn deleted_meanwhile(sink: &EquipmentSinkBuilder, root: &Path) {
    let log = log_of(root, "EQ");
    let folder = log.parent().unwrap().to_owned();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                    let _ = fs::remove_file(entry.path());
                }
                thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        many_threads(sink);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

fn one_by_one(sink: &EquipmentSinkBuilder) {
    let sink = sink.clone().build().unwrap();
    (0..5).for_each(|n| error(&sink, &format!("r0-{n}-")));
}

fn error(sink: &EquipmentSink, record: &str) {
    match sink.write(&Scope::new("EQ").unwrap(), Level::Error, record.as_bytes()) {
        Ok(()) => tell(format_args!("ok {record}")),
        Err(err) if err.is_sync() => tell(format_args!("not {record}")),
        Err(err) => panic!("{err}"),
    }
}

/// Runs a role under strace: what it told, and the calls that it made.
fn trace_of(role: &str, options: &[&str], root: &Path) -> (Vec<String>, Vec<Call>) {
    let out = tempfile::NamedTempFile::new().unwrap();
    let told =
        Running::start(&mut trace::traced(options, out.path(), &child!(role, root))).finish();
    (told, trace::read(out.path()))
}

/// Asserts that each record of which a child told "ok" had been written through a descriptor that
/// was then synced, all before the child told it; how many there were.
fn assert_synced_before_told(calls: &[Call], log: &Path) -> usize {
    let generations = generations(calls);
    let on_log = |name: &'static str| {
        let calls = calls.iter().zip(&generations);
        // strace adds to the name of a file that was deleted or renamed.
        let is_log = |call: &Call| {
            let (path, log) = (call.path().and_then(Path::to_str), log.to_str());
            path.zip(log).is_some_and(|(path, log)| path.starts_with(log))
        };
        calls.filter(move |(call, _)| call.name == name && is_log(call))
    };
    let told: Vec<(&Call, &str)> = calls
        .iter()
        .filter_map(|call| Some((call, call.args.split_once("\"told ok ")?.1.split_once("\\n")?.0)))
        .collect();
    for (told, record) in &told {
        let synced = on_log("write").filter(|(write, _)| write.args.contains(record)).any(
            |(write, through)| {
                on_log("fdatasync").any(|(sync, of)| {
                    of == through
                        && sync.succeeded()
                        && write.ended < sync.began
                        && sync.ended < told.began
                })
            },
        );
        assert!(synced, "{record} was acknowledged before it was on disk");
    }
    told.len()
}

#[test]
fn each_acknowledgement_follows_a_sync_that_began_after_its_write() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().join("logs");
    for role in ["many threads", "many threads, queued"] {
        let root = root.join(role);
        let (_, calls) = trace_of(role, &["-e", CALLS], &root);
        assert_eq!(assert_synced_before_told(&calls, &log_of(&root, "EQ")), 100);
    }
}

/// A file that took a durable record is synced, whatever becomes of its name meanwhile.
#[test]
fn each_acknowledgement_follows_a_sync_of_its_own_file_though_files_are_rotated_and_deleted() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["deleted meanwhile", "deleted meanwhile, queued"] {
        let dir = tempdir().unwrap();
        let (told, calls) = trace_of(role, &["-e", CALLS], dir.path());
        assert_eq!(told.len(), 100, "{role}");
        let acknowledged = assert_synced_before_told(&calls, &log_of(dir.path(), "EQ"));
        assert!(acknowledged > 0, "{role}: nothing was acknowledged");
    }
}

/// Tells which level comes next, and logs it.
fn each_level(root: &Path) {
    let scope = Scope::new("EQ").unwrap();
    for (name, level) in
        [("error", LevelFilter::Error), ("warn", LevelFilter::Warn), ("off", LevelFilter::Off)]
    {
        let sink = sink(root).fsync_level(level).build().unwrap();
        for level in Level::iter() {
            tell(format_args!("at {name} {level}"));
            sink.write(&scope, level, b"record").unwrap();
        }
    }
    tell("end");
}

#[test]
fn only_the_configured_level_and_worse_sync_and_each_record_once() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().join("logs");
    let (_, calls) = trace_of("each level", &["-e", "trace=write,fdatasync,fsync"], &root);
    let log = log_of(&root, "EQ");
    let mut syncs = BTreeMap::<String, usize>::new();
    let mut at = None;
    for call in &calls {
        if let Some((_, now)) = call.args.split_once("\"told at ") {
            at = now.split_once("\\n").map(|(now, _)| now.to_owned());
            syncs.insert(at.clone().unwrap(), 0);
        } else if call.name == "fdatasync" && call.path() == Some(&log) {
            *syncs.get_mut(at.as_ref().unwrap()).unwrap() += 1;
        }
    }
    let syncing: Vec<_> = syncs.iter().filter(|(_, count)| **count > 0).collect();
    assert_eq!(syncs.len(), 15);
    assert_eq!(
        syncing,
        [
            (&"error ERROR".to_owned(), &1),
            (&"warn ERROR".to_owned(), &1),
            (&"warn WARN".to_owned(), &1)
        ]
    );
}

/// Two durable records of one new equipment, then two of another.
fn folders(root: &Path) {
    let sink = sink(root).build().unwrap();
    for id in ["EQ", "EQ2"] {
        let scope = Scope::new(id).unwrap();
        for n in ["first", "second"] {
            sink.write(&scope, Level::Error, b"record").unwrap();
            tell(format_args!("{id} {n}"));
        }
    }
}

/// The folders that were synced before a child told `until`, and after it told `from`.
fn synced_folders(calls: &[Call], from: Option<&str>, until: &str) -> BTreeSet<String> {
    let place = |told: &str| {
        let told = format!("\"told {told}\\n\"");
        calls.iter().position(|call| call.args.contains(&told)).unwrap_or_else(|| panic!("{told}"))
    };
    let from = from.map_or(0, place);
    calls[from..place(until)]
        .iter()
        .filter(|call| call.name == "fsync" && call.succeeded())
        .map(|call| call.path().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn paths<const N: usize>(base: &Path, below: [&str; N]) -> BTreeSet<String> {
    let path = |below: &str| if below.is_empty() { base.to_owned() } else { base.join(below) };
    below.iter().map(|below| path(below).to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_durable_record_syncs_each_folder_that_has_a_new_entry_and_the_second_none() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let (_, calls) = trace_of("folders", &["-e", CALLS], &base.join("lab/logs"));
    assert_eq!(
        synced_folders(&calls, None, "EQ first"),
        paths(&base, ["", "lab", "lab/logs", "lab/logs/EQ", "lab/logs/EQ/.exlab-wizard"])
    );
    assert_eq!(synced_folders(&calls, Some("EQ first"), "EQ second"), BTreeSet::new());
    assert_eq!(
        synced_folders(&calls, Some("EQ second"), "EQ2 first"),
        paths(&base, ["lab/logs", "lab/logs/EQ2", "lab/logs/EQ2/.exlab-wizard"])
    );
    assert_eq!(synced_folders(&calls, Some("EQ2 first"), "EQ2 second"), BTreeSet::new());
}

/// Files made by records that are not durable, and closed to make room before an ERROR comes.
fn evicted(root: &Path) {
    let sink = sink(root).max_open_files(1).build().unwrap();
    for (level, record) in
        [(Level::Info, "made"), (Level::Error, "first"), (Level::Error, "second")]
    {
        for id in ["A", "B"] {
            sink.write(&Scope::new(id).unwrap(), level, b"record").unwrap();
            tell(format_args!("{id} {record}"));
        }
    }
}

#[test]
fn folders_are_synced_also_where_the_new_file_was_closed_before_its_first_error() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let (_, calls) = trace_of("evicted", &["-e", CALLS], &base.join("logs"));
    assert_eq!(synced_folders(&calls, None, "B made"), BTreeSet::new());
    assert_eq!(
        synced_folders(&calls, Some("B made"), "B first"),
        paths(
            &base,
            ["", "logs", "logs/A", "logs/B", "logs/A/.exlab-wizard", "logs/B/.exlab-wizard"]
        )
    );
    assert_eq!(synced_folders(&calls, Some("B first"), "B second"), BTreeSet::new());
}

/// A file made through one sink, by a record that is not durable, and the first ERROR through
/// another: as at a reload.
fn reloaded(root: &Path) {
    let scope = Scope::new("EQ").unwrap();
    sink(root).build().unwrap().write(&scope, Level::Info, b"record").unwrap();
    tell("made");
    sink(root).build().unwrap().write(&scope, Level::Error, b"record").unwrap();
    tell("error");
}

/// While the log is closed, it is moved away, and another sink makes a new file.
fn made_by_another(root: &Path) {
    let first = sink(root).max_open_files(1).build().unwrap();
    let write = |sink: &EquipmentSink, id: &str, level| {
        sink.write(&Scope::new(id).unwrap(), level, b"record").unwrap();
    };
    write(&first, "A", Level::Error);
    write(&first, "B", Level::Info);
    let log = log_of(root, "A");
    fs::rename(&log, log.with_extension("1")).unwrap();
    write(&sink(root).build().unwrap(), "A", Level::Info);
    tell("made");
    write(&first, "A", Level::Error);
    tell("error");
}

#[test]
fn the_folder_is_synced_also_where_another_sink_made_the_file_while_it_was_closed() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let (_, calls) = trace_of("made by another", &["-e", CALLS], &base.join("logs"));
    let synced = synced_folders(&calls, Some("made"), "error");
    assert_eq!(synced, paths(&base, ["logs", "logs/A", "logs/A/.exlab-wizard"]));
}

/// Another process has just begun the file: whether its entry is on disk, nobody knows.
fn rotated_by_another(root: &Path) {
    let log = log_of(root, "EQ");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "another's\n").unwrap();
    let sink = sink(root)
        .rotation(RotationConfig::new().limit(1000).keep(Keep::Files(2)))
        .build()
        .unwrap();
    error(&sink, "r0-0-");
    error(&sink, "r0-1-");
}

#[test]
fn a_rotated_log_s_folder_is_synced_also_where_another_process_began_the_file() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().join("logs");
    let (told, calls) = trace_of("rotated by another", &["-e", CALLS], &root);
    assert_eq!(told, ["ok r0-0-", "ok r0-1-"]);
    let folder = log_of(&root, "EQ").parent().unwrap().to_owned();
    let synced: Vec<_> =
        calls.iter().filter(|call| call.name == "fsync" && call.path() == Some(&folder)).collect();
    let first = calls.iter().find(|call| call.args.contains("told ok r0-0-")).unwrap();
    assert!(matches!(&synced[..], [sync] if sync.succeeded() && sync.ended < first.began));
}

#[test]
fn folders_are_synced_also_where_an_earlier_sink_made_them() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let (_, calls) = trace_of("reloaded", &["-e", CALLS], &base.join("logs"));
    assert_eq!(
        synced_folders(&calls, Some("made"), "error"),
        paths(&base, ["", "logs", "logs/EQ", "logs/EQ/.exlab-wizard"])
    );
}

/// Three files of which one may be open, synced by one call; then one closed, and all.
fn synced_at_last(root: &Path) {
    let sink = sink(root).max_open_files(1).build().unwrap();
    let scopes = ["A", "B", "C"].map(|id| Scope::new(id).unwrap());
    let log = || {
        for scope in &scopes {
            sink.write(scope, Level::Info, b"record").unwrap();
        }
    };
    log();
    tell("logged");
    sink.sync().unwrap();
    tell("synced");
    log();
    sink.close(scopes[0].equipment_id()).unwrap();
    tell("closed one");
    sink.close_all().unwrap();
    tell("closed all");
    sink.sync().unwrap();
    tell("nothing left");
}

/// A log that was rotated, and syncs of it: two threads' at once, and two later by a third.
fn synced_by_three(root: &Path) {
    let rotation = RotationConfig::new().limit(100).keep(Keep::All);
    let sink = sink(root).fsync_level(LevelFilter::Off).rotation(rotation).build().unwrap();
    let scope = Scope::new("EQ").unwrap();
    (0..2).for_each(|_| sink.write(&scope, Level::Info, [b'x'; 90]).unwrap());
    let sync = || match sink.sync() {
        Ok(()) => tell("synced"),
        Err(err) => tell(format_args!("{err}")),
    };
    thread::scope(|threads| {
        threads.spawn(sync);
        // By then the first is inside its sync of the rotated file, or else all is in order all the more.
        thread::sleep(Duration::from_millis(300));
        threads.spawn(sync);
    });
    (0..2).for_each(|_| sync());
}

/// What a call is syncing is not on disk yet, and after its failure it is not at all.
#[test]
fn a_sync_during_another_ones_sync_that_fails_syncs_the_rotated_file_itself() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    // Each thread's second: its first is that of the live file.
    let fault = "inject=fdatasync:error=EIO:delay_enter=1000000:when=2";
    let (told, calls) = trace_of("synced by three", &["-e", CALLS, "-e", fault], &base);
    let failed: Vec<bool> = told.iter().map(|line| line != "synced").collect();
    assert_eq!(failed, [true, true, true, false], "{told:?}");
    let [rotated] = rotated(&log_of(&base, "EQ")).try_into().unwrap();
    let of_it = calls.iter().filter(|call| call.name == "fdatasync");
    let of_it: Vec<bool> =
        of_it.filter(|call| call.path() == Some(&rotated)).map(|call| call.succeeded()).collect();
    assert_eq!(of_it, [false, false, false, true]);
}

/// An ERROR whose sync fails, so that it is written and synced again, and syncs of all.
fn an_error_before_a_sync(root: &Path) {
    let sink = sink(root).build().unwrap();
    let scope = Scope::new("EQ").unwrap();
    sink.write(&scope, Level::Info, b"before").unwrap();
    tell(sink.write(&scope, Level::Error, b"error").is_ok());
    tell(sink.sync().is_err_and(|err| err.is_sync()));
    tell(sink.sync().is_ok());
    sink.write(&scope, Level::Error, b"error").unwrap();
    tell(sink.close_all().is_ok());
}

/// The ERROR itself is on disk. What was written before it may not be.
#[test]
fn a_failed_sync_of_an_error_is_returned_by_the_next_sync_of_all() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let fault = "inject=fdatasync:error=EIO:when=1";
    let (told, _) = trace_of("an error before a sync", &["-e", CALLS, "-e", fault], dir.path());
    assert_eq!(told, ["true"; 4]);
}

#[test]
fn a_sync_of_all_covers_the_files_that_were_closed_to_make_room() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let (_, calls) = trace_of("synced at last", &["-e", CALLS], &base);
    let place = |told: &str| {
        let told = format!("\"told {told}\\n\"");
        calls.iter().position(|call| call.args.contains(&told)).unwrap_or_else(|| panic!("{told}"))
    };
    let synced = |from: &str, until: &str| -> BTreeSet<PathBuf> {
        let calls = calls[place(from)..place(until)].iter();
        let syncs = calls.filter(|call| call.name == "fdatasync" && call.succeeded());
        syncs.map(|call| call.path().unwrap().to_owned()).collect()
    };
    let logs = |ids: &[&str]| ids.iter().map(|id| log_of(&base, id)).collect::<BTreeSet<_>>();
    assert_eq!(synced("logged", "synced"), logs(&["A", "B", "C"]));
    assert_eq!(synced("synced", "closed one"), logs(&["A"]));
    assert_eq!(synced("closed one", "closed all"), logs(&["B", "C"]));
    assert_eq!(synced("closed all", "nothing left"), logs(&[]));
}

#[test]
fn a_folder_whose_sync_failed_is_synced_for_the_next_error() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["one by one", "one by one, queued"] {
        let options = ["-e", CALLS, "-e", "inject=fsync:error=EIO:when=2"];
        let (_dir, base, told, calls) = loop {
            let dir = tempdir().unwrap();
            let base = dir.path().canonicalize().unwrap();
            let (told, calls) = trace_of(role, &options, &base.join("logs"));
            let syncs = calls.iter().filter(|call| call.name == "fsync");
            // strace counts for each thread. Again, if a second writer took over from a slow one.
            if syncs.map(|call| call.thread).collect::<BTreeSet<_>>().len() == 1 {
                break (dir, base, told, calls);
            }
        };
        assert_eq!(told[..2], ["not r0-0-", "ok r0-1-"], "{role}");
        let after = synced_folders(&calls, Some("not r0-0-"), "ok r0-1-");
        // All of the way once more: what is kept of a log is that some folder of it is not synced.
        let all = paths(&base, ["", "logs", "logs/EQ", "logs/EQ/.exlab-wizard"]);
        assert_eq!(after, all, "{role}");
        // The record is in its file: it is not written again.
        assert_eq!(crate::support::lines(&log_of(&base.join("logs"), "EQ")).len(), 5, "{role}");
    }
}

/// No descriptor is synced again after a sync of it has failed; how many have failed.
fn assert_no_second_sync(calls: &[Call], log: &Path) -> usize {
    let mut failed = BTreeSet::new();
    for (call, descriptor) in calls.iter().zip(generations(calls)) {
        if call.name == "fdatasync" && call.path() == Some(log) {
            assert!(!failed.contains(&descriptor), "synced again after a failure: {call:?}");
            if !call.succeeded() {
                failed.insert(descriptor);
            }
        }
    }
    failed.len()
}

#[test]
fn after_a_failed_sync_the_record_is_written_and_synced_through_a_new_descriptor() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["one by one", "one by one, queued"] {
        let dir = tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("logs");
        let options = ["-e", CALLS, "-e", "inject=fdatasync:error=EIO:when=1"];
        let (told, calls) = trace_of(role, &options, &root);
        let log = log_of(&root, "EQ");
        // strace counts for each thread: a writer that takes over from a slow one has a first sync of its own.
        let failed = assert_no_second_sync(&calls, &log);
        assert!(failed == 1 || failed > 1 && role.ends_with("queued"), "{failed} failed");
        assert_eq!(assert_synced_before_told(&calls, &log), 5, "{told:?}");
        // The file was made by a record whose sync failed: its folders are owed still.
        let base = root.parent().unwrap();
        assert_eq!(
            synced_folders(&calls, None, "ok r0-1-"),
            paths(base, ["", "logs", "logs/EQ", "logs/EQ/.exlab-wizard"])
        );
    }
}

#[test]
fn nobody_who_waited_for_a_sync_that_failed_is_told_ok() {
    if lacks(&[Need::Strace]) {
        return;
    }
    // strace counts for each thread by itself: the first sync of each fails.
    for (role, faults) in [
        ("many threads", "inject=fdatasync:error=EIO:when=1"),
        ("many threads", "inject=fdatasync:error=EIO:when=3+4"),
        ("many threads, queued", "inject=fdatasync:error=EIO:when=2..3"),
    ] {
        let dir = tempdir().unwrap();
        let root = dir.path().join("logs");
        let (told, calls) = trace_of(role, &["-e", CALLS, "-e", faults], &root);
        let log = log_of(&root, "EQ");
        assert!(assert_no_second_sync(&calls, &log) > 0);
        let ok = assert_synced_before_told(&calls, &log);
        let not = told.iter().filter(|line| line.starts_with("not ")).count();
        assert_eq!(ok + not, 100, "{told:?}");
    }
}

#[test]
fn when_every_sync_fails_every_caller_is_told() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().join("logs");
    let (told, calls) =
        trace_of("one by one", &["-e", CALLS, "-e", "inject=fdatasync:error=EIO"], &root);
    assert_eq!(told, (0..5).map(|n| format!("not r0-{n}-")).collect::<Vec<_>>());
    // Once for each record, and once more through a new descriptor.
    assert_eq!(assert_no_second_sync(&calls, &log_of(&root, "EQ")), 10);
}

#[test]
fn what_was_told_ok_is_on_disk_though_the_disk_below_ext4_fails() {
    if lacks(&[Need::Root, Need::Tool("mkfs.ext4")]) {
        return;
    }
    fail_the_disk("mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0", 64);
}

#[test]
fn what_was_told_ok_is_on_disk_though_the_disk_below_xfs_fails() {
    if lacks(&[Need::Root, Need::Tool("mkfs.xfs")]) {
        return;
    }
    fail_the_disk("mkfs.xfs -q", 300);
}

/// Logs ERRORs to a file system that believes in more room than the disk below it has.
fn fail_the_disk(mkfs: &str, megabytes: u64) {
    let dir = tempdir().unwrap();
    let disk = Mount::tmpfs(&dir.path().join("disk"), "100m");
    let (image, root) = (dir.path().join("disk/image"), dir.path().join("root"));
    crate::support::image(mkfs, megabytes, &image);
    let mounted = Mount::image(&image, &root);

    let scope = Scope::new("EQ").unwrap();
    let sink = sink(&root).build().unwrap();
    // One block each: a loop device takes a write of which only a part fitted for a good one.
    let record = |n: usize| format!("{n} {:x<1$}", "", 4094 - n.to_string().len());
    let write = |n| sink.write(&scope, Level::Error, record(n).as_bytes());
    write(0).unwrap();
    disk.leave_room(1 << 20);
    let results: Vec<_> = (1..500).map(write).collect();
    assert!(sink.stats().total.sync_failures > 0, "the disk never failed: {results:?}");

    // What the page cache still has is not on disk: look at the disk.
    drop(sink);
    mounted.unmount();
    disk.leave_room(100 << 20);
    let _mounted = Mount::image(&image, &root);
    let file = fs::read(log_of(&root, "EQ")).unwrap();
    let lines: BTreeSet<&[u8]> = file.split(|b| *b == b'\n').collect();
    for (n, result) in (1..500).zip(&results) {
        let there = lines.contains(record(n).as_bytes());
        assert!(there || result.is_err(), "{n} was acknowledged and is not on disk");
    }
}

/// Ten ERRORs from each of 16 threads to one file.
fn sixteen_threads(sink: &EquipmentSinkBuilder) {
    let sink = sink.clone().build().unwrap();
    let start = std::sync::Barrier::new(16);
    thread::scope(|threads| {
        for thread in 0..16 {
            let (sink, start) = (&sink, &start);
            threads.spawn(move || {
                start.wait();
                (0..10).for_each(|n| error(sink, &format!("r{thread}-{n}-")));
            });
        }
    });
}

#[test]
fn sixteen_threads_share_their_syncs_eight_records_to_each_or_more() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().join("logs");
    // So slow that every thread writes its next record meanwhile, on a busy machine too.
    let slow = ["-e", CALLS, "-e", "inject=fdatasync:delay_enter=250000"];
    for role in ["sixteen threads", "sixteen threads, queued"] {
        let root = root.join(role);
        let (_, calls) = trace_of(role, &slow, &root);
        assert_eq!(assert_synced_before_told(&calls, &log_of(&root, "EQ")), 160);
        let syncs = calls.iter().filter(|call| call.name == "fdatasync").count();
        assert!(syncs <= 160 / 8, "{syncs} syncs for 160 records");
    }
}

/// ERRORs that are queued, and the end of the program.
fn without_waiting(root: &Path) {
    let queue = QueueConfig::new().durable(WhenDurable::Continue);
    let sink = sink(root).queue(queue).build().unwrap();
    (0..3).for_each(|n| error(&sink, &format!("r0-{n}-")));
    drop(sink);
    tell("end");
}

#[test]
fn an_error_that_nobody_waits_for_is_synced_at_once_all_the_same() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().join("logs");
    let slow = ["-e", CALLS, "-e", "inject=fdatasync:delay_enter=1000000"];
    let (_, calls) = trace_of("without waiting", &slow, &root);
    let log = log_of(&root, "EQ");
    let told = |what: &str| calls.iter().find(|call| call.args.contains(what)).unwrap();
    let syncs: Vec<_> = calls.iter().filter(|call| call.name == "fdatasync").collect();
    // The calls returned before the first sync had ended; the last one covered the last record.
    assert!(told("told ok r0-2-").ended < syncs[0].ended, "a call waited");
    let last_write =
        calls.iter().rfind(|call| call.name == "write" && call.path() == Some(&log)).unwrap();
    let last = syncs.last().unwrap();
    assert!(
        last.succeeded() && last_write.ended < last.began && last.ended < told("told end").began
    );
}
