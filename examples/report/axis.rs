//! Times, and the time axis that all drawings of the page share.

use serde::Serialize;

use super::collect::Range;
use super::reading::head::SECOND;
use super::reading::when;

/// A drawing has at most this many bars.
const BARS: i64 = 240;

/// A time for the machine and for people.
#[derive(Serialize)]
pub(crate) struct Time {
    pub(crate) utc: String,
    pub(crate) shown: String,
}

impl Time {
    pub(crate) fn new(micros: i64) -> Time {
        let utc = when::format(micros);
        Time { shown: utc.replace('T', " ").trim_end_matches('Z').to_owned(), utc }
    }
}

#[derive(Serialize)]
pub(crate) struct Span {
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) length: String,
}

impl Span {
    pub(crate) fn new(range: Range) -> Span {
        let length = words((range.last - range.first) / SECOND);
        Span { first: Time::new(range.first), last: Time::new(range.last), length }
    }
}

/// The drawing's time.
pub(crate) struct Axis {
    pub(crate) width: i64,
    pub(crate) first: i64,
    pub(crate) bars: i64,
}

impl Axis {
    pub(crate) fn new(range: Option<Range>, least_width: i64) -> Axis {
        let range = range.unwrap_or(Range { first: 0, last: 0 });
        let mut axis = Axis { width: least_width, first: 0, bars: 0 };
        loop {
            axis.first = range.first.div_euclid(axis.width);
            axis.bars = range.last.div_euclid(axis.width) - axis.first + 1;
            if axis.bars <= BARS {
                return axis;
            }
            axis.width *= 2;
        }
    }

    pub(crate) fn ticks(&self) -> Vec<Time> {
        let quarter = |n: i64| (self.first * self.width) + self.bars * self.width / 4 * n;
        (0..=4).map(|n| Time::new(quarter(n) / SECOND * SECOND)).collect()
    }
}

/// The two greatest units of a time.
pub(crate) fn words(seconds: i64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let from = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = parts[from..]
        .iter()
        .take(2)
        .filter(|(count, unit)| *count > 0 || *unit == "s" && from == 3);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}
