//! The promise: the JSON Schemas beside the samples know every key, so that an editor completes them. They
//! take the samples, and refuse what the code refuses.

#![cfg(all(feature = "log4rs", feature = "yaml"))]
#![allow(dead_code, reason = "the fields are for the schema")]

use std::collections::BTreeMap;

use equipment_log::EquipmentScopedOutput;
use schemars::JsonSchema;
use serde_json::{json, Value};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples");
const KEYS: &str = include_str!("../../src/book/keys.md");

/// The kind of each key's value. What it is for is in the book's table, and is taken from there.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Keys {
    local_root: Name,
    hostname: Option<Name>,
    path: Option<String>,
    targets: Option<BTreeMap<String, Name>>,
    unscoped: Option<Name>,
    level: Option<Level>,
    levels: Option<BTreeMap<String, Level>>,
    encoder: Option<Encoder>,
    precision: Option<Precision>,
    control_characters: Option<ControlCharacters>,
    fsync_level: Option<Level>,
    follow_links: Option<bool>,
    #[schemars(regex(pattern = "^[0-7]{1,4}$"))]
    file_mode: Option<String>,
    #[schemars(regex(pattern = "^[0-7]{1,4}$"))]
    dir_mode: Option<String>,
    #[schemars(range(min = 1))]
    max_open_files: Option<u64>,
    idle_timeout: Option<String>,
    rotation: Option<Rotation>,
    queue: Option<Queue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Queue {
    limit: Option<Size>,
    when_full: Option<WhenFull>,
    durable: Option<Durable>,
    drain_timeout: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum WhenFull {
    Block,
    Drop,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Durable {
    Wait,
    Continue,
}

/// `every`, `limit` or both.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
struct Rotation {
    every: Option<Every>,
    limit: Option<Size>,
    keep: Option<Keep>,
    compress: Option<Compress>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Every {
    Hour,
    Day,
    Month,
}

/// `all`, `5` files, `90 days` or `20 gb`.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Keep {
    Text(String),
    Files(#[schemars(range(min = 1))] u32),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Compress {
    None,
    Gzip,
}

/// `10 mb`, or a number of bytes.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Size {
    Text(String),
    Bytes(u64),
}

/// A text, or an integer, which is the text that was written. A schema cannot tell `5E2` from 500; the code refuses it.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Name {
    Text(String),
    Number(i64),
}

/// A level, in any case. An editor offers the words.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Level {
    Word(LevelWord),
    AnyCase(#[schemars(regex(pattern = ANY_CASE))] String),
}

/// Patterns of a JSON Schema have no flag for it.
const ANY_CASE: &str =
    "^([oO][fF][fF]|[eE][rR][rR][oO][rR]|[wW][aA][rR][nN]|[iI][nN][fF][oO]|[dD][eE][bB][uU][gG]|\
                        [tT][rR][aA][cC][eE])$";

/// `equipment_line` with its keys, or any encoder that is registered, with its own.
#[derive(JsonSchema)]
struct Encoder {
    kind: Option<String>,
    precision: Option<Precision>,
    control_characters: Option<ControlCharacters>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum LevelWord {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum ControlCharacters {
    Escape,
    Keep,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Precision {
    Seconds,
    Millis,
}

/// What the book's table says of a key: its default and its meaning.
fn row(key: &str) -> (&'static str, &'static str) {
    let start = format!("| `{key}` | ");
    let row = KEYS.lines().find_map(|line| line.strip_prefix(&start));
    let row = row.unwrap_or_else(|| panic!("keys.md has no row for {key}"));
    row.trim_end_matches(" |").split_once(" | ").unwrap()
}

/// The keys as they stand at the top of fern's file, or below an appender of log4rs.
fn keys() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Keys)).unwrap();
    for (key, property) in schema["properties"].as_object_mut().unwrap() {
        let (default, meaning) = row(key);
        property["description"] = format!("{meaning} Default: {default}.").into();
    }
    schema
}

fn for_fern() -> Value {
    let mut schema = keys();
    schema["title"] = "The equipment output of a fern dispatch".into();
    schema["properties"].as_object_mut().unwrap().remove("encoder");
    let used = |name: &str| name != "Encoder";
    schema["$defs"].as_object_mut().unwrap().retain(|name, _| used(name));
    schema
}

/// Only what is ours is described; the rest of the file is log4rs's.
fn for_log4rs() -> Value {
    let mut appender = keys();
    let appender_keys = appender["properties"].as_object_mut().unwrap();
    appender_keys.insert("kind".to_owned(), json!({ "const": "equipment_scoped" }));
    appender_keys.insert(
        "filters".to_owned(),
        json!({ "description": "log4rs's own filters.", "type": "array" }),
    );
    let (dialect, defs) = (appender["$schema"].take(), appender["$defs"].take());
    for key in ["$schema", "$defs", "title", "description"] {
        appender.as_object_mut().unwrap().remove(key);
    }
    json!({
        "$schema": dialect,
        "title": "A log4rs configuration with equipment logs",
        "type": "object",
        "properties": {
            "appenders": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["kind"],
                    "if": { "properties": { "kind": { "const": "equipment_scoped" } } },
                    "then": appender,
                }
            }
        },
        "$defs": defs,
    })
}

const FERN: &str = "equipment_scoped.schema.json";
const LOG4RS: &str = "log4rs.schema.json";

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::validator_for(schema).unwrap()
}

fn read(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn the_schemas_are_those_that_are_made_from_the_keys() {
    for (name, schema) in [(FERN, for_fern()), (LOG4RS, for_log4rs())] {
        let path = format!("{SAMPLES}/{name}");
        let text = format!("{schema:#}\n");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert!(kept == text, "{name} is not up to date: UPDATE_SCHEMA=1 cargo test --test schema");
    }
}

#[test]
fn they_know_the_keys_that_the_code_knows() {
    let error = EquipmentScopedOutput::from_yaml_str("no_such_key: 1").unwrap_err().to_string();
    let (_, known) = error.split_once("the keys are ").unwrap();
    let (known, _) = known.split_once("; local_root: ").unwrap();
    let mut known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    known.sort_unstable();
    let schema = keys();
    // fern has no encoders.
    let described = schema["properties"].as_object().unwrap().keys();
    let mut described: Vec<_> = described.filter(|key| *key != "encoder").collect();
    described.sort_unstable();
    assert_eq!(described, known);
}

#[test]
fn each_sample_names_its_schema_and_is_valid() {
    let mut samples = 0;
    for entry in std::fs::read_dir(SAMPLES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let (name, schema) = match path.file_name().unwrap().to_str().unwrap() {
            "fern.yaml" => (FERN, for_fern()),
            _ => (LOG4RS, for_log4rs()),
        };
        let first = text.lines().next().unwrap();
        assert_eq!(first, format!("# yaml-language-server: $schema={name}"), "{}", path.display());
        let validator = validator(&schema);
        let errors: Vec<_> =
            validator.iter_errors(&read(&text)).map(|err| err.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        samples += 1;
    }
    assert!(samples >= 3);
}

/// Of each value, the schema and the code think the same.
#[test]
fn they_take_and_refuse_what_the_code_does() {
    let values = [
        ("local_root: /data/lab", true),
        ("hostname: pc", false),
        ("local_root: /data/lab\nlocal_rot: /x", false),
        ("local_root: /data/lab\nfsync_level: off", true),
        ("local_root: /data/lab\nfsync_level: fatal", false),
        ("local_root: 12", true),
        ("local_root: /data/lab\nhostname: 12", true),
        ("local_root: /data/lab\nunscoped: 12", true),
        ("local_root: /data/lab\ntargets: {a: 12}", true),
        ("local_root: /data/lab\nlevel: INFO", true),
        ("local_root: /data/lab\nlevel: INFOS", false),
        ("local_root: /data/lab\nlevels: {A: Debug}", true),
        ("local_root: /data/lab\nfsync_level: WARN", true),
        ("local_root: /data/lab\ncontrol_characters: keep", true),
        ("local_root: /data/lab\ncontrol_characters: strip", false),
        ("local_root: /data/lab\nfollow_links: true", true),
        ("local_root: /data/lab\nfollow_links: maybe", false),
        ("local_root: /data/lab\nfile_mode: '0640'", true),
        ("local_root: /data/lab\nfile_mode: 0o640", false),
        ("local_root: /data/lab\ndir_mode: '0799'", false),
        ("local_root: /data/lab\nmax_open_files: 1", true),
        ("local_root: /data/lab\nmax_open_files: 0", false),
        ("local_root: /data/lab\nidle_timeout: 30 minutes", true),
        ("local_root: /data/lab\nunscoped: 1.10", false),
        ("local_root: /data/lab\nhostname: 1.10", false),
        ("local_root: /data/lab\ntargets: {acme: 1.10}", false),
        ("local_root: /data/lab\nqueue: {limit: 8 mb, when_full: drop, durable: continue}", true),
        ("local_root: /data/lab\nqueue: {when_full: discard}", false),
        ("local_root: /data/lab\nrotation: {limit: 10 mb, keep: 5}", true),
        ("local_root: /data/lab\nrotation: {limit: 10 mb}", true),
        ("local_root: /data/lab\nrotation: {every: day, keep: 90 days, compress: gzip}", true),
        ("local_root: /data/lab\nrotation: {every: week}", false),
        ("local_root: /data/lab\nrotation: {}", false),
        ("local_root: /data/lab\nrotation: {limit: 10 mb, keep: 0}", false),
        ("local_root: /data/lab\nrotation: {limit: 10 mb, keep: 5, kep: 1}", false),
    ];
    let (fern, log4rs) = (validator(&for_fern()), validator(&for_log4rs()));
    for (yaml, right) in values {
        assert_eq!(EquipmentScopedOutput::from_yaml_str(yaml).is_ok(), right, "the code: {yaml}");
        assert_eq!(fern.is_valid(&read(yaml)), right, "fern's schema: {yaml}");
        let below = yaml.replace('\n', "\n    ");
        let yaml = format!("appenders:\n  it:\n    kind: equipment_scoped\n    {below}");
        assert_eq!(log4rs.is_valid(&read(&yaml)), right, "log4rs's schema: {yaml}");
    }
    let others = "appenders:\n  it:\n    kind: file\n    path: x.log";
    assert!(log4rs.is_valid(&read(others)), "an appender of log4rs's own is not ours to judge");
}
