//! The keys that are text with a meaning: `local_root`, `hostname` and `path`.
//!
//! A text that looks like a variable of another program is refused: it would become the name of a folder.

use std::path::{Path, PathBuf};

use crate::equipment_id;
use crate::error::Error;
use crate::process::machine;

/// The opening of the one kind of variable that is known here, as in log4rs.
const OPEN: &str = "$ENV{";

/// `local_root`, expanded and absolute.
pub(super) fn local_root(root: &Path) -> Result<PathBuf, Error> {
    let bad = |why: String| Error::config("local_root", why);
    // The working directory is read at the first build, also if this root is absolute: the next root may be relative.
    let directory = machine::working_directory();
    let text = root.to_str().ok_or_else(|| bad(format!("{root:?} is not Unicode")))?;
    let expanded = expand("local_root", text)?;
    if expanded.is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    if expanded.starts_with('~') {
        let why = "begins with ~, which only a shell expands; $ENV{HOME} is the home folder here";
        return Err(bad(format!("{expanded:?} {why}")));
    }
    if expanded.starts_with(['“', '”', '„', '‘', '’', '«', '»']) {
        return Err(bad(format!(
            "{expanded:?} begins with a quote that YAML takes for text; it knows \" and '"
        )));
    }
    if expanded.contains("://") {
        return Err(bad(format!("{expanded:?} is an address, and no folder")));
    }
    if expanded.contains(char::is_control) {
        return Err(bad(format!("{expanded:?} has a control character; {SINGLE_QUOTES}")));
    }
    if expanded.trim() != expanded {
        return Err(bad(format!("{expanded:?} begins or ends with a blank")));
    }
    let directory = match Path::new(&expanded).is_absolute() {
        true => PathBuf::new(),
        false => directory.map_err(|err| {
            bad(format!(
                "{expanded:?} is relative, and the working directory cannot be read: {err}"
            ))
        })?,
    };
    std::path::absolute(directory.join(&expanded))
        .map_err(|err| bad(format!("cannot make {expanded:?} absolute: {err}")))
}

/// YAML reads `"C:\new"` with a line feed in it.
const SINGLE_QUOTES: &str =
    "YAML makes one of a backslash in double quotes: put the path in single quotes";

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
    let expanded = expand("hostname", name)?;
    match equipment_id::check(&expanded) {
        Ok(()) => Ok(expanded),
        Err(why) => {
            let mut why = format!("{expanded:?} cannot be part of a file name: {why}");
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

/// Where dates go.
const DATES: &str =
    "a path has no dates: `rotation: { every: day }` begins a new file each day, and puts \
                     the date into the old one's name";

/// What stands between `{` and `}`.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// Replaces each `$ENV{NAME}` and `$ENV{NAME:-default}`, and refuses a text that looks like another kind of variable.
fn expand(key: &str, text: &str) -> Result<String, Error> {
    let bad = |why: String| Error::config(key, format!("{text:?} {why}"));
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        no_other_variable(&rest[..at]).map_err(bad)?;
        expanded.push_str(&rest[..at]);
        let inner = &rest[at + OPEN.len()..];
        let end = inner
            .find('}')
            .ok_or_else(|| bad("has a $ENV{ without its closing brace".to_owned()))?;
        expanded.push_str(&variable(&inner[..end]).map_err(|why| match why {
            Unusable::Variable(why) => Error::config(key, why),
            Unusable::Text(why) => bad(why),
        })?);
        rest = &inner[end + 1..];
    }
    no_other_variable(rest).map_err(bad)?;
    expanded.push_str(rest);
    Ok(expanded)
}

/// Why the text in the braces has no value.
enum Unusable {
    /// The environment lacks the variable, or its value is invalid.
    Variable(String),
    /// The text in the braces is invalid.
    Text(String),
}

/// The value of `NAME`, or of `NAME:-default`.
fn variable(inner: &str) -> Result<String, Unusable> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if name.is_empty() {
        return Err(Unusable::Text("has a $ENV{} that names no variable".to_owned()));
    }
    // Parentheses: `ProgramFiles(x86)`.
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | ')')) {
        return Err(Unusable::Text(format!(
            "names the variable {name:?}; $ENV{{NAME}} is a variable, $ENV{{NAME:-default}} one with a default"
        )));
    }
    if default.is_some_and(|default| default.contains(['$', '{'])) {
        return Err(Unusable::Text(
            "has a variable in a default, which is not expanded".to_owned(),
        ));
    }
    let value = std::env::var(name);
    if let (Some(default), Ok("") | Err(std::env::VarError::NotPresent)) =
        (default, value.as_deref().map_err(Clone::clone))
    {
        return Ok(default.to_owned());
    }
    let why = match value {
        Ok(value) if !value.is_empty() => return Ok(value),
        Ok(_) => "is empty",
        Err(std::env::VarError::NotPresent) => "is not set",
        Err(std::env::VarError::NotUnicode(_)) => "is not Unicode",
    };
    Err(Unusable::Variable(format!("the environment variable {name} {why}")))
}

/// Refuses `${NAME}`, `$NAME`, `$(NAME)`, `%NAME%`, `$env{NAME}`, `$ENV(NAME)`, `ENV{NAME}` and the like.
///
/// A `$` that ends a folder's name is text: `\\nas\lab$` is a hidden share of Windows.
fn no_other_variable(text: &str) -> Result<(), String> {
    let name_in = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let name_at = |rest: &str| name_in(rest.trim_start_matches(['{', '(', '[', ':', ' ']));
    let meant = |name: &str| match name {
        "" => "NAME".to_owned(),
        name => name.to_owned(),
    };
    let lower = text.to_ascii_lowercase();
    for opening in ["env{", "env(", "env[", "env:", "env {"] {
        let Some(at) = lower.find(opening) else { continue };
        let before = text[..at].chars().next_back();
        if !before.is_some_and(char::is_alphanumeric) {
            let name = meant(&name_at(&text[at + 3..]));
            return Err(format!(
                "has {:?}; $ENV{{{name}}} is that variable here",
                &text[at..at + 4]
            ));
        }
    }
    for (at, _) in text.match_indices('$') {
        let after = &text[at + 1..];
        let begins = |c: char| c.is_alphabetic() || matches!(c, '_' | '{' | '(' | '[' | '$');
        if after.starts_with(begins) {
            let name = meant(&name_at(after));
            return Err(format!(
                "has a $ that begins no $ENV{{…}}; $ENV{{{name}}} is a variable here"
            ));
        }
    }
    for (at, _) in text.match_indices('%') {
        let name = name_in(&text[at + 1..]);
        if !name.is_empty() && text[at + 1 + name.len()..].starts_with('%') {
            return Err(format!("has %{name}%; $ENV{{{name}}} is that variable here"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    /// Found by fuzzing: it panicked at the `%`, since the name was looked for behind what is before a name elsewhere.
    #[test]
    fn a_percent_sign_before_other_text_is_text() {
        for root in ["100% LAà", "5 % [à", "x/%(ab%", "%"] {
            no_other_variable(root).unwrap();
        }
    }

    #[test]
    fn what_looks_like_another_programs_variable_is_answered_with_ours() {
        for (root, named) in [
            ("${LAB_ROOT}/logs", "$ENV{LAB_ROOT}"),
            ("$LAB_ROOT/logs", "$ENV{LAB_ROOT}"),
            ("$(LAB_ROOT)/logs", "$ENV{LAB_ROOT}"),
            ("/x/$(hostname)", "$ENV{hostname}"),
            ("$env{LAB_ROOT}/logs", "$ENV{LAB_ROOT}"),
            ("$ENV(LAB_ROOT)/logs", "$ENV{LAB_ROOT}"),
            ("ENV{LAB_ROOT}/logs", "$ENV{LAB_ROOT}"),
            ("$env:LAB_ROOT\\logs", "$ENV{LAB_ROOT}"),
            ("%LAB_ROOT%", "$ENV{LAB_ROOT}"),
            ("/data/%LAB_ROOT%/x", "$ENV{LAB_ROOT}"),
            ("$$LAB_ROOT", "$ENV{"),
            ("$ENV{LAB ROOT}", "$ENV{NAME}"),
            ("$ENV{LAB_ROOT-/data}", "$ENV{NAME:-default}"),
            ("$ENV{A:-$ENV{B}}", "default"),
        ] {
            let err = local_root(Path::new(root)).unwrap_err().to_string();
            assert!(err.starts_with("local_root: ") && err.contains(named), "{root}: {err}");
        }
    }

    #[test]
    fn a_dollar_or_a_percent_that_is_no_variable_is_text() {
        for root in
            ["/nas/lab$", "/nas/lab$/logs", "/data/100%", "/data/5$5", "/data/a%b", "/env/x"]
        {
            assert!(local_root(Path::new(root)).unwrap().ends_with(&root[1..]), "{root}");
        }
    }

    #[test]
    fn a_default_stands_in_for_a_variable_that_is_not_set() {
        let root = local_root(Path::new("/data/$ENV{EQUIPMENT_LOG_TEST_UNSET:-spare}/x")).unwrap();
        assert!(root.ends_with("data/spare/x"), "{root:?}");
    }

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
