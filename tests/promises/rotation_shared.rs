//! The promise: where several processes rotate the same log, one renames and the others follow: each
//! writer's records stand in order, whole, once, in the files that are kept.
//!
//! Linux only: the processes are this test binary again; the rest of rotation runs everywhere.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use equipment_log::{Compress, EquipmentSink, Every, QueueConfig, RotationConfig, Scope, Stats};
use log::Level;
use tempfile::tempdir;

use crate::support::{
    all_lines, alone, beside, by_size, child, lacks, log_of, rotated, rotated_suffixes, sink, tell,
    text_of, trace, until, Need, Running,
};

const THREADS: u64 = 2;
const LIMIT: u64 = 64 << 10;

/// A record's length, with its end: `0 0 0000000`, and what makes it as long as an ordinary one.
const RECORD: u64 = 82;

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    if role == "sync" {
        return sync_what_others_rotated(&root);
    }
    let (process, records) = (crate::support::number("PROCESS"), crate::support::number("RECORDS"));
    let rotation = match crate::support::number("KEEP") as u32 {
        0 => RotationConfig::new().limit(LIMIT),
        keep => by_size(LIMIT, keep),
    };
    let each_second =
        |rotation: RotationConfig| rotation.every(Every::Second).compress(Compress::Gzip);
    let sink = sink(&root);
    let sink = match role.as_str() {
        "compressed" => sink.rotation(each_second(rotation)),
        "compressed and queued" => sink.rotation(each_second(rotation)).queue(QueueConfig::new()),
        _ => sink.rotation(rotation),
    };
    let sink = sink.build().unwrap();
    tell("ready");
    let _ = crate::support::told().next();
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (sink, role) = (&sink, &role);
            threads.spawn(move || {
                let scope = Scope::new("EQ").unwrap();
                for n in 0..records {
                    let level = match role.as_str() {
                        "some durable" if n % 100 == 0 => Level::Error,
                        _ => Level::Info,
                    };
                    sink.write(&scope, level, record(process, thread, n)).unwrap();
                }
            });
        }
    });
    sink.close_all().unwrap();
    let Stats { total, .. } = sink.stats();
    assert_eq!((total.lost, total.rotation_failures, total.upkeep_failures), (0, 0, 0), "{total}");
    tell(total.rotated);
}

fn record(process: u64, thread: u64, n: u64) -> Vec<u8> {
    format!("{process} {thread} {n:07} {}", "x".repeat(69)).into_bytes()
}

/// Processes of two threads that each log this many records; how often they rotated.
fn log_together(role: &str, root: &Path, processes: u64, records: u64, keep: u32) -> u64 {
    let children = (0..processes).map(|process| {
        let mut child = child!(role, root);
        child.env("PROCESS", process.to_string());
        child.env("RECORDS", records.to_string()).env("KEEP", keep.to_string());
        Running::start(&mut child)
    });
    let mut children: Vec<_> = children.collect();
    children.iter_mut().for_each(|child| assert_eq!(child.told().unwrap(), "ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    children.into_iter().map(|child| child.finish().pop().unwrap().parse::<u64>().unwrap()).sum()
}

/// The numbers of each writer's records, in the order of the files, the oldest first.
fn by_writer(log: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::<_, Vec<u64>>::new();
    for line in all_lines(log) {
        assert_eq!(line.len() as u64 + 1, RECORD, "{line}");
        found.entry(line[..3].to_owned()).or_default().push(line[4..11].parse().unwrap());
    }
    found
}

fn assert_no_file_is_too_long(log: &Path, processes: u64) {
    for file in rotated(log).into_iter().chain([log.to_owned()]) {
        let length = text_of(&file).len() as u64;
        let most = LIMIT + processes * (THREADS * RECORD + LIMIT / 64);
        assert!(length <= most, "{}: {length} bytes", file.display());
    }
}

#[test]
fn what_is_kept_is_the_end_of_what_each_writer_logged() {
    const RECORDS: u64 = 15_000;
    const KEEP: u32 = 3;
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    let times = log_together("none durable", dir.path(), 2, RECORDS, KEEP);
    // What the processes had no time for is done at the next start.
    let sink = sink(dir.path()).rotation(by_size(LIMIT, KEEP)).build().unwrap();
    sink.write(&Scope::new("EQ").unwrap(), Level::Info, record(9, 9, 0)).unwrap();
    until("three files are kept", || rotated(&log).len() == KEEP as usize);

    assert_no_file_is_too_long(&log, 2);
    let mut found = by_writer(&log);
    found.remove("9 9");
    for (writer, numbers) in &found {
        let first = numbers[0];
        let all = numbers.iter().copied().eq(first..RECORDS);
        assert!(all, "{writer}: {} found from {first} on", numbers.len());
    }
    // Whoever logged the last record is there; all of them, usually.
    assert!(!found.is_empty());
    let bytes = 2 * THREADS * RECORDS * RECORD;
    assert!((bytes / LIMIT / 2..=bytes / LIMIT).contains(&times), "rotated {times} times");
}

#[test]
fn where_all_is_kept_nothing_is_lost_or_doubled() {
    const RECORDS: u64 = 5_000;
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    let times = log_together("some durable", dir.path(), 2, RECORDS, 0);
    assert_all_are_there(&log, 2, RECORDS);
    assert_no_file_is_too_long(&log, 2);
    assert_eq!(rotated(&log).len() as u64, times);
}

fn assert_all_are_there(log: &Path, processes: u64, records: u64) {
    let found = by_writer(log);
    assert_eq!(found.len() as u64, processes * THREADS);
    for (writer, mut numbers) in found {
        // A queue's writers and the direct ones alike keep the order of one thread.
        let is_in_order = numbers.iter().copied().eq(0..records);
        numbers.sort_unstable();
        let all = numbers.iter().copied().eq(0..records);
        assert!(all && is_in_order, "{writer}: {} found, all: {all}", numbers.len());
    }
}

/// 1,000,000 records by `EQUIPMENT_LOG_TEST_RECORDS`.
fn records_in_all() -> u64 {
    env::var("EQUIPMENT_LOG_TEST_RECORDS").map_or(60_000, |number| number.parse().unwrap())
}

fn compressed_under_four_processes(role: &str) {
    const PROCESSES: u64 = 4;
    if lacks(&[Need::Tool("gzip")]) {
        return;
    }
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    let records = records_in_all() / (PROCESSES * THREADS);
    let start = Instant::now();
    let times = log_together(role, dir.path(), PROCESSES, records, 0);
    let logged = start.elapsed();
    // At the next start what is left is compressed, half files among it.
    let rotation = RotationConfig::new().limit(LIMIT).every(Every::Second).compress(Compress::Gzip);
    let sink = sink(dir.path()).rotation(rotation).build().unwrap();
    sink.write(&Scope::new("OTHER").unwrap(), Level::Info, b"none").unwrap();
    let end = sink.write(&Scope::new("EQ").unwrap(), Level::Info, record(9, 9, 0));
    end.unwrap();
    let all_compressed = || rotated_suffixes(&log).iter().all(|suffix| suffix.ends_with(".gz"));
    until("all are compressed", all_compressed);

    let files = rotated(&log);
    let test = Command::new("gzip").arg("-t").args(&files).output().unwrap();
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stderr));
    eprintln!(
        "{role}: {} records, {times} rotations in {logged:?}, {} files compressed after {:?}",
        records * PROCESSES * THREADS,
        files.len(),
        start.elapsed(),
    );
    let mut found = by_writer(&log);
    assert_eq!(found.remove("9 9"), Some(vec![0]));
    assert_eq!(found.len() as u64, PROCESSES * THREADS);
    for (writer, mut numbers) in found {
        // A queue may write a record in a later second than its own: the file is then called after that of the last
        // one, and what was written next may have an earlier name.
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..records), "{writer}: {} found", numbers.len());
    }
}

#[test]
fn four_processes_with_compression_lose_and_double_nothing() {
    compressed_under_four_processes("compressed");
}

#[test]
fn four_processes_with_compression_and_queues_lose_and_double_nothing() {
    compressed_under_four_processes("compressed and queued");
}

/// As a process that was stopped in the midst of a rotation would hold it.
fn hold_the_lock_of(log: &Path) -> fs::File {
    use nix::fcntl::{fcntl, FcntlArg};
    use nix::libc;
    let file = fs::File::options().read(true).write(true).open(log).unwrap();
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::MAX - 2,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    file
}

#[test]
fn a_lock_that_is_never_released_delays_a_record_by_a_second_and_loses_none() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path()).rotation(by_size(1000, 9)).build().unwrap();
    let (scope, record) = (Scope::new("EQ").unwrap(), [b'x'; 99]);
    (0..10).for_each(|_| sink.write(&scope, Level::Info, record).unwrap());

    let log = log_of(dir.path(), "EQ");
    let held = hold_the_lock_of(&log);
    let begin = Instant::now();
    let err = sink.write(&scope, Level::Info, record).unwrap_err();
    assert!(err.is_rotation() && err.to_string().contains("held its lock"), "{err}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    // Another equipment's log is none of its business.
    sink.write(&Scope::new("OTHER").unwrap(), Level::Info, record).unwrap();

    drop(held);
    (0..12).for_each(|_| sink.write(&scope, Level::Info, record).unwrap());
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost), (24, 0), "{total}");
    assert_eq!((total.rotated, total.rotation_failures), (1, 1), "{total}");
    assert_eq!(all_lines(&log).len(), 23);
}

/// A thread that waited while another tried does not wait for a second of its own.
#[test]
fn a_lock_that_is_never_released_delays_many_threads_by_the_same_second() {
    let dir = tempdir().unwrap();
    let sink = sink(dir.path()).rotation(by_size(1000, 9)).build().unwrap();
    let (scope, record) = (Scope::new("EQ").unwrap(), [b'x'; 99]);
    (0..10).for_each(|_| sink.write(&scope, Level::Info, record).unwrap());
    let _held = hold_the_lock_of(&log_of(dir.path(), "EQ"));

    let results: Vec<_> = std::thread::scope(|threads| {
        let write = || sink.write(&scope, Level::Info, record);
        let threads: Vec<_> = (0..6).map(|_| threads.spawn(write)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let total = sink.stats().total;
    assert_eq!((total.written, total.lost, total.rotation_failures), (16, 0, 1), "{total}");
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1, "{results:?}");
}

/// flock(2) is shared over a fork, so that both copies held the lock at once: a tenth of the records was gone.
#[test]
fn after_a_fork_both_processes_rotate_and_lose_nothing() {
    const RECORDS: u64 = 2000;
    alone!();
    let dir = tempdir().unwrap();
    let sink = sink(dir.path()).rotation(RotationConfig::new().limit(2000)).build().unwrap();
    let scope = Scope::new("EQ").unwrap();
    let log = |sink: &EquipmentSink, process: u64| {
        for n in 0..RECORDS {
            sink.write(&scope, Level::Info, record(process, 0, n)).unwrap();
        }
        assert_eq!(sink.stats().total.lost, 0);
    };
    // The file is open, and its mark is shared.
    sink.write(&scope, Level::Info, record(9, 9, 0)).unwrap();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            log(&sink, 1);
            std::process::exit(0);
        }
        fork::Fork::Parent(child) => {
            log(&sink, 0);
            assert!(fork::waitpid(child).is_ok());
        }
    }
    let found = by_writer(&log_of(dir.path(), "EQ"));
    for writer in ["0 0", "1 0"] {
        let numbers = &found[writer];
        assert!(numbers.iter().copied().eq(0..RECORDS), "{writer}: {} found", numbers.len());
    }
}

/// Two sinks stand for two processes: one rotates the files that the other has open.
fn sync_what_others_rotated(root: &Path) {
    let build = || sink(root).rotation(RotationConfig::new().limit(100)).build().unwrap();
    let (one, other) = (build(), build());
    let scope = Scope::new("EQ").unwrap();
    for round in 0..4 {
        one.write(&scope, Level::Info, record(0, 0, round)).unwrap();
        (0..2).for_each(|n| other.write(&scope, Level::Info, record(1, round, n)).unwrap());
    }
    tell("sync");
    one.sync().unwrap();
    tell("done");
}

/// What was logged before a rotation is on disk after a `sync`, by whomever the file was rotated.
#[test]
fn a_sync_covers_the_files_that_were_rotated_meanwhile() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let dir = tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let out = root.join("trace");
    let child = trace::traced(&["-e", "trace=write,fdatasync"], &out, &child!("sync", &root));
    let told = Running::start(&mut { child }).finish();
    assert_eq!(told, ["sync", "done"]);
    let calls = trace::read(&out);
    let told = |what: &str| calls.iter().position(|call| call.args.contains(what)).unwrap();
    let synced: Vec<_> = calls[told("told sync")..told("told done")]
        .iter()
        .filter(|call| call.name == "fdatasync" && call.succeeded())
        .map(|call| call.path().unwrap().to_owned())
        .collect();
    let log = log_of(&root, "EQ");
    let files = rotated(&log).into_iter().chain([log.clone()]);
    let own = files.filter(|file| text_of(file).contains("0 0 000000")).collect::<Vec<_>>();
    assert_eq!(own.len(), 4);
    assert!(own.iter().all(|file| synced.contains(file)), "{synced:?} of {own:?}");
    assert!(!beside(&log, "lock").exists());
}

/// An administrator made the log for a group; each user's umask would take the group's right away.
#[test]
fn a_new_log_has_the_permissions_and_the_group_of_the_one_before() {
    use std::os::unix::fs::{chown, MetadataExt as _, PermissionsExt as _};
    const GROUP: u32 = 4242;
    if lacks(&[Need::Root]) {
        return;
    }
    let dir = tempdir().unwrap();
    let log = log_of(dir.path(), "EQ");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "x".repeat(99) + "\n").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o664)).unwrap();
    chown(&log, None, Some(GROUP)).unwrap();

    let rotation = by_size(100, 5).compress(Compress::Gzip);
    let sink = sink(dir.path()).rotation(rotation).build().unwrap();
    (0..3).for_each(|n| {
        sink.write(&Scope::new("EQ").unwrap(), Level::Info, record(0, 0, n)).unwrap()
    });
    let is_compressed = || sink.stats().total.compressed == 3;
    until("all are compressed", is_compressed);
    for file in rotated(&log).into_iter().chain([log]) {
        let metadata = fs::metadata(&file).unwrap();
        let (mode, group) = (metadata.mode() & 0o7777, metadata.gid());
        assert_eq!((mode, group), (0o664, GROUP), "{}: {mode:o}", file.display());
    }
}
