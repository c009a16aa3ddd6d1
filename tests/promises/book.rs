//! What the README and the book state in tables is what the code has. Their Rust runs as doctests.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::collections::BTreeSet;

use equipment_log::{EquipmentScopedOutput, Stats};
use log4rs::config::RawConfig;

const README: &str = include_str!("../../README.md");
const KEYS: &str = include_str!("../../src/book/keys.md");
const QUEUE: &str = include_str!("../../src/book/queue.md");
const ROTATION: &str = include_str!("../../src/book/rotation.md");
const ERRORS: &str = include_str!("../../src/book/errors.md");
const BOOK: &str = include_str!("../../src/book.rs");

/// The rows of the table with this head: their cells.
fn table(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = rows.map(|row| cells(row)[1..].to_vec()).collect();
    assert!(!rows.is_empty(), "no table begins with {head}");
    rows
}

/// The names in backquotes in the first cell of each row.
fn names(rows: &[Vec<String>]) -> Vec<String> {
    let of_row = |row: &Vec<String>| {
        row[0].split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

/// The keys that the code names when it is asked for another one below `prefix`.
fn known_keys(yaml: &str) -> Vec<String> {
    let error = EquipmentScopedOutput::from_yaml_str(yaml).unwrap_err().to_string();
    let (_, known) = error.split_once("the keys are ").unwrap_or_else(|| panic!("{error}"));
    let known = known.split(';').next().unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_book_explains_each_key_once() {
    let documented = names(&table(KEYS, "| key | default | meaning |"));
    // fern has no encoders.
    let documented: Vec<_> = documented.into_iter().filter(|key| key != "encoder").collect();
    assert_eq!(documented, known_keys("local_root: /data\nno_such_key: 1"));
}

#[test]
fn the_readme_names_each_key_once() {
    let sorted = |keys: Vec<String>| {
        let count = keys.len();
        let keys: BTreeSet<_> = keys.into_iter().collect();
        assert_eq!(keys.len(), count, "a key is there twice: {keys:?}");
        keys
    };
    let book = sorted(names(&table(KEYS, "| key | default | meaning |")));
    assert_eq!(sorted(names(&table(README, "| key | default | meaning |"))), book);
}

#[test]
fn the_book_explains_each_key_of_queue_and_rotation_once() {
    let queue = names(&table(QUEUE, "| key | default | meaning |"));
    assert_eq!(queue, known_keys("local_root: /data\nqueue: {no_such_key: 1}"));
    let rotation = names(&table(ROTATION, "| key | default | meaning |"));
    assert_eq!(rotation, known_keys("local_root: /data\nrotation: {no_such_key: 1}"));
}

#[test]
fn each_default_in_the_table_is_a_value_that_its_key_takes() {
    let mut tried = 0;
    for row in table(KEYS, "| key | default | meaning |") {
        let (key, default) = (row[0].trim_matches('`'), &*row[1]);
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
    assert!(tried >= 8, "only {tried} defaults were tried");
}

#[test]
fn the_book_explains_each_predicate_of_an_error_once() {
    let source = include_str!("../../src/error.rs");
    let predicates = source.split("pub fn is_").skip(1);
    let predicates: BTreeSet<_> =
        predicates.map(|rest| format!("is_{}", rest.split('(').next().unwrap())).collect();
    let documented = names(&table(ERRORS, "| predicate |"));
    assert_eq!(documented.len(), predicates.len());
    assert_eq!(documented.into_iter().collect::<BTreeSet<_>>(), predicates);
}

#[test]
fn the_book_explains_each_counter_once() {
    let stats = serde_json::to_value(Stats::default()).unwrap();
    let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect();
    let mut counters: BTreeSet<String> = fields(&stats);
    // These two hold the others.
    counters.remove("total");
    counters.remove("equipment");
    counters.extend::<BTreeSet<String>>(fields(&stats["total"]));
    let documented = names(&table(ERRORS, "| counter |"));
    assert_eq!(documented.len(), counters.len());
    assert_eq!(documented.into_iter().collect::<BTreeSet<_>>(), counters);
}

#[test]
fn each_page_of_the_book_is_in_its_table() {
    let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/book")).unwrap();
    let pages: Vec<_> = pages
        .map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(pages.len() > 10);
    for page in pages {
        assert!(BOOK.contains(&format!("//! | [`{page}`] |")), "{page}");
        assert!(BOOK.contains(&format!("    {page} \"book/{page}.md\"\n")), "{page}");
    }
}

/// The blocks of code in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

#[test]
fn the_readmes_log4rs_yaml_is_taken_as_it_is() {
    let yaml = blocks("yaml");
    assert_eq!(yaml.len(), 1);
    let raw: RawConfig = serde_yaml::from_str(yaml[0]).unwrap();
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let (appenders, errors) = raw.appenders_lossy(&deserializers);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(handle.sinks().len(), 1);
    log4rs::Config::builder().appenders(appenders).build(raw.root()).unwrap();
}

#[test]
fn the_readmes_commands_name_examples_that_exist() {
    let commands = blocks("sh").concat();
    assert!(commands.contains("cargo run --example workstation\ncargo test\n"));
    let named: Vec<_> = commands.split("--example ").skip(1).collect();
    assert_eq!(named.len(), 3);
    for rest in named {
        let name = rest.split_whitespace().next().unwrap();
        let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let file = examples.join(format!("{name}.rs"));
        assert!(file.exists() || examples.join(name).join("main.rs").exists(), "{name}");
    }
}
