//! The promise: logrotate may rotate our logs. Where it renames them, no record is lost or doubled;
//! with `copytruncate` what it cuts off is all that is missing.
//!
//! Linux only: logrotate is a program of Linux distributions.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    by_size, child, lacks, rotated_suffixes, run, tell, until, Need, Running, StopFlag,
};
use equipment_log::{EquipmentSink, Scope};
use log::Level;
use tempfile::{tempdir, TempDir};

const RUNS: usize = 20;
const THREADS: usize = 4;

/// Longer than anything takes on any machine.
const LONG: Duration = Duration::from_secs(60);

/// Within this a moved log is noticed, as promised.
const NOTICED: Duration = Duration::from_secs(1);

fn sink(root: &Path) -> EquipmentSink {
    EquipmentSink::builder(root).hostname("labpc-04").build().unwrap()
}

fn log_of(root: &Path) -> PathBuf {
    root.join("EQ/.exlab-wizard/wizard.labpc-04.log")
}

/// Logs numbered records until told to stop, one in a hundred at `worst`; how many.
fn log_until(sink: &EquipmentSink, writer: &str, worst: Level, stop: &StopFlag) -> u64 {
    let scope = Scope::new("EQ").unwrap();
    let mut n = 0;
    while !stop.is_set() {
        let level = if n % 100 == 0 { worst } else { Level::Info };
        let record = format!("{writer} {n} {}", "x".repeat(80));
        sink.write(&scope, level, record.as_bytes()).unwrap();
        n += 1;
        // No more than a busy program logs.
        thread::sleep(Duration::from_micros(100));
    }
    assert_eq!((sink.stats().total.lost, sink.stats().total.write_failures), (0, 0));
    n
}

#[test]
fn child_plays_its_role() {
    let Some((_, root)) = crate::support::role() else { return };
    let (sink, stop) = (sink(&root), StopFlag::default());
    thread::scope(|threads| {
        let stopper = stop.stop_on_drop();
        // No ERROR here: this process notices by the clock.
        let writer = threads.spawn(|| log_until(&sink, "other", Level::Info, &stop));
        let _ = crate::support::told().next();
        drop(stopper);
        tell(writer.join().unwrap());
    });
}

/// logrotate with our sample, in a folder of its own.
struct Logrotate {
    dir: TempDir,
}

impl Logrotate {
    /// `change` is made to the sample.
    fn new(change: impl Fn(&str) -> String) -> Logrotate {
        let dir = tempdir().unwrap();
        let sample = fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/config-samples/logrotate.conf"
        ));
        let root = dir.path().join("lab");
        let config = change(&sample.unwrap()).replace("/data/lab", root.to_str().unwrap());
        fs::write(dir.path().join("conf"), config).unwrap();
        Logrotate { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("lab")
    }

    /// Whatever the size.
    fn force(&self) {
        run(Command::new("logrotate")
            .current_dir(&self.dir)
            .args(["--force", "--state", "state", "conf"])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
    }
}

/// What each writer logged while logrotate ran so often, by name.
fn log_while_it_runs(logrotate: &Logrotate) -> BTreeMap<String, u64> {
    let (root, stop) = (logrotate.root(), StopFlag::default());
    let log = log_of(&root);
    let sink = sink(&root);
    let mut other = Running::start(&mut child!("log", &root));
    let mut logged = thread::scope(|threads| {
        let stopper = stop.stop_on_drop();
        let writers: Vec<_> = (0..THREADS)
            .map(|writer| {
                let (sink, stop) = (&sink, &stop);
                let writer = writer.to_string();
                threads.spawn(move || {
                    let logged = log_until(sink, &writer, Level::Error, stop);
                    (writer, logged)
                })
            })
            .collect();
        for _ in 0..RUNS {
            let start = Instant::now();
            while fs::metadata(&log).map_or(0, |log| log.len()) == 0 {
                assert!(start.elapsed() < LONG, "there is no new log");
                thread::sleep(Duration::from_millis(1));
            }
            logrotate.force();
        }
        thread::sleep(NOTICED);
        drop(stopper);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect::<BTreeMap<_, _>>()
    });
    other.tell("stop");
    logged.insert("other".to_owned(), other.finish().pop().unwrap().parse().unwrap());
    logged
}

/// The log and what was rotated, the oldest first.
fn files(log: &Path) -> Vec<PathBuf> {
    let rotated = (1..=RUNS).rev().map(|n| PathBuf::from(format!("{}.{n}", log.display())));
    let files: Vec<_> = rotated.chain([log.to_owned()]).filter(|file| file.exists()).collect();
    assert_eq!(files.len(), RUNS + 1);
    files
}

/// The numbers of each writer, in the order of the files.
fn by_writer(lines: impl Iterator<Item = String>) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::<_, Vec<u64>>::new();
    for line in lines {
        let mut words = line.split(' ');
        let (writer, number) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!(words.next().map(str::len), Some(80), "{line:?}");
        found.entry(writer.to_owned()).or_default().push(number.parse().unwrap());
    }
    found
}

/// More kept and nothing packed, so that all can be counted.
fn keep_all(sample: &str) -> String {
    assert!(sample.contains("rotate 5") && sample.contains("    compress\n    delaycompress\n"));
    sample.replace("rotate 5", "rotate 99").replace("    compress\n    delaycompress\n", "")
}

#[test]
fn a_rename_loses_and_doubles_nothing() {
    if lacks(&[Need::Tool("logrotate")]) {
        return;
    }
    let logrotate = Logrotate::new(keep_all);
    let logged = log_while_it_runs(&logrotate);
    let files = files(&log_of(&logrotate.root()));
    let lines = files.iter().flat_map(|file| crate::support::lines(file));
    let found = by_writer(lines.map(|line| String::from_utf8(line).unwrap()));
    for (writer, logged) in logged {
        let found = &found[&writer];
        assert!(found.iter().copied().eq(0..logged), "{writer}: {} of {logged}", found.len());
    }
}

#[test]
fn copytruncate_loses_what_is_logged_between_copy_and_cut_and_nothing_else() {
    if lacks(&[Need::Tool("logrotate")]) {
        return;
    }
    let logrotate = Logrotate::new(|sample| {
        assert!(sample.contains("    #copytruncate\n"));
        keep_all(sample).replace("#copytruncate", "copytruncate")
    });
    let logged = log_while_it_runs(&logrotate);
    let (files, mut lines) = (files(&log_of(&logrotate.root())), Vec::new());
    for (at, file) in files.iter().enumerate() {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains('\0'), "{} has a hole", file.display());
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        // A copy may end within a line that was just being written; our own file does not.
        assert!(whole == text.len() || at < RUNS, "{} is torn", file.display());
        lines.extend(text[..whole].lines().map(str::to_owned));
    }
    let mut lost = 0;
    for (writer, numbers) in by_writer(lines.into_iter()) {
        let jumps = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        // The first may be cut off like any other.
        let jumps = jumps + usize::from(numbers[0] != 0);
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "writer {writer}: not in order");
        assert!(jumps <= RUNS, "writer {writer} lacks records in {jumps} places");
        assert_eq!(numbers.last().unwrap() + 1, logged[&writer], "writer {writer}: the end");
        lost += logged[&writer] - numbers.len() as u64;
    }
    let logged: u64 = logged.values().sum();
    eprintln!("copytruncate, {RUNS} times: {lost} of {logged} records lost");
}

/// With its own numbers: what is packed by the next run is what nobody writes to any more.
#[test]
fn the_sample_as_it_stands_loses_nothing_where_its_runs_are_a_second_apart() {
    if lacks(&[Need::Tool("logrotate"), Need::Tool("zcat")]) {
        return;
    }
    let logrotate = Logrotate::new(str::to_owned);
    let (sink, stop) = (sink(&logrotate.root()), StopFlag::default());
    let log = log_of(&logrotate.root());
    let logged = thread::scope(|threads| {
        let stopper = stop.stop_on_drop();
        let writer = threads.spawn(|| log_until(&sink, "only", Level::Info, &stop));
        for _ in 0..3 {
            thread::sleep(NOTICED + NOTICED / 5);
            logrotate.force();
        }
        drop(stopper);
        writer.join().unwrap()
    });
    let script = format!("zcat {0}.3.gz {0}.2.gz; cat {0}.1; cat {0} || true", log.display());
    let out = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let found = by_writer(text.lines().map(str::to_owned));
    let found = &found["only"];
    assert!(found.iter().copied().eq(0..logged), "{} of {logged}", found.len());
}

/// The reason that the sample gives for not having two rotate one log.
#[test]
fn logrotate_and_a_rotation_of_our_own_keep_their_own_files_each() {
    if lacks(&[Need::Tool("logrotate")]) {
        return;
    }
    let logrotate = Logrotate::new(str::to_owned);
    let builder = EquipmentSink::builder(logrotate.root()).hostname("labpc-04");
    let sink = builder.rotation(by_size(150, 2)).build().unwrap();
    let (scope, log) = (Scope::new("EQ").unwrap(), log_of(&logrotate.root()));
    for _ in 0..8 {
        // Three records are two files of ours, and what logrotate finds.
        (0..3).for_each(|_| sink.write(&scope, Level::Error, "x".repeat(99)).unwrap());
        logrotate.force();
    }
    let suffixes = |of_ours: bool| -> Vec<String> {
        // A name of ours has a date.
        let suffixes = rotated_suffixes(&log).into_iter();
        suffixes.filter(|suffix| suffix.contains('-') == of_ours).collect()
    };
    until("two files of ours are kept", || suffixes(true).len() == 2);
    assert_eq!(suffixes(false), ["1", "2.gz", "3.gz", "4.gz", "5.gz"]);
    assert_eq!(sink.stats().total.rotated, 16);
}
