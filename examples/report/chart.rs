//! The numbers of a key as a small drawing.

use serde::Serialize;

use super::axis::Axis;
use super::collect::{Equipment, Numbers, Series};

#[derive(Serialize)]
pub(crate) struct Chart {
    equipment: String,
    key: String,
    count: u64,
    texts: u64,
    least: String,
    most: String,
    mean: String,
    last: String,
    /// Points of the line through the means, and of the area between the least and the most of each span.
    line: String,
    area: String,
}

/// Keys that are numbers for the most part, and more than one.
pub(crate) fn charts<'a>(one: &'a Equipment, axis: &'a Axis) -> impl Iterator<Item = Chart> + 'a {
    let drawn = |series: &Series| series.all.count > 1 && series.all.count > 9 * series.texts;
    let series = one.series.iter().filter(move |(_, series)| drawn(series));
    series.map(move |(key, series)| chart(&one.name, key, series, axis))
}

fn chart(equipment: &str, key: &str, series: &Series, axis: &Axis) -> Chart {
    let all = &series.all;
    let range = (all.most - all.least).max(f64::MIN_POSITIVE);
    let y = |value: f64| 58.0 - 56.0 * (value - all.least) / range;
    let spans = series.bins.at_width(axis.width.max(series.bins.width()));
    let scale = series.bins.width().max(axis.width) / axis.width;
    let x = |at: i64| (at * scale - axis.first) as f64 + scale as f64 / 2.0;
    let point = |at: i64, value: f64| format!("{:.1},{:.1}", x(at), y(value));
    let mean = |span: &Numbers| span.sum / span.count.max(1) as f64;
    let up = spans.iter().map(|(at, span)| point(*at, span.most));
    let down = spans.iter().rev().map(|(at, span)| point(*at, span.least));
    Chart {
        equipment: equipment.to_owned(),
        key: key.to_owned(),
        count: all.count,
        texts: series.texts,
        least: number(all.least),
        most: number(all.most),
        mean: number(mean(all)),
        last: number(series.last),
        line: spans.iter().map(|(at, span)| point(*at, mean(span))).collect::<Vec<_>>().join(" "),
        area: up.chain(down).collect::<Vec<_>>().join(" "),
    }
}

/// As many digits as a reader can use.
fn number(value: f64) -> String {
    let digits = if value.abs() >= 1000.0 || value.fract() == 0.0 { 0 } else { 3 };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
