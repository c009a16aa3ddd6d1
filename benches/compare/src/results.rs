//! The rounds' figures, and what is concluded from them.

use std::collections::BTreeMap;

use crate::measure::Round;

#[derive(Default)]
pub struct Results {
    cells: BTreeMap<(String, &'static str), Cell>,
}

#[derive(Default)]
struct Cell {
    /// In the order of the rounds, so that two subjects' rounds can be compared pair by pair.
    ns: Vec<f64>,
    cpu_ns: Vec<f64>,
    per_sync: Vec<f64>,
    calls: Vec<[f64; 3]>,
}

/// The percentiles of [`Results::calls`].
pub const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

impl Results {
    pub fn add_time(&mut self, scenario: String, subject: &'static str, round: &Round) {
        let cell = self.cells.entry((scenario, subject)).or_default();
        cell.ns.push(round.ns_per_record);
        cell.cpu_ns.push(round.cpu_ns_per_record);
        cell.per_sync.extend(round.records_per_sync);
    }

    pub fn add_calls(&mut self, scenario: String, subject: &'static str, mut calls: Vec<u32>) {
        calls.sort_unstable();
        let at =
            |percent: f64| f64::from(calls[((calls.len() - 1) as f64 * percent / 100.0) as usize]);
        self.cells.entry((scenario, subject)).or_default().calls.push(PERCENTILES.map(at));
    }

    fn cell(&self, scenario: &str, subject: &'static str) -> Option<&Cell> {
        self.cells.get(&(scenario.to_string(), subject))
    }

    pub fn ns(&self, scenario: &str, subject: &'static str) -> Option<f64> {
        median(self.cell(scenario, subject)?.ns.clone())
    }

    pub fn cpu_ns(&self, scenario: &str, subject: &'static str) -> Option<f64> {
        median(self.cell(scenario, subject)?.cpu_ns.clone())
    }

    /// How many times as long the first takes as the second: the median of the rounds' own ratios. What disturbs the
    /// machine for longer than a round disturbs both, and cancels out.
    pub fn ratio(&self, scenario: &str, subject: &'static str, to: &'static str) -> Option<f64> {
        let (these, those) = (self.cell(scenario, subject)?, self.cell(scenario, to)?);
        median(these.ns.iter().zip(&those.ns).map(|(a, b)| a / b).collect())
    }

    /// How many times as long a record takes in one scenario as in the other: the median of the rounds' own ratios.
    pub fn growth(&self, subject: &'static str, from: &str, to: &str) -> Option<f64> {
        let (before, after) = (self.cell(from, subject)?, self.cell(to, subject)?);
        median(after.ns.iter().zip(&before.ns).map(|(after, before)| after / before).collect())
    }

    pub fn records_per_sync(&self, scenario: &str, subject: &'static str) -> Option<f64> {
        median(self.cell(scenario, subject)?.per_sync.clone())
    }

    /// Nanoseconds of one call: the median of the rounds' percentiles.
    pub fn calls(&self, scenario: &str, subject: &'static str) -> Option<[f64; 3]> {
        let rounds = &self.cell(scenario, subject)?.calls;
        let of = |i: usize| median(rounds.iter().map(|round| round[i]).collect());
        Some([of(0)?, of(1)?, of(2)?])
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
