//! [`KeyValues`]: a record's own key-values as text.
//!
//! Each value is rendered once. What its `Display` does (it may log, fail or panic) happens here, with nothing
//! borrowed.

use std::fmt::Write as _;
use std::ops::{Deref, Range};
use std::rc::Rc;

use log::kv::{Error, Key, Source, Value, VisitSource, VisitValue};

use super::number::{push_f64, push_i64, push_u64};
use super::{is_reserved, thread, EQUIPMENT_ID};

/// A record's own equipment and tags.
#[derive(Debug, Default)]
pub(crate) struct KeyValues {
    /// ` [key:value]` for each tag, without escapes.
    text: String,
    tags: Vec<Tag>,
    /// Whether the text may not be a part of the line: something in it is to be escaped, or a key was repeated.
    is_to_be_edited: bool,
    id_text: String,
    id: OwnId,
}

/// Where a tag is in the text.
#[derive(Debug)]
struct Tag {
    key: Range<usize>,
    value: Range<usize>,
}

/// The equipment that a record itself names.
#[derive(Debug, Default)]
enum OwnId {
    /// It names none, or null, or an empty text.
    #[default]
    Absent,
    Text(Range<usize>),
    /// It is a value that is no name.
    Refused(Range<usize>, &'static str),
}

impl KeyValues {
    /// The record's own equipment: its name, or the text of what is no name and the reason.
    pub(super) fn equipment_id(&self) -> Option<Result<&str, (&str, &'static str)>> {
        match &self.id {
            OwnId::Absent => None,
            OwnId::Text(id) => Some(Ok(&self.id_text[id.clone()])),
            OwnId::Refused(text, why) => Some(Err((&self.id_text[text.clone()], why))),
        }
    }

    /// The tags in the order of the record, each key once.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|tag| (&self.text[tag.key.clone()], &self.text[tag.value.clone()]))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.tags().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// ` [key:value]` for each tag, in order, where that is the same as in the line.
    pub(crate) fn as_in_line(&self) -> Option<&str> {
        (!self.is_to_be_edited).then_some(&*self.text)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.tags.clear();
        self.is_to_be_edited = false;
        self.id_text.clear();
        self.id = OwnId::Absent;
    }

    fn read_id(&mut self, value: &Value<'_>) {
        let start = self.id_text.len();
        let rendered = render(&mut self.id_text, value);
        let text = start..self.id_text.len();
        self.id = match rendered {
            Rendered::Null | Rendered::Text => OwnId::Text(text),
            Rendered::Number | Rendered::Formatted => self.id_from_formatted(text),
        };
        if matches!(&self.id, OwnId::Text(id) if id.is_empty()) {
            self.id = OwnId::Absent;
        }
    }

    /// A value that is no text: only its own text tells what it was, if it was captured by `Debug` or `Display`.
    fn id_from_formatted(&self, id: Range<usize>) -> OwnId {
        match &self.id_text[id.clone()] {
            "None" => OwnId::Absent,
            "true" | "false" => OwnId::Refused(id, BOOLEAN),
            "NaN" | "inf" | "-inf" => OwnId::Refused(id, NOT_FINITE),
            // A string literal. What is escaped in it is no valid id, and refused with its escapes.
            text if text.strip_prefix('"').is_some_and(|rest| rest.ends_with('"')) => {
                OwnId::Text(id.start + 1..id.end - 1)
            }
            _ => OwnId::Text(id),
        }
    }
}

impl<'kvs> VisitSource<'kvs> for KeyValues {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let key = key.as_str();
        if key == EQUIPMENT_ID {
            self.read_id(&value);
            return Ok(());
        }
        if is_reserved(key) {
            return Ok(());
        }
        // Of a key that is repeated, the last counts.
        if let Some(earlier) = self.tags.iter().position(|tag| self.text[tag.key.clone()] == *key) {
            self.tags.remove(earlier);
            self.is_to_be_edited = true;
        }
        let start = self.text.len();
        self.text.push_str(" [");
        self.text.push_str(key);
        let is_plain_key = is_plain(key);
        let key = start + 2..self.text.len();
        self.text.push(':');
        let value_start = self.text.len();
        let rendered = render(&mut self.text, &value);
        if rendered == Rendered::Null {
            self.text.truncate(start);
            return Ok(());
        }
        let value = value_start..self.text.len();
        let is_plain =
            is_plain_key && (rendered == Rendered::Number || is_plain(&self.text[value.clone()]));
        self.is_to_be_edited |= !is_plain;
        self.text.push(']');
        self.tags.push(Tag { key, value });
        Ok(())
    }
}

/// Whether a text of a tag needs no escapes in the line: it is printable ASCII without the characters that have a
/// meaning there.
pub(crate) fn is_plain(text: &str) -> bool {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let mut byte = b' ';
        while byte < 0x7f {
            plain[byte as usize] = !matches!(byte, b'[' | b']' | b':' | b'\\');
            byte += 1;
        }
        plain
    };
    text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// Appends a value's text.
fn render(out: &mut String, value: &Value<'_>) -> Rendered {
    let mut text = ValueText { out, rendered: Rendered::Formatted };
    // A value that fails keeps what it wrote.
    let _ = value.visit(&mut text);
    text.rendered
}

/// What a value was rendered from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rendered {
    Null,
    Number,
    Text,
    /// Something else, such as a boolean, or a value that is known by its text alone.
    Formatted,
}

/// Renders a value as its `Display`; text as it is, however it was captured.
struct ValueText<'a> {
    out: &'a mut String,
    rendered: Rendered,
}

impl<'v> VisitValue<'v> for ValueText<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        let _ = write!(self.out, "{value}");
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.rendered = Rendered::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        push_u64(self.out, value);
        self.rendered = Rendered::Number;
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        push_i64(self.out, value);
        self.rendered = Rendered::Number;
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        push_f64(self.out, value);
        self.rendered = Rendered::Number;
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.out.push_str(value);
        self.rendered = Rendered::Text;
        Ok(())
    }
}

const BOOLEAN: &str = "a boolean is no name";
const NOT_FINITE: &str = "a number that is not finite is no name";

/// The key-values of one record, shared by those that format it. The buffer is the thread's: the last owner gives it
/// back.
#[derive(Clone, Debug)]
pub(crate) struct OwnValues(Option<Rc<KeyValues>>);

impl OwnValues {
    /// Renders the key-values of a record.
    #[inline]
    pub(super) fn of(record: &log::Record<'_>) -> OwnValues {
        let source = record.key_values();
        if source.count() == 0 {
            return OwnValues(None);
        }
        OwnValues(Some(render_all(source)))
    }

    pub(super) const NONE: OwnValues = OwnValues(None);
}

fn render_all(source: &dyn Source) -> Rc<KeyValues> {
    let spare = thread::with(|thread| thread.spare.pop()).flatten();
    let mut values = spare.unwrap_or_default();
    // Never shared here: a buffer is given back by its last owner.
    if let Some(values) = Rc::get_mut(&mut values) {
        values.clear();
        let _ = source.visit(values);
    }
    values
}

impl Drop for OwnValues {
    #[inline]
    fn drop(&mut self) {
        if let Some(values) = self.0.take() {
            give_back(values);
        }
    }
}

/// Keeps the buffer for the thread's next record, if this was its last owner.
fn give_back(mut values: Rc<KeyValues>) {
    /// A buffer that long values have made larger than this is not kept, in bytes.
    const KEPT_BYTES: usize = 16 * 1024;
    /// A record inside a `Display` inside a record needs one more each.
    const SPARE: usize = 4;
    if Rc::get_mut(&mut values).is_some_and(|values| values.text.capacity() <= KEPT_BYTES) {
        thread::with(|thread| {
            if thread.spare.len() < SPARE {
                thread.spare.push(values);
            }
        });
    }
}

impl Deref for OwnValues {
    type Target = Option<Rc<KeyValues>>;

    fn deref(&self) -> &Option<Rc<KeyValues>> {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    fn key_values(pairs: &[(&str, Value<'_>)]) -> KeyValues {
        let mut values = KeyValues::default();
        for (key, value) in pairs {
            values.visit_pair(Key::from_str(key), value.clone()).unwrap();
        }
        values
    }

    #[test]
    fn the_text_of_all_tags_is_that_of_the_line_where_nothing_is_escaped_or_repeated() {
        let plain = [("axis", "x".into()), ("nothing", Value::null()), ("um", (-12.5).into())];
        assert_eq!(key_values(&plain).as_in_line(), Some(" [axis:x] [um:-12.5]"));
        for other in [
            [("axis", "a]"), ("run", "7")],
            [("axis:", "x"), ("run", "7")],
            [("axis", "x"), ("axis", "y")],
        ] {
            let other = other.map(|(key, value)| (key, value.into()));
            assert_eq!(key_values(&other).as_in_line(), None);
        }
    }

    /// A text is an id without quotes only where it has both of them.
    #[test]
    fn a_quote_alone_is_a_part_of_an_id() {
        for (debug, id) in [("\"EQ\"", "EQ"), ("\"EQ", "\"EQ"), ("EQ\"", "EQ\""), ("\"", "\"")] {
            let values = key_values(&[(EQUIPMENT_ID, Value::from_dyn_display(&debug))]);
            assert_eq!(values.equipment_id(), Some(Ok(id)));
        }
    }

    #[test]
    fn a_buffer_that_long_values_made_large_is_not_kept() {
        let spare = || thread::with(|thread| thread.spare.len()).unwrap();
        for (length, is_kept) in [(10_000, true), (20_000, false)] {
            drop(thread::with(|thread| std::mem::take(&mut thread.spare)));
            let mut values = KeyValues::default();
            values.text.reserve_exact(length);
            drop(OwnValues(Some(Rc::new(values))));
            assert_eq!(spare(), usize::from(is_kept), "{length}");
        }
    }

    #[test]
    fn a_thread_keeps_a_few_buffers_and_gives_none_that_is_in_use() {
        let of = |text: &str| OwnValues(Some(render_all(&[("key", text)])));
        let many: Vec<OwnValues> = (0..10).map(|n| of(&n.to_string())).collect();
        for (n, values) in many.iter().enumerate() {
            assert_eq!(values.as_deref().unwrap().get("key"), Some(&*n.to_string()));
        }
        let shared = many[0].clone();
        drop(many);
        assert_eq!(thread::with(|thread| thread.spare.len()), Some(4));
        let next = of("next");
        let texts = [&next, &shared].map(|values| values.as_deref().unwrap().get("key"));
        assert_eq!(texts, [Some("next"), Some("0")]);
    }
}
