//! The promise: `init_file` installs a configuration whole, or refuses it with every mistake in it.

#![cfg(feature = "log4rs")]

use std::path::PathBuf;

use crate::support::alone;
use equipment_log::log4rs::{
    check_file, deserializers, init_file, EquipmentScopedAppenderDeserializer, Setup,
};
use equipment_log::Scope;

/// A file with `ROOT` in its text replaced by the folder that holds it.
fn file(folder: &tempfile::TempDir, yaml: &str) -> PathBuf {
    let path = folder.path().join("log4rs.yaml");
    // In single quotes, in which YAML takes a backslash as it is.
    let root = format!("'{}'", folder.path().join("lab").display());
    std::fs::write(&path, yaml.replace("ROOT", &root)).unwrap();
    path
}

const RIGHT: &str = "
refresh_rate: 30 seconds
appenders:
  equipment:
    kind: equipment_scoped
    local_root: ROOT
    hostname: labpc-04
root:
  level: info
  appenders: [equipment]
";

/// Of each wrong file, what the error must say.
const WRONG: [(&str, &[&str]); 14] = [
    ("appenders: {equipment: {kind: equipment_scoped}}", &["appender equipment", "local_root"]),
    (
        "appenders:\n  a: {kind: equipment_scoped, local_root: ROOT, fsync_levle: warn}\n  b: {kind: fiel}",
        &["appender a", "fsync_levle", "fsync_level", "appender b", "fiel"],
    ),
    (
        "appenders:\n  a: {kind: equipment_scoped, local_root: ROOT, filters: [{kind: treshold, level: warn}]}",
        &["appender a, filter treshold"],
    ),
    (
        // The second must not be served by the first, as it would be where a running program reads again.
        "appenders:\n  a: {kind: equipment_scoped, local_root: ROOT}\n  b: {kind: equipment_scoped, local_root: ROOT, fsync_levle: warn}",
        &["appender b", "fsync_levle"],
    ),
    ("root: {level: info, appenders: [equipment]}", &["equipment"]),
    ("root: {level: loud}", &["loud"]),
    ("appender: {}", &["appender", "was `appenders` meant?"]),
    ("appenders: {equipment: {local_root: ROOT}}", &["kind"]),
    ("appenders: [", &["line 2"]),
    ("", &["the file is empty"]),
    ("{}", &["no logger has an appender"]),
    (
        // It would log nothing.
        "appenders:\n  a: {kind: equipment_scoped, local_root: ROOT}",
        &["appender a", "neither `root` nor any logger names it"],
    ),
    (
        // One of the two would be refused at its first record.
        "appenders:\n  a: {kind: equipment_scoped, local_root: ROOT, targets: {acme: TWO1}}\n  \
         b: {kind: equipment_scoped, local_root: ROOT, path: '{equipment_id}.log', unscoped: two1}\n\
         root: {appenders: [a, b]}",
        &["appender b: unscoped", "\"two1\" and \"TWO1\"", "appender a, targets.acme"],
    ),
    (
        // As one writes who has read that `queue: {}` is enough.
        "appenders:\n  a: {kind: equipment_scoped, local_root: ROOT, queue: }",
        &["appender a", "queue", "{} for the defaults"],
    ),
];

#[test]
fn a_wrong_file_is_refused_with_every_mistake_and_a_right_one_installed() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    for (yaml, words) in WRONG {
        let path = file(&folder, yaml);
        let err = init_file(&path).unwrap_err();
        assert!(err.is_config(), "{err:?}");
        let text = err.to_string();
        assert!(text.starts_with(path.to_str().unwrap()) && !text.contains('\n'), "{text}");
        assert_eq!(format!("{err:?}"), text, "what a main that returns it prints");
        words.iter().for_each(|word| assert!(text.contains(word), "{yaml}: {text}"));
    }
    let err = init_file(folder.path().join("none.yaml")).unwrap_err();
    assert!(err.is_config() && err.to_string().contains("none.yaml"), "{err}");
    assert_eq!(log::max_level(), log::LevelFilter::Off, "nothing was installed");

    let path = file(&folder, RIGHT);
    let (deserializers, _earlier) = deserializers();
    assert_eq!(check_file(&path, &deserializers).unwrap(), [""; 0]);
    assert!(!folder.path().join("lab").exists(), "a look makes nothing");
    let handle = init_file(&path).unwrap();
    Scope::new("CONFOCAL_01").unwrap().run(|| log::info!("stage homed"));
    let log = crate::support::log_path(&folder.path().join("lab"), "CONFOCAL_01");
    assert_eq!(crate::support::messages(&log), ["stage homed"]);
    assert_eq!(handle.sinks().len(), 1, "those that were built to look at are gone");

    let err = init_file(&path).unwrap_err();
    assert!(err.to_string().contains("logger"), "{err}");
}

/// It may be another program's, or this one's that runs.
#[test]
fn a_look_leaves_the_files_of_other_appenders_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let central = folder.path().join("central.log");
    std::fs::write(&central, "a week's records\n").unwrap();
    let more = format!("  central: {{kind: file, path: '{}', append: false}}\n", central.display());
    let path = file(&folder, &RIGHT.replace("root:\n", &format!("{more}root:\n")));
    let (deserializers, _handle) = deserializers();
    check_file(&path, &deserializers).unwrap();
    assert_eq!(std::fs::read_to_string(&central).unwrap(), "a week's records\n");
}

/// The kinds of a program that has added one of ours, or has replaced one of ours. The file is written by a pattern, a
/// JSON encoder and our line, none of them in an appender of ours.
fn show_the_equipment_through(
    kinds: log4rs::config::Deserializers,
) -> equipment_log::log4rs::Handle {
    let folder = tempfile::tempdir().unwrap();
    let mut yaml = RIGHT.replace("[equipment]", "[equipment, pattern, json, line]");
    let encoders = [
        ("pattern", "{kind: pattern, pattern: '[{X(equipment_id)}] {m}{n}'}", "[EQ] homed"),
        ("json", "{kind: json}", "\"mdc\":{\"equipment_id\":\"EQ\"}"),
        ("line", "{kind: equipment_line}", "[equip:EQ] homed"),
    ];
    for (name, encoder, _) in encoders {
        let path = folder.path().join(name);
        let appender = format!("  {name}: {{kind: file, path: {path:?}, encoder: {encoder}}}\n");
        yaml = yaml.replace("\nroot:\n", &format!("\n{appender}root:\n"));
    }
    let path = file(&folder, &yaml);
    assert_eq!(check_file(&path, &kinds).unwrap(), [""; 0]);
    let handle = Setup::new(&path).kinds(kinds).init().unwrap();
    Scope::new("EQ").unwrap().run(|| log::info!("homed"));
    for (name, _, text) in encoders {
        let written = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(written.contains(text), "{name}: {written}");
    }
    assert_eq!(handle.sinks().len(), 1);
    handle
}

#[test]
fn a_setup_adds_the_kinds_that_are_missing_beside_one_that_is_there() {
    alone!();
    let mut kinds = log4rs::config::Deserializers::default();
    kinds.insert("equipment_scoped", EquipmentScopedAppenderDeserializer::default());
    let _handle = show_the_equipment_through(kinds);
}

#[test]
fn a_setup_lets_a_kind_see_scopes_that_replaced_ours_and_serves_the_earlier_handle() {
    alone!();
    let (mut kinds, earlier) = deserializers();
    kinds.insert("pattern", log4rs::encode::pattern::PatternEncoderDeserializer);
    let handle = show_the_equipment_through(kinds);
    assert_eq!(earlier.sinks().len(), handle.sinks().len());
}
