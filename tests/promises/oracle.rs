//! The promise, judged from outside: each ERROR that was acknowledged had been written, and its file synced after
//! that with success, through the same descriptor, and the folder of its file too where the file was new. The program
//! rotates, somebody deletes its log, and syncs fail.
//!
//! Linux only: the judge reads strace's output.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::thread;

use crate::support::trace::{self, generations, Call};
use crate::support::{child, lacks, log_of, sink, tell, Need, Running, StopFlag};
use equipment_log::{Keep, QueueConfig, RotationConfig, Scope};
use log::Level;
use tempfile::tempdir;

const THREADS: usize = 3;
const RECORDS: usize = 40;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let mut builder = sink(&root).rotation(RotationConfig::new().limit(1_000).keep(Keep::All));
    if role == "queued" {
        builder = builder.queue(QueueConfig::new());
    }
    let sink = builder.build().unwrap();
    let (scope, log, stop) = (Scope::new("EQ").unwrap(), log_of(&root, "EQ"), StopFlag::default());
    thread::scope(|threads| {
        let stopper = stop.stop_on_drop();
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (sink, scope) = (&sink, &scope);
                threads.spawn(move || {
                    for n in 0..RECORDS {
                        let info = format!("info {thread}-{n}-");
                        let _ = sink.write(scope, Level::Info, info.as_bytes());
                        let record = format!("r{thread}-{n}- {}", "x".repeat(80));
                        match sink.write(scope, Level::Error, record.as_bytes()) {
                            Ok(()) => tell(format_args!("ok r{thread}-{n}-")),
                            Err(err) => tell(format_args!("not r{thread}-{n}-: {err}")),
                        }
                    }
                })
            })
            .collect();
        // Somebody who tidies up, every now and then.
        threads.spawn(|| {
            while !stop.is_set() {
                let _ = fs::remove_file(&log);
                thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        drop(stopper);
    });
    sink.flush();
    let stats = sink.stats();
    let total = stats.total;
    assert_eq!(
        total.written + total.lost + stats.skipped + stats.refused,
        (THREADS * RECORDS * 2) as u64,
        "{stats}"
    );
    tell(format_args!("syncs failed {}", total.sync_failures));
}

/// Takes the log's name away from its file.
fn takes_the_name(call: &Call, log: &Path) -> bool {
    let name = log.file_name().unwrap().to_str().unwrap();
    let is_name =
        call.args.contains(&format!("{name}\"")) || call.args.contains(log.to_str().unwrap());
    (call.name.starts_with("unlink") || call.name.starts_with("rename"))
        && is_name
        && call.succeeded()
}

/// Judges each "told ok"; how many there were.
fn judge(calls: &[Call], log: &Path) -> usize {
    let generations = generations(calls);
    let folder = log.parent().unwrap();
    let told: Vec<(&Call, &str)> = calls
        .iter()
        .filter_map(|call| Some((call, call.args.split_once("\"told ok ")?.1.split_once("\\n")?.0)))
        .collect();
    for (told, record) in &told {
        let through_and_when = |name: &'static str| {
            let calls = calls.iter().zip(&generations);
            calls.filter(move |(call, _)| call.name == name && call.succeeded())
        };
        let synced = through_and_when("write")
            .filter(|(write, _)| write.args.contains(record))
            .find(|(write, through)| {
                through_and_when("fdatasync").any(|(sync, of)| {
                    of == *through && write.ended < sync.began && sync.ended < told.began
                })
            });
        let Some((write, _)) = synced else {
            panic!("{record} was acknowledged before its file was synced");
        };
        // When the name was free last before the write: the file that has it now is newer, and so is its entry.
        let freed =
            calls.iter().filter(|call| takes_the_name(call, log) && call.ended < write.began);
        let freed = freed.map(|call| call.ended).max().unwrap_or(0);
        let made = calls.iter().find(|call| {
            call.name.starts_with("open")
                && call.began >= freed
                && call.args.contains("O_CREAT")
                && call.args.contains("wizard.h.log\"")
                && call.succeeded()
        });
        // Written through a descriptor from before the name was freed: its entry was synced then, or is gone.
        let Some(made) = made.filter(|made| made.ended < write.began) else { continue };
        let folder_synced = calls.iter().any(|call| {
            call.name == "fsync"
                && call.path() == Some(folder)
                && call.succeeded()
                && made.ended < call.began
                && call.ended < told.began
        });
        assert!(
            folder_synced,
            "{record} was acknowledged before the folder of its file was synced"
        );
    }
    told.len()
}

#[test]
fn each_acknowledged_error_was_on_disk_before() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["direct", "queued"] {
        let dir = tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("logs");
        let log = log_of(&root, "EQ");
        let out = dir.path().join("trace");
        let options = [
            "-e",
            "trace=openat,openat2,close,write,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat",
            "-e",
            "inject=fdatasync:error=EIO:when=3+5",
        ];
        let child = child!(role, &root);
        let told = Running::start(&mut trace::traced(&options, &out, &child)).finish();
        let calls = trace::read(&out);
        let judged = judge(&calls, &log);
        let failed: u64 = told.last().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(judged > THREADS * RECORDS / 2, "{role}: {judged} were acknowledged: {told:?}");
        assert!(failed > 3, "{role}: {failed} syncs failed");
        let gone = calls.iter().filter(|call| takes_the_name(call, &log)).count();
        assert!(gone > 3, "{role}: the log went away {gone} times");
    }
}
