//! [`Document`]: a configuration file of log4rs, part by part.
//!
//! Imports `config` and `error`. log4rs's own type stops at the first mistake, and does not say of what is
//! wrong in an appender; so each part is given to it alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ::log4rs::append::AppenderConfig;
use ::log4rs::config::{Logger, RawConfig, Root};
use ::log4rs::filter::FilterConfig;
use serde_value::Value;

use crate::config::value::{kind_of, scalar, shown, Keys, Section};
use crate::error::{Error, Mistakes};

/// What a file declares.
pub(super) struct Document {
    pub(super) refresh_rate: Option<Duration>,
    pub(super) root: Root,
    pub(super) loggers: Vec<Logger>,
    /// In the order of the file.
    pub(super) appenders: Vec<Declared>,
}

/// An appender as it is declared.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) config: Value,
    pub(super) filters: Vec<FilterConfig>,
}

/// Refuses a file whose ending names a format that is not read here.
pub(super) fn check_ending(path: &Path) -> Result<(), Error> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        // JSON is YAML.
        "yaml" | "yml" | "json" => Ok(()),
        ending => {
            let found = match ending {
                "" => "it has no ending".to_owned(),
                ending => format!(".{ending} is not read here"),
            };
            let why = format!("{found}: YAML (.yaml, .yml) and JSON (.json) are");
            Err(Error::config(path.display().to_string(), why))
        }
    }
}

impl Document {
    /// The parts of a file. None where it is no mapping at all; each mistake is noted.
    pub(super) fn read(text: &str, mistakes: &mut Mistakes) -> Option<Document> {
        let keys = match keys_of(text) {
            Ok(keys) => keys,
            Err(why) => {
                mistakes.add("YAML", why);
                return None;
            }
        };
        let mut section = Section::new("", keys, mistakes);
        let refresh_rate = section.take("refresh_rate");
        let root = section.take("root");
        let appenders = section.take("appenders");
        let loggers = section.take("loggers");
        section.finish(&[]);

        let rate = part("refresh_rate", refresh_rate, mistakes).refresh_rate();
        if rate.is_some_and(|rate| rate.is_zero()) {
            mistakes.add("refresh_rate", "0s is not a time above zero, such as 30 seconds");
        }
        let loggers = each("loggers", loggers, mistakes, |name, logger, mistakes| {
            let one = Value::Map([(Value::String(name.to_owned()), logger)].into());
            part_named("loggers", &format!("loggers.{}", shown(name)), one, mistakes).loggers()
        });
        Some(Document {
            refresh_rate: rate,
            root: part("root", root, mistakes).root(),
            loggers: loggers.into_iter().flatten().collect(),
            appenders: each("appenders", appenders, mistakes, declared),
        })
    }
}

fn keys_of(text: &str) -> Result<Keys, String> {
    if text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    // A tab indents JSON, and is no text there; YAML refuses it.
    let json = text.trim_start().starts_with('{').then(|| text.replace('\t', " "));
    let text = json.as_deref().unwrap_or(text);
    let one_line = |err: serde_yaml::Error| err.to_string().replace('\n', " ");
    // What is there twice would be there once below.
    let whole = serde_yaml::from_str::<serde_yaml::Value>(text);
    if let Some(err) = whole.err().filter(|err| err.to_string().contains("duplicate")) {
        return Err(one_line(err));
    }
    serde_yaml::from_str(text).map_err(one_line)
}

/// One part of the file, as log4rs reads it. Where it is wrong, that is noted, and log4rs's default returned.
fn part(key: &'static str, value: Option<Value>, mistakes: &mut Mistakes) -> RawConfig {
    match value {
        Some(value) => part_named(key, key, value, mistakes),
        None => RawConfig::default(),
    }
}

fn part_named(key: &str, name: &str, value: Value, mistakes: &mut Mistakes) -> RawConfig {
    let file = Value::Map([(Value::String(key.to_owned()), value)].into());
    file.deserialize_into().unwrap_or_else(|err| {
        mistakes.add(name, err.to_string().replace('\n', " "));
        RawConfig::default()
    })
}

/// The entries of a mapping, each read on its own.
fn each<T>(
    key: &str,
    value: Option<Value>,
    mistakes: &mut Mistakes,
    read: impl Fn(&str, Value, &mut Mistakes) -> T,
) -> Vec<T> {
    match value.map(Keys::of) {
        None | Some(Err(Value::Unit)) => Vec::new(),
        Some(Err(value)) => {
            mistakes.add(key, format!("invalid type: {}, expected a mapping", kind_of(&value)));
            Vec::new()
        }
        Some(Ok(keys)) => {
            keys.0.into_iter().map(|(name, value)| read(&name, value, mistakes)).collect()
        }
    }
}

fn declared(name: &str, value: Value, mistakes: &mut Mistakes) -> Declared {
    let key = appender_key(name);
    let kind = match &value {
        Value::Map(keys) => keys.get(&Value::String("kind".to_owned())).map(scalar),
        _ => {
            let what = kind_of(&value);
            mistakes.add(&key, format!("invalid type: {what}, expected a mapping with `kind`"));
            None
        }
    };
    let kind = kind.flatten().flatten().unwrap_or_default();
    match value.deserialize_into::<AppenderConfig>() {
        Ok(AppenderConfig { kind, config, filters }) => {
            Declared { name: name.to_owned(), kind, config, filters }
        }
        Err(err) => {
            if !mistakes.is_at(&key) {
                mistakes.add(&key, err.to_string());
            }
            // Its name is known, so that no logger is blamed for it.
            let config = Value::Map(BTreeMap::new());
            Declared { name: name.to_owned(), kind: format!("?{kind}"), config, filters: vec![] }
        }
    }
}

/// How an appender is called in a report.
pub(super) fn appender_key(name: &str) -> String {
    format!("appender {}", shown(name))
}
