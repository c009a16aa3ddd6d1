//! Control characters made visible, and back.
//!
//! The invariant: where backslashes are escaped too, as in the structured line, an escape can be told from the same
//! text that the application wrote.

use std::fmt::Write as _;

use crate::context::is_plain;

/// `ControlCharacters` says how control characters inside a record are written. These are C0 (with tab, CR, LF and
/// ESC), DEL, C1, and the line and paragraph separators U+2028 and U+2029. Characters that change the direction of text
/// or show nothing are not control characters, and are written unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum ControlCharacters {
    /// Control characters are written as visible escapes (`\n`, `\u001b`, `\u2028`), so each record is one line.
    #[default]
    Escape,
    /// Control characters are written unchanged, so a record can have several lines, and can control a terminal.
    Keep,
}

pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether the bytes may hold a control character. The answer is exact for ASCII. It is also true for every other
/// character that has one of the bytes of [`may_be_of_control`].
#[inline]
pub(crate) fn may_hold_controls(bytes: &[u8]) -> bool {
    any(bytes, may_be_of_control)
}

/// Whether the bytes may hold a control character or a backslash.
#[inline]
pub(super) fn may_need_escapes(bytes: &[u8]) -> bool {
    any(bytes, |byte| may_be_of_control(byte) | (byte == b'\\'))
}

/// True for 0x00 to 0x1f and 0x7f, the control characters of ASCII, and for 0x80 to 0x9f and 0xff, in one comparison.
/// In UTF-8 the second byte of every other control character is one of these: 0x80 to 0x9f of U+0080 to U+009F, and
/// 0x80 of U+2028 and U+2029.
#[inline]
fn may_be_of_control(byte: u8) -> bool {
    byte.wrapping_add(1) & 0x7f <= 0x20
}

/// Whether `is` is true for any byte. Sixteen bytes are tested together, and nothing is decided before the end, so
/// that the compiler uses vector instructions. The last sixteen bytes may overlap with those before. Testing single
/// bytes would cost a fifth of a record.
#[inline]
fn any(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    const LANES: usize = 16;
    let mut short = [b' '; LANES];
    let bytes = if bytes.len() < LANES {
        short[..bytes.len()].copy_from_slice(bytes);
        &short
    } else {
        bytes
    };
    let mut found = [0; LANES];
    let mut look = |bytes: &[u8]| {
        for (found, byte) in found.iter_mut().zip(bytes) {
            *found |= u8::from(is(*byte));
        }
    };
    bytes.chunks_exact(LANES).for_each(&mut look);
    look(&bytes[bytes.len() - LANES..]);
    found != [0; LANES]
}

pub(super) fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // As in JSON, so that the JSON of an encoder stays valid: every control character fits into four digits.
        c => drop(write!(out, "\\u{:04x}", u32::from(c))),
    }
}

/// Makes the control characters of a record visible, in place, all but those of the line's end.
///
/// Bytes that are no UTF-8 stay as they are.
#[inline]
pub(crate) fn escape_controls(record: &mut Vec<u8>, start: usize) {
    if may_hold_controls(&record[start..]) {
        escape_each_control(record, start);
    }
}

#[inline(never)]
fn escape_each_control(record: &mut Vec<u8>, start: usize) {
    // The bytes 0x80 to 0x9f are also parts of other characters, such as É, – and €. A record that holds only these
    // needs no copy.
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

/// Appends a key or a value of a tag, so that it cannot end the tag or begin another.
pub(super) fn push_escaped_tag(line: &mut String, text: &str, is_key: bool) {
    if is_plain(text) {
        return line.push_str(text);
    }
    for c in text.chars() {
        match c {
            '\\' | '[' | ']' => line.extend(['\\', c]),
            ':' if is_key => line.push_str("\\:"),
            c if is_control(c) => push_escape(line, c),
            c => line.push(c),
        }
    }
}

/// Whether a character of a message is escaped, wherever it is.
pub(super) fn in_message(c: char, control: ControlCharacters) -> bool {
    c == '\\' || (control == ControlCharacters::Escape && is_control(c))
}

/// Appends a message, so that it cannot begin with a tag. Backslashes are always escaped, so that an escape can be
/// told from the same text that the application wrote.
pub(super) fn push_escaped_message(line: &mut String, message: &str, control: ControlCharacters) {
    if message.starts_with('[') {
        line.push('\\');
    }
    for c in message.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            c if control == ControlCharacters::Escape && is_control(c) => push_escape(line, c),
            c => line.push(c),
        }
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
            // It would have been escaped itself.
            c if is_control(c) => return None,
            c => plain.push(c),
        }
        rest = chars.as_str();
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_seen() {
        for c in ('\0'..=char::MAX).filter(|c| is_control(*c)) {
            assert!(may_hold_controls(c.encode_utf8(&mut [0; 4]).as_bytes()), "{c:?}");
        }
        assert!(!may_hold_controls("21 °C, 5 µm, ä ö ü é".as_bytes()));
    }

    /// Each byte, at each place of a text that is shorter than a vector, as long, and longer.
    #[test]
    fn every_byte_that_may_be_of_a_control_character_is_seen_wherever_it_stands() {
        for length in 0..40 {
            let mut text = vec![b'a'; length];
            assert!(!may_hold_controls(&text) && !may_need_escapes(&text));
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    text[place] = byte;
                    let may_be = matches!(byte, 0..=0x1f | 0x7f..=0x9f | 0xff);
                    assert_eq!(may_hold_controls(&text), may_be, "{text:?}");
                    assert_eq!(may_need_escapes(&text), may_be || byte == b'\\', "{text:?}");
                }
                text[place] = b'a';
            }
        }
    }

    #[test]
    fn what_is_escaped_is_read_back_and_what_no_line_has_is_not() {
        for (escaped, plain) in [
            ("a\\nb\\rc\\td", Some("a\nb\rc\td")),
            ("\\\\n\\[x\\]\\:", Some("\\n[x]:")),
            ("\\u001b\\u2028z", Some("\u{1b}\u{2028}z")),
            ("\\u+01b", None),
            ("\\u00", None),
            ("\\ud800", None),
            ("\\\u{1b}", None),
            ("\\", None),
        ] {
            assert_eq!(unescape(escaped).as_deref(), plain, "{escaped}");
        }
    }
}
