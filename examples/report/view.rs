//! What the page shows, as values for its template.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use equipment_log::parse_line;
use serde::Serialize;

use super::axis::{words, Axis, Span, Time};
use super::bins::Sum as _;
use super::chart::{charts, Chart};
use super::collect::{Counts, Equipment, Event, Range};
use super::reading::filter::Filter;
use super::reading::head::{Head, SECOND};
use super::reading::troubles::Troubles;

/// A lane's height, in the units of its drawing.
const HEIGHT: f64 = 24.0;

/// ERROR first, as the counts are.
const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

#[derive(Serialize)]
pub(crate) struct Page {
    levels: [&'static str; 5],
    totals: [u64; 5],
    total: u64,
    missing: u64,
    other_lines: u64,
    hosts: usize,
    range: Option<Span>,
    ticks: Vec<Time>,
    bars: i64,
    /// What one bar stands for.
    bar_span: String,
    silent_after: String,
    silent: Vec<Silent>,
    equipment: Vec<Lane>,
    runs: Vec<String>,
    errors: Vec<Error>,
    gaps: Vec<Gap>,
    charts: Vec<Chart>,
    troubles: Vec<String>,
    /// Records by equipment, run and level: what the filters count.
    #[serde(skip)]
    pub(crate) counts: BTreeMap<String, BTreeMap<String, [u64; 5]>>,
}

#[derive(Serialize)]
struct Silent {
    name: String,
    last: Time,
    length: String,
}

#[derive(Serialize)]
struct Lane {
    name: String,
    bars: Vec<Bar>,
    counts: [u64; 5],
    total: u64,
    range: Option<Span>,
    silence: Option<Span>,
    is_silent: bool,
    hosts: Vec<Host>,
    missing: u64,
    other_lines: u64,
}

#[derive(Serialize)]
struct Bar {
    x: i64,
    y: f64,
    height: f64,
    worst: usize,
    counts: String,
    title: String,
}

#[derive(Serialize)]
struct Host {
    name: String,
    total: u64,
    last: Time,
}

#[derive(Serialize)]
struct Error {
    equipment: String,
    run: String,
    level: &'static str,
    time: Time,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    time: Option<Time>,
    level: &'static str,
    host: String,
    tags: Vec<(String, String)>,
    text: String,
}

#[derive(Serialize)]
struct Gap {
    equipment: String,
    host: String,
    run: String,
    time: Time,
    message: String,
}

impl Page {
    pub(crate) fn new(
        all: &[Equipment],
        filter: &Filter,
        silent_after: Duration,
        troubles: &Troubles,
    ) -> Page {
        let ranges = all.iter().filter_map(|equipment| equipment.range);
        let range =
            ranges.reduce(|a, b| Range { first: a.first.min(b.first), last: a.last.max(b.last) });
        let drawn = drawn_range(range, filter);
        let widths = all.iter().map(|equipment| equipment.lane.width());
        let axis = Axis::new(drawn, widths.max().unwrap_or(SECOND));
        let silent_from =
            range.map_or(0, |range| range.last.saturating_sub(silent_after.as_micros() as i64));
        let is_silent =
            |equipment: &&Equipment| equipment.range.is_some_and(|range| range.last < silent_from);
        let silent = all.iter().filter(is_silent).filter_map(|equipment| {
            let own = equipment.range?;
            let length = words((range?.last - own.last) / SECOND);
            Some(Silent { name: equipment.name.clone(), last: Time::new(own.last), length })
        });
        let mut totals = Counts::default();
        all.iter().flat_map(|one| one.runs.values()).for_each(|counts| totals.add(counts));
        let runs: BTreeSet<&String> = all.iter().flat_map(|one| one.runs.keys()).collect();
        let hosts: BTreeSet<&String> = all.iter().flat_map(|one| one.hosts.keys()).collect();
        let mut events: Vec<_> =
            all.iter().flat_map(|one| one.errors.iter().map(move |event| (one, event))).collect();
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event.head.time));
        let mut gaps: Vec<_> =
            all.iter().flat_map(|one| one.gaps.iter().map(move |gap| (one, gap))).collect();
        gaps.sort_by_key(|(_, gap)| std::cmp::Reverse(gap.time));
        let by_run = |one: &Equipment| {
            one.runs.iter().map(|(run, counts)| (run.clone(), counts.0)).collect()
        };
        Page {
            levels: LEVELS,
            totals: totals.0,
            total: totals.total(),
            missing: all.iter().map(|one| one.missing).sum(),
            other_lines: all.iter().map(|one| one.other_lines).sum(),
            hosts: hosts.len(),
            range: drawn.map(Span::new),
            ticks: axis.ticks(),
            bars: axis.bars,
            bar_span: words(axis.width / SECOND),
            silent_after: words(silent_after.as_secs() as i64),
            silent: silent.collect(),
            equipment: all.iter().map(|one| lane(one, &axis, is_silent(&one))).collect(),
            runs: runs.into_iter().filter(|run| !run.is_empty()).cloned().collect(),
            errors: events.into_iter().map(|(one, event)| error(one, event)).collect(),
            gaps: gaps
                .into_iter()
                .map(|(one, gap)| Gap {
                    equipment: one.name.clone(),
                    host: gap.host.clone(),
                    run: gap.run.clone(),
                    time: Time::new(gap.time),
                    message: gap.message.clone(),
                })
                .collect(),
            charts: all.iter().flat_map(|one| charts(one, &axis)).collect(),
            troubles: troubles.texts(),
            counts: all.iter().map(|one| (one.name.clone(), by_run(one))).collect(),
        }
    }

    /// For standard error.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} records of {} equipment, {} ERRORs, {} records missing",
            self.total,
            self.equipment.len(),
            self.totals[0],
            self.missing
        )
    }
}

/// The time that was asked for, or that of the records.
fn drawn_range(range: Option<Range>, filter: &Filter) -> Option<Range> {
    let range = range?;
    let last = filter.until.map_or(range.last, |until| until.min(range.last.max(until - SECOND)));
    Some(Range {
        first: filter.since.unwrap_or(range.first).min(range.first),
        last: last.max(range.last),
    })
}

fn lane(one: &Equipment, axis: &Axis, is_silent: bool) -> Lane {
    let spans = one.lane.at_width(axis.width);
    let most = spans.values().map(Counts::total).max().unwrap_or(1);
    let bars = spans.iter().map(|(at, counts)| {
        let height = bar_height(counts.total(), most);
        let worst = counts.0.iter().position(|count| *count > 0).unwrap_or(0);
        let named = LEVELS.iter().zip(counts.0).filter(|(_, count)| *count > 0);
        let named: Vec<_> = named.map(|(level, count)| format!("{count} {level}")).collect();
        let time = Time::new(at * axis.width).shown;
        Bar {
            x: at - axis.first,
            y: HEIGHT - height,
            height,
            worst,
            counts: counts.0.map(|count| count.to_string()).join(","),
            title: format!("{time} UTC: {}", named.join(", ")),
        }
    });
    let mut counts = Counts::default();
    one.runs.values().for_each(|run| counts.add(run));
    Lane {
        name: one.name.clone(),
        bars: bars.collect(),
        counts: counts.0,
        total: counts.total(),
        range: one.range.map(Span::new),
        silence: one.silence.map(Span::new),
        is_silent,
        hosts: one
            .hosts
            .iter()
            .map(|(name, (total, range))| Host {
                name: name.clone(),
                total: *total,
                last: Time::new(range.last),
            })
            .collect(),
        missing: one.missing,
        other_lines: one.other_lines,
    }
}

/// Few records can be seen beside many: by the logarithm. page.js draws by the same rule.
fn bar_height(count: u64, most: u64) -> f64 {
    let part = (count as f64).ln_1p() / (most as f64).ln_1p();
    ((0.25 + 0.75 * part) * HEIGHT * 100.0).round() / 100.0
}

fn error(one: &Equipment, event: &Event) -> Error {
    Error {
        equipment: one.name.clone(),
        run: event.run.clone(),
        level: event.head.level.as_str(),
        time: Time::new(event.head.time),
        lines: event.lines.iter().map(|bytes| line(bytes)).collect(),
    }
}

fn line(bytes: &[u8]) -> Line {
    let text = String::from_utf8_lossy(bytes);
    let (first, behind) = text.split_once('\n').unwrap_or((&text, ""));
    let head = Head::parse(bytes);
    let time = head.map(|head| Time::new(head.time));
    let level = head.map_or("", |head| head.level.as_str());
    match parse_line(first) {
        Some(line) => {
            let text = match behind {
                "" => line.message,
                behind => line.message + "\n" + behind,
            };
            Line { time, level, host: line.host, tags: line.tags, text }
        }
        None => {
            Line { time, level, host: String::new(), tags: Vec::new(), text: text.into_owned() }
        }
    }
}
