//! Which records are wanted.

use clap::Args;
use equipment_log::{parse_line, Line};
use log::LevelFilter;
use regex::bytes::Regex;

use super::stream::Record;
use super::when;

/// The options that choose records.
#[derive(Args, Clone)]
pub(crate) struct FilterArgs {
    /// Only records from this time on: as 2026-04-17T14:31:55Z, 2026-04-17T16:31+02:00, 2026-04-17, 14:31,
    /// "yesterday 18:00" or "2 hours" (ago)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only records before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// A time without a zone is this machine's local time; without this option it is UTC
    #[arg(long)]
    pub(crate) local: bool,
    /// Only records of this level or more severe
    #[arg(long)]
    pub(crate) level: Option<LevelFilter>,
    /// Only records of this run
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// Only records with this tag; several must all be there
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_tag)]
    pub(crate) tag: Vec<(String, String)>,
    /// Only records whose text matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<Regex>,
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a tag is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The options, read.
pub(crate) struct Filter {
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    level: Option<LevelFilter>,
    tags: Vec<(String, String)>,
    grep: Option<Regex>,
}

/// What a filter says of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wanted,
    NotWanted,
    /// The lines before a log's first record have neither time nor level.
    CannotTell,
}

impl Filter {
    pub(crate) fn new(args: &FilterArgs) -> Result<Filter, String> {
        let time = |text: &Option<String>| {
            text.as_deref().map(|text| when::parse(text, args.local)).transpose()
        };
        let mut tags = args.tag.clone();
        tags.extend(args.run.iter().map(|run| ("run".to_owned(), run.clone())));
        Ok(Filter {
            since: time(&args.since)?,
            until: time(&args.until)?,
            level: args.level,
            tags,
            grep: args.grep.clone(),
        })
    }

    fn takes_all(&self) -> bool {
        let by_head = self.since.is_some() || self.until.is_some() || self.level.is_some();
        !by_head && self.tags.is_empty() && self.grep.is_none()
    }

    /// The record may be a record's further part: then its first part has decided.
    pub(crate) fn judge(&self, record: &Record) -> Verdict {
        if self.takes_all() {
            return Verdict::Wanted;
        }
        let Some(head) = record.head else { return Verdict::CannotTell };
        let wanted = self.since.is_none_or(|since| head.time >= since)
            && self.until.is_none_or(|until| head.time < until)
            && self.level.is_none_or(|level| head.level <= level)
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&record.text))
            && (self.tags.is_empty() || record.line().is_some_and(|line| self.has_tags(&line)));
        if wanted {
            Verdict::Wanted
        } else {
            Verdict::NotWanted
        }
    }

    fn has_tags(&self, line: &Line) -> bool {
        let has = |(key, value): &(String, String)| match &**key {
            "host" => line.host == *value,
            "equip" => line.equipment.as_ref().is_some_and(|id| id.as_str() == value),
            _ => line.tags.iter().any(|tag| tag.0 == *key && tag.1 == *value),
        };
        self.tags.iter().all(has)
    }
}

impl Record {
    /// The first line, without its end.
    pub(crate) fn first_line(&self) -> &[u8] {
        self.text.split(|byte| *byte == b'\n').next().unwrap_or_default()
    }

    /// The first line, read; none where another encoder wrote it.
    pub(crate) fn line(&self) -> Option<Line> {
        let first = String::from_utf8_lossy(self.first_line());
        parse_line(&first).or_else(|| {
            // A part of a long line may end within an escape, whose beginning stays as it is.
            const LONGEST_ESCAPE: usize = r"\u001b".len();
            let at = first.rfind('\\').filter(|at| first.len() - at < LONGEST_ESCAPE)?;
            let (whole, begun) = first.split_at(at);
            let mut line = parse_line(whole).filter(|_| !self.text.ends_with(b"\n"))?;
            line.message.push_str(begun);
            Some(line)
        })
    }
}
