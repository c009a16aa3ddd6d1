//! `$ENV{NAME}` in a text, and what looks like a variable of another program.
//!
//! Such a text is refused, written or in the value of a variable: it would become the name of a folder.

use std::path::is_separator;

use crate::error::Error;

/// The opening of the one kind of variable that is known here, as in log4rs.
const OPEN: &str = "$ENV{";

/// Replaces each `$ENV{NAME}` and `$ENV{NAME:-default}`, and refuses a text that looks like another kind of variable.
pub(super) fn expand(key: &str, text: &str) -> Result<String, Error> {
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
        is_alone(&rest[..at], &inner[end + 1..]).map_err(bad)?;
        rest = &inner[end + 1..];
    }
    no_other_variable(rest).map_err(bad)?;
    expanded.push_str(rest);
    Ok(expanded)
}

/// Refuses what looks like an escaped or a nested variable: `$$ENV{X}`, `\$ENV{X}`, `{$ENV{X}}`. Where a backslash
/// separates folders, it is one.
fn is_alone(before: &str, after: &str) -> Result<(), String> {
    let is_escape = |c: char| matches!(c, '$' | '{') || (c == '\\' && !is_separator(c));
    let wrong = match before.chars().next_back().filter(|c| is_escape(*c)) {
        Some(c) => format!("has a {c} in front of $ENV{{"),
        None if after.starts_with('}') => "has a second } behind $ENV{…}".to_owned(),
        None => return Ok(()),
    };
    Err(format!("{wrong}; $ENV{{NAME}} is a variable here, and nothing escapes it"))
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
    let has_variable =
        |default: &str| default.contains(['$', '{']) || no_other_variable(default).is_err();
    if default.is_some_and(has_variable) {
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
        Ok(value) if value.is_empty() => "is empty".to_owned(),
        Ok(value) => match unusable(&value) {
            Some(why) => format!("is {value:?}, which {why}"),
            None => return Ok(value),
        },
        Err(std::env::VarError::NotPresent) => "is not set".to_owned(),
        Err(std::env::VarError::NotUnicode(_)) => "is not Unicode".to_owned(),
    };
    Err(Unusable::Variable(format!("the environment variable {name} {why}")))
}

/// Why the value of a variable cannot be used.
fn unusable(value: &str) -> Option<&'static str> {
    if no_other_variable(value).is_err() {
        return Some("has a variable; a variable in the value of a variable is not expanded");
    }
    if is_quoted(value) {
        return Some(QUOTED);
    }
    (value.trim() != value).then_some("begins or ends with a blank")
}

/// Whether a text begins and ends with the same quote. Where YAML or a shell took them off, they were there twice.
pub(super) fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.starts_with(*quote) && text.ends_with(*quote))
}

/// What is reported of such a text.
pub(super) const QUOTED: &str = "begins and ends with a quote, which would be a part of the name";

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
    use std::path::Path;

    use super::super::text::local_root;
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
            ("/x/$$ENV{UNSET:-x}/lab", "$ENV{NAME}"),
            ("$ENV{UNSET:-x}}", "$ENV{NAME}"),
            ("{$ENV{UNSET:-x}}", "$ENV{NAME}"),
        ] {
            let err = local_root(Path::new(root)).unwrap_err().to_string();
            assert!(err.starts_with("local_root: ") && err.contains(named), "{root}: {err}");
        }
    }

    #[test]
    fn a_backslash_escapes_no_variable_and_separates_folders_where_it_does_so() {
        let root = local_root(Path::new("/lab\\$ENV{UNSET:-x}"));
        assert_eq!(root.is_ok(), is_separator('\\'), "{root:?}");
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
}
