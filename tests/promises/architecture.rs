//! The promise: the house stands as it was drawn. Arrows point downwards, one folder touches files, one
//! touches the platform, each adapter alone knows its framework, and nothing is unsafe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the top: each may import from those below it alone.
const ORDER: [&str; 17] = [
    "lib",
    "log4rs",
    "fern",
    "sink",
    "queue",
    "config",
    "registry",
    "line",
    "layout",
    "context",
    "file",
    "stats",
    "equipment_id",
    "process",
    "clock",
    "error",
    "sync",
];

/// One file below `src`, without its comments and its own tests.
struct Source {
    /// As `file/root.rs`.
    name: String,
    text: String,
    code: Vec<String>,
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        Source {
            name: name.to_owned(),
            text: text.to_owned(),
            code: code.map(|line| line.split(" // ").next().unwrap().to_owned()).collect(),
        }
    }

    /// The module of the top level that the file belongs to.
    fn module(&self) -> &str {
        self.name.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// The lines of code that hold one of `words`.
    fn lines_with<'a>(&'a self, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let lines = self.code.iter().filter(|line| words.iter().any(|word| line.contains(word)));
        lines.map(|line| format!("{}: {}", self.name, line.trim()))
    }
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 10, "the house was not found");
    sources
}

/// Fails with every line that breaks a rule.
fn assert_none(broken: impl IntoIterator<Item = String>) {
    let broken: Vec<_> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What touches the file system, by itself or through a path.
const FILES: &[&str] = &[
    "std::fs",
    "cap_std",
    "rustix",
    "std::os::",
    ".exists()",
    ".try_exists()",
    ".is_dir()",
    ".is_file()",
    ".metadata()",
    ".symlink_metadata()",
    ".canonicalize()",
    ".read_link()",
    ".read_dir()",
];

fn touches_files(source: &Source) -> Vec<String> {
    match source.module() {
        "file" => vec![],
        _ => source.lines_with(FILES).collect(),
    }
}

const PLATFORMS: &[&str] =
    &["cfg(unix", "cfg(windows", "(unix)", "(windows)", "target_os", "target_family", "cfg!("];

fn picks_a_platform(source: &Source) -> Vec<String> {
    // A thread's signal mask is no matter of files.
    if source.name.starts_with("file/sys/") || source.name == "process/threads.rs" {
        return vec![];
    }
    source.lines_with(PLATFORMS).collect()
}

/// Each framework's names in code, with the adapters that may use them.
const FRAMEWORKS: [(&[&str], &[&str]); 3] = [
    (&["log4rs"], &["log4rs::", "log_mdc", "anyhow"]),
    (&["fern"], &["fern::"]),
    (&["log4rs", "fern"], &["serde_yaml"]),
];

fn knows_a_framework(source: &Source) -> Vec<String> {
    // The contents page names the adapters, to show them at the crate's root.
    let (module, rules) = (source.module(), FRAMEWORKS.iter());
    let others = rules.filter(|(adapters, _)| module != "lib" && !adapters.contains(&module));
    others.flat_map(|(_, names)| source.lines_with(names)).collect()
}

fn is_unsafe(source: &Source) -> Vec<String> {
    source.lines_with(&["unsafe"]).collect()
}

/// The module of each name that `lib.rs` shows at the crate's root.
fn re_exports(lib: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for part in lib.split("pub use crate::").skip(1) {
        let (module, shown) = part.split(';').next().unwrap().split_once("::").unwrap();
        for name in shown.trim_matches(['{', '}']).split(',') {
            names.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    names
}

/// The modules that a file names after `crate::`, through the crate's root as well.
fn imports(source: &Source, re_exports: &BTreeMap<String, String>) -> Vec<String> {
    let code = source.code.join("\n").replace("pub(in crate::", "");
    let after = code.split("crate::").skip(1).flat_map(|part| match part.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap().split(',').map(str::trim).collect(),
        None => vec![part],
    });
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let names = after.map(|part| part.split(|c| !is_name(c)).next().unwrap().to_owned());
    names.map(|name| re_exports.get(&name).cloned().unwrap_or(name)).collect()
}

fn points_upwards(source: &Source, re_exports: &BTreeMap<String, String>) -> Vec<String> {
    let height = |module: &str| ORDER.iter().position(|m| *m == module);
    let own = height(source.module()).unwrap_or_else(|| panic!("{} is not drawn", source.name));
    let imported = imports(source, re_exports).into_iter();
    let wrong = imported.filter(|module| match height(module) {
        Some(other) if module == source.module() => other != own,
        Some(other) => other < own || (own > 0 && ["log4rs", "fern"].contains(&module.as_str())),
        None => true,
    });
    wrong.map(|module| format!("{} imports {module}", source.name)).collect()
}

#[test]
fn only_the_folder_for_files_touches_files() {
    assert_none(sources().iter().flat_map(touches_files));
}

#[test]
fn only_the_folder_for_platforms_picks_one() {
    assert_none(sources().iter().flat_map(picks_a_platform));
}

#[test]
fn only_an_adapter_knows_its_framework() {
    assert_none(sources().iter().flat_map(knows_a_framework));
}

#[test]
fn nothing_is_unsafe() {
    assert_none(sources().iter().flat_map(is_unsafe));
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn arrows_between_modules_point_downwards() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let re_exports = re_exports(&lib);
    assert_eq!(re_exports["Scope"], "context");
    assert_none(sources().iter().flat_map(|source| points_upwards(source, &re_exports)));
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = |source: &Source| !source.text.starts_with("//! ");
    assert_none(sources().into_iter().filter(silent).map(|source| source.name));
}

#[test]
fn the_contents_page_has_no_logic() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.name == "lib.rs").unwrap();
    let code = lib.code.join("\n");
    let statement = |text: &str| {
        let text = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        text.collect::<Vec<_>>().join("\n").trim().to_owned()
    };
    let fits = |text: &String| {
        let begins = ["mod ", "pub mod ", "pub use ", "struct Readme"];
        text.is_empty()
            || begins.iter().any(|begin| text.starts_with(begin)) && !text.contains("fn ")
    };
    assert_none(code.split(';').map(statement).filter(|text| !fits(text)));
}

/// A check that sees nothing would pass for ever.
#[test]
fn the_checks_see_what_they_look_for() {
    let seen = |check: fn(&Source) -> Vec<String>, name: &str, code: &str| {
        check(&Source::new(name, code)).len() == 1
    };
    assert!(seen(touches_files, "config.rs", "let text = std::fs::read_to_string(path)?;"));
    assert!(seen(touches_files, "layout.rs", "if path.exists() {"));
    assert!(!seen(touches_files, "file/root.rs", "use std::fs::File;"));
    assert!(!seen(touches_files, "config.rs", "    // std::fs is for src/file"));
    assert!(seen(picks_a_platform, "sink.rs", "#[cfg(unix)]"));
    assert!(seen(picks_a_platform, "file/mod.rs", "#[cfg(not(windows))]"));
    assert!(seen(picks_a_platform, "file/mod.rs", "if cfg!(target_os = \"linux\") {"));
    assert!(!seen(picks_a_platform, "file/sys/mod.rs", "#[cfg(unix)]"));
    assert!(seen(knows_a_framework, "scope.rs", "log_mdc::insert(key, value);"));
    assert!(seen(knows_a_framework, "fern.rs", "use ::log4rs::append::Append;"));
    assert!(!seen(knows_a_framework, "log4rs.rs", "use ::log4rs::append::Append;"));
    assert!(seen(knows_a_framework, "config.rs", "serde_yaml::from_str(text)"));
    assert!(seen(is_unsafe, "line.rs", "let text = unsafe { from_utf8_unchecked(bytes) };"));

    let shown =
        re_exports("pub use crate::context::{InScope,\n    Scope};\npub use crate::error::Error;");
    let upwards = |name, code| !points_upwards(&Source::new(name, code), &shown).is_empty();
    assert!(upwards("context.rs", "use crate::sink::EquipmentSink;"));
    assert!(upwards("equipment_id.rs", "use crate::{error::Error, context::Scope};"));
    assert!(upwards("error.rs", "fn f(scope: &crate::Scope) {}"));
    assert!(upwards("log4rs.rs", "use crate::fern::EquipmentScopedOutput;"));
    assert!(upwards("file/root.rs", "use crate::registry::Registry;"));
    assert!(!upwards("sink.rs", "use crate::context::Scope;\nuse crate::Error;"));
    assert!(!upwards("file/root.rs", "use crate::file::sys;"));
}
