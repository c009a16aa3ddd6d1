//! The promise: `merge --json` prints one object for each record.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{json, Value};

fn objects(folder: &Path) -> Vec<Value> {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples/merge");
    let program = built.with_extension(std::env::consts::EXE_EXTENSION);
    let output = Command::new(program).arg(folder).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn line(host: &str, rest: &str) -> String {
    format!("2026-04-17T14:31:55Z [INFO ] [host:{host}] [equip:E] {rest}\n")
}

/// The first part of a record of more than 256 KiB had an empty message.
#[test]
fn a_long_record_is_one_object() {
    let equipment = tempfile::tempdir().unwrap();
    // One word, many words, and many lines; letters of two bytes fall on any boundary.
    let messages =
        ["ü".repeat(700_000), "word ".repeat(300_000), "x\n".repeat(300_000), "end".into()];
    let text: String = messages.iter().map(|message| line("a", message)).collect();
    fs::write(equipment.path().join("wizard.a.log"), text).unwrap();
    fs::write(equipment.path().join("wizard.b.log"), line("b", "other")).unwrap();
    let found = objects(equipment.path());
    let of = |host: &str| -> Vec<&str> {
        let of_host = found.iter().filter(|object| object["host"] == host);
        of_host.map(|object| object["message"].as_str().unwrap()).collect()
    };
    assert!(of("a")
        .iter()
        .map(|message| message.trim_end())
        .eq(messages.iter().map(|m| m.trim_end())));
    assert_eq!(of("b"), ["other"]);
    assert_eq!(found.len(), 5);
}

/// What is longer than the memory allows: a file without line ends, for example.
#[test]
fn further_parts_of_a_huge_record_are_marked() {
    let root = tempfile::tempdir().unwrap();
    let equipment = root.path().join("E");
    fs::create_dir(&equipment).unwrap();
    let text = line("a", &"x".repeat(40_000_000)) + &line("a", "end");
    fs::write(equipment.join("wizard.a.log"), text).unwrap();
    let found = objects(&equipment);
    let (last, parts) = found.split_last().unwrap();
    assert_eq!(last["message"], "end");
    assert_eq!(last.get("continues"), None);
    let first = parts[0]["message"].as_str().unwrap();
    assert!(first.len() > 15 << 20 && parts[0].get("continues").is_none());
    assert!(parts.len() > 1 && parts[1..].iter().all(|part| part["continues"] == json!(true)));
    assert!(parts[1..].iter().all(|part| part["equipment"] == parts[0]["equipment"]));
    let length = |part: &Value| part["text"].as_str().unwrap().len();
    assert_eq!(first.len() + parts[1..].iter().map(length).sum::<usize>(), 40_000_000);
}

#[test]
fn a_value_is_a_number_only_where_json_keeps_its_text() {
    let equipment = tempfile::tempdir().unwrap();
    let tags = "[a:81.5] [b:-3] [c:18446744073709551615] [d:1e308] [e:-0] \
                [f:123456789012345678901234567890] [g:007] [h:1.50] [run:7]";
    fs::write(equipment.path().join("wizard.a.log"), line("a", &format!("{tags} x"))).unwrap();
    let found = objects(equipment.path());
    for (key, value) in [
        ("a", json!(81.5)),
        ("b", json!(-3)),
        ("c", json!(18_446_744_073_709_551_615_u64)),
        ("d", json!("1e308")),
        ("e", json!("-0")),
        ("f", json!("123456789012345678901234567890")),
        ("g", json!("007")),
        ("h", json!("1.50")),
        ("run", json!("7")),
    ] {
        assert_eq!(found[0][key], value, "{key}");
    }
}
