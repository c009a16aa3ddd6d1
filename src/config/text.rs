//! The keys that are text with a meaning: `local_root`, `hostname` and `path`.
//!
//! A text that looks like a variable of another program is refused: it would become the name of a folder.

use std::path::{Path, PathBuf};

use super::variables;
use crate::equipment_id;
use crate::error::Error;
use crate::process::machine;

/// `local_root`, expanded and absolute.
pub(super) fn local_root(root: &Path) -> Result<PathBuf, Error> {
    let bad = |why: String| Error::config("local_root", why);
    let text = root.to_str().ok_or_else(|| bad(format!("{root:?} is not Unicode")))?;
    let expanded = variables::expand("local_root", text)?;
    if expanded.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    if let Some(why) = no_folder(&expanded, text) {
        return Err(bad(format!("{} {why}", shown(text, &expanded))));
    }
    let directory = match Path::new(&expanded).is_absolute() {
        true => PathBuf::new(),
        false => machine::working_directory().map_err(|err| {
            bad(format!(
                "{expanded:?} is relative, and the working directory cannot be read: {err}"
            ))
        })?,
    };
    std::path::absolute(directory.join(&expanded))
        .map_err(|err| bad(format!("cannot make {expanded:?} absolute: {err}")))
}

/// Why an expanded text cannot have been meant as a folder. `text` is what was written.
fn no_folder(expanded: &str, text: &str) -> Option<&'static str> {
    if text.starts_with('~') {
        return Some(
            "begins with ~, which only a shell expands; $ENV{HOME} is the home folder here",
        );
    }
    if expanded.starts_with('~') {
        return Some("begins with ~, which only a shell expands");
    }
    if expanded.starts_with(['“', '”', '„', '‘', '’', '«', '»']) {
        return Some("begins with a quote that YAML takes for text; it knows \" and '");
    }
    if variables::is_quoted(expanded) {
        return Some(variables::QUOTED);
    }
    if expanded.contains("://") {
        return Some("is an address, and no folder");
    }
    if text.ends_with('\n') && !text.trim_end().contains(char::is_control) {
        return Some(
            "has a line feed at its end; YAML puts one behind a text below | or >: write the path behind the key",
        );
    }
    if text.contains(char::is_control) {
        // YAML reads `"C:\new"` with a line feed in it.
        return Some(
            "has a control character; YAML makes one of a backslash in double quotes: put the path in single \
             quotes",
        );
    }
    if expanded.contains(char::is_control) {
        return Some("has a control character");
    }
    if expanded.trim() != expanded {
        return Some("begins or ends with a blank");
    }
    if placeholders(expanded).next().is_some() {
        return Some("has braces: placeholders stand in `path`, and $ENV{NAME} is a variable here");
    }
    None
}

/// What was written and, with a variable, what that is.
fn shown(text: &str, expanded: &str) -> String {
    match text == expanded {
        true => format!("{text:?}"),
        false => format!("{text:?}, which is {expanded:?} here,"),
    }
}

/// This machine's name, as a part of a file name.
pub(crate) fn this_host() -> String {
    file_name_part(machine::host())
}

/// The name with `_` for each character that may not be part of a file name. An empty name becomes `localhost`.
///
/// A valid name is unchanged.
fn file_name_part(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut part: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    part.truncate(equipment_id::MAX_BYTES);
    if part.starts_with(['.', '-']) {
        part.replace_range(..1, "_");
    }
    if part.ends_with('.') {
        part.replace_range(part.len() - 1.., "_");
    }
    if part.is_empty() {
        return "localhost".to_owned();
    }
    if equipment_id::is_device_name(&part) {
        part.insert(0, '_');
    }
    part
}

/// `hostname`, expanded. A configured name that is not portable is refused, not mapped.
pub(super) fn hostname(name: &str) -> Result<String, Error> {
    let expanded = variables::expand("hostname", name)?;
    match equipment_id::check(&expanded) {
        Ok(()) => Ok(expanded),
        Err(why) => {
            let shown = shown(name, &expanded);
            let mut why = format!("{shown} cannot be part of a file name: {why}");
            if !expanded.is_empty() {
                why.push_str(&format!("; {:?} can", file_name_part(&expanded)));
            }
            Err(Error::config("hostname", why))
        }
    }
}

/// Finds mistakes in `path` for which the layout has no helpful message.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    let bad = |why: &str| Err(Error::config("path", format!("{path:?} {why}")));
    if let Some(at) = path.find('%') {
        let sign: String = path[at..].chars().take(2).collect();
        let dates = ["%Y", "%y", "%m", "%d", "%H", "%M", "%S", "%j", "%F", "%T", "%D"];
        if dates.contains(&sign.as_str()) {
            return bad(&format!("has {sign}; {DATES}"));
        }
    }
    for name in placeholders(path) {
        let base = name.split(['(', ':']).next().unwrap_or(name).trim();
        match base {
            "date" | "time" | "d" | "datetime" | "timestamp" | "now" => {
                return bad(&format!("has {{{name}}}; {DATES}"))
            }
            _ => {}
        }
        // They are reserved, so a record never has them as tags.
        let (has, right) = match name {
            "host" => ("the host's name", "hostname"),
            "equip" => ("the equipment's id", "equipment_id"),
            _ => continue,
        };
        return bad(&format!("has {{{name}}}, which is never a tag: {{{right}}} is {has} here"));
    }
    if path.contains('$') {
        return bad("has a $; only local_root and hostname expand $ENV{NAME}");
    }
    let has_id = placeholders(path).any(|name| name == "equipment_id");
    let near = |name: &&str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("equip") || ["id", "device", "device_id", "instrument"].contains(&&*name)
    };
    match placeholders(path).find(near) {
        Some(name) if !has_id => bad(&format!(
            "has {{{name}}}, which would be a tag, and lacks {{equipment_id}}: was that meant?"
        )),
        _ => Ok(()),
    }
}

/// Why no record has such a log target. Records are found by the target itself, and by its parents at each `::`.
pub(super) fn no_target(target: &str) -> Option<String> {
    let ends: &[char] = &[':', ' '];
    let right = target.split('*').next().unwrap_or(target).trim_matches(ends);
    match right {
        "" => Some(format!("{target:?} is no log target; `unscoped` takes what belongs to none")),
        right if right == target => None,
        right => Some(format!(
            "{target:?} is no log target; {right:?} is that target and all targets below it"
        )),
    }
}

/// Where dates go.
const DATES: &str =
    "a path has no dates: `rotation: { every: day }` begins a new file each day, and puts \
                     the date into the old one's name";

/// What stands between `{` and `}`.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_lacks_the_id_is_answered_with_what_was_meant() {
        for (path, named) in [
            ("{equipment}/x.log", "{equipment_id}"),
            ("{id}/x.log", "{equipment_id}"),
            ("{equipment_id}/%Y/x.log", "every: day"),
            ("{equipment_id}/{date}.log", "every: day"),
            ("{equipment_id}/{d(%Y-%m-%d)}.log", "every: day"),
            ("{equipment_id}/{time}.log", "every: day"),
            ("$ENV{X}/{equipment_id}.log", "local_root"),
        ] {
            let err = check_path(path).unwrap_err().to_string();
            assert!(err.starts_with("path: ") && err.contains(named), "{path}: {err}");
        }
    }

    #[test]
    fn any_name_of_a_machine_becomes_part_of_a_file_name() {
        let long = "x".repeat(200);
        for (name, part) in [
            ("labpc-04", "labpc-04"),
            ("(none)", "_none_"),
            ("Büro-PC", "B_ro-PC"),
            ("lab pc 4", "lab_pc_4"),
            ("", "localhost"),
            ("..", "__"),
            ("-x.", "_x_"),
            ("nul", "_nul"),
            ("a/b", "a_b"),
            (&long, &long[..128]),
        ] {
            assert_eq!(file_name_part(name), part);
            assert_eq!(equipment_id::check(part), Ok(()), "{name}");
        }
    }
}
