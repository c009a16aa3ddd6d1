//! The structured line: one record as text that other programs parse, and [`parse_line`] to read
//! it back.
//!
//! Imports `scope`, and the clock of `file`. The invariant: nothing in a tag or a message can end the line, begin another
//! tag, or pass for `host` or `equip`, and what was escaped can be told from what was written so.

mod buffer;
mod escape;
mod kept;
mod parse;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg_attr(
    not(any(feature = "log4rs", feature = "fern")),
    allow(unused_imports, reason = "only the adapters have messages")
)]
pub(crate) use buffer::push_message;
pub(crate) use buffer::with_buffer;
pub use escape::ControlCharacters;
pub(crate) use escape::{escape_controls, may_hold_controls};
use escape::{is_control, may_need_escapes, push_escape};
pub use parse::{parse_line, Line};

use crate::context::Scope;
use crate::file::sys;

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
    /// Tells this format from every other of the process but its clones, which write the same heads.
    number: u64,
    /// `Z [INFO ] [host:labpc-04]`, for each level from ERROR on.
    heads: [Box<str>; 5],
    pub(crate) precision: Precision,
    pub(crate) control: ControlCharacters,
}

impl LineFormat {
    pub(crate) fn new(hostname: &str) -> LineFormat {
        let head = |level: &str| {
            let mut head = format!("Z [{level}]");
            push_tag(&mut head, "host", hostname);
            head.into()
        };
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        LineFormat {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            heads: ["ERROR", "WARN ", "INFO ", "DEBUG", "TRACE"].map(head),
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

    /// The time since 1970, as precisely as the line tells it.
    pub(crate) fn now(&self) -> Duration {
        match self.precision {
            Precision::Seconds => Duration::from_secs(sys::coarse_seconds()),
            // A clock before 1970 is wrong anyway, and humantime cannot say it.
            Precision::Millis => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Appends what stands before the message, for a moment that is given as the time since 1970.
    fn push_head(
        &self,
        out: &mut String,
        time: Duration,
        scope: Option<&Scope>,
        level: log::Level,
    ) {
        push_time(out, time, self.precision);
        out.push_str(&self.heads[level as usize - log::Level::Error as usize]);
        if let Some(scope) = scope {
            out.push_str(scope.line(|| scope_tags(scope).into()));
        }
        out.push(' ');
    }

    fn escape_message(&self, out: &mut String, start: usize) {
        let message = &out[start..];
        let opens_tag = message.starts_with('[');
        if !opens_tag && !may_need_escapes(message.as_bytes()) {
            return;
        }
        let escape = |c| self.control == ControlCharacters::Escape && is_control(c);
        if !opens_tag && !message.chars().any(|c| c == '\\' || escape(c)) {
            return;
        }
        let message = out.split_off(start);
        if opens_tag {
            out.push('\\');
        }
        for c in message.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if escape(c) => push_escape(out, c),
                c => out.push(c),
            }
        }
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

/// `2026-04-17T14:31:55`, without what follows the second; of the last second that was asked for.
#[derive(Debug)]
struct Second {
    number: u64,
    text: String,
}

fn push_time(out: &mut String, since_1970: Duration, precision: Precision) {
    thread_local! {
        static SECOND: RefCell<Second> =
            const { RefCell::new(Second { number: u64::MAX, text: String::new() }) };
    }
    // The last second of the year 9999, the last that RFC 3339 can say.
    let number = since_1970.as_secs().min(253_402_300_799);
    let pushed = SECOND.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.number != number {
            kept.tell(number);
        }
        out.push_str(&kept.text);
    });
    if pushed.is_err() {
        let mut second = Second { number: u64::MAX, text: String::new() };
        second.tell(number);
        out.push_str(&second.text);
    }
    if precision == Precision::Millis {
        let _ = write!(out, ".{:03}", since_1970.subsec_millis());
    }
}

impl Second {
    fn tell(&mut self, number: u64) {
        self.text.clear();
        let time = UNIX_EPOCH + Duration::from_secs(number);
        let _ = write!(self.text, "{}", humantime::format_rfc3339_seconds(time));
        // The Z stands behind the milliseconds.
        self.text.pop();
        self.number = number;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn the_agreed_line_is_written_to_the_byte() {
        let scope = Scope::new("CONFOCAL_01").unwrap();
        let scope = scope.tag("kind", "experimental").tag("proj", "PROJ-0042");
        let time = Duration::from_secs(1_776_436_315);
        let mut line = String::new();
        LineFormat::new("labpc-04").push_head(&mut line, time, Some(&scope), log::Level::Info);
        assert_eq!(
            line,
            "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:CONFOCAL_01] [proj:PROJ-0042] \
             [kind:experimental] "
        );
    }

    #[test]
    fn a_second_that_is_kept_is_not_written_for_the_next() {
        for second in [0, 1, 1, 0, 1_776_436_315] {
            let mut text = String::new();
            push_time(&mut text, Duration::from_secs(second), Precision::Seconds);
            text.push('Z');
            let time = humantime::parse_rfc3339(&text).unwrap();
            assert_eq!(time.duration_since(UNIX_EPOCH).unwrap().as_secs(), second);
        }
    }
}
