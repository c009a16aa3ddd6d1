//! [`Given`]: a value as it was written, at every depth.
//!
//! The invariant: no key that was written twice is in it once. serde's own type for any value keeps the last of them,
//! and refuses an integer above 64 bits without naming its key.
#![cfg(feature = "serde")]

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_value::Value;

use super::value::{key_text, shown};

/// Reads the value of a key. The key, with those above it, is for the report of a mistake.
pub(super) struct Given<'k>(pub(super) &'k str);

impl<'de> DeserializeSeed<'de> for Given<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The visitors of single values of one type.
macro_rules! single {
    ($($visit:ident($type:ty) => $variant:ident,)*) => {
        $(fn $visit<E>(self, it: $type) -> Result<Value, E> {
            Ok(Value::$variant(it.into()))
        })*
    };
}

impl<'de> Visitor<'de> for Given<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    single! {
        visit_bool(bool) => Bool,
        visit_i64(i64) => I64,
        visit_u64(u64) => U64,
        visit_f64(f64) => F64,
        visit_char(char) => Char,
        visit_str(&str) => String,
        visit_string(String) => String,
        visit_bytes(&[u8]) => Bytes,
        visit_byte_buf(Vec<u8>) => Bytes,
    }

    /// Its key refuses it as it refuses any other text.
    fn visit_i128<E>(self, it: i128) -> Result<Value, E> {
        Ok(Value::String(it.to_string()))
    }

    fn visit_u128<E>(self, it: u128) -> Result<Value, E> {
        Ok(Value::String(it.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Unit)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Option(None))
    }

    fn visit_some<D: Deserializer<'de>>(self, it: D) -> Result<Value, D::Error> {
        Ok(Value::Option(Some(Box::new(self.deserialize(it)?))))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, it: D) -> Result<Value, D::Error> {
        Ok(Value::Newtype(Box::new(self.deserialize(it)?)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Given(self.0))? {
            values.push(value);
        }
        Ok(Value::Seq(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(key) = map.next_key::<Value>()? {
            let path = format!("{}.{}", self.0, shown(&key_text(&key)));
            let value = map.next_value_seed(Given(&path))?;
            if values.insert(key, value).is_some() {
                return Err(A::Error::custom(format!("{path}: duplicate key: it is there twice")));
            }
        }
        Ok(Value::Map(values))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::invalid_type(serde::de::Unexpected::Enum, &self))
    }
}
