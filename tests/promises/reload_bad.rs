//! The promise: a mistake in the configuration that log4rs reads again does not stop an equipment's log:
//! the appender goes on as it was, where there is no doubt which is meant, and the reason is said.

#![cfg(feature = "log4rs")]

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{child, log_as, log_path, messages, HOST};
use equipment_log::Scope;
use log4rs::config::{Config, Deserializers, RawConfig};

/// Longer than a reload takes on any machine.
const RELOADED: Duration = Duration::from_secs(60);

/// Mistakes that leave the place where the appender writes to as it was.
const MISTAKES: &[&str] = &[
    "fsync_levle: warn",
    "fsync_level: fatal",
    "fsync_level: [warn]",
    "max_open_files: 0",
    "rotation: {limit: big, keep: 5}",
    "encoder: {kind: no_such_encoder}",
    "encoder: {kind: equipment_line, precision: nanos}",
];

/// The keys of one appender; `root` in single quotes, where YAML takes a Windows path as it is.
fn keys(root: &Path, more: &str) -> String {
    format!(
        "{{kind: equipment_scoped, local_root: '{}', hostname: {HOST}, {more}}}",
        root.display()
    )
}

/// A logger with appenders as log4rs loads them: what cannot be built is left out, and counted.
fn load(deserializers: &Deserializers, appenders: &[&str]) -> (log4rs::Logger, usize) {
    let names = ["first", "second", "third"];
    let each = names.iter().zip(appenders).map(|(name, keys)| format!("  {name}: {keys}\n"));
    let raw: RawConfig =
        serde_yaml::from_str(&format!("appenders:\n{}", each.collect::<String>())).unwrap();
    let (built, errors) = raw.appenders_lossy(deserializers);
    let names: Vec<_> = built.iter().map(|appender| appender.name().to_owned()).collect();
    let root = log4rs::config::Root::builder().appenders(names).build(log::LevelFilter::Info);
    let config = Config::builder().appenders(built).build(root).unwrap();
    (log4rs::Logger::new(config), format!("{errors:?}").matches("Appender(").count())
}

#[test]
fn the_first_configuration_must_be_right() {
    let root = tempfile::tempdir().unwrap();
    for mistake in MISTAKES {
        let (deserializers, handle) = equipment_log::log4rs::deserializers();
        let (_logger, left_out) = load(&deserializers, &[&keys(root.path(), mistake)]);
        assert_eq!((left_out, handle.sinks().len()), (1, 0), "{mistake}");
    }
}

#[test]
fn no_appender_of_the_first_configuration_stands_in_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let (root, log) = (dir.path(), log_path(dir.path(), "EQ"));
    let (right, elsewhere) = (keys(root, ""), keys(&root.join("elsewhere"), "fsync_level: fatal"));
    for wrong in [elsewhere, keys(root, "fsync_level: fatal")] {
        for appenders in [[&*right, &*wrong], [&*wrong, &*right]] {
            let (deserializers, _handle) = equipment_log::log4rs::deserializers();
            let (logger, left_out) = load(&deserializers, &appenders);
            assert_eq!(left_out, 1, "{appenders:?}");
            log_as(&logger, "EQ", "once");
        }
    }
    assert_eq!(messages(&log), ["once"; 4]);
}

#[test]
fn the_only_appender_goes_on_whatever_the_mistake_is() {
    let dir = tempfile::tempdir().unwrap();
    let (root, log) = (dir.path(), log_path(dir.path(), "EQ"));
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let (mut logger, left_out) = load(&deserializers, &[&keys(root, "")]);
    assert_eq!(left_out, 0);
    log_as(&logger, "EQ", "0");

    let mut all: Vec<String> = MISTAKES.iter().map(|mistake| keys(root, mistake)).collect();
    all.push(keys(Path::new("$ENV{EQUIPMENT_LOG_TEST_UNSET}"), ""));
    all.push(keys(root, "path: no-placeholder.log"));
    all.push("{kind: equipment_scoped}".to_owned());
    for (n, keys) in (1..).zip(&all) {
        let left_out;
        (logger, left_out) = load(&deserializers, &[keys]);
        assert_eq!(left_out, 0, "{keys}");
        log_as(&logger, "EQ", &n.to_string());
        assert_eq!(messages(&log).len(), n + 1, "{keys}");
        assert_eq!(handle.sinks().len(), 1, "{keys}");
    }

    // Right again: a new one, which ends the old.
    let (logger, left_out) = load(&deserializers, &[&keys(&root.join("new"), "")]);
    assert_eq!(left_out, 0);
    log_as(&logger, "EQ", "in the new log");
    assert_eq!(messages(&log_path(&root.join("new"), "EQ")), ["in the new log"]);
}

#[test]
fn of_several_the_one_that_writes_to_the_same_place_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let roots = ["one", "two"].map(|name| dir.path().join(name));
    // log4rs builds them in any order.
    for (round, mistake) in MISTAKES.iter().cycle().take(4 * MISTAKES.len()).enumerate() {
        let (deserializers, handle) = equipment_log::log4rs::deserializers();
        let right = roots.clone().map(|root| keys(&root, ""));
        let (old, _) = load(&deserializers, &[&right[0], &right[1]]);
        log_as(&old, "EQ", "before");
        let (new, left_out) = load(&deserializers, &[&right[0], &keys(&roots[1], mistake)]);
        drop(old);
        assert_eq!((left_out, handle.sinks().len()), (0, 2), "{mistake}");
        log_as(&new, "EQ", "once");
        for root in &roots {
            assert_eq!(messages(&log_path(root, "EQ")).len(), 2 * (round + 1), "{mistake}");
        }
    }
}

/// It would write what another writes.
#[test]
fn where_it_cannot_be_told_which_one_was_meant_none_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let roots = ["one", "two"].map(|name| dir.path().join(name));
    let right = roots.clone().map(|root| keys(&root, ""));
    let lost_its_place = keys(Path::new("$ENV{EQUIPMENT_LOG_TEST_UNSET}"), "");
    for round in 0..20 {
        let (deserializers, _handle) = equipment_log::log4rs::deserializers();
        let (old, _) = load(&deserializers, &[&right[0], &right[1]]);
        log_as(&old, "EQ", "before");
        let (new, left_out) = load(&deserializers, &[&right[0], &lost_its_place]);
        drop(old);
        assert_eq!(left_out, 1);
        log_as(&new, "EQ", "once");
        let found = roots.each_ref().map(|root| messages(&log_path(root, "EQ")).len());
        assert_eq!(found, [2 * (round + 1), round + 1]);
    }
}

#[test]
fn a_wrong_appender_that_is_new_writes_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (root, log) = (dir.path().join("lab"), log_path(&dir.path().join("lab"), "EQ"));
    let right = keys(&root, "");
    let new = [
        keys(&dir.path().join("other"), "fsync_level: fatal"),
        // At the same place, even.
        keys(&root, "fsync_level: fatal"),
    ];
    for (round, wrong) in (0..20).flat_map(|_| &new).enumerate() {
        let (deserializers, handle) = equipment_log::log4rs::deserializers();
        let (old, _) = load(&deserializers, &[&right]);
        log_as(&old, "EQ", "before");
        let (logger, _) = load(&deserializers, &[&right, wrong]);
        drop(old);
        log_as(&logger, "EQ", "once");
        assert_eq!(messages(&log).len(), 2 * (round + 1), "{wrong}");
        // And the right one is still there when all is right again.
        let (again, left_out) = load(&deserializers, &[&right]);
        drop(logger);
        assert_eq!((left_out, handle.sinks().len()), (0, 1));
        drop(again);
    }
}

/// What a child of this test does: log4rs's own reload, of a file with a mistake.
#[test]
fn child_plays_its_role() {
    let Some((_, dir)) = crate::support::role() else { return };
    let (file, root) = (dir.join("log4rs.yaml"), dir.join("lab"));
    let configure = |version: &str, mistake: &str| {
        let seen = dir.join(version);
        // A log of log4rs's own is opened at each load: it shows that one took place.
        let yaml = format!(
            "refresh_rate: 20 ms\nappenders:\n  equipment: {}\n  seen: {{kind: file, path: '{}'}}\n\
             root: {{level: info, appenders: [equipment]}}\n",
            keys(&root, mistake),
            seen.display(),
        );
        crate::support::put_in_place(&file, &yaml);
        seen
    };
    configure("first", "");
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    log4rs::init_file(&file, deserializers).unwrap();
    let _in = Scope::new("EQ").unwrap().enter();
    log::info!("before");
    let versions = [("second", "fsync_level: fatal"), ("third", "fsync_levle: warn"), ("last", "")];
    for (version, mistake) in versions {
        let seen = configure(version, mistake);
        let start = Instant::now();
        while !seen.exists() {
            assert!(start.elapsed() < RELOADED);
            log::info!("meanwhile");
            thread::sleep(Duration::from_millis(1));
        }
    }
    // The last is being put in place: through whichever appender, the record is in the log.
    log::info!("after");
    let found = messages(&log_path(&root, "EQ"));
    assert_eq!(
        (found.first().unwrap(), found.last().unwrap()),
        (&"before".into(), &"after".into())
    );
    assert!(!handle.sinks().is_empty());
}

#[test]
fn log4rs_reads_a_wrong_file_again_and_the_reason_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let out = child!("reloads", dir.path()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    for why in ["fsync_level: \"fatal\" is not", "fsync_levle"] {
        let line = said.lines().find(|line| line.contains(why)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.starts_with("equipment-log: ") && line.contains("goes on"), "{line}");
    }
    // log4rs had nothing to leave out. Wine takes the old file away before it puts the new one there.
    let between = |line: &str| cfg!(windows) && line.contains("(os error 2)");
    let left_out = said.lines().find(|line| line.starts_with("log4rs: ") && !between(line));
    assert!(left_out.is_none(), "{said}");
}
