//! Merges the logs of one piece of equipment from all hosts, by time, to standard output.
//!
//!     cargo run --release --example merge -- /data/CONFOCAL_01 --since "2 hours" --level warn
//!
//! The folder is the equipment's, or the one in it that holds its logs: `wizard.<host>.log` and, where
//! they are rotated, `wizard.<host>.log.1` and so on. Each host's own order is kept, and hosts are
//! merged by the times that their clocks said. What is no structured line stays behind the record before
//! it: a record that was written with `control_characters: keep`, or what a crash left.
//!
//! The memory does not grow with the logs: each host has one file open, and one line in hand. Let
//! nothing rotate the logs meanwhile: a file that moves on may be read twice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use equipment_log::{parse_line, Line};

/// The folder in the equipment's that the default path puts its logs into.
const LOGS: &str = ".exlab-wizard";

/// A longer line is passed on in pieces of this many bytes, so that a file without line ends does
/// not fill the memory.
const LONGEST_PIECE: u64 = 256 * 1024;

/// Bytes that are read at once from each host's file.
const READ_AT_ONCE: usize = 32 * 1024;

/// Merges the logs of one piece of equipment from all hosts, by time.
#[derive(Parser)]
struct Args {
    /// The equipment's folder below `local_root`
    folder: PathBuf,
    /// Only records from then on: `2026-04-17T14:31:55Z`, or as far back as `2 hours`
    #[arg(long, value_parser = parse_since)]
    since: Option<SystemTime>,
    /// Only records of this level or worse
    #[arg(long)]
    level: Option<log::LevelFilter>,
    /// Only records of this run
    #[arg(long)]
    run: Option<String>,
}

fn parse_since(text: &str) -> Result<SystemTime, String> {
    let ago = |back: Duration| SystemTime::now().checked_sub(back);
    humantime::parse_rfc3339_weak(text)
        .ok()
        .or_else(|| humantime::parse_duration(text).ok().and_then(ago))
        .ok_or_else(|| {
            "neither a UTC time as 2026-04-17T14:31:55Z nor a duration as 2 hours".into()
        })
}

fn main() -> ExitCode {
    match merge(&Args::parse(), BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
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

fn merge(args: &Args, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let mut hosts: Vec<_> = files_by_host(&args.folder)?.into_values().map(Host::new).collect();
    let mut next = BinaryHeap::new();
    for (at, host) in hosts.iter_mut().enumerate() {
        if host.read_piece()? {
            host.first = host.parse_piece();
            let time = host.first.as_ref().map_or(UNIX_EPOCH, |line| line.time);
            next.push(Reverse((time, at)));
        }
    }
    while let Some(Reverse((_, at))) = next.pop() {
        let host = &mut hosts[at];
        if host.pass_record(args, &mut out)? {
            next.extend(host.first.as_ref().map(|line| Reverse((line.time, at))));
        }
    }
    Ok(out.flush()?)
}

/// The files of each host, in the order in which they were written.
fn files_by_host(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, Box<dyn Error>> {
    let inside = folder.join(LOGS);
    let folder = if inside.is_dir() { &inside } else { folder };
    let entries = folder.read_dir().map_err(|err| format!("{}: {err}", folder.display()))?;
    let mut hosts = BTreeMap::<String, Vec<(u32, PathBuf)>>::new();
    for entry in entries {
        let entry = entry?;
        if let Some((host, age)) = entry.file_name().to_str().and_then(host_and_age) {
            hosts.entry(host.to_owned()).or_default().push((age, entry.path()));
        }
    }
    if hosts.is_empty() {
        return Err(format!("{} holds no wizard.<host>.log", folder.display()).into());
    }
    Ok(hosts
        .into_iter()
        .map(|(host, mut files)| {
            files.sort_by_key(|(age, _)| Reverse(*age));
            (host, files.into_iter().map(|(_, path)| path).collect())
        })
        .collect())
}

/// The host in `wizard.<host>.log`, and how often that file was rotated: `.2` is older than `.1`.
fn host_and_age(file_name: &str) -> Option<(&str, u32)> {
    let rest = file_name.strip_prefix("wizard.")?;
    if let Some(host) = rest.strip_suffix(".log") {
        return Some((host, 0));
    }
    let (log, age) = rest.rsplit_once('.')?;
    Some((log.strip_suffix(".log")?, age.parse().ok()?))
}

/// The files of one host, read as one.
struct Host {
    /// The newest first: they are taken from the end.
    files: Vec<PathBuf>,
    open: Option<(PathBuf, BufReader<File>)>,
    /// The line in hand, or a part of a long one.
    piece: Vec<u8>,
    /// Whether the piece is the beginning of its line.
    begins_line: bool,
    /// What the piece says, where it is the first line of a record.
    first: Option<Line>,
}

impl Host {
    fn new(mut files: Vec<PathBuf>) -> Host {
        files.reverse();
        Host { files, open: None, piece: b"\n".to_vec(), begins_line: true, first: None }
    }

    /// Writes the record in hand, if it is wanted, with the lines that belong to it, and takes the
    /// next in hand. `false`: there is none.
    fn pass_record(&mut self, args: &Args, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
        let wanted = is_wanted(args, self.first.as_ref());
        loop {
            if wanted {
                out.write_all(&self.piece)?;
            }
            if !self.read_piece()? {
                return Ok(false);
            }
            self.first = self.parse_piece();
            if self.first.is_some() {
                return Ok(true);
            }
        }
    }

    fn parse_piece(&self) -> Option<Line> {
        let line = match self.piece.strip_suffix(b"\n") {
            _ if !self.begins_line => return None,
            Some(line) => line,
            // Of a long line only the beginning is at hand; no escape has a space in it.
            None => self.piece.get(..=self.piece.iter().rposition(|byte| *byte == b' ')?)?,
        };
        parse_line(&String::from_utf8_lossy(line))
    }

    /// Takes the next line in hand, or the next part of a long one. `false`: it was the last.
    fn read_piece(&mut self) -> Result<bool, String> {
        self.begins_line = self.piece.ends_with(b"\n");
        self.piece.clear();
        loop {
            let (path, reader) = match &mut self.open {
                Some(open) => open,
                None => match self.files.pop() {
                    Some(path) => self.open.insert(open(path)?),
                    None => return Ok(false),
                },
            };
            reader
                .take(LONGEST_PIECE)
                .read_until(b'\n', &mut self.piece)
                .map_err(|err| format!("{}: {err}", path.display()))?;
            let file_ended =
                self.piece.len() as u64 != LONGEST_PIECE && !self.piece.ends_with(b"\n");
            if file_ended {
                self.open = None;
                // The last line may have been cut off; the next file's first is another one.
                if !self.piece.is_empty() || !self.begins_line {
                    self.piece.push(b'\n');
                }
            }
            if !self.piece.is_empty() {
                return Ok(true);
            }
        }
    }
}

fn open(path: PathBuf) -> Result<(PathBuf, BufReader<File>), String> {
    match File::open(&path) {
        Ok(file) => Ok((path, BufReader::with_capacity(READ_AT_ONCE, file))),
        Err(err) => Err(format!("{}: {err}", path.display())),
    }
}

/// Lines before a host's first record have neither time nor level: any filter leaves them out.
fn is_wanted(args: &Args, first: Option<&Line>) -> bool {
    let Some(line) = first else {
        return args.since.is_none() && args.level.is_none() && args.run.is_none();
    };
    let of_run = |run: &String| line.tags.iter().any(|(key, value)| key == "run" && value == run);
    args.since.is_none_or(|since| line.time >= since)
        && args.level.is_none_or(|level| line.level <= level)
        && args.run.as_ref().is_none_or(of_run)
}
