//! The promise: `merge --follow` passes on every record once, over rotations and compressions.
//!
//! Linux only: on Windows a file that somebody reads keeps its name until it is closed.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Longer than anything takes on any machine.
const HANGS: Duration = Duration::from_secs(120);

/// A log that is written and rotated as the crate does it.
struct Log {
    path: PathBuf,
    records: u64,
    rotations: u64,
}

impl Log {
    fn new(folder: &Path) -> Log {
        fs::create_dir_all(folder).unwrap();
        Log { path: folder.join("wizard.h.log"), records: 0, rotations: 0 }
    }

    fn open(&self) -> File {
        File::options().append(true).create(true).open(&self.path).unwrap()
    }

    fn write(&mut self, records: u64) {
        let file = self.open();
        self.write_to(&file, records);
    }

    fn write_to(&mut self, mut file: &File, records: u64) {
        for _ in 0..records {
            let number = self.records;
            writeln!(file, "2026-04-17T14:31:55Z [INFO ] [host:h] [equip:E] record {number}")
                .unwrap();
            self.records += 1;
        }
    }

    /// Some records come late: into the file that has its new name.
    fn rotate(&mut self, late: u64) -> PathBuf {
        let number = match self.rotations {
            0 => String::new(),
            number => format!(".{number}"),
        };
        let rotated = PathBuf::from(format!("{}.2026-04-17{number}", self.path.display()));
        let file = self.open();
        fs::rename(&self.path, &rotated).unwrap();
        self.write_to(&file, late);
        self.rotations += 1;
        rotated
    }
}

fn compress(path: &Path) {
    let packed = File::create(format!("{}.gz", path.display())).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(&fs::read(path).unwrap()).unwrap();
    packed.finish().unwrap();
    fs::remove_file(path).unwrap();
}

struct Follower {
    process: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

/// The lines that a process writes. They are read all the time, so that it never waits.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    let read = BufReader::new(pipe).lines().map_while(Result::ok);
    thread::spawn(move || read.for_each(|line| drop(send.send(line))));
    lines
}

impl Follower {
    fn start(folder: &Path) -> Follower {
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples/merge");
        let mut process = Command::new(program)
            .arg(folder)
            .arg("--follow")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(process.stdout.take().unwrap());
        let errors = lines_of(process.stderr.take().unwrap());
        Follower { process, lines, errors }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(HANGS).expect("a record")
    }

    /// All of the log's records from here on, each once, and no other.
    fn expect(&self, records: std::ops::Range<u64>) {
        for number in records {
            let line = self.next();
            assert!(
                line.ends_with(&format!(" record {number}")),
                "{line:?} is not record {number}"
            );
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_record_is_passed_on_once_over_rotations_and_compressions() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(&folder.path().join("E/.exlab-wizard"));
    // Before it was started.
    log.write(10);
    compress(&log.rotate(0));
    log.write(10);
    log.rotate(0);
    log.write(10);
    let follower = Follower::start(folder.path());
    follower.expect(0..30);

    log.write(5);
    follower.expect(30..35);
    // While it reads: some records are in the renamed file alone.
    log.rotate(5);
    log.write(5);
    follower.expect(35..45);
    // Twice between two looks, and the file in hand is compressed.
    let rotated = log.rotate(1);
    log.write(5);
    compress(&log.rotate(0));
    compress(&rotated);
    log.write(5);
    follower.expect(45..56);
    // Nothing is logged for a while after a rotation: there is no live log.
    compress(&log.rotate(2));
    follower.expect(56..58);
    log.write(2);
    follower.expect(58..60);
    // A line that is written in two pieces is passed on whole.
    let mut file = log.open();
    write!(file, "2026-04-17T14:31:55Z [INFO ] [host:h] [equip:E] rec").unwrap();
    thread::sleep(Duration::from_millis(500));
    writeln!(file, "ord 60").unwrap();
    log.records += 1;
    follower.expect(60..61);
    // New equipment.
    let mut other = Log::new(&folder.path().join("F/.exlab-wizard"));
    other.write(1);
    follower.expect(0..1);
    log.write(1);
    follower.expect(61..62);
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Nobody writes to it: to open it would wait for ever.
#[test]
fn a_fifo_that_appears_is_named_and_the_rest_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("E/.exlab-wizard");
    let mut log = Log::new(&logs);
    log.write(1);
    let mut short = Log { path: logs.join("wizard.s.log"), records: 0, rotations: 0 };
    short.write(1);
    let follower = Follower::start(folder.path());
    follower.expect(0..1);
    follower.expect(0..1);
    // A new name, and the name of a log that is followed.
    make_fifo(&logs.join("wizard.p.log"));
    fs::remove_file(&short.path).unwrap();
    make_fifo(&short.path);
    let mut errors: Vec<_> = (0..2).map(|_| follower.errors.recv_timeout(HANGS).unwrap()).collect();
    errors.sort();
    for (error, name) in errors.iter().zip(["wizard.p.log", "wizard.s.log"]) {
        assert!(error.ends_with(&format!("{name}: is no regular file")), "{errors:?}");
    }
    log.rotate(1);
    log.write(1);
    follower.expect(1..3);
    fs::remove_file(&short.path).unwrap();
    short.write(1);
    follower.expect(1..2);
    assert!(follower.errors.try_recv().is_err());
}

/// The file that it leads to may be made later.
#[test]
fn a_link_that_leads_nowhere_is_named_once_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("E/.exlab-wizard");
    let mut log = Log::new(&folder.path().join("elsewhere"));
    fs::create_dir_all(&logs).unwrap();
    std::os::unix::fs::symlink(&log.path, logs.join("wizard.l.log")).unwrap();
    let follower = Follower::start(folder.path());
    let error = follower.errors.recv_timeout(HANGS).unwrap();
    assert!(error.contains("wizard.l.log: "), "{error}");
    log.write(2);
    follower.expect(0..2);
    assert!(follower.errors.try_recv().is_err());
}
