//! A record on a terminal.

use log::Level;

const RESET: &str = "\x1b[0m";

fn of_level(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[1;31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "",
        Level::Debug | Level::Trace => "\x1b[2m",
    }
}

/// Colours what is before the message, by its level.
pub(crate) fn push_head(head: &str, level: Level, out: &mut String) {
    let colour = of_level(level);
    if colour.is_empty() {
        out.push_str(head);
    } else {
        out.extend([colour, head, RESET]);
    }
}

/// What is raw in a file may command the terminal: it is shown, not sent.
pub(crate) fn push_visible(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}
