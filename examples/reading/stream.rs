//! One log, read as records: its files one after the other, as if they were one.
//!
//! A record is its line and the lines behind it that begin none: a message that was written with line ends in it,
//! or what a crash left. A program may rotate and compress the log meanwhile: each file is read once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::head::{Head, DAY};
use super::names::Part;
use super::source::{Reading, Source, LONGEST_PIECE};
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
    /// Rotated files whose period ended long before this time are left out. Microseconds since 1970.
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
    /// Where only files of one kind are to be read: another stream reads the others.
    kind: Option<usize>,
    files: VecDeque<LogFile>,
    /// The rotated files that were read, are in hand, or wait in `files`.
    known: BTreeSet<Part>,
    open: Option<Open>,
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
    /// The streams of one log: one, but for a log with rotated files of several kinds, whose order the names do
    /// not tell.
    pub(crate) fn of_log(
        log: &'a Log,
        options: Options,
        troubles: &'a Troubles,
    ) -> Vec<Stream<'a>> {
        let files = log.files().unwrap_or_else(|err| {
            troubles.report(&log.folder, err);
            BTreeMap::new()
        });
        let kinds: BTreeSet<usize> =
            files.keys().map(Part::kind).filter(|kind| *kind != 0).collect();
        if kinds.len() < 2 {
            return vec![Stream::new(log, options, troubles, files, None)];
        }
        let kinds = kinds.into_iter().chain([0]);
        let of_kind = |kind| {
            let mut options = options;
            options.follow &= kind == 0;
            let own = files.iter().filter(|(part, _)| part.kind() == kind || kind == 0);
            let own = own.map(|(part, file)| (part.clone(), file.clone())).collect();
            Stream::new(log, options, troubles, own, Some(kind))
        };
        kinds.map(of_kind).collect()
    }

    fn new(
        log: &'a Log,
        options: Options,
        troubles: &'a Troubles,
        files: BTreeMap<Part, LogFile>,
        kind: Option<usize>,
    ) -> Stream<'a> {
        let known = files.keys().filter(|part| **part != Part::Live).cloned().collect();
        let is_wanted = |file: &LogFile| {
            let too_old = match (file.part.ends(), options.since) {
                // A day more, for a clock that was set.
                (Some(ends), Some(since)) => ends + DAY < since,
                _ => false,
            };
            !too_old && kind.is_none_or(|kind| file.part.kind() == kind)
        };
        let has_live = files.contains_key(&Part::Live);
        let mut stream = Stream {
            log,
            troubles,
            options,
            kind,
            files: files.into_values().filter(is_wanted).collect(),
            known,
            open: None,
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
    fn new_files(&mut self) -> Vec<LogFile> {
        if self.kind.is_some_and(|kind| kind != 0) {
            return Vec::new();
        }
        let files = match &self.log.only {
            Some(_) => return Vec::new(),
            None => self.log.files(),
        };
        let files = files.unwrap_or_else(|err| {
            self.troubles.report(&self.log.folder, err);
            BTreeMap::new()
        });
        let files = files.into_values().filter(|file| file.part != Part::Live);
        files.filter(|file| self.known.insert(file.part.clone())).collect()
    }

    fn push_live(&mut self) {
        let path = self.log.folder.join(&self.log.name);
        if path.exists() || self.options.follow {
            self.files.push_back(LogFile { path, part: Part::Live, compressed: false });
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
                let LogFile { path, part, .. } = file;
                self.open = Some(Open { path, part, source, rotated: None });
            }
            // The next record makes it.
            Err(err) if missing(&err) && file.part == Part::Live => {
                let new = self.new_files();
                let wait = new.is_empty();
                self.files.extend(new);
                if self.options.follow {
                    self.files.push_back(file);
                }
                return !wait || !self.options.follow;
            }
            Err(err) => self.troubles.report(&file.path, err),
        }
        true
    }
}
