//! [`Section`]: a mapping of keys as it was written, and its mistakes.
//!
//! Each key is read on its own, so that all mistakes of a file are found in one reading. A value is used as the text
//! that was written, whatever type YAML gives it: the key decides the type.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_value::Value;

use super::given::Given;
use super::suggest::{list, probably};
use crate::error::{Error, Mistakes};

/// Keys in the order in which they were written. A key that was written twice is in the list twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(pub(crate) Vec<(String, Value)>);

impl Keys {
    /// Takes a key out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// The keys of a mapping. If the value is not a mapping, it is returned as the error.
    pub(crate) fn of(value: Value) -> Result<Keys, Value> {
        let map = mapping(value)?;
        Ok(Keys(map.into_iter().map(|(key, value)| (key_text(&key), value)).collect()))
    }
}

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        struct Mapping;

        impl<'de> serde::de::Visitor<'de> for Mapping {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping of keys, such as `local_root: /data/lab`")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key::<Value>()? {
                    let name = key_text(&key);
                    let value = map.next_value_seed(Given(&shown(&name)))?;
                    keys.push((name, value));
                }
                Ok(Keys(keys))
            }
        }

        deserializer.deserialize_map(Mapping)
    }
}

fn mapping(value: Value) -> Result<BTreeMap<Value, Value>, Value> {
    match value {
        Value::Map(map) => Ok(map),
        Value::Option(Some(value)) | Value::Newtype(value) => mapping(*value),
        other => Err(other),
    }
}

pub(super) fn key_text(key: &Value) -> String {
    scalar(key).flatten().unwrap_or_else(|| kind_of(key))
}

/// The keys of one mapping, while they are read.
///
/// `read` takes a key with a single value, and `take` a key with any value. `report_unknown_keys` reports the keys
/// that neither took.
pub(crate) struct Section<'m> {
    /// The text before a key in a report: empty, or for example `queue.`.
    prefix: &'static str,
    given: Vec<(String, Value)>,
    known: Vec<&'static str>,
    mistakes: &'m mut Mistakes,
}

impl<'m> Section<'m> {
    pub(crate) fn new(prefix: &'static str, keys: Keys, mistakes: &'m mut Mistakes) -> Section<'m> {
        Section { prefix, given: keys.0, known: Vec::new(), mistakes }
    }

    /// The value of a key. None: the key was not written, or has no value.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        let mut values = Vec::new();
        self.given.retain_mut(|(name, value)| {
            let wanted = name == key;
            if wanted {
                values.push(std::mem::replace(value, Value::Unit));
            }
            !wanted
        });
        if values.len() > 1 {
            self.mistake(key, format!("duplicate key: it is there {} times", values.len()));
        }
        values.pop()
    }

    /// Whether a key was written and has no value.
    pub(crate) fn is_without_value(&self, key: &str) -> bool {
        let mut given = self.given.iter();
        given.any(|(name, value)| name == key && scalar(value) == Some(None))
    }

    /// The value of a key with a single value. The error of `parse` says what would be right.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        self.parse_value(key, &value, parse)
    }

    /// The value of a key that is used as a name, as `read` reads it. YAML must not have changed its text.
    pub(crate) fn name<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        if let Some(why) = text_is_lost(&value) {
            self.mistake(key, why);
            return None;
        }
        self.parse_value(key, &value, parse)
    }

    fn parse_value<T>(
        &mut self,
        key: &'static str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = scalar(value) else {
            self.mistake(key, format!("invalid type: {}, expected a single value", kind_of(value)));
            return None;
        };
        match parse(&text?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.mistake(key, why);
                None
            }
        }
    }

    /// The value of a key whose type reads its text, and names the key in its error.
    pub(crate) fn parse<T: FromStr<Err = Error>>(&mut self, key: &'static str) -> Option<T> {
        let text = self.read(key, |text| Ok(text.to_owned()))?;
        self.mistakes.ok_or_record(text.parse())
    }

    /// A mapping from names to single values below a key. YAML must not have changed the text of either.
    pub(crate) fn entries<T>(
        &mut self,
        key: &'static str,
        what: &str,
        parse: impl Fn(&str, &str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        if matches!(value, Value::Unit | Value::Option(None)) {
            return Vec::new();
        }
        let map = match mapping(value) {
            Ok(map) => map,
            Err(value) => {
                self.mistake(key, format!("invalid type: {}, expected {what}", kind_of(&value)));
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        let mut names = BTreeSet::new();
        for (name, value) in map {
            let text = key_text(&name);
            // `1` and `"1"` are two keys in YAML, and one name.
            if !names.insert(text.clone()) {
                self.mistakes.add(
                    format!("{}{key}.{}", self.prefix, shown(&text)),
                    "duplicate key: it is there twice",
                );
                continue;
            }
            let entry = match (no_name(&name), scalar(&value).flatten()) {
                (Some(why), _) => Err(why),
                (None, Some(value_text)) => {
                    let entry = parse(&text, &value_text);
                    entry.and_then(|entry| text_is_lost(&value).map_or(Ok(entry), Err))
                }
                (None, None) => Err(format!("invalid type: {}, expected {what}", kind_of(&value))),
            };
            match entry {
                Ok(entry) => entries.push(entry),
                Err(why) => {
                    self.mistakes.add(format!("{}{key}.{}", self.prefix, shown(&text)), why)
                }
            }
        }
        entries
    }

    /// The mapping below a key that turns a function on. A key without a value is a mistake, since it was meant to
    /// turn the function on.
    pub(crate) fn section<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl FnOnce(Keys, &mut Mistakes) -> T,
    ) -> Option<T> {
        match Keys::of(self.take(key)?) {
            Ok(keys) => Some(read(keys, self.mistakes)),
            Err(value) => {
                self.mistake(key, format!("invalid type: {}, expected {what}", kind_of(&value)));
                None
            }
        }
    }

    pub(crate) fn mistake(&mut self, key: &str, why: impl Into<String>) {
        self.mistakes.add(format!("{}{}", self.prefix, shown(key)), why.into());
    }

    /// Reports each unknown key, with the known keys and the one that was probably meant.
    ///
    /// `elsewhere` are known keys that other code reads.
    pub(crate) fn report_unknown_keys(mut self, elsewhere: &[&'static str]) {
        self.known.extend(elsewhere);
        for (key, _) in std::mem::take(&mut self.given) {
            let why = unknown_key(&key, &self.known);
            self.mistake(&key, why);
        }
    }
}

/// The report of a key that is not among the known ones.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    if key == MERGE {
        return NO_MERGE.to_owned();
    }
    let meant = probably(key, known.iter().copied());
    let keys = match known {
        [] => "there are none".to_owned(),
        known => format!("the keys are {}", list(known)),
    };
    format!("unknown key{meant}; {keys}")
}

/// A name from a file, in one line whatever characters it has.
pub(crate) fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

/// A single value as text. `Some(None)`: the key has no value. `None`: the value is a list or a mapping.
pub(crate) fn scalar(value: &Value) -> Option<Option<String>> {
    Some(Some(match value {
        Value::Unit | Value::Option(None) => return Some(None),
        Value::Option(Some(value)) | Value::Newtype(value) => return scalar(value),
        Value::Bool(it) => it.to_string(),
        Value::U8(it) => it.to_string(),
        Value::U16(it) => it.to_string(),
        Value::U32(it) => it.to_string(),
        Value::U64(it) => it.to_string(),
        Value::I8(it) => it.to_string(),
        Value::I16(it) => it.to_string(),
        Value::I32(it) => it.to_string(),
        Value::I64(it) => it.to_string(),
        Value::F32(it) => it.to_string(),
        Value::F64(it) => it.to_string(),
        Value::Char(it) => it.to_string(),
        Value::String(it) => it.clone(),
        Value::Seq(_) | Value::Map(_) | Value::Bytes(_) => return None,
    }))
}

/// Why a key in YAML is no name.
fn no_name(key: &Value) -> Option<String> {
    match key {
        Value::String(key) if key == MERGE => Some(NO_MERGE.to_owned()),
        Value::Unit | Value::Option(None) => {
            Some("this key is null in YAML, and no name: put it in quotes".to_owned())
        }
        Value::Seq(_) | Value::Map(_) | Value::Bytes(_) => {
            Some(format!("{} is no name", kind_of(key)))
        }
        key => text_is_lost(key),
    }
}

/// A key of YAML 1.1 that adds the keys of another mapping.
pub(crate) const MERGE: &str = "<<";

/// What is reported of it.
pub(crate) const NO_MERGE: &str = "merge keys are not read: write the keys themselves here";

/// Of a name for which YAML has another type: `5E2` is the number 500, and `True` is `true`.
///
/// An integer is taken as it is: `12` is the common case, and it cannot be known that `0x0C` was written.
fn text_is_lost(value: &Value) -> Option<String> {
    let found = match value {
        Value::F32(it) => format!("the number {it}"),
        Value::F64(it) => format!("the number {it}"),
        Value::Bool(it) => format!("the truth value {it}"),
        Value::Option(Some(value)) | Value::Newtype(value) => return text_is_lost(value),
        _ => return None,
    };
    Some(format!("this is {found} in YAML, whatever was written: put the name in quotes"))
}

/// Whether a value is a number. YAML has already read `0o644` as 420, so it cannot be known which of both was
/// written.
pub(crate) fn is_number(value: &Value) -> bool {
    !matches!(
        value,
        Value::Unit
            | Value::Option(_)
            | Value::Newtype(_)
            | Value::Bool(_)
            | Value::Char(_)
            | Value::String(_)
            | Value::Seq(_)
            | Value::Map(_)
            | Value::Bytes(_)
    )
}

/// What a value is, for a report.
pub(crate) fn kind_of(value: &Value) -> String {
    match value {
        Value::Seq(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Bytes(_) => "bytes".to_owned(),
        value => match scalar(value) {
            Some(Some(text)) if text.is_empty() => "an empty text".to_owned(),
            Some(Some(text)) => format!("{text:?}"),
            _ => "nothing".to_owned(),
        },
    }
}
