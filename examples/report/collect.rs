//! What is kept of one piece of equipment while its records pass: as much as a page can show.

use std::collections::{BTreeMap, VecDeque};

use log::Level;

use super::bins::{Bins, Sum};
use super::reading::head::Head;
use super::reading::stream::Record;
use super::reading::tree::Log;

/// Records that are shown before each ERROR.
const BEFORE: usize = 5;

/// Runs that are told apart; the records of further ones are counted together.
const MOST_RUNS: usize = 500;

/// The name of those.
pub(crate) const FURTHER_RUNS: &str = "(further runs)";

/// Keys whose numbers are drawn.
const MOST_KEYS: usize = 16;

/// Gap lines that are listed, the last ones.
const MOST_GAPS: usize = 100;

/// A longer line is cut in the page, in bytes.
const LONGEST_LINE: usize = 4000;

/// Records by level, ERROR first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts(pub(crate) [u64; 5]);

impl Counts {
    pub(crate) fn one(level: Level) -> Counts {
        let mut counts = Counts::default();
        counts.0[level as usize - Level::Error as usize] = 1;
        counts
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Sum for Counts {
    fn add(&mut self, other: &Counts) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }
}

/// Numbers of one span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Sum for Numbers {
    fn add(&mut self, other: &Numbers) {
        if self.count == 0 {
            *self = *other;
        } else if other.count > 0 {
            self.count += other.count;
            self.sum += other.sum;
            self.least = self.least.min(other.least);
            self.most = self.most.max(other.most);
        }
    }
}

/// The numbers of one key.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) bins: Bins<Numbers>,
    pub(crate) last: f64,
    pub(crate) all: Numbers,
    /// Values of the key that are no numbers.
    pub(crate) texts: u64,
}

/// First and last record, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Range {
    pub(crate) fn with(range: Option<Range>, time: i64) -> Range {
        let range = range.unwrap_or(Range { first: time, last: time });
        Range { first: range.first.min(time), last: range.last.max(time) }
    }
}

/// A record with the records before it, as they are in the files.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) head: Head,
    pub(crate) run: String,
    pub(crate) lines: Vec<Vec<u8>>,
}

/// `n records are missing`.
#[derive(Debug)]
pub(crate) struct Gap {
    pub(crate) time: i64,
    pub(crate) host: String,
    pub(crate) run: String,
    pub(crate) message: String,
}

/// One piece of equipment.
#[derive(Debug)]
pub(crate) struct Equipment {
    pub(crate) name: String,
    pub(crate) lane: Bins<Counts>,
    pub(crate) runs: BTreeMap<String, Counts>,
    pub(crate) hosts: BTreeMap<String, (u64, Range)>,
    pub(crate) range: Option<Range>,
    /// The longest time without a record.
    pub(crate) silence: Option<Range>,
    pub(crate) errors: VecDeque<Event>,
    most_errors: usize,
    pub(crate) missing: u64,
    pub(crate) gaps: VecDeque<Gap>,
    pub(crate) series: BTreeMap<String, Series>,
    pub(crate) other_lines: u64,
    /// The records before this one; their memory is used again.
    before: VecDeque<Vec<u8>>,
}

impl Equipment {
    pub(crate) fn new(name: &str, most_errors: usize) -> Equipment {
        Equipment {
            name: name.to_owned(),
            lane: Bins::default(),
            runs: BTreeMap::new(),
            hosts: BTreeMap::new(),
            range: None,
            silence: None,
            errors: VecDeque::new(),
            most_errors,
            missing: 0,
            gaps: VecDeque::new(),
            series: BTreeMap::new(),
            other_lines: 0,
            before: VecDeque::new(),
        }
    }

    pub(crate) fn take(&mut self, record: &Record, log: &Log) {
        let Some(head) = record.head else {
            self.other_lines += 1;
            return;
        };
        let count = Counts::one(head.level);
        self.lane.add(head.time, &count);
        self.take_time(head.time);
        let line = record.line();
        let mut run = "";
        if let Some(line) = &line {
            for (key, value) in &line.tags {
                match &**key {
                    "run" => run = value,
                    "proj" | "kind" => {}
                    key => self.take_value(key, value, head.time),
                }
            }
            if head.level == Level::Warn {
                self.take_gap(head.time, &line.host, run, &line.message);
            }
        }
        let host = line.as_ref().map_or(log.host(), |line| &line.host);
        self.take_host(host, head.time);
        self.take_run(run, &count);
        if head.level == Level::Error {
            self.take_error(head, run, record);
        }
        self.remember(record);
    }

    fn take_time(&mut self, time: i64) {
        if let Some(Range { last, .. }) = self.range {
            let longest = self.silence.map_or(0, |silence| silence.last - silence.first);
            if time - last > longest {
                self.silence = Some(Range { first: last, last: time });
            }
        }
        self.range = Some(Range::with(self.range, time));
    }

    fn take_host(&mut self, host: &str, time: i64) {
        match self.hosts.get_mut(host) {
            Some((count, range)) => {
                *count += 1;
                *range = Range::with(Some(*range), time);
            }
            None => drop(self.hosts.insert(host.to_owned(), (1, Range::with(None, time)))),
        }
    }

    fn take_run(&mut self, run: &str, count: &Counts) {
        if let Some(counts) = self.runs.get_mut(run) {
            counts.add(count);
        } else {
            let full = self.runs.len() >= MOST_RUNS && !run.is_empty();
            let run = if full { FURTHER_RUNS } else { run };
            self.runs.entry(run.to_owned()).or_default().add(count);
        }
    }

    fn take_value(&mut self, key: &str, value: &str, time: i64) {
        // What Rust reads as a number beside digits is a word: `inf`, `nan`.
        let begins =
            value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
        let number = value.parse::<f64>().ok().filter(|number| begins && number.is_finite());
        let known = self.series.len() < MOST_KEYS || self.series.contains_key(key);
        if !known {
            return;
        }
        if !self.series.contains_key(key) {
            self.series.insert(key.to_owned(), Series::default());
        }
        let Some(series) = self.series.get_mut(key) else { return };
        match number {
            Some(number) => {
                let one = Numbers { count: 1, sum: number, least: number, most: number };
                series.bins.add(time, &one);
                series.all.add(&one);
                series.last = number;
            }
            None => series.texts += 1,
        }
    }

    /// The line that the crate writes where records are missing.
    fn take_gap(&mut self, time: i64, host: &str, run: &str, message: &str) {
        let Some((count, rest)) = message.split_once(' ') else { return };
        let says = rest.starts_with("records are missing here")
            || rest.starts_with("record is missing here");
        let Some(count) = count.parse::<u64>().ok().filter(|_| says && rest.ends_with('.')) else {
            return;
        };
        self.missing += count;
        if self.gaps.len() == MOST_GAPS {
            self.gaps.pop_front();
        }
        let [host, run, message] = [host, run, message].map(str::to_owned);
        self.gaps.push_back(Gap { time, host, run, message });
    }

    fn take_error(&mut self, head: Head, run: &str, record: &Record) {
        if self.most_errors == 0 {
            return;
        }
        if self.errors.len() == self.most_errors {
            self.errors.pop_front();
        }
        let lines =
            self.before.iter().map(Vec::as_slice).chain([shown(record)]).map(<[u8]>::to_vec);
        let lines = lines.collect();
        self.errors.push_back(Event { head, run: run.to_owned(), lines });
    }

    fn remember(&mut self, record: &Record) {
        let mut line = match self.before.len() {
            BEFORE => self.before.pop_front().unwrap_or_default(),
            _ => Vec::new(),
        };
        line.clear();
        line.extend_from_slice(shown(record));
        self.before.push_back(line);
    }
}

/// The record's lines, as far as they are shown.
fn shown(record: &Record) -> &[u8] {
    let text = record.text.strip_suffix(b"\n").unwrap_or(&record.text);
    &text[..text.len().min(LONGEST_LINE)]
}
