//! The promise: with `every` there is one file for each period with a record, called after that period, and each
//! record is in the file of its own. What is kept is what `keep` asks for. Days and months are tested on an
//! injected clock, in src/file/rotation/tests.rs; here a period is a second of the kernel's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use equipment_log::{EquipmentSink, Every, Keep, RotationConfig, Scope};
use log::Level;

use crate::support::{log_of, rotated, rotated_suffixes, sink, text_of, until};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A second, as a rotated file's name has it.
fn stamp(second: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(second);
    humantime::format_rfc3339_seconds(time).to_string().replace(':', "-")
}

/// A log, in a root of its own, and what is expected of it.
struct Log {
    root: tempfile::TempDir,
    keep: Keep,
    sink: Option<EquipmentSink>,
}

impl Log {
    fn new(keep: Keep) -> Log {
        Log { root: tempfile::tempdir().unwrap(), keep, sink: None }
    }

    fn sink(&mut self) -> &EquipmentSink {
        let (root, keep) = (self.root.path(), self.keep);
        self.sink.get_or_insert_with(|| {
            let rotation = RotationConfig::new().every(Every::Second).keep(keep);
            sink(root).rotation(rotation).build().unwrap()
        })
    }

    fn path(&self) -> std::path::PathBuf {
        log_of(self.root.path(), "EQ")
    }
}

/// Which file each name is, as far as it can be told from outside.
fn identities(log: &Path) -> BTreeMap<String, u64> {
    let identity = |suffix: String| {
        let metadata = fs::metadata(crate::support::beside(log, &suffix)).ok()?;
        #[cfg(unix)]
        let identity = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let identity = metadata.len();
        Some((suffix, identity))
    };
    rotated_suffixes(log).into_iter().filter_map(identity).collect()
}

/// Follows the names of a log's rotated files until it is told to stop.
fn follow(log: &Path, stop: &AtomicBool) {
    let mut known = BTreeMap::new();
    while !stop.load(Ordering::Acquire) {
        for (name, identity) in identities(log) {
            assert_eq!(known.entry(name.clone()).or_insert(identity), &identity, "{name} changed");
        }
        thread::sleep(Duration::from_millis(20));
    }
    let identities: BTreeSet<_> = known.values().collect();
    // Unix gives the inode of a file that was deleted to a new one: none is deleted from this log.
    assert!(cfg!(windows) || identities.len() == known.len(), "a file had two names: {known:?}");
}

/// 40 by `EQUIPMENT_LOG_TEST_PERIODS`.
fn periods() -> u64 {
    env::var("EQUIPMENT_LOG_TEST_PERIODS").map_or(8, |number| number.parse().unwrap())
}

/// One thread, no queue; restarted five times, each time after the live file's time was set into the past.
#[test]
fn each_second_has_its_file_over_restarts_and_keep_keeps_what_it_says() {
    const RESTARTS: u64 = 5;
    let (first, periods) = (now(), periods());
    let size = 600;
    let mut all = Log::new(Keep::All);
    let mut kept =
        [Keep::Files(3), Keep::Age(Duration::from_secs(3)), Keep::Bytes(size)].map(Log::new);
    let scope = Scope::new("EQ").unwrap();
    // The second of each record's call, where it is known; and the files that were given another time.
    let mut seconds = BTreeMap::new();
    let mut touched = BTreeMap::new();
    let (log, stop) = (all.path(), AtomicBool::new(false));
    thread::scope(|threads| {
        let follower = threads.spawn(|| follow(&log, &stop));
        let mut restarts = 0;
        for n in 0_u64.. {
            let elapsed = now() - first;
            if elapsed >= periods && restarts == RESTARTS {
                break;
            }
            if restarts < RESTARTS && elapsed * (RESTARTS + 1) > periods * (restarts + 1) {
                restarts += 1;
                all.sink = None;
                let past = first - 1000 + 10 * restarts;
                let file = fs::File::options().append(true).open(&log).unwrap();
                let time = UNIX_EPOCH + Duration::from_secs(past);
                file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
                let last = fs::read_to_string(&log).unwrap();
                touched.insert(last.lines().last().unwrap().to_owned(), past);
            }
            let before = now();
            let record = format!("{n:06}");
            all.sink().write(&scope, Level::Info, record.as_bytes()).unwrap();
            if now() == before {
                seconds.insert(record.clone(), before);
            }
            for log in &mut kept {
                log.sink().write(&scope, Level::Info, record.as_bytes()).unwrap();
            }
            // Odd moments, and some seconds without a record.
            let pause = if n % 97 == 96 { 1100 } else { 7 + n % 13 };
            thread::sleep(Duration::from_millis(pause));
        }
        stop.store(true, Ordering::Release);
        follower.join().unwrap();
        assert_eq!(restarts, RESTARTS);
    });

    let mut found = Vec::new();
    let mut stamps = BTreeSet::new();
    for file in rotated(&log) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = text_of(&file);
        let of_file: BTreeSet<_> = text.lines().filter_map(|line| seconds.get(line)).collect();
        assert!(of_file.len() <= 1, "{name} has records of {of_file:?}");
        let past = text.lines().last().and_then(|line| touched.get(line));
        for second in past.into_iter().chain(of_file.into_iter().filter(|_| past.is_none())) {
            assert!(name.ends_with(&stamp(*second)), "{name} is not of {}", stamp(*second));
        }
        assert!(stamps.insert(name.clone()), "{name}");
        found.extend(text.lines().map(str::to_owned));
    }
    found.extend(text_of(&log).lines().map(str::to_owned));
    found.sort();
    let expected: Vec<_> = (0..found.len()).map(|n| format!("{n:06}")).collect();
    assert_eq!(found, expected, "each record once");
    // One file for each second with a record, the live one included, and one for each file that was touched.
    let with_record: BTreeSet<_> = seconds.values().collect();
    let files = rotated(&log).len() + 1 - touched.len();
    assert!(files <= with_record.len() + 1, "{files} files for {} seconds", with_record.len());
    assert!(files + touched.len() >= with_record.len(), "{files} for {}", with_record.len());

    let [files, age, bytes] = &kept;
    until("three are kept", || rotated(&files.path()).len() <= 3);
    assert_eq!(rotated(&files.path()).len(), 3.min(with_record.len() - 1));
    let total = |log: &Log| log.sink.as_ref().unwrap().stats().total;
    let is_young = |log: &Log| {
        // As it was at the last rotation.
        let newest = fs::metadata(rotated(&log.path()).pop().unwrap()).unwrap().modified().unwrap();
        let newest = newest.duration_since(UNIX_EPOCH).unwrap().as_secs();
        rotated_suffixes(&log.path()).iter().all(|suffix| suffix >= &stamp(newest - 4))
    };
    until("the young ones are kept", || is_young(age));
    let sum = |log: &Log| -> u64 {
        rotated(&log.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum()
    };
    until("what is kept is small", || sum(bytes) <= size || rotated(&bytes.path()).len() == 1);
    for log in &kept {
        assert_eq!((total(log).lost, total(log).upkeep_failures), (0, 0), "{}", log.keep);
        // By whichever of the runs.
        let is_first_there = rotated(&log.path()).iter().any(|it| text_of(it).contains("000000"));
        assert!(!is_first_there, "nothing was deleted: {}", log.keep);
    }
}
