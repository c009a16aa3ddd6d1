//! The keys of `root` and of each logger, checked before log4rs reads them: its own errors name neither the key nor
//! what was probably meant.

use std::collections::BTreeMap;

use serde_value::Value;

use crate::config::value::{kind_of, scalar, shown, unknown_key, Keys};
use crate::config::{level, truth};
use crate::error::Mistakes;

/// The keys of `root`.
pub(super) const OF_ROOT: &[&str] = &["level", "appenders"];

/// The keys of a logger.
pub(super) const OF_LOGGER: &[&str] = &["level", "appenders", "additive"];

/// The mapping below `key`, without its mistakes. None: the names in it are not known.
///
/// A mistake that may hide the name of an appender is added to `hiding`, and any other to `mistakes`.
pub(super) fn check(
    key: &str,
    value: Value,
    known: &'static [&'static str],
    mistakes: &mut Mistakes,
    hiding: &mut Mistakes,
) -> Option<Value> {
    let keys = match Keys::of(value) {
        Ok(keys) => keys,
        Err(value) => {
            let right = "a mapping such as { level: info, appenders: [equipment] }";
            hiding.add(key, format!("invalid type: {}, expected {right}", kind_of(&value)));
            return None;
        }
    };
    let mut checked = BTreeMap::new();
    for (name, mut value) in keys.0 {
        match name.as_str() {
            "level" => mend_level(&format!("{key}.level"), &mut value, mistakes),
            "appenders" if !matches!(value, Value::Seq(_) | Value::Unit) => {
                let found = kind_of(&value);
                let why = format!("invalid type: {found}, expected a list such as [equipment]");
                hiding.add(format!("{key}.appenders"), why);
                continue;
            }
            "appenders" => {
                if let Err(found) = names(&mut value) {
                    let why = format!("invalid type: {found}, expected the name of an appender");
                    hiding.add(format!("{key}.appenders"), why);
                    continue;
                }
            }
            "additive" if known.contains(&"additive") => {
                if let Err(why) = mend_truth(&mut value) {
                    mistakes.add(format!("{key}.additive"), why);
                }
            }
            name if !known.contains(&name) => {
                hiding.add(format!("{key}.{}", shown(name)), unknown_key(name, known));
                continue;
            }
            _ => {}
        }
        checked.insert(Value::String(name), value);
    }
    Some(Value::Map(checked))
}

/// Makes each entry of a list the text that was written. The error is what is no name.
fn names(list: &mut Value) -> Result<(), String> {
    let Value::Seq(entries) = list else { return Ok(()) };
    for entry in entries {
        let name = scalar(entry).flatten().ok_or_else(|| kind_of(entry))?;
        *entry = Value::String(name);
    }
    Ok(())
}

/// Makes a truth value of the text that was written. An invalid one is log4rs's default, so that the rest is read.
fn mend_truth(found: &mut Value) -> Result<(), String> {
    let read = match scalar(found).flatten() {
        Some(text) => truth(&text),
        None => Err(format!("invalid type: {}, expected true or false", kind_of(found))),
    };
    *found = Value::Bool(read.as_ref().copied().unwrap_or(true));
    read.map(|_| ())
}

/// Reports an invalid level, and replaces it by a valid one, so that the rest is read.
pub(super) fn mend_level(key: &str, found: &mut Value, mistakes: &mut Mistakes) {
    let wrong = match scalar(found).flatten() {
        Some(text) => level(&text).err(),
        None => Some(format!("invalid type: {}, expected a level such as info", kind_of(found))),
    };
    if let Some(why) = wrong {
        mistakes.add(key, why);
        *found = Value::String("info".to_owned());
    }
}
