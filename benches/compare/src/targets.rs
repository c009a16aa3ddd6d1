//! What is promised, beside what was measured.

use crate::results::Results;
use crate::scenario::{self, Scenario};
use crate::subjects::{self, BARE, LOG4RS, OURS, OURS_LOG4RS_PATTERN, SPDLOG, SPDLOG_QUEUED};

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

    for ours in subjects::OUR_LINES {
        list.time(one, ours, BARE, AtMost(1.20));
        list.time(two, ours, BARE, AtMost(1.05));
        list.time(one, LOG4RS, ours, AtLeast(1.6));
        list.time(one, SPDLOG, ours, AtLeast(1.25));
        list.time(two, LOG4RS, ours, AtLeast(2.5));
    }
    list.time(one, OURS, BARE, AtMost(1.05));
    list.time(one, OURS_LOG4RS_PATTERN, LOG4RS, AtMost(1.0));
    list.time(two, OURS_LOG4RS_PATTERN, LOG4RS, AtMost(0.5));

    for ours in subjects::OUR_QUEUES {
        list.time(one, ours, SPDLOG_QUEUED, AtMost(0.5));
        list.time(two, ours, SPDLOG_QUEUED, AtMost(0.5));
        list.call(one, ours, SPDLOG_QUEUED, 0);
        list.call(one, ours, SPDLOG_QUEUED, 1);
    }

    let many = scenario::VERY_MANY_FILES;
    list.time(many, OURS, BARE, AtMost(1.1));
    for ours in subjects::OUR_LINES {
        list.time(many, ours, BARE, AtMost(1.1));
    }

    for ours in subjects::OUR_QUEUES {
        list.growth(ours, many, one, AtMost(1.3));
    }

    let errors = scenario::ERRORS_64;
    for ours in subjects::OUR_SYNCS {
        list.time(errors, BARE, ours, AtLeast(1.8));
        let what = format!("{}: records a sync of {ours}", errors.name());
        let measured = results.records_per_sync(&errors.name(), ours);
        list.targets.push(Target { what, bound: AtLeast(4.0), measured });
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

    /// One call at most as long as the other's, at the `i`th of the percentiles.
    fn call(&mut self, at: Scenario, this: &'static str, that: &'static str, i: usize) {
        let percent = crate::results::PERCENTILES[i];
        let what = format!("{}: p{percent} of one call of {this} / {that}", at.name());
        let [these, those] = [this, that].map(|subject| self.results.calls(&at.name(), subject));
        let measured = these.zip(those).map(|(this, that)| this[i] / that[i]);
        self.targets.push(Target { what, bound: AtMost(1.0), measured });
    }

    fn growth(&mut self, subject: &'static str, at: Scenario, from: Scenario, bound: Bound) {
        let what = format!("{subject}: ns a record of {} / {}", at.name(), from.name());
        let measured = self.results.growth(subject, &at.name(), &from.name());
        self.targets.push(Target { what, bound, measured });
    }
}
