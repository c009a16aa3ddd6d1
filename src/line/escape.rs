//! Control characters made visible, and back.
//!
//! Imports nothing of ours. The invariant: what is escaped can be told from what was written so,
//! where backslashes are escaped too, as the structured line does.

use std::fmt::Write as _;

/// What becomes of control characters inside a record: C0 with tab, CR, LF and ESC, DEL, C1, and
/// the line and paragraph separators U+2028 and U+2029. Characters that change the direction of text
/// or show nothing are no control characters, and pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum ControlCharacters {
    /// They are written as visible escapes (`\n`, `\u001b`, `\u2028`): one record is one line.
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

pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether the bytes may hold a control character: exact for ASCII, and true for the two lead
/// bytes under which the others stand in UTF-8.
pub(crate) fn may_hold_controls(bytes: &[u8]) -> bool {
    any(bytes, may_begin_control)
}

/// The same, or a backslash.
pub(super) fn may_need_escapes(bytes: &[u8]) -> bool {
    any(bytes, |b| may_begin_control(b) | (b == b'\\'))
}

/// No early return, and a byte for each answer: the loop becomes a handful of vector instructions.
fn any(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(0, |found, b| found | u8::from(is(*b))) != 0
}

fn may_begin_control(byte: u8) -> bool {
    // The lead bytes 0xc2 and 0xe2 differ in one bit.
    (byte < 0x20) | (byte == 0x7f) | (byte & 0xdf == 0xc2)
}

pub(super) fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // As in JSON, so that an encoder's JSON stays JSON: all that is escaped has four digits.
        c => drop(write!(out, "\\u{:04x}", u32::from(c))),
    }
}

/// Makes the control characters of a record visible, in place, all but those of the line's end.
///
/// Bytes that are no UTF-8 stay as they are.
pub(crate) fn escape_controls(record: &mut Vec<u8>, start: usize) {
    if !may_hold_controls(&record[start..]) {
        return;
    }
    // Under the same lead bytes stand µ, ° and the dashes: they need no copy.
    let mut chunks = record[start..].utf8_chunks();
    if !chunks.any(|chunk| chunk.valid().chars().any(is_control)) {
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

pub(super) fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        match chars.next()? {
            'n' => plain.push('\n'),
            'r' => plain.push('\r'),
            't' => plain.push('\t'),
            'u' => {
                let digits = chars.as_str().get(..4)?;
                // `from_str_radix` would take a sign.
                if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return None;
                }
                plain.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                chars = chars.as_str()[4..].chars();
            }
            c => plain.push(c),
        }
        rest = chars.as_str();
    }
    plain.push_str(rest);
    Some(plain)
}
