//! The structured line: one record as text that other programs parse, and [`parse_line`] to read
//! it back.
//!
//! Imports `scope`. The invariant: nothing in a tag or a message can end the line, begin another
//! tag, or pass for `host` or `equip`, and what was escaped can be told from what was written so.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::equipment_id::EquipmentId;
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

/// What becomes of control characters inside a record: C0 with tab, CR, LF and ESC, DEL, C1, and
/// the line and paragraph separators U+2028 and U+2029.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum ControlCharacters {
    /// They are written as visible escapes (`\n`, `\x1b`, `\u{2028}`): one record is one line.
    #[default]
    Escape,
    /// They are written as they are: a record may span lines, and may command a terminal.
    Keep,
}

impl ControlCharacters {
    /// As it is written in YAML.
    pub(crate) fn key(self) -> &'static str {
        match self {
            ControlCharacters::Escape => "escape",
            ControlCharacters::Keep => "keep",
        }
    }
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

/// Appends a message to a buffer. A `Display` that returns an error leaves what it wrote: to
/// `io::Write` that would be a reason to panic.
pub(crate) fn push_message(out: &mut Vec<u8>, message: fmt::Arguments<'_>) {
    struct Text<'a>(&'a mut Vec<u8>);

    impl fmt::Write for Text<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    let _ = Text(out).write_fmt(message);
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

/// The line that stands where records are missing.
pub(crate) fn gap(out: &mut Vec<u8>, host: &LineFormat, scope: &Scope, gap: &crate::file::Gap) {
    let since = humantime::format_rfc3339_seconds(gap.since);
    let records = if gap.records == 1 { "record is" } else { "records are" };
    host.encode(
        out,
        Some(scope),
        log::Level::Warn,
        format_args!("{} {records} missing here since {since}: {}", gap.records, gap.reason),
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

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether the bytes may hold a control character: exact for ASCII, and true for the two lead
/// bytes under which the others stand in UTF-8.
pub(crate) fn may_hold_controls(bytes: &[u8]) -> bool {
    // No early return: the loop becomes a handful of vector instructions.
    bytes.iter().fold(false, |found, b| found | (*b < 0x20) | matches!(*b, 0x7f | 0xc2 | 0xe2))
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_ascii() => drop(write!(out, "\\x{:02x}", u32::from(c))),
        c => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
    }
}

/// Makes the control characters of a record visible, in place, all but those of the line's end.
///
/// Bytes that are no UTF-8 stay as they are.
pub(crate) fn escape_controls(record: &mut Vec<u8>, start: usize) {
    if !may_hold_controls(&record[start..]) {
        return;
    }
    let raw = record.split_off(start);
    let mut escaped = String::new();
    for chunk in raw.utf8_chunks() {
        escaped.clear();
        for c in chunk.valid().chars() {
            if is_control(c) {
                push_escape(&mut escaped, c);
            } else {
                escaped.push(c);
            }
        }
        record.extend_from_slice(escaped.as_bytes());
        record.extend_from_slice(chunk.invalid());
    }
}

/// Lends one of this thread's buffers to `f`, empty.
///
/// The buffer is taken, not borrowed: a `Display` that logs gets another one, and one that panics
/// takes its half record with it.
pub(crate) fn with_buffer<T>(f: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    /// A buffer that a long record has made larger than this is not kept, in bytes.
    const KEPT: usize = 64 * 1024;
    /// A format inside an output inside a `Display` that logs needs as many.
    const BUFFERS: usize = 4;
    thread_local! {
        static BUFFERS_OF_THREAD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }
    let taken = BUFFERS_OF_THREAD.try_with(|kept| kept.borrow_mut().pop());
    let mut buffer = taken.ok().flatten().unwrap_or_default();
    buffer.clear();
    let result = f(&mut buffer);
    if buffer.capacity() <= KEPT {
        let _ = BUFFERS_OF_THREAD.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < BUFFERS {
                kept.push(buffer);
            }
        });
    }
    result
}

/// One structured line, read back.
///
/// # Examples
///
/// ```
/// let line = equipment_log::parse_line(
///     "2026-04-17T14:31:55Z [WARN ] [host:labpc-04] [equip:CONFOCAL_01] [run:R7] lamp is old",
/// )
/// .unwrap();
/// assert_eq!(line.level, log::Level::Warn);
/// assert_eq!(line.equipment.unwrap().as_str(), "CONFOCAL_01");
/// assert_eq!(line.tags, [("run".to_owned(), "R7".to_owned())]);
/// assert_eq!(line.message, "lamp is old");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// When the record was made, to the precision that was written.
    pub time: SystemTime,
    /// Its level.
    pub level: log::Level,
    /// The host that wrote it.
    pub host: String,
    /// The equipment; none where the encoder served a record outside any scope.
    pub equipment: Option<EquipmentId>,
    /// The tags, in the order of the line.
    pub tags: Vec<(String, String)>,
    /// The message, with its control characters as they were.
    pub message: String,
}

/// Reads one line, without its end, that the structured encoder wrote. `None` for any other text.
pub fn parse_line(line: &str) -> Option<Line> {
    let (time, rest) = line.split_once(' ')?;
    let time = humantime::parse_rfc3339(time).ok()?;
    let (level, mut rest) = rest.strip_prefix('[')?.split_once(']')?;
    let level = level.trim_end().parse().ok()?;
    let (mut host, mut equipment, mut tags) = (None, None, Vec::new());
    while let Some(((key, value), after)) = parse_tag(rest) {
        rest = after;
        let value = unescape(value)?;
        match key {
            "host" if host.is_none() => host = Some(value),
            "equip" if equipment.is_none() => equipment = Some(EquipmentId::new(value).ok()?),
            key => tags.push((unescape(key)?, value)),
        }
    }
    let message = unescape(rest.strip_prefix(' ')?)?;
    Some(Line { time, level, host: host?, equipment, tags, message })
}

/// ` [key:value]` at the beginning of the text, still escaped, and what follows.
fn parse_tag(text: &str) -> Option<((&str, &str), &str)> {
    let tag = text.strip_prefix(" [")?;
    let colon = find_unescaped(tag, ':')?;
    let end = colon + find_unescaped(&tag[colon..], ']')?;
    let key = &tag[..colon];
    if find_unescaped(key, ']').is_some() {
        return None;
    }
    Some(((key, &tag[colon + 1..end]), &tag[end + 1..]))
}

fn find_unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == wanted {
            return Some(at);
        }
    }
    None
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        match chars.next()? {
            'n' => plain.push('\n'),
            'r' => plain.push('\r'),
            't' => plain.push('\t'),
            'x' => {
                let digits = chars.as_str().get(..2)?;
                plain.push(char::from(u8::from_str_radix(digits, 16).ok()?));
                chars = chars.as_str()[2..].chars();
            }
            'u' => {
                let (digits, after) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                plain.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                chars = after.chars();
            }
            c => plain.push(c),
        }
        rest = chars.as_str();
    }
    plain.push_str(rest);
    Some(plain)
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
