//! Merges equipment logs, by time, to standard output.
//!
//!     cargo run --release --example merge -- /data/lab --since "yesterday 18:00" --level warn
//!
//! Give it `local_root` for all equipment, or the folders of some equipment. It reads the logs of all hosts, with
//! rotated and compressed files. The records of one log keep their order. Different logs are merged by the times that
//! their hosts wrote. A line that is not the beginning of a record stays behind the record before it, for example a
//! line of a record that was written with `control_characters: keep`, or an incomplete line after a crash.
//!
//! The memory does not grow with the logs, and at most 64 files are open. A program may log and rotate meanwhile. The
//! exit code is 0 only if nothing is missing. If a file could not be read, standard error names it.

#[path = "../reading/mod.rs"]
mod reading;

mod colour;
mod json;
mod line;
mod print;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

use print::{Printer, Style};
use reading::filter::{Filter, FilterArgs, Verdict};
use reading::merge::Merge;
use reading::stream::Stream;
use reading::tree::{find_logs, Log};
use reading::troubles::Troubles;

/// With `--follow`: how often the logs are looked at.
const POLL: Duration = Duration::from_millis(200);

/// With `--follow`: how often new logs are looked for.
const NEW_LOGS: Duration = Duration::from_secs(1);

/// Merges equipment logs, by time.
#[derive(Parser)]
struct Args {
    /// `local_root` for all equipment, an equipment's folder, or a file
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Wait for more, over rotations and compressions
    #[arg(long, short)]
    follow: bool,
    /// Show the line ends of a message as such, in place of `\n`
    #[arg(long, conflicts_with = "json")]
    unfold: bool,
    /// One JSON object for each record, with its tags and key-values as fields
    #[arg(long)]
    json: bool,
    /// Whether levels are coloured
    #[arg(long, default_value = "auto")]
    color: Color,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, where NO_COLOR is not set
    Auto,
    Always,
    Never,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let troubles = Troubles::new("merge");
    match run(&args, &troubles) {
        Ok(()) if troubles.count() == 0 => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        // `| head` has seen enough.
        Err(err) if is_broken_pipe(&*err) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("merge: {err}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(err: &(dyn Error + 'static)) -> bool {
    err.downcast_ref::<io::Error>().is_some_and(|err| err.kind() == io::ErrorKind::BrokenPipe)
}

fn run(args: &Args, troubles: &Troubles) -> Result<(), Box<dyn Error>> {
    let filter = Filter::new(&args.filter)?;
    let mut printer = Printer::new(style(args), args.unfold);
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let logs = find_logs(&args.paths, troubles);
    let mut merge = Merge::new(&logs, filter.since, args.follow, troubles);
    pass_on(&mut merge, &filter, &mut printer, &mut out)?;
    if args.follow {
        follow(args, &filter, merge, &logs, &mut printer, &mut out, troubles)?;
    } else {
        report_undecided(&merge, troubles);
    }
    Ok(())
}

fn style(args: &Args) -> Style {
    let terminal = io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = match args.color {
        Color::Auto => terminal && !no_color,
        color => color == Color::Always,
    };
    match (args.json, terminal || color) {
        (true, _) => Style::Json,
        (false, true) => Style::Terminal { color },
        (false, false) => Style::Plain,
    }
}

/// All records that are there now.
fn pass_on(
    merge: &mut Merge<'_>,
    filter: &Filter,
    printer: &mut Printer,
    out: &mut impl Write,
) -> io::Result<()> {
    merge.poll();
    while let Some(stream) = merge.next() {
        if !stream.record.continues {
            let verdict = filter.judge(&stream.record);
            stream.wanted = verdict == Verdict::Wanted;
            if verdict == Verdict::CannotTell {
                stream.undecided += 1;
            }
        }
        if stream.wanted {
            printer.print(stream.log, &stream.record, out)?;
        }
    }
    printer.finish(out)?;
    out.flush()
}

/// Lines that no filter can judge are not left out in silence.
fn report_undecided(merge: &Merge<'_>, troubles: &Troubles) {
    let undecided = |stream: &&Stream<'_>| stream.undecided > 0;
    for stream in merge.streams.iter().filter(undecided) {
        let log = stream.log.folder.join(&stream.log.name);
        troubles.report(
            &log,
            "begins with lines that have no time and no level: a filter leaves them out",
        );
    }
}

/// Passes on what is logged from now on, until the program is stopped.
fn follow<'a>(
    args: &Args,
    filter: &Filter,
    mut merge: Merge<'a>,
    logs: &BTreeSet<Log>,
    printer: &mut Printer,
    out: &mut impl Write,
    troubles: &'a Troubles,
) -> io::Result<()> {
    let mut known: BTreeSet<_> = logs.iter().map(Log::key).collect();
    let mut looked = Instant::now();
    // What cannot be read was reported at the start.
    let silent = Troubles::silent();
    loop {
        thread::sleep(POLL);
        if looked.elapsed() >= NEW_LOGS {
            for log in find_logs(&args.paths, &silent) {
                if known.insert(log.key()) {
                    // One log that lives as long as the program does.
                    merge.add(Box::leak(Box::new(log)), troubles);
                }
            }
            looked = Instant::now();
        }
        pass_on(&mut merge, filter, printer, out)?;
    }
}
