//! What the README says of YAML keys and commands is so. Its Rust runs as doctests.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use crate::support::alone;
use equipment_log::EquipmentScopedOutput;
use log4rs::config::RawConfig;

const README: &str = include_str!("../../README.md");

const BOOK: &str = include_str!("../../src/book/reference.md");

/// The table of keys: each key and what its row says of the default.
fn keys() -> Vec<(&'static str, &'static str)> {
    let (_, table) = README.split_once("| key | default | meaning |\n").expect("the table of keys");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`'), cells[2])
    })
    .collect()
}

/// The blocks of code in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

#[test]
fn the_table_has_the_keys_that_the_code_knows() {
    let error = EquipmentScopedOutput::from_yaml_str("no_such_key: 1").unwrap_err().to_string();
    let (_, known) = error.split_once("the keys are ").unwrap_or_else(|| panic!("{error}"));
    let (known, _) = known.split_once("; local_root: ").unwrap();
    let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    // fern has no encoders.
    let documented = keys().into_iter().map(|(key, _)| key).filter(|key| *key != "encoder");
    let documented: Vec<_> = documented.collect();
    assert_eq!(documented, known);
}

/// The lines of a table from its head on.
fn table<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head));
    lines.take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn the_crates_documentation_has_the_same_table() {
    let keys = table(README, "| key | default");
    assert!(keys.len() > 10, "{keys:?}");
    assert_eq!(table(BOOK, "| key | default"), keys);
}

#[test]
fn each_predicate_of_an_error_is_explained() {
    let source = include_str!("../../src/error.rs");
    let predicates = source.split("pub fn is_").skip(1);
    let predicates: Vec<_> =
        predicates.map(|rest| format!("is_{}", rest.split('(').next().unwrap())).collect();
    let rows = table(BOOK, "| predicate |");
    assert_eq!(rows.len(), 2 + predicates.len());
    for predicate in predicates {
        let cell = format!("| [`{predicate}`](Error::{predicate}) |");
        assert!(rows.iter().any(|row| row.starts_with(&cell)), "{predicate}");
    }
}

#[test]
fn each_default_in_the_table_is_a_value_that_its_key_takes() {
    let mut tried = 0;
    for (key, default) in keys() {
        let Some(default) = default.strip_prefix('`').and_then(|text| text.strip_suffix('`'))
        else {
            continue;
        };
        if key == "encoder" {
            assert_eq!(default, "kind: equipment_line");
            continue;
        }
        // In quotes where it has none: a brace begins a mapping otherwise.
        let default = default.trim_matches('"');
        let yaml = format!("local_root: /data/lab\n{key}: '{default}'");
        EquipmentScopedOutput::from_yaml_str(&yaml).unwrap_or_else(|err| panic!("{yaml}: {err}"));
        tried += 1;
    }
    assert!(tried >= 6, "only {tried} defaults were tried");
}

#[test]
fn its_log4rs_yaml_is_taken_as_it_stands() {
    alone!();
    let root = tempfile::tempdir().unwrap();
    std::env::set_var("LAB_ROOT", root.path());
    let yaml = blocks("yaml");
    assert!(!yaml.is_empty());
    for yaml in yaml {
        let raw: RawConfig = serde_yaml::from_str(yaml).unwrap();
        let (deserializers, handle) = equipment_log::log4rs::deserializers();
        let (appenders, errors) = raw.appenders_lossy(&deserializers);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(handle.sinks().len(), 1);
        log4rs::Config::builder().appenders(appenders).build(raw.root()).unwrap();
    }
}

#[test]
fn its_commands_name_examples_that_exist() {
    let commands = blocks("sh").concat();
    assert!(commands.contains("cargo run --example workstation\ncargo test\n"));
    let named: Vec<_> = commands.split("--example ").skip(1).collect();
    assert_eq!(named.len(), 3);
    for rest in named {
        let name = rest.split_whitespace().next().unwrap();
        let file = format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&file).exists(), "{file}");
    }
}
