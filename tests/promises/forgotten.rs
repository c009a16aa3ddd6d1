//! A log that is closed is forgotten, and `sync()` still covers what was written to it, wherever its folder is then.
//!
//! Linux only: the order of system calls is strace's word.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::{child, lacks, log_of, sink, tell, trace, until, Fuse, Mount, Need, Running};
use equipment_log::{EquipmentSink, EquipmentSinkBuilder, RotationConfig, Scope};
use log::Level;
use tempfile::tempdir;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    match role.as_str() {
        "moved" => moved(&root),
        "closed at once" => at_once(&root, |sink, id| sink.close(&id.parse().unwrap()).unwrap()),
        "synced at once" => at_once(&root, |sink, _| sink.sync().unwrap()),
        "of another" => of_another(&root),
        "failed" => failed(&root),
        "alone" => alone_on_fuse(&root),
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

/// Two logs that are forgotten, each on its own file system; then one call for each.
fn at_once(root: &Path, call: fn(&EquipmentSink, &str)) {
    let sink = forgetting(root).build().unwrap();
    ["EQ_A", "EQ_B"].iter().for_each(|id| write(&sink, id));
    until_forgotten(&sink);
    tell("forgotten");
    thread::scope(|threads| {
        for id in ["EQ_A", "EQ_B"] {
            let sink = &sink;
            threads.spawn(move || call(sink, id));
        }
    });
    tell("synced");
}

/// A file system that hangs holds up neither another one's sync nor the `close` of equipment that has no log on it.
#[test]
fn the_syncs_of_two_file_systems_do_not_wait_for_each_other() {
    if lacks(&[Need::Strace, Need::Root]) {
        return;
    }
    for role in ["closed at once", "synced at once"] {
        let dir = tempdir().unwrap();
        let _mount = Mount::tmpfs(&dir.path().join("EQ_A"), "1m");
        let slow = "inject=syncfs:delay_enter=2s";
        let calls = trace_of(role, &["-e", "trace=syncfs,write", "-e", slow], dir.path());
        let [first, second] = between(&calls, "forgotten", "synced", "syncfs").try_into().unwrap();
        assert!(first.began < second.ended && second.began < first.ended, "{role}");
        assert_ne!(first.path(), second.path(), "{role}");
    }
}

/// A log that is forgotten, and the `close` of other equipment, which may have rotated files of its own.
fn of_another(root: &Path) {
    let sink = forgetting(root).rotation(RotationConfig::new().limit(1 << 20)).build().unwrap();
    write(&sink, "EQ_A");
    until_forgotten(&sink);
    tell("forgotten");
    let other = Scope::new("EQ_B").unwrap();
    sink.write(&other, Level::Info, b"record").unwrap();
    sink.close(other.equipment_id()).unwrap();
    tell("closed");
    sink.close(&"EQ_A".parse().unwrap()).unwrap();
    tell("closed too");
}

#[test]
fn a_close_syncs_no_file_system_for_the_forgotten_logs_of_other_equipment() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let calls = trace_of("of another", &["-e", "trace=syncfs,write"], dir.path());
    assert_eq!(between(&calls, "forgotten", "closed", "syncfs").len(), 0);
    assert_eq!(between(&calls, "closed", "closed too", "syncfs").len(), 1);
}

/// An ERROR whose first sync fails, and then the log is forgotten. `close` of other equipment, and then of its own; once
/// more, with a record between; and once more, with `sync`.
fn failed(root: &Path) {
    let sink = forgetting(root).build().unwrap();
    let closed = |id: &str| sink.close(&id.parse().unwrap()).is_ok();
    for (id, is_known_again) in [("EQ_A", false), ("EQ_B", true)] {
        write(&sink, id);
        sink.write(&Scope::new(id).unwrap(), Level::Error, b"error").unwrap();
        until_forgotten(&sink);
        let scope = Scope::new(id).unwrap();
        if is_known_again {
            sink.write(&scope, Level::Info, b"record").unwrap();
        }
        tell(format_args!("{} {} {}", closed("OTHER"), closed(id), closed(id)));
    }
    assert_eq!(sink.stats().total.sync_failures, 2);
}

#[test]
fn the_failed_sync_of_a_forgotten_log_is_returned_by_a_close_of_its_equipment() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let out = tempfile::NamedTempFile::new().unwrap();
    // The first sync of each log: each ERROR is written again, and synced by a second one.
    let options = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1..3+2"];
    let mut traced = trace::traced(&options, out.path(), &child!("failed", &root));
    assert_eq!(Running::start(&mut traced).finish(), ["true false true"; 2]);
}

/// A link that leads out has the name of the folder now. The file system has other folders.
#[test]
fn a_link_in_the_place_of_a_folder_fails_no_sync() {
    let (dir, archive) = (tempdir().unwrap(), tempdir().unwrap());
    let sink = forgetting(dir.path()).build().unwrap();
    let a = dir.path().join("EQ_A");
    write(&sink, "EQ_A");
    until_forgotten(&sink);
    fs::remove_dir_all(&a).unwrap();
    std::os::unix::fs::symlink(archive.path(), &a).unwrap();
    sink.close(&"EQ_B".parse().unwrap()).unwrap();
    sink.sync().unwrap();
    sink.close_all().unwrap();
}

/// The least severe record of a log on a FUSE file system. The log is forgotten, and then its equipment is closed twice.
fn alone_on_fuse(root: &Path) {
    let sink = forgetting(root).build().unwrap();
    write(&sink, "EQ");
    until_forgotten(&sink);
    tell("forgotten");
    let closed = |id: &str| sink.close(&id.parse().unwrap()).is_ok();
    tell(format_args!("{} {} {}", closed("OTHER"), closed("EQ"), closed("EQ")));
    tell(sink.sync().is_ok());
    tell(sink.stats().total.sync_failures);
}

/// syncfs(2) does not reach the daemon: the file is synced before its log is forgotten, and a failure is reported.
#[test]
fn a_log_on_fuse_is_synced_before_it_is_forgotten() {
    if lacks(&[Need::Strace, Need::Root, Need::Tool("mergerfs")]) {
        return;
    }
    let dir = tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let _fuse = Fuse::mount(&dir.join("source"), &dir.join("mount"));
    for (fault, told, folders_to_sync) in [
        ("inject=fdatasync:error=EINTR:when=1", ["forgotten", "true true true", "true", "0"], 3),
        ("inject=fdatasync:error=EIO:when=1", ["forgotten", "true false true", "true", "1"], 0),
    ] {
        let out = tempfile::NamedTempFile::new().unwrap();
        let options = ["-e", "trace=fsync,fdatasync,write", "-e", fault];
        let child = child!("alone", &dir.join("mount"));
        let traced = Running::start(&mut trace::traced(&options, out.path(), &child)).finish();
        assert_eq!(traced, told);
        let calls = trace::read(out.path());
        let synced = calls.iter().position(|call| call.name == "fdatasync").unwrap();
        let forgotten = calls.iter().position(|call| call.args.contains("told forgotten"));
        assert_eq!(calls[synced].path(), Some(&*log_of(&dir.join("mount"), "EQ")));
        assert!(synced < forgotten.unwrap());
        // Only the first child made the file and its folders.
        let folders = calls[..forgotten.unwrap()].iter().filter(|call| call.name == "fsync");
        assert_eq!(folders.count(), folders_to_sync);
    }
}
