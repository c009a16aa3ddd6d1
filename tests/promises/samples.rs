//! Each file in `config-samples` works as it stands: loaded without an error, and used.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::support::alone;
use equipment_log::{parse_line, EquipmentScopedOutput, Scope};
use log::{Level, Log, Record};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples");

/// The root that both samples take from `LAB_ROOT`, which is this process's alone.
fn lab_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::env::set_var("LAB_ROOT", root.path());
    root
}

fn log(logger: &dyn Log, level: Level, message: &str) {
    logger.log(&Record::builder().level(level).args(format_args!("{message}")).build());
}

/// The messages of a file of structured lines, with their levels.
fn messages(path: PathBuf) -> Vec<(Level, String)> {
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let line = |line| parse_line(line).unwrap_or_else(|| panic!("not a structured line: {line}"));
    text.lines().map(line).map(|line| (line.level, line.message)).collect()
}

/// A key that stands there as a comment: `#key: value`; what is to be read has a space after the `#`.
#[test]
fn the_keys_that_the_log4rs_sample_offers_are_taken() {
    alone!();
    let _root = lab_root();
    let text = std::fs::read_to_string(format!("{SAMPLES}/log4rs.yaml")).unwrap();
    let offered = |line: &&str| {
        line.trim_start().starts_with('#') && !line.contains("# ") && line.contains(": ")
    };
    let keys: Vec<_> = text.lines().filter(offered).map(|line| line.replace('#', "")).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    let yaml = keys
        .iter()
        .fold("local_root: $ENV{LAB_ROOT}\n".to_owned(), |yaml, key| yaml + key.trim() + "\n");
    EquipmentScopedOutput::from_yaml_str(&yaml).unwrap_or_else(|err| panic!("{err}\n{yaml}"));
}

#[test]
fn the_log4rs_sample_keeps_equipment_apart_and_collects_warnings_centrally() {
    alone!();
    let root = lab_root();
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let text = std::fs::read_to_string(format!("{SAMPLES}/log4rs.yaml")).unwrap();
    let raw: log4rs::config::RawConfig = serde_yaml::from_str(&text).unwrap();
    let (appenders, errors) = raw.appenders_lossy(&deserializers);
    assert!(errors.is_empty(), "{errors:?}");
    let names: Vec<_> = appenders.iter().map(|appender| appender.name().to_owned()).collect();
    let config = log4rs::Config::builder()
        .appenders(appenders)
        .loggers(raw.loggers())
        .build(raw.root())
        .expect("every appender that is named exists");
    for name in &names {
        assert!(raw.root().appenders().contains(name), "{name} is declared and not used");
    }
    let failures = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&failures);
    let logger = log4rs::Logger::new_with_err_handler(
        config,
        Box::new(move |err| seen.lock().unwrap().push(err.to_string())),
    );

    let confocal = Scope::new("SAMPLE_LOG4RS_01").unwrap().tag("run", "R7");
    let stage = Scope::new("SAMPLE_LOG4RS_02").unwrap();
    confocal.run(|| {
        log(&logger, Level::Debug, "below the root's level");
        log(&logger, Level::Info, "stage homed");
        log(&logger, Level::Error, "lamp is out");
    });
    stage.run(|| log(&logger, Level::Warn, "end switch found early"));
    log(&logger, Level::Info, "of no equipment");
    log(&logger, Level::Warn, "disk is filling up");
    logger.flush();

    assert_eq!(*failures.lock().unwrap(), [""; 0]);
    let [sink] = &handle.sinks()[..] else { panic!("one appender makes one sink") };
    assert!(sink.path(&stage).unwrap().starts_with(root.path()));
    let own = |scope| messages(sink.path(scope).unwrap());
    assert_eq!(
        own(&confocal),
        [(Level::Info, "stage homed".to_owned()), (Level::Error, "lamp is out".to_owned())]
    );
    assert_eq!(own(&stage), [(Level::Warn, "end switch found early".to_owned())]);
    assert_eq!(
        messages(root.path().join("central.log")),
        [
            (Level::Error, "lamp is out".to_owned()),
            (Level::Warn, "end switch found early".to_owned()),
            (Level::Warn, "disk is filling up".to_owned()),
        ]
    );
    assert_eq!(sink.stats().total.syncs, 1, "fsync_level: error");
}

#[test]
fn the_fern_sample_keeps_equipment_apart() {
    alone!();
    let root = lab_root();
    let output = EquipmentScopedOutput::from_yaml_file(format!("{SAMPLES}/fern.yaml")).unwrap();
    let sink = output.sink().clone();
    let (_, logger) =
        fern::Dispatch::new().format(equipment_log::fern::line_format()).chain(output).into_log();

    let confocal = Scope::new("SAMPLE_FERN_01").unwrap();
    let stage = Scope::new("SAMPLE_FERN_02").unwrap();
    confocal.run(|| log(&*logger, Level::Info, "two\nlines"));
    stage.run(|| log(&*logger, Level::Error, "lamp is out"));
    log(&*logger, Level::Info, "of no equipment");

    assert!(sink.path(&confocal).unwrap().starts_with(root.path()));
    let own = |scope| messages(sink.path(scope).unwrap());
    assert_eq!(own(&confocal), [(Level::Info, "two\nlines".to_owned())]);
    assert_eq!(own(&stage), [(Level::Error, "lamp is out".to_owned())]);
    let stats = sink.stats();
    assert_eq!((stats.total.written, stats.skipped, stats.total.syncs), (2, 1, 1));
}
