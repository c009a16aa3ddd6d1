//! The promise: a million lines of three hosts are merged in the order of time, complete, in less than
//! 32 MB of memory.
//!
//! Linux only: the peak of another process's memory is read from `/proc`.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

const LINES: u64 = 1_000_000;

const HOSTS: u64 = 3;

/// The most that the program may have had in memory, in kB.
const MEMORY_KB: u64 = 32 * 1024;

/// The peak is read this often. So many lines are more than a pipe holds: at each reading but the
/// last the program still has lines to write, and lives.
const READ_EVERY: u64 = 10_000;

/// One line a millisecond, each for one of the hosts, which have two rotated files each.
fn million_lines(folder: &Path) {
    let mut files: Vec<Vec<_>> = (0..HOSTS)
        .map(|host| {
            ["log.2", "log.1", "log"]
                .map(|end| File::create(folder.join(format!("wizard.pc-{host}.{end}"))).unwrap())
                .map(BufWriter::new)
                .into()
        })
        .collect();
    let start = UNIX_EPOCH + Duration::from_secs(1_776_436_315);
    for n in 0..LINES {
        // Hosts take turns of different lengths, and rotate at different times.
        let host = n * n / 7 % HOSTS;
        let rotated = [200_000, 600_000].iter().filter(|at| n >= **at + 50_000 * host).count();
        let time = humantime::format_rfc3339_millis(start + Duration::from_millis(n));
        let file = &mut files[host as usize][rotated];
        writeln!(file, "{time} [INFO ] [host:pc-{host}] [equip:E] [run:R7] frame {n} acquired")
            .unwrap();
    }
    files.iter_mut().flatten().for_each(|file| file.flush().unwrap());
}

fn peak_kb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it lives");
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_million_lines_are_merged_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    million_lines(folder.path());
    assert_eq!(folder.path().read_dir().unwrap().count(), 9);
    let sizes =
        folder.path().read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    assert!(sizes.min().unwrap() > 1_000_000, "every file has its part");

    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/merge");
    assert!(program.exists(), "{} is not built: `cargo build --example merge`", program.display());
    let begun = Instant::now();
    let mut child =
        Command::new(program).arg(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut peak = 0;
    let mut merged = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        assert!(line.ends_with(&format!(" frame {merged} acquired")), "line {merged}: {line}");
        merged += 1;
        if merged % READ_EVERY == 0 && merged < LINES {
            peak = peak_kb(child.id());
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(merged, LINES, "complete");
    println!("{LINES} lines in {:?}, peak {peak} kB", begun.elapsed());
    assert!((1..MEMORY_KB).contains(&peak), "{peak} kB");
}
