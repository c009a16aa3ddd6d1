//! The promise: the logs of 60 equipment and hosts are merged in the order of time, complete, with at most 64 files
//! open and in less than 64 MB of memory, half of them compressed.
//!
//! Linux only: another process's memory and descriptors are read from `/proc`.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use flate2::write::GzEncoder;

const LOGS: u64 = 60;
const FILES: u64 = 4;
const LINES: u64 = 240_000;

/// The most that the program may have had in memory, in kB.
const MEMORY_KB: u64 = 64 * 1024;

const OPEN_FILES: usize = 64;

/// They are looked at this often. More lines than a pipe holds come after each look but the last: the program lives.
const LOOK_EVERY: u64 = 10_000;

/// One line a millisecond, each log in its turn. Of a log's four files, the older two are compressed.
fn write_logs(root: &Path) {
    let start = UNIX_EPOCH + Duration::from_secs(1_776_436_315);
    for log in 0..LOGS {
        let folder = root.join(format!("EQ_{}/.exlab-wizard", log / 3));
        fs::create_dir_all(&folder).unwrap();
        for part in 0..FILES {
            let name = format!("wizard.pc-{}.log", log % 3);
            let end = ["2026-04-15.gz", "2026-04-16.gz", "2026-04-17"].get(part as usize);
            let name = end.map_or(name.clone(), |end| format!("{name}.{end}"));
            let file = BufWriter::new(File::create(folder.join(&name)).unwrap());
            let mut file: Box<dyn Write> = match name.ends_with(".gz") {
                true => Box::new(GzEncoder::new(file, flate2::Compression::fast())),
                false => Box::new(file),
            };
            let in_file = LINES / LOGS / FILES;
            for n in part * in_file..(part + 1) * in_file {
                let n = n * LOGS + log;
                let time = humantime::format_rfc3339_millis(start + Duration::from_millis(n));
                writeln!(file, "{time} [INFO ] [host:pc] [equip:E] [run:R7] frame {n} acquired")
                    .unwrap();
            }
        }
    }
}

fn peak_kb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it lives");
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn open_below(folder: &Path, process: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let paths = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    paths.filter(|path| path.starts_with(folder)).count()
}

#[test]
fn sixty_logs_are_merged_in_little_memory_with_few_open_files() {
    let folder = tempfile::tempdir().unwrap();
    write_logs(folder.path());
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/merge");
    assert!(program.exists(), "{} is not built: `cargo build --example merge`", program.display());
    let mut child =
        Command::new(program).arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut peak, mut open, mut merged) = (0, 0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        assert!(line.ends_with(&format!(" frame {merged} acquired")), "line {merged}: {line}");
        merged += 1;
        if merged % LOOK_EVERY == 0 && merged < LINES {
            peak = peak_kb(child.id());
            open = open_below(folder.path(), child.id()).max(open);
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(merged, LINES, "complete");
    println!("peak {peak} kB, {open} files open");
    assert!((1..MEMORY_KB).contains(&peak), "{peak} kB");
    assert!((1..=OPEN_FILES).contains(&open), "{open} files open");
}
