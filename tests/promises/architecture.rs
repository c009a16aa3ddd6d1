//! The promise: the crate's rooms are as its design draws them. Arrows point downwards, one folder touches files,
//! one touches the platform, each adapter alone knows its framework, what a process shares stands in one place, and
//! nothing is unsafe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the top: each may import from those below it alone.
const ORDER: [&str; 19] = [
    "lib",
    "book",
    "log4rs",
    "fern",
    "sink",
    "queue",
    "config",
    "registry",
    "line",
    "context",
    "layout",
    "file",
    "report",
    "stats",
    "equipment_id",
    "process",
    "clock",
    "error",
    "locks",
];

/// One file below `src`.
struct Source {
    /// As `file/root.rs`.
    name: String,
    text: String,
    /// The lines before its tests.
    lines: Vec<String>,
    /// Those without comments.
    code: Vec<String>,
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        let all: Vec<_> = text.lines().map(str::to_owned).collect();
        let begins_tests = |at: &usize| {
            let is_test =
                all[*at].starts_with("#[cfg(test)]") || all[*at].starts_with("#[cfg(all(test");
            is_test && all[*at..].iter().take(5).any(|line| line.starts_with("mod "))
        };
        let end = (0..all.len()).find(begins_tests).unwrap_or(all.len());
        let lines = all[..end].to_vec();
        let code = lines.iter().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.map(|line| line.split(" // ").next().unwrap().to_owned()).collect();
        Source { name: name.to_owned(), text: text.to_owned(), lines, code }
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

/// All files below `src` but those that hold tests alone.
fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            if stem == "tests" || stem == "loom" || stem.ends_with("_tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 10, "the sources were not found");
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

/// How a configuration is read, by those who read one.
const READS_CONFIGURATION: &[&str] =
    &["std::fs::read(", "std::fs::read_to_string(", "std::fs::File::open("];

fn touches_files(source: &Source) -> Vec<String> {
    let reads = ["log4rs", "fern", "config"].contains(&source.module());
    match source.module() {
        "file" => vec![],
        _ => source
            .lines_with(FILES)
            .filter(|line| !reads || !READS_CONFIGURATION.iter().any(|read| line.contains(read)))
            .collect(),
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

/// The most lines of a file before its tests.
const LONGEST: usize = 350;

fn is_long(source: &Source) -> Vec<String> {
    let lines = source.lines.len();
    let is_long = lines > LONGEST;
    is_long
        .then(|| format!("{}: {lines} lines before its tests", source.name))
        .into_iter()
        .collect()
}

/// The statics of a file that are the process's, not a thread's, and how far down the lines each stands.
fn statics(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Where the braces of a `thread_local!` that was begun are closed.
    let (mut of_thread, mut depth) = (None, 0);
    for (at, line) in source.lines.iter().enumerate() {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        if code.contains("thread_local!") && of_thread.is_none() {
            of_thread = Some(depth);
        }
        let name = code.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let name = name.trim_start_matches("pub(super) ");
        if of_thread.is_none() && name.starts_with("static ") {
            found.push((at, format!("{}: {}", source.name, name.split(':').next().unwrap())));
        }
        depth += line.matches('{').count() as i64 - line.matches('}').count() as i64;
        of_thread = of_thread.filter(|begun| depth > *begun);
    }
    found
}

fn keeps_to_itself_what_the_process_shares(source: &Source) -> Vec<String> {
    let statics = statics(source).into_iter();
    match source.module() {
        // There, each has its reason.
        "process" => {
            statics.filter(|(at, _)| !has_comment(source, *at)).map(|(_, it)| it).collect()
        }
        _ => statics.map(|(_, it)| it).collect(),
    }
}

/// Whether the line itself, or one just above, below attributes, is a comment.
fn has_comment(source: &Source, at: usize) -> bool {
    let above = source.lines[..at].iter().rev().map(|line| line.trim_start());
    // Of a static within a function, the function's.
    let indented = source.lines[at].starts_with(" ");
    let is_between = |line: &&str| line.starts_with("#[") || indented && line.contains("fn ");
    let above = above.skip_while(is_between).take(1);
    let own = source.lines[at].contains("// ");
    own || above.into_iter().any(|line| line.starts_with("//"))
}

/// What has its price everywhere, so that there are few, each with its reason in a comment.
const RARE: [&str; 2] = ["inline(always)", "thread_local! {"];

/// How many of each there may be.
const RARE_AT_MOST: usize = 6;

/// Where one of `RARE` is, and whether a comment stands above it or, of thread-locals, at its first line.
fn rare(source: &Source, what: &str) -> Vec<(String, bool)> {
    let lines = source.lines.iter().enumerate();
    let found =
        lines.filter(|(_, line)| !line.trim_start().starts_with("//") && line.contains(what));
    let place = |(at, _): (usize, &String)| {
        let below = what != RARE[0] && source.lines[at + 1].trim_start().starts_with("//");
        (format!("{}:{}: {what}", source.name, at + 1), below || has_comment(source, at))
    };
    found.map(place).collect()
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

/// A room's first file would leave the room by `super`.
fn leaves_by_super(source: &Source) -> Vec<String> {
    let is_first = !source.name.contains('/')
        || source.name.matches('/').count() == 1 && source.name.ends_with("/mod.rs");
    let lines = source.lines_with(&["super::"]);
    lines.filter(|line| is_first && !line.contains("pub(super)")).collect()
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
fn what_the_process_shares_is_in_one_place_with_its_reason() {
    assert_none(sources().iter().flat_map(keeps_to_itself_what_the_process_shares));
}

#[test]
fn no_file_is_long() {
    assert_none(sources().iter().flat_map(is_long));
}

#[test]
fn inlining_by_force_and_thread_locals_are_few_and_have_their_reasons() {
    for what in RARE {
        let found: Vec<_> = sources().iter().flat_map(|source| rare(source, what)).collect();
        let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert!(found.len() <= RARE_AT_MOST, "{} of them:\n{}", found.len(), places.join("\n"));
        let silent = found.into_iter().filter(|(_, has_reason)| !has_reason);
        assert_none(silent.map(|(place, _)| format!("without a reason: {place}")));
    }
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
    assert_none(sources().iter().flat_map(leaves_by_super));
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
    assert!(seen(touches_files, "layout.rs", "let text = std::fs::read_to_string(path)?;"));
    assert!(seen(touches_files, "layout.rs", "if path.exists() {"));
    assert!(!seen(touches_files, "file/root.rs", "use std::fs::File;"));
    assert!(!seen(touches_files, "config.rs", "    // std::fs is for src/file"));
    assert!(seen(picks_a_platform, "sink.rs", "#[cfg(unix)]"));
    assert!(seen(picks_a_platform, "file/mod.rs", "#[cfg(not(windows))]"));
    assert!(seen(picks_a_platform, "file/mod.rs", "if cfg!(target_os = \"linux\") {"));
    assert!(!seen(picks_a_platform, "file/sys/mod.rs", "#[cfg(unix)]"));
    assert!(seen(knows_a_framework, "context.rs", "log_mdc::insert(key, value);"));
    assert!(seen(knows_a_framework, "fern.rs", "use ::log4rs::append::Append;"));
    assert!(!seen(knows_a_framework, "log4rs.rs", "use ::log4rs::append::Append;"));
    assert!(seen(knows_a_framework, "config.rs", "serde_yaml::from_str(text)"));
    assert!(seen(touches_files, "config/mod.rs", "std::fs::remove_file(path)?;"));
    assert!(!seen(touches_files, "config/mod.rs", "let text = std::fs::read_to_string(path)?;"));
    let shares = keeps_to_itself_what_the_process_shares;
    assert!(seen(shares, "queue/mod.rs", "static ALL: Mutex<()> = Mutex::new(());"));
    assert!(seen(
        shares,
        "queue/mod.rs",
        "fn f() {\n    static ONCE: OnceLock<()> = OnceLock::new();\n}"
    ));
    assert!(!seen(
        shares,
        "queue/mod.rs",
        "thread_local! {\n    static OWN: Cell<u8> = const { Cell::new(0) };\n}"
    ));
    assert!(seen(
        shares,
        "a.rs",
        "thread_local! {\n    static A: B = const { C };\n}\nstatic D: E = F;"
    ));
    assert!(seen(shares, "process.rs", "static ALL: Mutex<()> = Mutex::new(());"));
    assert!(!seen(
        shares,
        "process/a.rs",
        "/// One, since.\nstatic ALL: Mutex<()> = Mutex::new(());"
    ));
    assert!(seen(is_long, "line.rs", &"\n".repeat(351)));
    assert!(!seen(
        is_long,
        "line.rs",
        &format!("a\n#[cfg(test)]\nmod tests {{{}}}", "\n".repeat(400))
    ));
    let rare = |what, code: &str| rare(&Source::new("line.rs", code), what);
    assert!(!rare(RARE[0], "/// Line.\nfn f() {}\n#[inline(always)]\nfn g() {}")[0].1);
    assert!(rare(RARE[0], "// A call costs more.\n#[inline(always)]\nfn g() {}")[0].1);
    assert!(
        rare(RARE[1], "thread_local! {\n    /// A buffer, used again.\n    static A: B = C;\n}")[0]
            .1
    );
    assert!(rare(RARE[1], "// thread_local! {").is_empty());
    assert!(seen(leaves_by_super, "fern.rs", "use super::sink::EquipmentSink;"));
    assert!(!seen(leaves_by_super, "file/sys/mod.rs", "use super::Error;"));
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
