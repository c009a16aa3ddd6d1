//! Replays a log of any kind: each line becomes a record of the equipment that one of its fields names.
//!
//!     cargo run --release --example replay -- --field 4 /var/log/dpkg.log
//!
//! Every Debian machine has this file. Its fourth field is usually the state of a package, so each state becomes a
//! piece of equipment. Some fields are not valid ids. At the end, every line is counted once: lines in = written +
//! skipped + filtered + refused + lost.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use clap::Parser;
use equipment_log::log4rs::{Handle, Setup};
use equipment_log::{Counts, EquipmentSink, Scope, Stats};
use indicatif::{ProgressBar, ProgressStyle};

mod common;

/// Lines that may wait for each thread.
const WAITING_LINES: usize = 1024;

/// Refused ids that are listed one by one.
const LISTED_REASONS: usize = 10;

/// Replays a log into one log for each piece of equipment.
#[derive(Parser)]
struct Args {
    /// The log4rs configuration
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/log4rs.yaml"))]
    config: PathBuf,
    /// Which field names the equipment, from 1 on; fields are separated by white space
    #[arg(long, default_value = "1")]
    field: NonZeroUsize,
    /// How many threads log
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// The log to replay; without it, or with `-`, standard input
    file: Option<PathBuf>,
}

/// What was reported: each log once in ten seconds.
type Reasons = Arc<Mutex<BTreeMap<String, u64>>>;

fn main() -> ExitCode {
    match replay(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("replay: {err}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every line is accounted for.
fn replay(args: &Args) -> Result<bool, Box<dyn Error>> {
    let input = Input::open(args.file.as_deref())?;
    let root = common::lab_root()?;
    let reasons = Reasons::default();
    let logging = init_logging(&args.config, &reasons)?;

    let lines = feed(input, args)?;

    // With a queue, records may still wait for their file.
    logging.flush();
    let sinks = logging.sinks();
    for sink in &sinks {
        print_table(sink);
    }
    // Its drop waits for the last reports.
    drop(logging);
    print_reasons(&reasons);
    println!("\nThe logs are below {}.", root.display());
    Ok(!sinks.is_empty() && sinks.iter().all(|sink| adds_up(lines, sink)))
}

/// The configuration, with all its mistakes refused, and each report kept.
fn init_logging(path: &Path, reasons: &Reasons) -> Result<Handle, equipment_log::Error> {
    let reasons = Arc::clone(reasons);
    let count = move |err: &equipment_log::Error| {
        let mut reasons = reasons.lock().unwrap_or_else(PoisonError::into_inner);
        *reasons.entry(format!("{err}")).or_default() += 1;
    };
    Setup::new(path).on_error(count).init()
}

/// What is read, and how far along it is.
struct Input {
    reader: Box<dyn BufRead>,
    bar: ProgressBar,
}

impl Input {
    fn open(file: Option<&Path>) -> Result<Input, Box<dyn Error>> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            let bar = ProgressBar::new_spinner();
            return Ok(Input { reader: Box::new(io::stdin().lock()), bar });
        };
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(|err| format!("{}: {err}", path.display()))?;
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}")?;
        let bar = ProgressBar::new(length).with_style(style);
        Ok(Input { reader: Box::new(BufReader::new(file)), bar })
    }
}

/// Hands each line to the thread that logs for its equipment, so that its lines stay in order.
/// Returns the number of lines.
fn feed(mut input: Input, args: &Args) -> Result<u64, Box<dyn Error>> {
    let field = args.field.get() - 1;
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    thread::scope(|threads| {
        let queues: Vec<_> = (0..args.threads.get())
            .map(|_| {
                let (queue, lines) = mpsc::sync_channel(WAITING_LINES);
                threads.spawn(move || log_lines(lines, field));
                queue
            })
            .collect();
        let mut count = 0;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let length = input.reader.read_until(b'\n', &mut bytes)?;
            if length == 0 {
                break;
            }
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            let thread =
                hasher.hash_one(line.split_whitespace().nth(field)) as usize % queues.len();
            queues[thread].send(line).map_err(|_| "a logging thread panicked")?;
            count += 1;
            input.bar.inc(length as u64);
        }
        input.bar.finish_and_clear();
        Ok(count)
    })
}

fn log_lines(lines: Receiver<String>, field: usize) {
    for line in lines {
        match line.split_whitespace().nth(field) {
            Some(id) => log::info!(equipment_id = id; "{line}"),
            None => log::info!("{line}"),
        }
    }
}

fn print_table(sink: &EquipmentSink) {
    let stats = sink.stats();
    let width =
        stats.equipment.keys().map(|id| id.as_str().len()).fold("equipment".len(), usize::max);
    println!("{:<width$} {:>10} {:>12}", "equipment", "records", "bytes");
    let mut all_bytes = 0;
    for (equipment, counts) in &stats.equipment {
        let path = Scope::new(equipment).ok().and_then(|scope| sink.path(&scope));
        // What the log holds now, with what stood there before.
        let bytes = path.and_then(|path| fs::metadata(path).ok()).map_or(0, |log| log.len());
        println!("{equipment:<width$} {:>10} {bytes:>12}", counts.written);
        all_bytes += bytes;
    }
    println!("{:<width$} {:>10} {all_bytes:>12}", "all", stats.total.written);
    println!("{:<width$} {:>10}", "no scope", stats.skipped);
    println!("{:<width$} {:>10}", "filtered", stats.filtered);
    println!("{:<width$} {:>10}", "refused", stats.refused);
    println!("{:<width$} {:>10}", "lost", stats.total.lost);
}

fn print_reasons(reasons: &Reasons) {
    let reasons = reasons.lock().unwrap_or_else(PoisonError::into_inner);
    for (reason, records) in reasons.iter().take(LISTED_REASONS) {
        println!("{records:>10} x {reason}");
    }
    if reasons.len() > LISTED_REASONS {
        println!("{:>10} reasons more", reasons.len() - LISTED_REASONS);
    }
}

/// Says the sum, and whether it is right.
fn adds_up(lines: u64, sink: &EquipmentSink) -> bool {
    let Stats { total, skipped, filtered, refused, .. } = sink.stats();
    let Counts { written, lost, .. } = total;
    let right = lines == written + skipped + filtered + refused + lost;
    let sign = if right { "=" } else { "IS NOT" };
    println!(
        "{lines} lines in {sign} {written} written + {skipped} skipped + {filtered} filtered + {refused} refused + \
         {lost} lost"
    );
    right
}
