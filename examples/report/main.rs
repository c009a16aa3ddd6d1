//! Makes one HTML page that shows what happened to the equipment.
//!
//!     cargo run --release --example report -- /data/lab --since "yesterday 18:00" --output last-night.html
//!
//! For each piece of equipment: its records over time by the worst level, hosts, first and last record, counts by level
//! and run, records that are missing, the last ERRORs with the records before each, and the numbers that were logged.
//! The page needs no network. It has filters. Times are UTC, and a button changes them to local time.
//!
//! The memory does not grow with the logs: for each piece of equipment, it keeps only what the page can show. It reads
//! several pieces of equipment at the same time, on all processors. The exit code is 0 only if nothing is missing.

#[path = "../reading/mod.rs"]
mod reading;

mod axis;
mod bins;
mod chart;
mod collect;
mod page;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use collect::Equipment;
use reading::filter::{Filter, FilterArgs, Verdict};
use reading::merge::Merge;
use reading::tree::{find_logs, Log};
use reading::troubles::Troubles;

/// The bar is told of records in parcels of this many.
const PARCEL: u64 = 4096;

/// Makes one HTML page that shows what happened to the equipment.
#[derive(Parser)]
struct Args {
    /// `local_root` for all equipment, an equipment's folder, or a file
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
    /// The page; `-` is standard output
    #[arg(long, short, default_value = "report.html")]
    output: PathBuf,
    /// Of each equipment, this many of the last ERRORs are shown
    #[arg(long, default_value_t = 10)]
    errors: usize,
    /// Equipment without a record for this long before the newest one of all is silent
    #[arg(long, default_value = "15 minutes", value_parser = humantime::parse_duration)]
    silent: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let troubles = Troubles::new("report");
    match run(&args, &troubles) {
        Ok(()) if troubles.count() == 0 => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("report: {err}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, troubles: &Troubles) -> Result<(), Box<dyn Error>> {
    let filter = Filter::new(&args.filter)?;
    let mut by_equipment = BTreeMap::<String, BTreeSet<Log>>::new();
    for log in find_logs(&args.paths, troubles) {
        by_equipment.entry(log.equipment()).or_default().insert(log);
    }
    if by_equipment.is_empty() && troubles.count() > 0 {
        return Err("no log is found, and no page written".into());
    }
    let equipment = collect_all(&by_equipment, &filter, args.errors, troubles)?;
    let page = view::Page::new(&equipment, &filter, args.silent, troubles);
    if args.output == Path::new("-") {
        page::write(&page, &mut io::stdout().lock())
    } else {
        let named = |err: io::Error| format!("{}: {err}", args.output.display());
        let mut out = BufWriter::new(File::create(&args.output).map_err(named)?);
        page::write(&page, &mut out)?;
        out.flush().map_err(named)?;
        eprintln!("{}: {}", args.output.display(), page.summary());
        Ok(())
    }
}

/// What is shown of each equipment, in the order of their names.
fn collect_all(
    by_equipment: &BTreeMap<String, BTreeSet<Log>>,
    filter: &Filter,
    errors: usize,
    troubles: &Troubles,
) -> Result<Vec<Equipment>, Box<dyn Error>> {
    let style = "{bar:40} {pos}/{len} equipment, {msg} records, {elapsed}";
    let bar = ProgressBar::new(by_equipment.len() as u64)
        .with_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let (work, done) = (Mutex::new(by_equipment.iter()), Mutex::new((0, Vec::new())));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(by_equipment.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((name, logs)) = next else { break };
                let read = |records| {
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.0 += records;
                    bar.set_message(done.0.to_string());
                };
                let found = collect(name, logs, filter, errors, troubles, read);
                done.lock().unwrap_or_else(PoisonError::into_inner).1.push(found);
                bar.inc(1);
            });
        }
    });
    bar.finish_and_clear();
    let (_, mut equipment) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    equipment.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(equipment)
}

fn collect(
    name: &str,
    logs: &BTreeSet<Log>,
    filter: &Filter,
    errors: usize,
    troubles: &Troubles,
    read: impl Fn(u64),
) -> Equipment {
    let mut equipment = Equipment::new(name, errors);
    let mut merge = Merge::new(logs, filter.since, false, troubles);
    let mut records = 0;
    merge.poll();
    while let Some(stream) = merge.next() {
        if stream.record.continues {
            continue;
        }
        match filter.judge(&stream.record) {
            Verdict::Wanted => equipment.take(&stream.record, stream.log),
            Verdict::CannotTell => equipment.other_lines += 1,
            Verdict::NotWanted => {}
        }
        records += 1;
        if records == PARCEL {
            read(records);
            records = 0;
        }
    }
    read(records);
    equipment
}
