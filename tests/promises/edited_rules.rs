//! The promise: which equipment a record belongs to, and which records are wanted, follows an edit of the file of a
//! program that runs: `targets`, `unscoped`, `level` and `levels`. The program has no scope at all.

#![cfg(feature = "log4rs")]

use std::path::Path;
use std::thread;

use crate::support::{alone, log4rs_yaml, log_path, messages, names_in, put_in_place, until};
use equipment_log::log4rs::Setup;

fn edit(file: &Path, root: &Path, keys: &str) {
    put_in_place(file, &log4rs_yaml(root, &format!("    {keys}"), "debug"));
}

fn written(root: &Path, id: &str) -> Vec<String> {
    let path = log_path(root, id);
    if path.exists() {
        messages(&path)
    } else {
        Vec::new()
    }
}

#[test]
fn every_record_of_a_program_without_scopes_is_in_the_right_log_and_an_edit_changes_which() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let (file, root) = (folder.path().join("log4rs.yaml"), folder.path().join("lab"));
    let targets = "targets: {opcua: OPC_UA, 'acme::stage': STAGE_02, lamp: LAMP}";
    edit(&file, &root, &format!("{targets}\n    unscoped: WORKSTATION"));
    let _handle = Setup::new(&file).init().unwrap();

    thread::spawn(|| {
        log::info!(target: "opcua::tcp", "1");
        log::info!(target: "acme::stage::axis", "2");
        log::info!(target: "lamp", "3");
        log::info!(target: "acme", "4");
        log::info!("5");
    })
    .join()
    .unwrap();
    for (id, expected) in [
        ("OPC_UA", &["1"][..]),
        ("STAGE_02", &["2"]),
        ("LAMP", &["3"]),
        ("WORKSTATION", &["4", "5"]),
    ] {
        assert_eq!(written(&root, id), expected, "{id}");
    }

    let targets = "targets: {opcua: OPC_UA, 'acme': STAGE_03}";
    edit(&file, &root, targets);
    until("the edit", || {
        log::info!(target: "acme::stage", "edited");
        !written(&root, "STAGE_03").is_empty()
    });
    let before = written(&root, "WORKSTATION");
    log::info!(target: "opcua", "6");
    log::info!(target: "lamp", "of nobody by now");
    assert_eq!(written(&root, "OPC_UA"), ["1", "6"]);
    assert_eq!(written(&root, "WORKSTATION"), before);
    assert_eq!(names_in(&root), ["LAMP", "OPC_UA", "STAGE_02", "STAGE_03", "WORKSTATION"]);
}

#[test]
fn a_level_of_one_equipment_comes_and_goes_with_an_edit() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let (file, root) = (folder.path().join("log4rs.yaml"), folder.path().join("lab"));
    edit(&file, &root, "level: info");
    let handle = Setup::new(&file).init().unwrap();
    let debug_is_written = |id: &str| {
        let before = written(&root, id).len();
        log::debug!(equipment_id = id; "debug");
        written(&root, id).len() > before
    };
    log::info!(equipment_id = "STAGE_02"; "info");
    log::info!(equipment_id = "LAMP"; "info");
    assert!(!debug_is_written("STAGE_02") && !debug_is_written("LAMP"));
    let filtered: u64 = handle.sinks().iter().map(|sink| sink.stats().filtered).sum();
    assert_eq!(filtered, 2);

    edit(&file, &root, "level: info\n    levels: {STAGE_02: debug}");
    until("a DEBUG record of STAGE_02", || debug_is_written("STAGE_02"));
    assert!(!debug_is_written("LAMP"));

    edit(&file, &root, "level: info");
    until("no DEBUG record of STAGE_02", || !debug_is_written("STAGE_02"));
    assert_eq!(written(&root, "LAMP"), ["info"]);
}
