//! The ways that a record takes, and spdlog-rs beside them. The line that each writes is the same but for its tags.

use std::path::Path;

use equipment_log::fern::EquipmentScopedOutput;
use equipment_log::{EquipmentSink, Scope};
use log::kv::ToValue;
use log::{Level, Log, Record};
use spdlog::formatter::{pattern, PatternFormatter};
use spdlog::sink::FileSink;
use spdlog::{LevelFilter, Logger};

/// How many records are counted; some before them open the file and grow the buffers.
pub const RECORDS: u64 = 5_000;

const WARM_UP: u64 = 100;

/// spdlog-rs, and ours.
pub const NAMES: &[&str] = &[
    "spdlog-rs",
    "log4rs, one file",
    "log4rs, a scope entered each",
    "log4rs, two key-values",
    "log4rs, rotation",
    "log4rs, enqueue",
    "log4rs, refused",
    "log4rs, skipped",
    "fern, one file",
    "core, a ready line",
];

/// What callgrind counts: no more is in it than the calls.
#[inline(never)]
fn measured(record: &mut dyn FnMut(u64)) {
    for n in 0..RECORDS {
        record(n);
    }
}

fn measure(record: &mut dyn FnMut(u64)) {
    for n in 0..WARM_UP {
        record(n);
    }
    measured(record);
}

pub fn run(way: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let root = folder.path();
    let scope = Scope::new("CONFOCAL_01").map_err(|e| e.to_string())?.tag("proj", "PROJ-0042");
    // Within one of them, a program that polls its devices enters a scope for each record.
    let scopes = [
        scope.clone(),
        Scope::new("STAGE_02").map_err(|e| e.to_string())?.tag("proj", "PROJ-0042"),
    ];
    match way {
        "spdlog-rs" => spdlog_rs(root),
        "log4rs, one file" => {
            let logger = below_log4rs(root, "")?;
            scope.run(|| measure(&mut |n| log_to(&logger, n)));
            Ok(())
        }
        "log4rs, a scope entered each" => {
            let logger = below_log4rs(root, "")?;
            measure(&mut |n| scopes[(n % 2) as usize].run(|| log_to(&logger, n)));
            Ok(())
        }
        "log4rs, two key-values" => {
            let logger = below_log4rs(root, "")?;
            scope.run(|| measure(&mut |n| log_with_numbers(&logger, n)));
            Ok(())
        }
        "log4rs, rotation" => {
            let logger = below_log4rs(root, "rotation: {every: day, limit: 1 gb}")?;
            scope.run(|| measure(&mut |n| log_to(&logger, n)));
            Ok(())
        }
        "log4rs, enqueue" => {
            // Enough for all records: none of them waits.
            let logger = below_log4rs(root, "queue: {limit: 64 mb}")?;
            scope.run(|| measure(&mut |n| log_to(&logger, n)));
            logger.flush();
            Ok(())
        }
        "log4rs, refused" => {
            let logger = below_log4rs(root, "")?;
            measure(&mut |n| log_as(&logger, "../x", n));
            Ok(())
        }
        "log4rs, skipped" => {
            let logger = below_log4rs(root, "")?;
            measure(&mut |n| log_to(&logger, n));
            Ok(())
        }
        "fern, one file" => {
            let output = EquipmentScopedOutput::from_yaml_str(&keys(root, ""));
            let output = output.map_err(|e| e.to_string())?;
            let dispatch = fern::Dispatch::new().level(log::LevelFilter::Info);
            let format = equipment_log::fern::line_format();
            let (_, logger) = dispatch.format(format).chain(output).into_log();
            scope.run(|| measure(&mut |n| log_to(&*logger, n)));
            Ok(())
        }
        "core, a ready line" => {
            let sink = EquipmentSink::builder(root).hostname("labpc-04").build();
            let sink = sink.map_err(|e| e.to_string())?;
            let line = b"2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:CONFOCAL_01] \
                         [proj:PROJ-0042] axis Z homed at 12.5 um, step 0000000001\n";
            measure(&mut |_| sink.write(&scope, Level::Info, line).expect("a line written"));
            Ok(())
        }
        _ => Err(format!("there is no way {way}")),
    }
}

/// Flushed after each record: otherwise a crash takes the last 8 kB, and it would be no peer of the others.
fn spdlog_rs(root: &Path) -> Result<(), String> {
    let line = pattern!(
        "{date}T{time}Z [{level}] [host:labpc-04] [equip:{logger}] [proj:PROJ-0042] {payload}{eol}"
    );
    let sink = FileSink::builder().path(root.join("log")).formatter(PatternFormatter::new(line));
    let sink = sink.build_arc().map_err(|e| e.to_string())?;
    let mut builder = Logger::builder();
    builder.name("CONFOCAL_01").sink(sink).flush_level_filter(LevelFilter::All);
    let logger = builder.build().map_err(|e| e.to_string())?;
    measure(&mut |n| spdlog::info!(logger: logger, "axis Z homed at 12.5 um, step {}", n));
    Ok(())
}

fn keys(root: &Path, more: &str) -> String {
    format!("local_root: {}\nhostname: labpc-04\n{more}\n", root.display())
}

/// From YAML, as a program is configured.
fn below_log4rs(root: &Path, more: &str) -> Result<log4rs::Logger, String> {
    let keys = keys(root, more).trim_end().replace('\n', "\n    ");
    let yaml = format!(
        "appenders:\n  equipment:\n    kind: equipment_scoped\n    {keys}\nroot:\n  level: info\n  appenders: [equipment]\n"
    );
    let raw: log4rs::config::RawConfig = serde_yaml::from_str(&yaml).map_err(|e| e.to_string())?;
    let (deserializers, _handle) = equipment_log::log4rs::deserializers();
    let (appenders, errors) = raw.appenders_lossy(&deserializers);
    if !errors.is_empty() {
        return Err(format!("{errors:?}"));
    }
    let config = log4rs::Config::builder().appenders(appenders).build(raw.root());
    let config = config.map_err(|e| e.to_string())?;
    Ok(log4rs::Logger::new_with_err_handler(config, Box::new(|_| {})))
}

/// What `log::info!` expands to, less the global logger.
fn log_to(logger: &dyn Log, n: u64) {
    logger.log(
        &Record::builder()
            .args(format_args!("axis Z homed at 12.5 um, step {n}"))
            .level(Level::Info)
            .target("stage")
            .module_path_static(Some(module_path!()))
            .file_static(Some(file!()))
            .line(Some(line!()))
            .build(),
    );
}

fn log_with_numbers(logger: &dyn Log, n: u64) {
    let numbers = [("position_um", 12.5.to_value()), ("speed", 3.to_value())];
    logger.log(
        &Record::builder()
            .args(format_args!("axis Z homed at 12.5 um, step {n}"))
            .level(Level::Info)
            .target("stage")
            .key_values(&numbers)
            .build(),
    );
}

fn log_as(logger: &dyn Log, id: &str, n: u64) {
    let own = [("equipment_id", id.to_value())];
    logger.log(
        &Record::builder()
            .args(format_args!("axis Z homed at 12.5 um, step {n}"))
            .level(Level::Info)
            .target("stage")
            .key_values(&own)
            .build(),
    );
}
