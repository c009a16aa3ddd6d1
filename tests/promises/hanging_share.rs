//! While a share hangs, the program goes on, all at once: an edit of its configuration is taken, also one that makes a
//! new sink; `stats()` returns; other equipment is written; and `main` ends within `drain_timeout`, with what is missing
//! reported.
//!
//! Linux only: a file system is frozen with fsfreeze.
#![cfg(all(target_os = "linux", feature = "log4rs"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::stalled::{Stallable, HANGS};
use crate::support::{
    child, lacks, log4rs_yaml_with_central, log_path, messages, put_in_place, role, tell, told,
    until, within, Need, Running,
};
use equipment_log::log4rs::Setup;
use equipment_log::Scope;

/// Longer than a `drain_timeout` of 2 s takes on any machine, and shorter than the hang, which does not end by itself.
const IN_TIME: Duration = Duration::from_secs(60);

/// Writes the configuration of an edit. What its own appender of log4rs writes to.
fn configure(root: &Path, edit: usize, keys: &str) -> PathBuf {
    let central = root.join(format!("central-{edit}.log"));
    let text = log4rs_yaml_with_central(root, &format!("    {keys}"), &central);
    put_in_place(&root.join("log4rs.yaml"), &text);
    central
}

fn log(id: &str, n: usize) {
    Scope::new(id).unwrap().run(|| log::info!("{n}"));
}

#[test]
fn child_plays_its_role() {
    let Some((_, root)) = role() else { return };
    let queue = |limit: &str| format!("queue: {{drain_timeout: 2 s, limit: {limit}}}");
    configure(&root, 0, &queue("8 mb"));
    let report = |err: &equipment_log::Error| {
        // A warning that is true on a machine with many times the load.
        if !err.to_string().contains("its file system does not answer within") {
            tell(format_args!("report: {err}"));
        }
    };
    let handle = Setup::new(root.join("log4rs.yaml")).on_error(report).init().unwrap();
    log("SLOW", 0);
    handle.flush();
    tell("ready");
    told().next();
    (1..=5).for_each(|n| log("SLOW", n));
    // The sink is kept, and then another takes its place.
    let edits = [format!("{}\n    precision: millis", queue("8 mb")), queue("4 mb")];
    for (edit, keys) in (1..).zip(edits) {
        let central = configure(&root, edit, &keys);
        until("the edit is taken", || {
            log("GOOD", edit);
            fs::metadata(&central).is_ok_and(|file| file.len() > 0)
        });
        tell(format_args!("edit {edit} is taken"));
    }
    (6..=7).for_each(|n| log("SLOW", n));
    Scope::new("GOOD").unwrap().run(|| log::error!("on disk"));
    let sinks = handle.sinks();
    let written: u64 = sinks.iter().map(|sink| sink.stats().equipment["SLOW"].written).sum();
    tell(format_args!("stats: {} sinks, {written} written of SLOW", sinks.len()));
    drop(sinks);
    let begun = Instant::now();
    drop(handle);
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    tell("the last line of main");
}

/// How many records of SLOW a report says are not written; none where it is no such report.
fn not_written(report: &str) -> Option<usize> {
    let (before, _) = report.split_once(" of SLOW/")?;
    before.split_once("not written of what is queued: ")?.1.parse().ok()
}

#[test]
fn while_a_share_hangs_the_program_is_edited_counted_and_ended() {
    if lacks(&[Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")]) {
        return;
    }
    let stallable = Stallable::new();
    let root = stallable.root.clone();
    let mut running = Running::start(&mut child!("goes on", &root));
    assert_eq!(running.told().as_deref(), Some("ready"));
    let frozen = stallable.freeze();
    running.tell("it hangs");
    let (mut running, told) = within(HANGS, move || {
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "the last line of main") {
            told.push(running.told().unwrap_or_else(|| panic!("it ended after {told:?}")));
        }
        (running, told)
    });
    let slow = messages(&log_path(&root, "SLOW"));
    // The process itself may remain until the kernel lets its threads go. First of all, since what fails waits for it.
    drop(frozen);
    assert!(running.process.wait().unwrap().success());
    assert_eq!(slow, ["0"], "nothing hung");
    assert!(messages(&log_path(&root, "GOOD")).contains(&"on disk".to_owned()));
    // A report comes from a thread of its own.
    let (reports, rest): (Vec<_>, Vec<_>) = told.iter().partition(|it| it.starts_with("report: "));
    let expected = [
        "edit 1 is taken",
        "edit 2 is taken",
        "stats: 2 sinks, 1 written of SLOW",
        "the last line of main",
    ];
    assert_eq!(rest, expected, "{reports:?}");
    let missing: Vec<_> = reports.iter().filter_map(|report| not_written(report)).collect();
    assert_eq!(missing.len(), reports.len(), "{reports:?}");
    assert_eq!(missing.iter().sum::<usize>(), 7, "{reports:?}");
}
