//! `ratios.tsv`: what each way costs beside spdlog-rs, and what of it each function costs.
//!
//! A line is the way, a function or `*` for the whole, and a number: for the whole the ratio to spdlog-rs, for a
//! function its own instructions a record.

use std::collections::BTreeMap;

use crate::callgrind::Counted;
use crate::ways::RECORDS;

/// How much more a record may cost than what is written down.
pub const TOLERANCE: f64 = 1.05;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ratios.tsv");

pub type Ratios = BTreeMap<String, f64>;

#[derive(Default)]
pub struct Known {
    pub ratios: Ratios,
    functions: BTreeMap<(String, String), f64>,
}

pub fn read() -> Result<Known, String> {
    let text = std::fs::read_to_string(FILE).map_err(|e| format!("{FILE}: {e}"))?;
    let mut known = Known::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split('\t').map(str::to_owned);
        let (Some(way), Some(function), Some(number)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("{FILE}: {line}"));
        };
        let number = number.parse().map_err(|e| format!("{FILE}: {line}: {e}"))?;
        if function == "*" {
            known.ratios.insert(way, number);
        } else {
            known.functions.insert((way, function), number);
        }
    }
    Ok(known)
}

pub fn write(counted: &[(&str, Counted)]) -> Result<(), String> {
    let peer = counted[0].1.per_record();
    let mut text = "# Written by `--write`, see src/ratios.rs. A higher ratio needs its reason in the commit.\n".to_owned();
    for (way, counted) in &counted[1..] {
        text += &format!("{way}\t*\t{:.3}\n", counted.per_record() / peer);
        let mut functions: Vec<_> = per_record(counted).collect();
        functions.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (function, instructions) in functions.iter().filter(|(_, own)| *own >= 5.0) {
            text += &format!("{way}\t{function}\t{instructions:.0}\n");
        }
    }
    std::fs::write(FILE, text).map_err(|e| format!("{FILE}: {e}"))
}

fn per_record(counted: &Counted) -> impl Iterator<Item = (&String, f64)> {
    counted.functions.iter().map(|(name, cost)| (name, *cost as f64 / RECORDS as f64))
}

impl Known {
    /// The functions that cost more than what is written down, those that grew most first.
    pub fn print_growth(&self, way: &str, counted: &Counted) {
        let mut grown: Vec<_> = per_record(counted)
            .map(|(name, now)| {
                let before = self.functions.get(&(way.to_owned(), name.clone()));
                (name, before.copied().unwrap_or(0.0), now)
            })
            .filter(|(_, before, now)| now - before >= 3.0)
            .collect();
        grown.sort_by(|a, b| (b.2 - b.1).total_cmp(&(a.2 - a.1)));
        for (name, before, now) in grown.iter().take(15) {
            println!("  {before:5.0} -> {now:5.0}  {name}");
        }
    }
}
