//! Runs ours, its peers and the bare system call in turn, and prints what each costs.

mod arrived;
mod measure;
mod options;
mod plot;
mod report;
mod results;
mod scenario;
mod site;
mod subject;
mod subjects;
mod targets;

use std::process::ExitCode;

use options::Options;
use results::Results;
use scenario::Scenario;
use site::Site;
use subjects::Entry;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let options = Options::from_args()?;
    let files = raise_descriptor_limit();
    let (scenarios, too_large): (Vec<_>, Vec<_>) =
        options.scenarios().into_iter().partition(|s| s.file_count() + OTHER_FILES <= files);
    for scenario in too_large {
        eprintln!("{}: left out, the limit of descriptors is {files}", scenario.name());
    }
    let entries = options.entries();
    let mut results = Results::default();
    // Scenarios that are compared with each other are measured in turn too: the processors of a virtual machine may
    // share a cache in one minute, and none in the next.
    let together = if options.scaling { scenarios.len().max(1) } else { 1 };
    for group in scenarios.chunks(together) {
        let site = |scenario: &Scenario| {
            Site::new(&options.dir, scenario.file_count(), scenario.level)
                .map_err(|e| format!("making a folder in {}: {e}", options.dir.display()))
        };
        let sites = group.iter().map(site).collect::<Result<Vec<_>, _>>()?;
        for round in 0..options.rounds {
            for (scenario, site) in group.iter().zip(&sites) {
                eprint!("\r{}: round {} of {}   ", scenario.name(), round + 1, options.rounds);
                measure_all(&mut results, scenario, site, &entries, round)?;
            }
        }
        eprintln!();
    }
    report::print(&results, &scenarios, &entries, options.rounds);
    if let Some(file) = &options.plot {
        plot::write(file, &results, &scenarios, &entries)?;
    }
    let targets = if options.scaling { targets::of_scaling } else { targets::all };
    let all_held = !options.check || targets::print(&targets(&results));
    Ok(if all_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a process has open beside the files that are measured.
const OTHER_FILES: usize = 50;

/// As far as it goes without asking; returns how many files may be open.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let in_force = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    in_force.map_or(usize::MAX, |files| files as usize)
}

/// One round of every subject, beginning with another one each time: whoever follows a heavy one has no luck for long.
fn measure_all(
    results: &mut Results,
    scenario: &Scenario,
    site: &Site,
    entries: &[&'static Entry],
    round: usize,
) -> Result<(), String> {
    let takers: Vec<_> = entries.iter().filter(|entry| scenario.takes(entry)).collect();
    for i in 0..takers.len() {
        let entry = takers[(i + round) % takers.len()];
        let measure = |time_calls| {
            measure::round(entry, scenario, site, time_calls)
                .map_err(|e| format!("{}, {}: {e}", entry.name, scenario.name()))
        };
        results.add_time(scenario.name(), entry.name, &measure(false)?);
        if scenario.calls {
            results.add_calls(scenario.name(), entry.name, measure(true)?.calls);
        }
    }
    Ok(())
}
