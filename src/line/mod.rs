//! The structured line: one record as text that other programs parse, and [`parse_line`] to read
//! it back.
//!
//! Imports `scope`. The invariant: nothing in a tag or a message can end the line, begin another
//! tag, or pass for `host` or `equip`, and what was escaped can be told from what was written so.

mod buffer;
mod escape;
mod parse;

use std::cell::Cell;
use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use buffer::{push_message, with_buffer};
pub use escape::ControlCharacters;
pub(crate) use escape::{escape_controls, may_hold_controls};
use escape::{is_control, push_escape};
pub use parse::{parse_line, Line};

use crate::scope::Scope;

/// The tags that stand before all others, in this order.
const FIRST_TAGS: [&str; 3] = ["proj", "kind", "run"];

/// How finely the structured line tells the time, which is always UTC.
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
    /// ` [host:labpc-04]`
    host: Box<str>,
    pub(crate) precision: Precision,
    pub(crate) control: ControlCharacters,
}

impl LineFormat {
    pub(crate) fn new(hostname: &str) -> LineFormat {
        let mut host = String::new();
        push_tag(&mut host, "host", hostname);
        LineFormat {
            host: host.into(),
            precision: Precision::default(),
            control: ControlCharacters::default(),
        }
    }

    pub(crate) fn control_characters(mut self, control: ControlCharacters) -> LineFormat {
        self.control = control;
        self
    }

    /// Appends one line, with its end, to `out`.
    pub(crate) fn encode(
        &self,
        out: &mut Vec<u8>,
        scope: Option<&Scope>,
        level: log::Level,
        message: fmt::Arguments<'_>,
    ) {
        self.encode_at(out, SystemTime::now(), scope, level, message);
        out.push(b'\n');
    }

    /// The same without the line's end, for a moment that is given.
    pub(crate) fn encode_at(
        &self,
        out: &mut Vec<u8>,
        time: SystemTime,
        scope: Option<&Scope>,
        level: log::Level,
        message: fmt::Arguments<'_>,
    ) {
        push_time(out, time, self.precision);
        out.extend_from_slice(match level {
            log::Level::Error => b" [ERROR]",
            log::Level::Warn => b" [WARN ]",
            log::Level::Info => b" [INFO ]",
            log::Level::Debug => b" [DEBUG]",
            log::Level::Trace => b" [TRACE]",
        });
        out.extend_from_slice(self.host.as_bytes());
        if let Some(scope) = scope {
            out.extend_from_slice(scope.line(|| scope_tags(scope).into()).as_bytes());
        }
        out.push(b' ');
        let start = out.len();
        push_message(out, message);
        self.escape_message(out, start);
    }

    fn escape_message(&self, out: &mut Vec<u8>, start: usize) {
        let message = &out[start..];
        let plain = !message.starts_with(b"[")
            && !message.contains(&b'\\')
            && (self.control == ControlCharacters::Keep || !may_hold_controls(message));
        if plain {
            return;
        }
        let raw = out.split_off(start);
        let message = String::from_utf8_lossy(&raw);
        let mut escaped = String::with_capacity(message.len() + 16);
        if message.starts_with('[') {
            escaped.push('\\');
        }
        for c in message.chars() {
            match c {
                '\\' => escaped.push_str("\\\\"),
                c if self.control == ControlCharacters::Escape && is_control(c) => {
                    push_escape(&mut escaped, c)
                }
                c => escaped.push(c),
            }
        }
        out.extend_from_slice(escaped.as_bytes());
    }
}

/// ` [equip:…] [proj:…] [kind:…] [run:…]` and the other tags, as the line has them.
fn scope_tags(scope: &Scope) -> String {
    let mut line = String::new();
    push_tag(&mut line, "equip", scope.equipment_id().as_str());
    let first = FIRST_TAGS.iter().filter_map(|key| scope.get(key).map(|value| (*key, value)));
    let others = scope.tags().filter(|(key, _)| !FIRST_TAGS.contains(key));
    for (key, value) in first.chain(others) {
        line.push_str(" [");
        // A tag of the application's that is called as one of ours is told from it by a backslash.
        if key == "host" || key == "equip" {
            line.push('\\');
        }
        push_escaped_tag(&mut line, key, true);
        line.push(':');
        push_escaped_tag(&mut line, value, false);
        line.push(']');
    }
    line
}

/// A tag of ours, whose key needs no care.
fn push_tag(line: &mut String, key: &str, value: &str) {
    line.extend([" [", key, ":"]);
    push_escaped_tag(line, value, false);
    line.push(']');
}

fn push_escaped_tag(line: &mut String, text: &str, is_key: bool) {
    for c in text.chars() {
        match c {
            '\\' | '[' | ']' => line.extend(['\\', c]),
            ':' if is_key => line.push_str("\\:"),
            c if is_control(c) => push_escape(line, c),
            c => line.push(c),
        }
    }
}

/// The line that stands where records are missing. It ends with a full stop: one that lacks it was
/// torn itself, and its number is said again.
pub(crate) fn gap(out: &mut Vec<u8>, host: &LineFormat, scope: &Scope, gap: &crate::file::Gap) {
    let since = humantime::format_rfc3339_seconds(gap.since);
    let records = if gap.records == 1 { "record is" } else { "records are" };
    host.encode(
        out,
        Some(scope),
        log::Level::Warn,
        format_args!("{} {records} missing here since {since}: {}.", gap.records, gap.reason),
    );
}

fn push_time(out: &mut Vec<u8>, time: SystemTime, precision: Precision) {
    /// `2026-04-17T14:31:55`, without what follows the second.
    type Text = [u8; 19];
    thread_local! {
        static SECOND: Cell<(u64, Text)> = const { Cell::new((u64::MAX, [0; 19])) };
    }
    // A clock before 1970 is wrong anyway, and humantime cannot say it.
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // The last second of the year 9999, the last that RFC 3339 can say.
    let second = since.as_secs().min(253_402_300_799);
    let (kept, mut text) = SECOND.try_with(Cell::get).unwrap_or((u64::MAX, [0; 19]));
    if kept != second {
        let mut rest = text.as_mut_slice();
        let _ = write!(
            rest,
            "{}",
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(second))
        );
        let _ = SECOND.try_with(|kept| kept.set((second, text)));
    }
    out.extend_from_slice(&text);
    if precision == Precision::Millis {
        let _ = write!(out, ".{:03}", since.subsec_millis());
    }
    out.push(b'Z');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn the_agreed_line_is_written_to_the_byte() {
        let scope = Scope::new("CONFOCAL_01").unwrap();
        let scope = scope.tag("kind", "experimental").tag("proj", "PROJ-0042");
        let time = UNIX_EPOCH + Duration::from_secs(1_776_436_315);
        let mut line = Vec::new();
        LineFormat::new("labpc-04").encode_at(
            &mut line,
            time,
            Some(&scope),
            log::Level::Info,
            format_args!("Creation started: new_run on CONFOCAL_01/PROJ-0042"),
        );
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:CONFOCAL_01] [proj:PROJ-0042] \
             [kind:experimental] Creation started: new_run on CONFOCAL_01/PROJ-0042"
        );
    }

    #[test]
    fn a_second_that_is_kept_is_not_written_for_the_next() {
        for second in [0, 1, 1, 0, 1_776_436_315] {
            let mut text = Vec::new();
            push_time(&mut text, UNIX_EPOCH + Duration::from_secs(second), Precision::Seconds);
            let time = humantime::parse_rfc3339(std::str::from_utf8(&text).unwrap()).unwrap();
            assert_eq!(time.duration_since(UNIX_EPOCH).unwrap().as_secs(), second);
        }
    }
}
