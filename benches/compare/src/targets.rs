//! What is promised, beside what was measured.

use crate::results::Results;
use crate::scenario::{self, Files, Scenario};
use crate::subjects::{
    self, BARE, OURS, OURS_LOG4RS, OURS_LOG4RS_QUEUED, OURS_LOG4RS_ROTATING, OURS_LOG4RS_TARGETS,
    SPDLOG, SPDLOG_QUEUED,
};

pub struct Target {
    what: String,
    bound: Bound,
    /// None where the scenario or a subject was left out.
    measured: Option<f64>,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}
use Bound::{AtLeast, AtMost};

impl Target {
    fn holds(&self) -> Option<bool> {
        self.measured.map(|measured| match self.bound {
            AtMost(bound) => measured <= bound,
            AtLeast(bound) => measured >= bound,
        })
    }
}

/// Prints all as a table; `true` where none is missed.
pub fn print(targets: &[Target]) -> bool {
    println!("| target | bound | measured | |\n|---|--:|--:|---|");
    for target in targets {
        let bound = match target.bound {
            AtMost(bound) => format!("<= {bound:.2}"),
            AtLeast(bound) => format!(">= {bound:.2}"),
        };
        let measured = target.measured.map(|measured| format!("{measured:.2}")).unwrap_or_default();
        let verdict = match target.holds() {
            Some(true) => "held",
            Some(false) => "**missed**",
            None => "not measured",
        };
        println!("| {} | {bound} | {measured} | {verdict} |", target.what);
    }
    targets.iter().all(|target| target.holds() != Some(false))
}

pub fn all(results: &Results) -> Vec<Target> {
    let one = scenario::ONE_THREAD;
    let two = scenario::TWO_THREADS;
    let mut list = List { results, targets: Vec::new() };

    let each = [one, two, scenario::TWO_TO_TWO, scenario::MANY_FILES, scenario::VERY_MANY_FILES];
    let lines = [1.35, 1.00, 1.40, 1.40, 1.45];
    let ready = [1.10, 1.00, 1.12, 1.10, 1.15];
    let queued = [0.50, 0.45, 0.50, 0.50, 0.80];
    for (at, scenario) in each.into_iter().enumerate() {
        for ours in subjects::OUR_LINES {
            list.time(scenario, ours, BARE, AtMost(lines[at]));
        }
        list.time(scenario, OURS, BARE, AtMost(ready[at]));
        list.time(scenario, OURS_LOG4RS_QUEUED, SPDLOG_QUEUED, AtMost(queued[at]));
    }
    list.time(two, OURS_LOG4RS_TARGETS, BARE, AtMost(lines[1]));
    list.time(one, OURS_LOG4RS_ROTATING, BARE, AtMost(1.5));
    // p99.9 of one call.
    list.call(one, OURS_LOG4RS, SPDLOG, 2);
    list.call(one, OURS_LOG4RS_QUEUED, SPDLOG_QUEUED, 2);

    let errors = scenario::ERRORS_64;
    for ours in subjects::OUR_SYNCS {
        list.time(errors, BARE, ours, AtLeast(1.8));
        let what = format!("{}: records a sync of {ours}", errors.name());
        let measured = results.records_per_sync(&errors.name(), ours);
        list.targets.push(Target { what, bound: AtLeast(4.0), measured });
    }
    list.targets
}

/// With more threads a record takes at most a tenth longer: from each number of threads to the next.
pub fn of_scaling(results: &Results) -> Vec<Target> {
    let mut list = List { results, targets: Vec::new() };
    for ours in [OURS_LOG4RS, OURS_LOG4RS_QUEUED] {
        for files in [Files::One, Files::OneEach] {
            for two in scenario::scaling(files).windows(2) {
                list.growth(ours, two[0], two[1]);
            }
        }
    }
    list.targets
}

struct List<'a> {
    results: &'a Results,
    targets: Vec<Target>,
}

impl List<'_> {
    fn time(&mut self, at: Scenario, this: &'static str, that: &'static str, bound: Bound) {
        let what = format!("{}: ns a record of {this} / {that}", at.name());
        let measured = self.results.ratio(&at.name(), this, that);
        self.targets.push(Target { what, bound, measured });
    }

    fn growth(&mut self, subject: &'static str, fewer: Scenario, more: Scenario) {
        let what = format!("{subject}: records a second, {} / {}", more.name(), fewer.name());
        let growth = self.results.growth(subject, &fewer.name(), &more.name());
        let measured = growth.map(|growth| 1.0 / growth);
        self.targets.push(Target { what, bound: AtLeast(0.9), measured });
    }

    /// One call at most as long as the other's, at the `i`th of the percentiles.
    fn call(&mut self, at: Scenario, this: &'static str, that: &'static str, i: usize) {
        let percent = crate::results::PERCENTILES[i];
        let what = format!("{}: p{percent} of one call of {this} / {that}", at.name());
        let [these, those] = [this, that].map(|subject| self.results.calls(&at.name(), subject));
        let measured = these.zip(those).map(|(this, that)| this[i] / that[i]);
        self.targets.push(Target { what, bound: AtMost(1.0), measured });
    }
}
