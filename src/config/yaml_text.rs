//! The text of a file that is not valid YAML: what the parser's errors mean for the person who wrote it.
//!
//! The parser names line and column, and what it expected. It seldom says what to do.

/// Words of the parser, and what to do.
const ANSWERS: [(&str, &str); 8] = [
    ("cannot start any token", "blanks indent, not tabs; a value that begins with @, ` or % is in quotes"),
    ("unknown escape character", "a path with backslashes is in single quotes"),
    ("did not find expected key", "a value that begins with { or with a quote is in quotes as a whole; keys that belong together are indented alike"),
    ("could not find expected ':'", "a key is followed by a colon and a blank"),
    ("mapping values are not allowed", "there is one key to a line; keys that belong together are indented alike"),
    ("unexpected end of stream", "a quote is not closed"),
    ("control characters are not allowed", "it has bytes that are no text: save it as UTF-8"),
    ("more than one document", "a line `---` begins another"),
];

/// Refuses a text without any key: for the parser it is a mapping without keys.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let is_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
    match text.lines().all(|line| is_nothing(line.trim())) {
        true => Err("the file is empty".to_owned()),
        false => Ok(()),
    }
}

/// The parser's error in one line, and what to do.
pub(crate) fn answer(err: &str) -> String {
    let err = err.replace('\n', " ");
    // Whatever else YAML has is a value.
    if let Some((before, after)) = err.split_once("invalid type: enum, expected any value") {
        return format!("{before}a tag such as !Path can be no value here{after}");
    }
    match ANSWERS.iter().find(|(words, _)| err.contains(words)) {
        Some((_, todo)) => format!("{err} ({todo})"),
        None => err,
    }
}
