//! The structured line: one record as text that other programs parse, and [`parse_line`] to read
//! it back.
//!
//! The invariant: nothing in a tag or a message can end the line, begin another tag, or pass for `host` or `equip`.
//! An escape can be told from the same text that the application wrote.

mod buffer;
mod escape;
mod parse;

use std::fmt::{self, Write as _};

pub(crate) use buffer::{ByteBuffer, LineBuffer};
pub use escape::ControlCharacters;
pub(crate) use escape::{escape_controls, may_hold_controls};
use escape::{may_need_escapes, push_escaped_tag};
pub use parse::{parse_line, Line};

use crate::clock::Time;
use crate::context::{RecordContext, Scope};

/// The tags that come first in the line, in this order.
const FIRST_TAGS: [&str; 3] = [PROJ, KIND, RUN];
const PROJ: &str = "proj";
const KIND: &str = "kind";
const RUN: &str = "run";

fn is_first_tag(key: &str) -> bool {
    matches!(key, PROJ | KIND | RUN)
}

/// How the line writes levels, from ERROR on.
const LEVELS: [&str; 5] = ["ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"];

/// `Precision` says whether the time in the line of this crate has milliseconds. The time is always UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Precision {
    /// `2026-04-17T14:31:55Z`
    #[default]
    Seconds,
    /// `2026-04-17T14:31:55.250Z`
    Millis,
}

/// Writes structured lines for one host.
#[derive(Clone, Debug)]
pub(crate) struct LineFormat {
    /// `Z [INFO ] [host:labpc-04]`, for each level from ERROR on.
    heads: [Box<str>; 5],
    pub(crate) precision: Precision,
    pub(crate) control: ControlCharacters,
}

impl LineFormat {
    pub(crate) fn new(hostname: &str) -> LineFormat {
        let head = |level: &str| {
            let mut head = format!("Z [{level}]");
            push_own_tag(&mut head, "host", hostname);
            head.into()
        };
        LineFormat {
            heads: LEVELS.map(head),
            precision: Precision::default(),
            control: ControlCharacters::default(),
        }
    }

    pub(crate) fn control_characters(mut self, control: ControlCharacters) -> LineFormat {
        self.control = control;
        self
    }

    /// What stands between the time and the equipment in the line that reports missing records:
    /// ` [WARN ] [host:labpc-04]`.
    pub(crate) fn gap_head(&self) -> String {
        let head = &self.heads[log::Level::Warn as usize - log::Level::Error as usize];
        head.trim_start_matches('Z').to_owned()
    }

    /// The line of a record, with its end.
    pub(crate) fn line(&self, context: &RecordContext<'_>, record: &log::Record<'_>) -> LineBuffer {
        self.line_of(Some(context), context.time(), record.level(), *record.args())
    }

    /// The line of a message. Without a context, the line names no equipment.
    pub(crate) fn line_of(
        &self,
        context: Option<&RecordContext<'_>>,
        time: Time,
        level: log::Level,
        message: fmt::Arguments<'_>,
    ) -> LineBuffer {
        let mut line = LineBuffer::begin(time, self.precision);
        let text = line.text();
        text.push_str(&self.heads[level as usize - log::Level::Error as usize]);
        if let Some(context) = context {
            push_tags(text, context);
        }
        text.push(' ');
        let start = text.len();
        // A `Display` that fails leaves what it wrote.
        let _ = text.write_fmt(message);
        end_message(text, start);
        self.escape_message(text, start);
        text.push('\n');
        line
    }

    fn escape_message(&self, out: &mut String, start: usize) {
        let message = &out[start..];
        let opens_tag = message.starts_with('[');
        if !opens_tag && !may_need_escapes(message.as_bytes()) {
            return;
        }
        // The bytes 0x80 to 0x9f are also parts of other characters, such as É, – and €. A message that holds only
        // these needs no copy.
        if !opens_tag && !message.chars().any(|c| escape::in_message(c, self.control)) {
            return;
        }
        let message = out.split_off(start);
        escape::push_escaped_message(out, &message, self.control);
    }
}

/// Removes one final line end, which is no part of a message.
fn end_message(line: &mut String, start: usize) {
    let message = &line[start..];
    let Some(ended) = message.strip_suffix('\n') else { return };
    let length = ended.strip_suffix('\r').unwrap_or(ended).len();
    line.truncate(start + length);
}

/// Appends the equipment and the tags.
fn push_tags(line: &mut String, context: &RecordContext<'_>) {
    let scope = context.scope();
    let Some(own) = context.key_values() else { return push_scope(line, scope) };
    let is_out_of_order = |key| is_first_tag(key) || scope.get(key).is_some();
    if own.tags().any(|(key, _)| is_out_of_order(key)) {
        return push_ordered_tags(line, scope.equipment_id().as_str(), || context.tags());
    }
    push_scope(line, scope);
    match own.as_in_line() {
        Some(tags) => line.push_str(tags),
        None => own.tags().for_each(|(key, value)| push_tag(line, key, value)),
    }
}

/// Appends the equipment and the tags of a scope, which keeps their text.
fn push_scope(line: &mut String, scope: &Scope) {
    line.push_str(scope.line_cache().get_or_init(|| {
        let mut tags = String::new();
        push_ordered_tags(&mut tags, scope.equipment_id().as_str(), || scope.tags());
        tags.into_boxed_str()
    }));
}

/// Appends ` [equip:…] [proj:…] [kind:…] [run:…]` and then the other tags, in the order of the line.
fn push_ordered_tags<'t, T: Iterator<Item = (&'t str, &'t str)>>(
    line: &mut String,
    equipment: &str,
    tags: impl Fn() -> T,
) {
    push_own_tag(line, "equip", equipment);
    for first in FIRST_TAGS {
        if let Some((key, value)) = tags().find(|(key, _)| *key == first) {
            push_tag(line, key, value);
        }
    }
    for (key, value) in tags().filter(|(key, _)| !is_first_tag(key)) {
        push_tag(line, key, value);
    }
}

/// Appends one of our own tags, `host` or `equip`.
fn push_own_tag(line: &mut String, key: &str, value: &str) {
    line.extend([" [", key, ":"]);
    push_escaped_tag(line, value, false);
    line.push(']');
}

/// Appends a tag of a record. A tag with the key `host` or `equip` gets a backslash, so that it cannot pass for ours.
fn push_tag(line: &mut String, key: &str, value: &str) {
    line.push_str(" [");
    if key == "host" || key == "equip" {
        line.push('\\');
    }
    push_escaped_tag(line, key, true);
    line.push(':');
    push_escaped_tag(line, value, false);
    line.push(']');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_agreed_line_is_written_to_the_byte() {
        let scope = Scope::new("CONFOCAL_01").unwrap();
        let scope = scope.tag("kind", "experimental").tag("proj", "PROJ-0042");
        let time = Time::from(UNIX_EPOCH + Duration::from_secs(1_776_436_315));
        let context = RecordContext::of_scope(&scope);
        let format = LineFormat::new("labpc-04");
        let line = format.line_of(Some(&context), time, log::Level::Info, format_args!("m"));
        assert_eq!(
            line.without_end(),
            "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:CONFOCAL_01] [proj:PROJ-0042] \
             [kind:experimental] m"
        );
    }
}
