//! The promise: whatever the kernel answers to a call on a record's way, once or for ever, nothing hangs, panics or is
//! acknowledged that is not there, all that was lost is counted and said, and the first record after the answer is
//! gone is written.
//!
//! A sweep: each sensible pair of call and answer, by strace's injection. The ways (direct, queued, rotated; durable
//! or not; once or for ever) are taken in turn, or each for each with `EQUIPMENT_LOG_ALL_FAULTS=1`. The table of what
//! was seen is written to `faults.txt` in cargo's folder for temporary files.
//!
//! Linux only: strace gives the answers.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::support::trace::traced;
use crate::support::{child, lacks, log_of, missing, sink, tell, told, until, Need, Running};
use equipment_log::{EquipmentSinkBuilder, Keep, QueueConfig, RotationConfig, Scope};
use log::Level;
use tempfile::tempdir;

/// Longer than anything takes that does not hang.
const HANGS: Duration = Duration::from_secs(120);

/// How many records are logged while the answer is given, and how many after it is gone.
const DURING: usize = 8;
const AFTER: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Direct,
    Queued,
    Rotated,
    QueuedRotated,
}
use Way::{Direct, Queued, QueuedRotated, Rotated};

impl Way {
    fn is_queued(self) -> bool {
        matches!(self, Queued | QueuedRotated)
    }

    fn builder(self, root: &Path, keep: Keep) -> EquipmentSinkBuilder {
        let mut builder = sink(root);
        if matches!(self, Rotated | QueuedRotated) {
            // Two records of those below: four rotations while the answer is given.
            builder = builder.rotation(RotationConfig::new().limit(250).keep(keep));
        }
        if self.is_queued() {
            builder = builder.queue(QueueConfig::new());
        }
        builder
    }
}

/// A kind of call: its names on all versions of Linux, the answers that it may give, and the ways that make it.
struct Kind {
    calls: &'static str,
    answers: &'static [&'static str],
    ways: &'static [Way],
    /// Records that are not durable never make it.
    of_errors: bool,
}

const ALL: &[Way] = &[Direct, Queued, Rotated, QueuedRotated];
const ROTATING: &[Way] = &[Rotated, QueuedRotated];

const KINDS: &[Kind] = &[
    Kind {
        calls: "openat,openat2",
        answers: &[
            "EINTR",
            "EAGAIN",
            "EACCES",
            "EPERM",
            "ENOENT",
            "ENOTDIR",
            "ELOOP",
            "EMFILE",
            "ENFILE",
            "ENOMEM",
            "ENOSPC",
            "EDQUOT",
            "EROFS",
            "EIO",
            "ESTALE",
            "ENOTCONN",
            "ETXTBSY",
            "ENAMETOOLONG",
            "ENXIO",
        ],
        ways: ALL,
        of_errors: false,
    },
    // An old kernel, or a sandbox: there is another way.
    Kind { calls: "openat2", answers: &["ENOSYS", "EPERM"], ways: ALL, of_errors: false },
    Kind {
        calls: "mkdir,mkdirat",
        answers: &[
            "EINTR", "EACCES", "EPERM", "ENOENT", "ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE",
            "EMLINK",
        ],
        ways: ALL,
        of_errors: false,
    },
    Kind {
        calls: "write,writev,pwritev2",
        answers: &[
            "EINTR", "EAGAIN", "EIO", "ENOSPC", "EDQUOT", "EFBIG", "ESTALE", "ENOTCONN", "EPERM",
            "ENOMEM", "EROFS",
        ],
        ways: ALL,
        of_errors: false,
    },
    Kind {
        calls: "fdatasync",
        answers: &[
            "EINTR",
            "EIO",
            "ENOSPC",
            "EDQUOT",
            "EINVAL",
            "EOPNOTSUPP",
            "ENOSYS",
            "ESTALE",
            "ENOTCONN",
            "EROFS",
        ],
        ways: ALL,
        of_errors: true,
    },
    Kind {
        calls: "fsync",
        answers: &["EINTR", "EIO", "EINVAL", "EOPNOTSUPP", "ENOSYS", "ESTALE", "ENOSPC", "EACCES"],
        ways: ALL,
        of_errors: true,
    },
    Kind {
        calls: "fstat,stat,lstat,newfstatat,statx",
        answers: &["EINTR", "EIO", "ESTALE", "ENOTCONN", "EACCES", "ENOMEM", "ENOENT"],
        ways: ALL,
        of_errors: false,
    },
    Kind {
        calls: "read,pread64",
        answers: &["EINTR", "EIO", "ESTALE", "EAGAIN"],
        ways: ALL,
        of_errors: false,
    },
    // Where a file ends is looked up another way then, or its last byte is read.
    Kind {
        calls: "lseek",
        answers: &["EINTR", "EIO", "ESTALE", "EINVAL"],
        ways: ALL,
        of_errors: false,
    },
    Kind {
        calls: "flock,fcntl",
        answers: &["EINTR", "EAGAIN", "ENOLCK", "ENOSYS", "EOPNOTSUPP", "EIO"],
        ways: ROTATING,
        of_errors: false,
    },
    Kind {
        calls: "rename,renameat,renameat2,link,linkat",
        answers: &[
            "EINTR", "EACCES", "EPERM", "ENOENT", "ENOSPC", "EDQUOT", "EROFS", "EXDEV", "EIO",
            "ESTALE",
        ],
        ways: ROTATING,
        of_errors: false,
    },
    Kind {
        calls: "getdents64",
        answers: &["EINTR", "EIO", "ESTALE"],
        ways: ROTATING,
        of_errors: false,
    },
    Kind {
        calls: "unlink,unlinkat",
        answers: &["EINTR", "EACCES", "EIO", "EROFS"],
        ways: ROTATING,
        of_errors: false,
    },
    Kind {
        calls: "close",
        answers: &["EINTR", "EIO", "ENOSPC", "EDQUOT"],
        ways: ROTATING,
        of_errors: false,
    },
];

/// One experiment.
#[derive(Clone, Copy)]
struct Fault {
    calls: &'static str,
    answer: &'static str,
    way: Way,
    level: Level,
    for_ever: bool,
}

impl Fault {
    /// Whether the answer is none of a failure: the call is made again, waited for, or done without.
    fn is_nothing(&self) -> bool {
        let opens = self.calls.starts_with("openat");
        let syncs = self.calls.contains("sync");
        match self.answer {
            "EINTR" => true,
            // Somebody has a lease on it, or has taken all descriptors, for a moment.
            "EAGAIN" | "EMFILE" | "ENFILE" => opens && !self.for_ever,
            "EINVAL" | "EOPNOTSUPP" | "ENOSYS" => syncs || self.calls == "openat2",
            _ => matches!(self.calls, "openat2" | "lseek"),
        }
    }
}

/// What `is_nothing`, and costs a record or an error still.
const NOT_YET: &[(&str, &str)] = &[];

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Fault { calls, answer, way, level, for_ever } = self;
        let lasting = if *for_ever { "for ever" } else { "once" };
        write!(f, "{answer:<12} {lasting:<8} of {calls:<38} {way:?}, {level}")
    }
}

/// Each pair once, with the ways in turn; or each way with each pair.
fn faults() -> Vec<Fault> {
    let all = std::env::var_os("EQUIPMENT_LOG_ALL_FAULTS").is_some();
    let mut faults = Vec::new();
    for kind in KINDS {
        let levels: &[Level] =
            if kind.of_errors { &[Level::Error] } else { &[Level::Info, Level::Error] };
        let mut ways = Vec::new();
        for way in kind.ways {
            for level in levels {
                for for_ever in [false, true] {
                    ways.push((*way, *level, for_ever));
                }
            }
        }
        for (at, answer) in kind.answers.iter().enumerate() {
            let fault =
                |(way, level, for_ever)| Fault { calls: kind.calls, answer, way, level, for_ever };
            // Nobody is interrupted for ever.
            let for_ever = |fault: &Fault| fault.for_ever && fault.answer == "EINTR";
            if all {
                let each = ways.iter().copied().map(fault);
                faults.extend(each.filter(|fault| !for_ever(fault)));
            } else {
                // A step that shares no factor with how many there are: 4, 8 or 16.
                let mut fault = fault(ways[(at * 5 + faults.len()) % ways.len()]);
                fault.for_ever &= fault.answer != "EINTR";
                faults.push(fault);
            }
        }
    }
    faults
}

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    let way = ALL[crate::support::number("WAY") as usize];
    let level = if role == "errors" { Level::Error } else { Level::Info };
    tell(std::process::id());
    let deletes = crate::support::number("DELETES") == 1;
    let keep = if deletes { Keep::Files(1) } else { Keep::All };
    let sink = way.builder(&root, keep).build().unwrap();
    let scope = Scope::new("EQ").unwrap();
    let log = |n: usize| {
        let record = format!("r{n} {}", "x".repeat(97));
        match sink.write(&scope, level, record.as_bytes()) {
            Ok(()) => tell(format_args!("ok r{n}")),
            Err(err) => tell(format_args!("err r{n}: {err}")),
        }
    };
    (0..DURING).for_each(log);
    sink.flush();
    if deletes {
        until("the rotated files are looked at", || {
            let total = sink.stats().total;
            total.deleted > 0 || total.upkeep_failures > 0
        });
    }
    tell("gone?");
    let _ = told().next();
    (DURING..DURING + AFTER).for_each(log);
    sink.flush();
    let stats = sink.stats();
    let total = stats.total;
    tell(format_args!("stats {} {} {}", total.written, total.lost, stats.skipped + stats.refused));
    drop(sink);
    tell("end");
}

/// What is in the files of the log: how often each record, and how many the gap lines say are missing.
struct Found {
    records: BTreeMap<String, usize>,
    missing: u64,
}

fn found(log: &Path) -> Found {
    let mut found = Found { records: BTreeMap::new(), missing: 0 };
    let name = log.file_name().unwrap().to_str().unwrap();
    for entry in fs::read_dir(log.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_str().unwrap().starts_with(name) {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(missing) = missing(line) {
                found.missing += missing;
                continue;
            }
            let line = String::from_utf8_lossy(line);
            let (record, rest) = line.split_once(' ').unwrap_or_else(|| panic!("torn: {line}"));
            assert!(rest.bytes().all(|byte| byte == b'x') && rest.len() == 97, "torn: {line}");
            *found.records.entry(record.to_owned()).or_default() += 1;
        }
    }
    found
}

/// Runs one experiment and checks all that is promised; what was seen, for the table.
fn experiment(fault: Fault) -> String {
    let dir = tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    let root = base.join("logs");
    let log = log_of(&root, "EQ");
    let trace = base.join("trace");
    let inject = format!(
        "inject={}:error={}:when=1{}",
        fault.calls,
        fault.answer,
        if fault.for_ever { "+" } else { "" }
    );
    let trace_of = format!("trace={}", fault.calls);
    let mut options = vec!["-e", &trace_of, "-e", &inject];
    let folder = log.parent().unwrap();
    // Calls on these alone: the process's own start is none of the record's way.
    let paths: Vec<_> = [&base, &root, &root.join("EQ"), folder, &log]
        .iter()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    paths.iter().for_each(|path| options.extend(["-P", path]));

    let deletes = fault.calls.contains("unlink") || fault.calls.contains("getdents");
    let mut command = child!(if fault.level == Level::Error { "errors" } else { "infos" }, &root);
    let way = ALL.iter().position(|way| *way == fault.way).unwrap();
    command.env("WAY", way.to_string()).env("DELETES", u8::from(deletes).to_string());
    if fault.calls.contains("read") {
        // There is an end to be looked at.
        fs::create_dir_all(folder).unwrap();
        fs::write(&log, format!("old {}\n", "x".repeat(97))).unwrap();
    }
    let mut running = Running::start(&mut traced(&options, &trace, &command));
    let pid = running.told_within(HANGS).expect("a process");
    let mut told = Vec::new();
    let hung = catch_unwind(AssertUnwindSafe(|| {
        while let Some(line) = running.told_within(HANGS) {
            if line != "gone?" {
                told.push(line);
                continue;
            }
            // The end of the answer is the end of strace; the process goes on. (`when=1` counts for each call by
            // itself.)
            let stdin = running.process.stdin.take();
            running.process.kill().unwrap();
            running.process.wait().unwrap();
            running.process.stdin = stdin;
            running.tell("gone");
        }
    }));
    if hung.is_err() {
        let _ = Command::new("kill").args(["-9", &pid]).status();
        panic!("hangs after {told:?}");
    }
    assert_eq!(told.last().map(String::as_str), Some("end"), "it ended early: {told:?}");

    let reached = fs::read_to_string(&trace).unwrap().contains("(INJECTED)");
    let stats = told.iter().find_map(|line| line.strip_prefix("stats ")).unwrap();
    let stats: Vec<u64> = stats.split(' ').map(|number| number.parse().unwrap()).collect();
    let [written, lost, others] = stats[..] else { panic!("{stats:?}") };
    assert_eq!(
        written + lost + others,
        (DURING + AFTER) as u64,
        "written, lost, others: {stats:?}"
    );

    assert!(log.exists(), "there is no log: {told:?}");
    let mut found = found(&log);
    found.records.remove("old");
    let oks: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("ok ")).collect();
    let failed = told.iter().filter(|line| line.starts_with("err ")).count();
    let last = format!("r{}", DURING + AFTER - 1);
    assert!(found.records.contains_key(&last), "the answer is gone, and still: {told:?}");
    if !deletes {
        let first = format!("r{DURING}");
        assert!(found.records.contains_key(&first), "the next record is not there: {told:?}");
        if !fault.way.is_queued() || fault.level == Level::Error {
            for ok in &oks {
                assert!(found.records.contains_key(*ok), "{ok} was acknowledged: {told:?}");
            }
        }
        assert!(found.records.len() as u64 >= written, "{stats:?}, {:?}", found.records);
        assert_eq!(found.missing, lost, "what was lost is said: {told:?}");
        if fault.level == Level::Info {
            assert!(found.records.values().all(|times| *times == 1), "{:?}", found.records);
        }
    }
    let is_known = NOT_YET.contains(&(fault.answer, fault.calls));
    if fault.is_nothing() && !is_known {
        assert_eq!((lost, failed), (0, 0), "nothing has failed: {told:?}");
    }
    let reached = if reached { "" } else { "NOT REACHED" };
    format!("written {written:2}, lost {lost:2}, errors {failed:2} {reached}")
}

#[test]
fn the_sweep() {
    if lacks(&[Need::Strace]) {
        return;
    }
    let faults = faults();
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seen = catch_unwind(|| experiment(*fault)).map_err(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                            .unwrap_or_default()
                    });
                    rows.lock().unwrap().push((*fault, seen));
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    let mut table: Vec<String> = rows
        .iter()
        .map(|(fault, seen)| match seen {
            Ok(seen) => format!("{fault}: {seen}"),
            Err(why) => format!("{fault}: BROKEN: {why}"),
        })
        .collect();
    table.sort_by_key(|row| row.split(" of ").nth(1).map(str::to_owned));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.txt");
    fs::write(&file, table.join("\n") + "\n").unwrap();
    let with = |word: &str| table.iter().filter(|row| row.contains(word)).count();
    let broken: Vec<_> = table.iter().filter(|row| row.contains("BROKEN")).cloned().collect();
    assert!(broken.is_empty(), "{} of {}:\n{}", broken.len(), table.len(), broken.join("\n"));
    // A sweep that meets nothing would pass for ever.
    assert!(
        with("NOT REACHED") * 5 <= table.len(),
        "see {}:\n{}",
        file.display(),
        table.join("\n")
    );
    println!("{}", table.join("\n"));
}
