//! The promise: every public item stands in an example, its own, its type's or the book's, and all examples
//! are run as doctests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn files(extension: &str) -> Vec<String> {
    let mut folders: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}

/// The words in the blocks of Rust in a text of Markdown.
fn words_in_examples(markdown: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut within: Option<bool> = None;
    for line in markdown.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let is_rust = ["", "rust", "no_run", "rust,no_run"].contains(&language.trim());
            within = if within.is_none() { Some(is_rust) } else { None };
        } else if within == Some(true) {
            let found = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.extend(found.map(str::to_owned));
        }
    }
    words
}

/// The documentation in a source, without the marks of comments.
fn docs(source: &str) -> String {
    let lines = source.lines().map(str::trim_start);
    let docs = lines.filter_map(|line| line.strip_prefix("///").or(line.strip_prefix("//!")));
    docs.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// The names of what a source makes public without an example of its own, each with its line.
fn public(source: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut own_example = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("///") || line.starts_with("#[") {
            own_example |= line.starts_with("/// ```");
            continue;
        }
        let has_its_own = std::mem::take(&mut own_example);
        let Some(rest) = line.strip_prefix("pub ").filter(|_| !has_its_own) else { continue };
        let mut words = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
        let kind = words.next().unwrap();
        if ["fn", "struct", "enum", "trait", "type", "const", "static"].contains(&kind) {
            names.insert(words.next().unwrap().to_owned(), line.to_owned());
        }
    }
    names
}

#[test]
fn every_public_item_stands_in_an_example() {
    let sources = files("rs");
    let mut shown = words_in_examples(include_str!("../README.md"));
    sources.iter().for_each(|source| shown.extend(words_in_examples(&docs(source))));
    files("md").iter().for_each(|book| shown.extend(words_in_examples(book)));
    let public: BTreeMap<_, _> = sources.iter().flat_map(|source| public(source)).collect();
    assert!(public.len() > 30, "the sources were not found");
    let missing: Vec<_> = public
        .into_iter()
        .filter(|(name, _)| !shown.contains(name))
        .map(|(_, line)| line)
        .collect();
    assert!(missing.is_empty(), "without an example:\n{}", missing.join("\n"));
}

/// A check that sees nothing would pass for ever.
#[test]
fn the_check_sees_what_it_looks_for() {
    let source =
        "//! ```\n//! shown();\n//! ```\npub fn hidden() {}\n    pub struct Type;\npub(crate) fn own() {}";
    let names: Vec<_> = public(source).into_keys().collect();
    assert_eq!(names, ["Type", "hidden"]);
    assert!(public("/// ```\n/// x\n/// ```\n#[must_use]\npub fn shown() {}").is_empty());
    let words = words_in_examples(&docs(source));
    assert!(words.contains("shown") && !words.contains("hidden"));
    assert!(!words_in_examples("```text\nshown\n```").contains("shown"));
}
