//! One log, read as records: its files one after the other, as if they were one.
//!
//! A record is its line and the lines behind it that begin none: a message that was written with line ends in it,
//! or what a crash left. A program may rotate and compress the log meanwhile: each file is read once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::head::Head;
use super::names::Part;
use super::order::{in_order, is_too_old};
use super::source::{has_more, Reading, Source, LONGEST_PIECE};
use super::tree::{Log, LogFile};
use super::troubles::Troubles;

/// A writer notices within a second that its file was rotated, and writes into that one until then.
const WRITERS_NOTICE: Duration = Duration::from_millis(1500);

/// How a log is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) reading: Reading,
    /// Whether more is expected where the live log ends.
    pub(crate) follow: bool,
    /// Rotated files without a record from this time on are left out, see [`is_too_old`]. Microseconds since 1970.
    pub(crate) since: Option<i64>,
}

/// One record, or a part of a long one.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Its lines, each with its end but for a part of a long line.
    pub(crate) text: Vec<u8>,
    /// None before the log's first record, and for a further part of the record before.
    pub(crate) head: Option<Head>,
    /// Whether it continues the record before.
    pub(crate) continues: bool,
}

/// The file in hand.
struct Open {
    path: PathBuf,
    part: Part,
    source: Source,
    /// Since when its path has led to another file.
    rotated: Option<Instant>,
}

/// One log's records, in the order of its files.
pub(crate) struct Stream<'a> {
    pub(crate) log: &'a Log,
    troubles: &'a Troubles,
    options: Options,
    files: VecDeque<LogFile>,
    /// The rotated files that were read, are in hand, or wait in `files`.
    known: BTreeSet<Part>,
    open: Option<Open>,
    /// Whether it was reported that the live log cannot be opened.
    reported_live: bool,
    /// The record in hand.
    pub(crate) record: Record,
    /// The time of the last record that had one.
    pub(crate) time: i64,
    /// Whether the record in hand is wanted; its parts share it.
    pub(crate) wanted: bool,
    /// How often lines were met that no filter can judge.
    pub(crate) undecided: u64,
    /// The line behind the record in hand, or what there is of it.
    ahead: Vec<u8>,
    ahead_is_whole: bool,
    begins_line: bool,
    had_record: bool,
}

impl<'a> Stream<'a> {
    pub(crate) fn of_log(log: &'a Log, options: Options, troubles: &'a Troubles) -> Stream<'a> {
        let files = log.files().unwrap_or_else(|err| {
            troubles.report(&log.folder, err);
            BTreeMap::new()
        });
        let known = files.keys().filter(|part| **part != Part::Live).cloned().collect();
        let has_live = files.contains_key(&Part::Live);
        let is_wanted =
            |file: &LogFile| !options.since.is_some_and(|since| is_too_old(file, since));
        let files = files.into_iter().filter(|(_, file)| is_wanted(file)).collect();
        let mut stream = Stream {
            log,
            troubles,
            options,
            files: in_order(files),
            known,
            open: None,
            reported_live: false,
            record: Record::default(),
            time: i64::MIN,
            wanted: false,
            undecided: 0,
            ahead: Vec::new(),
            ahead_is_whole: false,
            begins_line: true,
            had_record: false,
        };
        if options.follow && !has_live {
            stream.push_live();
        }
        stream
    }

    /// Takes the next record in hand. `false`: there is none, or none yet.
    pub(crate) fn advance(&mut self) -> bool {
        if !self.ahead_is_whole && !self.read_ahead() {
            return false;
        }
        self.take_ahead();
        while self.record.text.len() < LONGEST_PIECE && self.read_ahead() {
            if self.begins_line && Head::parse(&self.ahead).is_some() {
                break;
            }
            self.record.text.append(&mut self.ahead);
            self.ahead_is_whole = false;
        }
        true
    }

    fn take_ahead(&mut self) {
        self.record.text.clear();
        std::mem::swap(&mut self.record.text, &mut self.ahead);
        self.ahead_is_whole = false;
        let head = if self.begins_line { Head::parse(&self.record.text) } else { None };
        self.record.head = head;
        self.record.continues = head.is_none() && self.had_record;
        self.time = head.map_or(self.time, |head| head.time);
        self.had_record |= head.is_some();
    }

    /// Takes the next line ahead, or the next part of a long one. `false`: it was the last, or is not whole yet.
    fn read_ahead(&mut self) -> bool {
        if self.ahead.is_empty() {
            let last = self.record.text.last();
            self.begins_line = last.is_none_or(|byte| *byte == b'\n');
        }
        loop {
            let Some(open) = &mut self.open else {
                if self.open_next() {
                    continue;
                }
                return false;
            };
            if let Err(err) = open.source.read_piece(&mut self.ahead) {
                self.troubles.report(&open.path, err);
                self.close_torn();
            } else if self.ahead.len() >= LONGEST_PIECE || self.ahead.ends_with(b"\n") {
                self.ahead_is_whole = true;
                return true;
            } else if self.more_may_come() {
                return false;
            } else {
                self.close_torn();
            }
            if !self.ahead.is_empty() {
                self.ahead_is_whole = true;
                return true;
            }
        }
    }

    /// The last line may have been cut off; the next file's first is another one.
    fn close_torn(&mut self) {
        let open = self.open.take();
        if !self.ahead.is_empty() || !self.begins_line {
            self.ahead.push(b'\n');
        }
        if let Some(open) = open.filter(|open| open.part == Part::Live) {
            self.find_rotated(&open);
        }
    }

    /// At the end of the file in hand: whether it may grow.
    fn more_may_come(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        if !self.options.follow || open.part != Part::Live {
            return false;
        }
        if open.source.identity().is_at(&open.path, false).unwrap_or(false) {
            open.rotated = None;
            // It was copied and cut to nothing, as logrotate's `copytruncate` does.
            if open.source.is_cut() {
                self.open = None;
                self.push_live();
                return false;
            }
            return true;
        }
        open.rotated.get_or_insert_with(Instant::now).elapsed() < WRITERS_NOTICE
    }

    /// After the live log's end: what was rotated meanwhile, but for the file that was just read, is read next.
    fn find_rotated(&mut self, read: &Open) {
        let identity = read.source.identity();
        if identity.is_at(&read.path, false).unwrap_or(false) {
            return;
        }
        let mut new = self.new_files();
        let is_read = |file: &LogFile| identity.is_at(&file.path, file.compressed).unwrap_or(false);
        if let Some(at) = new.iter().position(is_read) {
            new.remove(at);
        }
        self.files.extend(new);
        self.push_live();
    }

    /// The rotated files that are there now and were not, in their order.
    fn new_files(&mut self) -> VecDeque<LogFile> {
        let files = match &self.log.only {
            Some(_) => return VecDeque::new(),
            None => self.log.files(),
        };
        let mut files = files.unwrap_or_else(|err| {
            self.troubles.report(&self.log.folder, err);
            BTreeMap::new()
        });
        files.retain(|part, _| *part != Part::Live && self.known.insert(part.clone()));
        in_order(files)
    }

    fn push_live(&mut self) {
        let path = self.log.folder.join(&self.log.name);
        if self.log.has_live() && (path.exists() || self.options.follow) {
            self.files.push_back(LogFile { path, part: Part::Live, compressed: false, twin: None });
        }
    }

    /// Takes the next file in hand. `false`: there is none, or none yet.
    fn open_next(&mut self) -> bool {
        let Some(file) = self.files.pop_front() else { return false };
        let missing = |err: &std::io::Error| err.kind() == std::io::ErrorKind::NotFound;
        let opened = match Source::open(&file.path, file.compressed, self.options.reading) {
            // It was compressed since the folder was read.
            Err(err) if missing(&err) && !file.compressed && file.part != Part::Live => {
                let mut name = file.path.clone().into_os_string();
                name.push(".gz");
                Source::open(name.as_ref(), true, self.options.reading).map_err(|_| err)
            }
            opened => opened,
        };
        match opened {
            Ok(source) => {
                if file.part == Part::Live {
                    // What was rotated since the folder was read is older than this.
                    let new = self.new_files();
                    if !new.is_empty() {
                        self.files.extend(new);
                        self.files.push_back(file);
                        return true;
                    }
                }
                self.reported_live &= file.part != Part::Live;
                self.compare_twin(&file);
                let LogFile { path, part, .. } = file;
                self.open = Some(Open { path, part, source, rotated: None });
            }
            // The next record makes it.
            Err(err) if missing(&err) && file.part == Part::Live => {
                let new = self.new_files();
                let wait = new.is_empty();
                if file.path.is_symlink() {
                    self.report_live(&file.path, "is a link to a file that is missing");
                }
                self.files.extend(new);
                if self.options.follow {
                    self.files.push_back(file);
                }
                return !wait || !self.options.follow;
            }
            // Another file may take its place.
            Err(err) if self.options.follow && file.part == Part::Live => {
                self.report_live(&file.path, err);
                self.files.push_back(file);
                return false;
            }
            Err(err) => self.troubles.report(&file.path, err),
        }
        true
    }

    fn report_live(&mut self, path: &Path, why: impl Display) {
        if !std::mem::replace(&mut self.reported_live, true) {
            self.troubles.report(path, why);
        }
    }

    /// Of a file that is there plain and compressed, the plain one is read.
    fn compare_twin(&self, file: &LogFile) {
        let Some(twin) = &file.twin else { return };
        if has_more(twin, &file.path).unwrap_or(false) {
            let plain = file.path.file_name().unwrap_or_default().to_string_lossy();
            self.troubles
                .report(twin, format_args!("is not read: {plain} is, and has other records"));
        }
    }
}
