//! What the kernel answers is understood: an interruption is no loss, a file system without a sync is no failure, a
//! lease is waited for, and a descriptor that is of no more use is let go.
//!
//! Linux only: faults are injected by strace.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::trace::{self, Call};
use crate::support::{by_size, child, lacks, lines, log_of, missing, sink, tell, Need, Running};
use equipment_log::{QueueConfig, Scope};
use log::Level;
use tempfile::tempdir;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let builder = match role.as_str() {
        "direct" => sink(&root),
        "queued" => sink(&root).queue(QueueConfig::new()),
        // Each record begins a new file.
        "rotated" => sink(&root).rotation(by_size(10, 100)),
        role => panic!("unknown role {role}"),
    };
    let sink = builder.build().unwrap();
    let scope = Scope::new("EQ").unwrap();
    for n in 0..6 {
        let level = [Level::Error, Level::Info][n % 2];
        let result = sink.write(&scope, level, format!("record {n}").as_bytes());
        sink.flush();
        match result {
            Ok(()) => tell(format_args!("ok {n}")),
            Err(err) => tell(format_args!("{n}: {err}")),
        }
    }
    let total = sink.stats().total;
    assert_eq!(total.written + total.lost, 6, "{total}");
    let [lost, reopened, syncs] = [total.lost, total.reopened, total.syncs];
    tell(format_args!("lost={lost} reopened={reopened} syncs={syncs}"));
}

/// Six records, ERROR and INFO in turn, with a fault: what the child told, and its calls.
fn with_fault(
    role: &str,
    root: &Path,
    fault: &str,
    only: Option<&Path>,
) -> (Vec<String>, Vec<Call>) {
    let out = tempfile::NamedTempFile::new().unwrap();
    let inject = format!("inject={fault}");
    let mut options = vec!["-e", "trace=openat,openat2,write,fsync,fdatasync", "-e", &inject];
    if let Some(only) = only {
        options.extend(["-P", only.to_str().unwrap()]);
    }
    let mut traced = trace::traced(&options, out.path(), &child!(role, root));
    let told = Running::start(&mut traced).finish();
    (told, trace::read(out.path()))
}

fn six_records() -> Vec<Vec<u8>> {
    (0..6).map(|n| format!("record {n}").into_bytes()).collect()
}

const ALL_OK: [&str; 7] =
    ["ok 0", "ok 1", "ok 2", "ok 3", "ok 4", "ok 5", "lost=0 reopened=0 syncs=3"];

/// A folder on CIFS, vboxsf or FUSE cannot be synced; some file systems cannot sync a file.
#[test]
fn a_file_system_without_a_sync_is_no_failure_and_no_record_is_written_twice() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["direct", "queued"] {
        for fault in ["fsync:error=EINVAL", "fsync:error=ENOSYS", "fdatasync:error=EOPNOTSUPP"] {
            let dir = tempdir().unwrap();
            let (told, calls) = with_fault(role, dir.path(), fault, None);
            assert_eq!(told[..6], ALL_OK[..6], "{role} {fault}");
            // What was not synced is not counted as if it were.
            let syncs = if fault.starts_with("fdatasync") { 0 } else { 3 };
            assert_eq!(told[6], format!("lost=0 reopened=0 syncs={syncs}"), "{role} {fault}");
            assert_eq!(lines(&log_of(dir.path(), "EQ")), six_records(), "{role} {fault}");
            let injected = |call: &&Call| call.result.contains("INJECTED");
            assert!(calls.iter().any(|call| injected(&call)), "{fault} was not felt");
        }
    }
}

#[test]
fn an_interrupted_call_is_made_again_and_no_record_is_lost() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for fault in [
        "openat2:error=EINTR:when=1+2",
        "mkdirat:error=EINTR:when=1+2",
        "fsync:error=EINTR:when=1+2",
        "fdatasync:error=EINTR:when=1+2",
    ] {
        let dir = tempdir().unwrap();
        let root = dir.path().join("root");
        assert_eq!(with_fault("direct", &root, fault, None).0, ALL_OK, "{fault}");
        assert_eq!(lines(&log_of(&root, "EQ")), six_records(), "{fault}");
    }
    // Of the log alone: the child writes what it tells, too.
    for fault in ["write:error=EINTR:when=1+2", "statx:error=EINTR:when=1+2"] {
        let dir = tempdir().unwrap();
        let log = log_of(dir.path(), "EQ");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write(&log, "").unwrap();
        assert_eq!(with_fault("direct", dir.path(), fault, Some(&log)).0, ALL_OK, "{fault}");
        assert_eq!(lines(&log), six_records(), "{fault}");
    }
}

/// After a share came back, the old descriptor is stale for ever, and the path leads to a good file.
#[test]
fn a_write_that_says_the_descriptor_is_gone_lets_it_go_and_the_next_record_opens_the_path() {
    if lacks(&[Need::Strace]) {
        return;
    }
    for role in ["direct", "queued"] {
        for error in ["EIO", "ESTALE", "ENOTCONN"] {
            let fault = format!("write:error={error}:when=2");
            let (_dir, log, told) = loop {
                let dir = tempdir().unwrap();
                let log = log_of(dir.path(), "EQ");
                fs::create_dir_all(log.parent().unwrap()).unwrap();
                fs::write(&log, "").unwrap();
                let (told, calls) = with_fault(role, dir.path(), &fault, Some(&log));
                // strace counts for each thread. Again, if a second writer took over from a slow one.
                if calls.iter().all(|call| call.thread == calls[0].thread) {
                    break (dir, log, told);
                }
            };
            assert!(told[6].starts_with("lost=1 reopened=1 "), "{role} {error}: {told:?}");
            let found = lines(&log);
            assert_eq!(found[0], b"record 0");
            let shown: Vec<_> = found.iter().map(|line| crate::support::shown(line)).collect();
            assert_eq!(missing(&found[1]), Some(1), "{role} {error}: {shown:?}");
            assert_eq!(found[2..], six_records()[2..], "{role} {error}");
        }
    }
}

#[test]
fn a_path_that_answers_as_one_of_a_share_that_is_gone_is_opened_again() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    // The third record is durable: it looks at the path first.
    let (told, _) = with_fault("direct", dir.path(), "statx:error=ESTALE:when=4", Some(&log));
    assert_eq!(told[..6], ALL_OK[..6]);
    assert!(told[6].starts_with("lost=0"), "{told:?}");
    assert_eq!(lines(&log), six_records());
}

/// Holds a lease on the log, and gives it up when it is asked to, or never.
const LEASE: &str = "
import fcntl, os, signal, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
def asked(number, frame):
    if sys.argv[2] == 'gives way':
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
signal.signal(signal.SIGIO, asked)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
print('told held', flush=True)
while True: time.sleep(60)
";

#[test]
fn a_lease_is_waited_for_and_not_for_ever() {
    if lacks(&[Need::Tool("python3")]) {
        return;
    }
    // A busy machine may keep the holder from giving way within the second: not each time.
    assert!((0..10).any(|_| is_written_beside_a_lease("gives way")));
    assert!(!is_written_beside_a_lease("stays"));
}

/// Whether a record is written to a log on which another process holds a lease.
fn is_written_beside_a_lease(way: &str) -> bool {
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    let mut holder = Command::new("python3");
    holder.args(["-c", LEASE, log.to_str().unwrap(), way]);
    holder.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = Running::start(&mut holder);
    assert_eq!(holder.told().as_deref(), Some("held"));
    let sink = sink(dir.path()).build().unwrap();
    let result = sink.write(&Scope::new("EQ").unwrap(), Level::Info, b"record");
    assert_eq!(sink.stats().total.lost, u64::from(result.is_err()));
    result.is_ok()
}

/// Laboratories share folders by a group: what is made below must be of the folder's group.
#[test]
fn a_folder_gets_the_set_group_id_bit_that_is_configured() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("root");
    for follow_links in [false, true] {
        let id = format!("EQ{follow_links}");
        let sink = sink(&root).dir_mode(0o2775).follow_links(follow_links).build().unwrap();
        sink.write(&Scope::new(&id).unwrap(), Level::Info, b"record").unwrap();
        for folder in [&root, &root.join(&id), log_of(&root, &id).parent().unwrap()] {
            let mode = fs::metadata(folder).unwrap().permissions().mode() & 0o7000;
            assert_eq!(mode, 0o2000, "{}", folder.display());
        }
    }
}

/// As long as nothing changes, a second try is enough to see that.
#[test]
fn what_is_in_the_way_of_a_log_is_not_tried_again_and_again() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let file = |log: &Path| fs::write(log.parent().unwrap(), "").unwrap();
    let link = |log: &Path| {
        fs::create_dir(log.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("gone", log).unwrap();
    };
    for (put, words) in [(&file as &dyn Fn(&Path), "Not a directory"), (&link, "leads to nothing")]
    {
        let dir = tempdir().unwrap();
        let log = log_of(dir.path(), "EQ");
        fs::create_dir(dir.path().join("EQ")).unwrap();
        put(&log);
        let (told, calls) = with_fault("direct", dir.path(), "fsync:error=EINVAL:when=1", None);
        assert!(told[0].contains(words), "{told:?}");
        let is_open =
            |call: &&Call| call.name.starts_with("open") && call.args.contains("wizard.h.log");
        let opens = calls.iter().filter(is_open).count();
        assert!((6..=6 * 2 * 2).contains(&opens), "{opens} opens for six records");
    }
}

/// The folder is opened, too, when a log is rotated.
#[test]
fn a_rotation_waits_for_a_descriptor() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let mut reached = 0;
    // Each of the first openings once.
    for call in 1..=16 {
        let dir = tempdir().unwrap();
        let root = dir.path().join("logs");
        let (told, calls) =
            with_fault("rotated", &root, &format!("openat2:error=EMFILE:when={call}"), None);
        reached += usize::from(calls.iter().any(|call| call.result.contains("INJECTED")));
        assert_eq!(told[..6], (0..6).map(|n| format!("ok {n}")).collect::<Vec<_>>(), "{call}");
        assert!(told[6].starts_with("lost=0 "), "{call}: {told:?}");
    }
    assert!(reached > 10, "{reached} of the openings failed");
}
