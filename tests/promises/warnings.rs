//! The promise: `check_file` warns of what is valid and probably not meant, and finds what is wrong in a program that
//! runs, too. It makes nothing.
#![cfg(feature = "log4rs")]

use std::path::Path;

use crate::support::{alone, HOST};
use equipment_log::log4rs::{check_file, init_file, Setup};
use log4rs::config::Deserializers;

/// The warnings of a file with these appenders, root and loggers.
fn warnings(folder: &Path, appenders: &str, root: &str, loggers: &str) -> Vec<String> {
    let file = folder.join("log4rs.yaml");
    let text = format!("appenders: {{{appenders}}}\nroot: {{{root}}}\nloggers: {{{loggers}}}\n");
    let lab = folder.join("lab");
    std::fs::write(&file, text.replace("ROOT", &format!("'{}'", lab.display()))).unwrap();
    let warnings = check_file(&file, &Deserializers::default()).unwrap();
    assert!(!lab.exists(), "a check makes nothing");
    warnings
}

const ONE: &str = "a: {kind: equipment_scoped, local_root: ROOT}";
const AT_ROOT: &str = "level: info, appenders: [a]";

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let with = |keys: &str| ONE.replace("ROOT", &format!("ROOT, {keys}"));
    let two = format!("{ONE}, b: {{kind: equipment_scoped, local_root: ROOT}}");
    let threshold = with("levels: {X: warn}, filters: [{kind: threshold, level: error}]");
    for (appenders, root, loggers, words) in [
        (ONE, AT_ROOT, "", &[][..]),
        (&with("levels: {X: debug}"), AT_ROOT, "", &["levels.X", "let through info"]),
        // An additive logger passes more on to the root's appenders.
        (&with("levels: {X: debug}"), AT_ROOT, "acme: {level: debug}", &[]),
        (
            &with("levels: {X: debug}"),
            AT_ROOT,
            "acme: {level: debug, additive: false}",
            &["levels.X"],
        ),
        (&threshold, AT_ROOT, "", &["levels.X", "let through error"]),
        (ONE, AT_ROOT, "acme: {level: info, appenders: [a]}", &["acme", "twice"]),
        (ONE, AT_ROOT, "acme: {level: info, appenders: [a], additive: false}", &[]),
        (ONE, AT_ROOT, "\"acme::x::y\": {level: info, appenders: [a]}", &["acme::x::y", "twice"]),
        (ONE, "appenders: [a, a]", "", &["root", "twice"]),
        (&two, "appenders: [a, b]", "", &["appender b", "the same path as appender a"]),
        (
            &with("rotation: {every: day}, path: '{equipment_id}/w.log'"),
            AT_ROOT,
            "",
            &["rotation", "{hostname}"],
        ),
        (&with("rotation: {every: day}"), AT_ROOT, "", &[]),
        (&with("path: '{equipment_id}/{hostnme}.log'"), AT_ROOT, "", &["{hostnme}", "{hostname}"]),
        (&with("path: '{equipment_id}/{HOSTNAME}.log'"), AT_ROOT, "", &["was {hostname} meant?"]),
        (
            &with("path: '{equipment_id}/{equipment-id}.log'"),
            AT_ROOT,
            "",
            &["{equipment-id}", "was {equipment_id} meant?"],
        ),
        (
            &with("path: '{equipment_id}/{equipment}.log'"),
            AT_ROOT,
            "",
            &["was {equipment_id} meant?"],
        ),
        (&with("path: '{equipment_id}/{equipment_type}/{host_id}/{run}.log'"), AT_ROOT, "", &[]),
    ] {
        let found = warnings(folder.path(), appenders, root, loggers);
        assert_eq!(found.is_empty(), words.is_empty(), "{appenders} {root} {loggers}: {found:?}");
        for word in words {
            assert!(found[0].contains(word) && !found[0].contains('\n'), "{word}: {found:?}");
        }
    }
}

#[test]
fn a_root_that_cannot_be_written_at_this_moment_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lab"), "a file").unwrap();
    let file = folder.path().join("log4rs.yaml");
    for root in [folder.path().join("lab"), folder.path().join("lab/below")] {
        let appender = format!("{{kind: equipment_scoped, local_root: '{}'}}", root.display());
        let text = format!("appenders: {{a: {appender}}}\nroot: {{appenders: [a]}}\n");
        std::fs::write(&file, text).unwrap();
        let found = check_file(&file, &Deserializers::default()).unwrap();
        assert!(found[0].contains("local_root") && found[0].contains("no folder"), "{found:?}");
    }
}

/// A share may come back, so the program starts all the same, and is told once.
#[test]
fn a_program_that_runs_is_told_once_and_checks_a_new_file_as_one_that_does_not() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let (file, lab) = (folder.path().join("log4rs.yaml"), folder.path().join("lab"));
    std::fs::write(&lab, "a file").unwrap();
    let keys = format!("kind: equipment_scoped, local_root: '{}', hostname: {HOST}", lab.display());
    let text = format!("appenders: {{a: {{{keys}}}}}\nroot: {{appenders: [a]}}\n");
    std::fs::write(&file, &text).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let on_error = move |err: &equipment_log::Error| {
        let _ = tell.lock().unwrap().send(err.to_string());
    };
    let handle = Setup::new(&file).on_error(on_error).init().unwrap();
    let warning = told.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    assert!(warning.contains("warning: ") && warning.contains("no folder"), "{warning}");

    let new = folder.path().join("new.yaml");
    std::fs::write(&new, text.replace("hostname", "fsync_level: fatal, hostname")).unwrap();
    let err = check_file(&new, &Deserializers::default()).unwrap_err();
    assert!(err.to_string().contains("fsync_level"), "{err}");
    assert!(init_file(&file).unwrap_err().to_string().contains("logger"));
    drop(handle);
}
