//! Counts the user-space instructions of one record in each way through the crate, as a ratio to spdlog-rs in the
//! same run, and fails where one costs more than 5 % above what `ratios.tsv` says.
//!
//!     cargo run --release --locked --manifest-path benches/instructions/Cargo.toml            # the gate
//!     cargo run --release --locked --manifest-path benches/instructions/Cargo.toml -- --write # new ratios
//!
//! Needs valgrind. The program runs itself below callgrind, once for each way: instructions, other than nanoseconds,
//! are the same on a machine that does ten other things. They are no speed: a system call counts nothing, a cache
//! miss as little as a hit.

mod callgrind;
mod ratios;
mod ways;

use std::process::ExitCode;

use callgrind::Counted;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => gate(),
        ["--write"] => write(),
        ["--way", name] => ways::run(name),
        _ => Err("it takes nothing, or --write".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// spdlog-rs first, and each of ours.
fn count_all() -> Result<Vec<(&'static str, Counted)>, String> {
    let count = |name: &&'static str| Ok((*name, callgrind::count(name)?));
    ways::NAMES.iter().map(count).collect()
}

fn write() -> Result<(), String> {
    let counted = count_all()?;
    print(&counted, &Default::default());
    ratios::write(&counted)
}

fn gate() -> Result<(), String> {
    let counted = count_all()?;
    let known = ratios::read()?;
    print(&counted, &known.ratios);
    let peer = counted[0].1.per_record();
    let mut failed = Vec::new();
    for (name, counted) in &counted[1..] {
        let ratio = counted.per_record() / peer;
        let known_ratio = known.ratios.get(*name).ok_or(format!("ratios.tsv lacks {name}"))?;
        if ratio > known_ratio * ratios::TOLERANCE {
            failed.push(*name);
            println!(
                "\n{name}: {ratio:.3} of spdlog-rs, {known_ratio:.3} is written down. What grew:"
            );
            known.print_growth(name, counted);
        }
    }
    match failed[..] {
        [] => Ok(()),
        _ => Err(format!("more than 5 % above what is written down: {}", failed.join(", "))),
    }
}

fn print(counted: &[(&str, Counted)], known: &ratios::Ratios) {
    let peer = counted[0].1.per_record();
    println!("| a record | instructions | of spdlog-rs | written down |\n|---|--:|--:|--:|");
    for (name, counted) in counted {
        let instructions = counted.per_record();
        let known = known.get(*name).map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
        println!("| {name} | {instructions:.0} | {:.3} | {known} |", instructions / peer);
    }
}
