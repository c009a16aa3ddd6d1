//! A log that is closed is forgotten, and `sync()` still covers what was written to it, wherever its folder is then.
//!
//! Linux only: the order of system calls is strace's word.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{child, lacks, sink, tell, trace, until, Mount, Need, Running};
use equipment_log::{EquipmentSink, EquipmentSinkBuilder, Scope};
use log::Level;
use tempfile::tempdir;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    match role.as_str() {
        "moved" => moved(&root),
        role => panic!("unknown role {role}"),
    }
}

fn forgetting(root: &Path) -> EquipmentSinkBuilder {
    sink(root).idle_timeout(Duration::from_millis(40))
}

fn write(sink: &EquipmentSink, id: &str) {
    sink.write(&Scope::new(id).unwrap(), Level::Info, b"record").unwrap();
}

/// Returns when no log is known.
fn until_forgotten(sink: &EquipmentSink) {
    until("the logs are forgotten", || format!("{sink:?}").contains("logs: 0,"));
}

/// Runs a role under strace, with these options.
fn trace_of(role: &str, options: &[&str], root: &Path) -> Vec<trace::Call> {
    let out = tempfile::NamedTempFile::new().unwrap();
    Running::start(&mut trace::traced(options, out.path(), &child!(role, root))).finish();
    trace::read(out.path())
}

/// The calls of one name between two words that were told.
fn between<'a>(
    calls: &'a [trace::Call],
    from: &str,
    until: &str,
    name: &'a str,
) -> Vec<&'a trace::Call> {
    let place = |told: &str| {
        let told = format!("\"told {told}\\n\"");
        calls.iter().position(|call| call.args.contains(&told)).unwrap_or_else(|| panic!("{told}"))
    };
    let calls = calls[place(from)..place(until)].iter();
    calls.filter(|call| call.name == name && call.succeeded()).collect()
}

fn moved(root: &Path) {
    let sink = forgetting(root).build().unwrap();
    ["EQ_A", "EQ_B"].iter().for_each(|id| write(&sink, id));
    until_forgotten(&sink);
    fs::rename(root.join("EQ_A"), root.join("ARCHIVED")).unwrap();
    tell("moved");
    sink.sync().unwrap();
    tell("synced");
}

/// The folder of the first log that was forgotten was moved away: the file system has other folders.
#[test]
fn a_sync_covers_a_file_system_though_a_folder_on_it_was_moved() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let calls = trace_of("moved", &["-e", "trace=syncfs,write"], dir.path());
    assert_eq!(between(&calls, "moved", "synced", "syncfs").len(), 1);
}

/// The mount point is there, and is not on the file system of the logs.
#[test]
fn a_sync_reports_once_that_a_file_system_is_gone() {
    if lacks(&[Need::Root]) {
        return;
    }
    let dir = tempdir().unwrap();
    let folder = dir.path().join("EQ");
    let mount = Mount::tmpfs(&folder, "1m");
    let sink = forgetting(dir.path()).build().unwrap();
    write(&sink, "EQ");
    until_forgotten(&sink);
    mount.unmount();
    let err = sink.sync().unwrap_err();
    assert!(err.is_sync(), "{err}");
    assert!(err.to_string().contains("EQ/.exlab-wizard"), "{err}");
    sink.sync().unwrap();
}
