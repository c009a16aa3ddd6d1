//! The promise: one YAML keeps an equipment's, a project's and a run's log. A record reaches those whose
//! path its tags can fill, and at WARN and above the central log as well.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::alone;
use crate::support::{log, logger_for, messages, names_in};
use equipment_log::log4rs::Handle;
use equipment_log::{EquipmentScopedAppender, Scope};
use log::Level;

/// The root that the sample takes from `LAB_ROOT`: a process has one environment.
fn lab_root() -> &'static Path {
    static ROOT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        std::env::set_var("LAB_ROOT", root.path());
        root
    });
    root.path()
}

fn sample() -> (log4rs::Logger, Handle) {
    lab_root();
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/log4rs-levels.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let raw: log4rs::config::RawConfig = serde_yaml::from_str(&text).unwrap();
    let (appenders, errors) = raw.appenders_lossy(&deserializers);
    assert!(errors.is_empty(), "{errors:?}");
    let config = log4rs::Config::builder()
        .appenders(appenders)
        .loggers(raw.loggers())
        .build(raw.root())
        .unwrap();
    let fail = |err: &anyhow::Error| panic!("{err}");
    (log4rs::Logger::new_with_err_handler(config, Box::new(fail)), handle)
}

/// Every log below a folder with its messages, by its path from there; the host's name is `HOST`.
fn logs_below(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut logs = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in names_in(&next).into_iter().map(|name| next.join(name)) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                let name = name.replace('\\', "/");
                let (folder, file) = name.rsplit_once('/').unwrap();
                assert!(file.starts_with("wizard.") && file.ends_with(".log"), "{name}");
                logs.insert(folder.to_owned(), messages(&path));
            }
        }
    }
    logs
}

#[test]
fn a_record_reaches_one_log_by_its_equipment_two_by_its_project_three_by_its_run() {
    alone!();
    let (logger, handle) = sample();
    let equipment = Scope::new("LEVELS_01").unwrap();
    let project = equipment.clone().tag("proj", "PROJ-0042");
    let run = project.clone().tag("run", "R7");

    equipment.run(|| log(&logger, Level::Info, "of the equipment"));
    project.run(|| log(&logger, Level::Info, "of the project"));
    run.run(|| {
        log(&logger, Level::Info, "of the run");
        log(&logger, Level::Warn, "warned in the run");
    });
    project.clone().tag("run", "R8").run(|| log(&logger, Level::Error, "of the next run"));
    equipment.clone().tag("run", "R9").run(|| log(&logger, Level::Info, "a run of no project"));
    log(&logger, Level::Warn, "of no equipment");

    let logs = logs_below(&lab_root().join("LEVELS_01"));
    let expected = [
        (
            ".exlab-wizard",
            &[
                "of the equipment",
                "of the project",
                "of the run",
                "warned in the run",
                "of the next run",
                "a run of no project",
            ][..],
        ),
        (
            "PROJ-0042/.exlab-wizard",
            &["of the project", "of the run", "warned in the run", "of the next run"],
        ),
        ("PROJ-0042/Runs/R7/.exlab-wizard", &["of the run", "warned in the run"]),
        ("PROJ-0042/Runs/R8/.exlab-wizard", &["of the next run"]),
    ];
    let expected: BTreeMap<_, Vec<_>> = expected
        .into_iter()
        .map(|(path, lines)| (path.to_owned(), lines.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(logs, expected);

    let central = crate::support::parsed_lines(&lab_root().join("central.log"));
    let central: Vec<_> = central.iter().map(|line| (line.level, &*line.message)).collect();
    assert_eq!(
        central,
        [
            (Level::Warn, "warned in the run"),
            (Level::Error, "of the next run"),
            (Level::Warn, "of no equipment"),
        ]
    );

    // Whatever was not written was another appender's: nothing was lost or refused.
    let mut counts: Vec<_> = handle
        .sinks()
        .iter()
        .map(|sink| sink.stats())
        .map(|stats| (stats.total.written, stats.skipped, stats.refused + stats.total.lost))
        .collect();
    counts.sort();
    assert_eq!(counts, [(3, 4, 0), (4, 3, 0), (6, 1, 0)]);
    assert_eq!(handle.sinks().iter().map(|sink| sink.stats().total.syncs).sum::<u64>(), 1);
}

/// Two runs whose folders some file systems cannot tell apart, or a tag that is no folder's name.
#[test]
fn a_tag_in_the_path_passes_the_same_door_as_an_id() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let appender = EquipmentScopedAppender::builder()
        .path("{equipment_id}/{run}/w.log")
        .build(root.path())
        .unwrap();
    let sink = appender.sink().clone();
    let (logger, errors) = logger_for(appender);
    let scope = Scope::new("LEVELS_DOOR").unwrap();
    scope.clone().tag("run", "r7").run(|| log(&logger, Level::Info, "first"));
    assert_eq!(*errors.lock().unwrap(), [""; 0]);

    for value in ["R7", "../../out", "a/b", ".hidden", "CON", "x.", &"x".repeat(129)] {
        scope.clone().tag("run", value).run(|| log(&logger, Level::Info, "refused"));
    }
    // Refused names have no end: one report stands for all of ten seconds.
    let errors = std::mem::take(&mut *errors.lock().unwrap());
    assert!(errors[0].contains("R7") && errors[0].contains("refused"), "{errors:?}");
    scope.tag("run", "").run(|| log(&logger, Level::Info, "an empty tag is none"));

    assert_eq!(names_in(root.path()), ["LEVELS_DOOR"]);
    assert_eq!(names_in(&root.path().join("LEVELS_DOOR")), ["r7"]);
    assert_eq!(messages(&root.path().join("LEVELS_DOOR/r7/w.log")), ["first"]);
    assert_eq!((sink.stats().refused, sink.stats().skipped), (7, 1));
}

#[test]
fn folders_that_differ_by_letter_case_only_are_refused_like_ids() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    let sink = equipment_log::EquipmentSink::builder(root.path())
        .path("{equipment_id}/{proj}/{run}.log")
        .build()
        .unwrap();
    let write = |proj: &str, run: &str| {
        let scope = Scope::new("LEVELS_TWINS").unwrap().tag("proj", proj).tag("run", run);
        sink.write(&scope, Level::Info, b"record")
    };
    write("P1", "R1").unwrap();
    let err = write("p1", "R2").unwrap_err();
    assert!(err.is_invalid_id(), "{err}");
    assert!(err.to_string().contains("LEVELS_TWINS/P1"), "{err}");
    write("P1", "r2").unwrap();
    assert_eq!(names_in(&root.path().join("LEVELS_TWINS")), ["P1"]);
}
