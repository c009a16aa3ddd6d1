//! The tables, in Markdown.

use crate::results::{Results, PERCENTILES};
use crate::scenario::Scenario;
use crate::subjects::{Entry, BARE};

pub fn print(results: &Results, scenarios: &[Scenario], entries: &[&Entry], rounds: usize) {
    let (errors, infos): (Vec<&Scenario>, Vec<_>) = scenarios.iter().partition(|s| s.durable());
    let timed: Vec<&Scenario> = infos.iter().copied().filter(|s| s.calls).collect();

    println!("{}, {} processors.", processor(), threads());
    println!("Medians of {rounds} interleaved rounds. In brackets: times the bare write of the same round.\n");
    table(
        "ns a record until the last byte is in the kernel",
        &infos,
        entries,
        |scenario, subject| time(results, scenario, subject),
    );
    table("CPU ns a record, of all threads", &infos, entries, |scenario, subject| {
        Some(format!("{:.0}", results.cpu_ns(scenario, subject)?))
    });
    let [first, second, third] = PERCENTILES;
    let calls = format!("ns of one call, p{first} / p{second} / p{third}");
    table(&calls, &timed, entries, |scenario, subject| {
        let [p50, p99, p999] = results.calls(scenario, subject)?;
        Some(format!("{p50:.0} / {p99:.0} / {p999:.0}"))
    });
    table("µs an ERROR on disk, ERRORs a sync", &errors, entries, |scenario, subject| {
        let micros = results.ns(scenario, subject)? / 1000.0;
        let ratio = results
            .ratio(scenario, subject, BARE)
            .map(|r| format!(" ({r:.2})"))
            .unwrap_or_default();
        let per_sync = results.records_per_sync(scenario, subject).unwrap_or(1.0);
        Some(format!("{micros:.1}{ratio}, {per_sync:.1}"))
    });
}

/// As Linux names it: figures of two processors are not to be compared.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "An unknown processor".to_owned(), |(_, name)| name.to_owned())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn time(results: &Results, scenario: &str, subject: &'static str) -> Option<String> {
    let ns = results.ns(scenario, subject)?;
    let ratio = results
        .ratio(scenario, subject, BARE)
        .map(|ratio| format!(" ({ratio:.2})"))
        .unwrap_or_default();
    Some(format!("{ns:.0}{ratio}"))
}

fn table(
    title: &str,
    scenarios: &[&Scenario],
    entries: &[&Entry],
    cell: impl Fn(&str, &'static str) -> Option<String>,
) {
    let names: Vec<String> = scenarios.iter().map(|scenario| scenario.name()).collect();
    let row = |entry: &Entry| -> Vec<Option<String>> {
        names.iter().map(|name| cell(name, entry.name)).collect()
    };
    if names.is_empty() {
        return;
    }
    println!("| {title} | {} |", names.join(" | "));
    println!("|---|{}", "--:|".repeat(names.len()));
    for entry in entries {
        let cells = row(entry);
        if cells.iter().any(Option::is_some) {
            let cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
            println!("| {} | {} |", entry.name, cells.join(" | "));
        }
    }
    println!();
}
