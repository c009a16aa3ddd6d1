//! [`Document`]: a configuration file of log4rs, part by part.
//!
//! log4rs's own type stops at the first mistake, and does not name the appender that it is in. Therefore each part of
//! the file is passed to log4rs by itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ::log4rs::append::AppenderConfig;
use ::log4rs::config::{Logger, RawConfig, Root};
use ::log4rs::filter::FilterConfig;
use serde_value::Value;

use super::loggers::{self, OF_LOGGER, OF_ROOT};
use super::APPENDER_KIND;
use crate::config::time_above_zero;
use crate::config::value::{kind_of, scalar, shown, Keys, Section, MERGE, NO_MERGE};
use crate::config::yaml_text;
use crate::error::{Error, Mistakes};

/// What a file declares.
pub(super) struct Document {
    pub(super) refresh_rate: Option<Duration>,
    pub(super) root: Root,
    pub(super) loggers: Vec<Logger>,
    /// In the order of the file.
    pub(super) appenders: Vec<Declared>,
    /// Whether all declared and all named appenders are known. A part of the file that cannot be read may hold a name
    /// that seems to be missing.
    pub(super) names_are_known: bool,
}

/// An appender as it is declared.
#[derive(Clone)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) config: Value,
    pub(super) filters: Vec<FilterConfig>,
}

impl Declared {
    pub(super) fn is_ours(&self) -> bool {
        self.kind == APPENDER_KIND
    }
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
    /// The parts of a file. None: the file is not a mapping. Each mistake is added to `mistakes`.
    pub(super) fn read(text: &str, mistakes: &mut Mistakes) -> Option<Document> {
        let keys = match keys_of(text) {
            Ok(keys) => keys,
            Err(why) => {
                mistakes.add("YAML", why);
                return None;
            }
        };
        // The mistakes that may hide the name of an appender, apart from all others.
        let mut hiding = Mistakes::default();
        let mut section = Section::new("", keys, &mut hiding);
        let refresh_rate = section.read("refresh_rate", |text| time_above_zero(text, "30 seconds"));
        let root = section.take("root").filter(|root| *root != Value::Unit);
        let appenders = section.take("appenders");
        let loggers = section.take("loggers");
        section.report_unknown_keys(&[]);

        let root = root
            .and_then(|root| loggers::check("root", root, OF_ROOT, mistakes, &mut hiding))
            .map_or_else(RawConfig::default, |root| part("root", "root", root, &mut hiding))
            .root();
        let loggers = each("loggers", loggers, &mut hiding, |name, logger, hiding| {
            let key = format!("loggers.{}", shown(name));
            let logger = loggers::check(&key, logger, OF_LOGGER, mistakes, hiding)?;
            let one = Value::Map([(Value::String(name.to_owned()), logger)].into());
            Some(part("loggers", &key, one, hiding).loggers())
        });
        let appenders = each("appenders", appenders, &mut hiding, |name, value, _| {
            declared(name, value, mistakes)
        });
        let names_are_known = hiding.is_empty();
        mistakes.append(hiding);
        Some(Document {
            refresh_rate,
            root,
            loggers: loggers.into_iter().flatten().flatten().collect(),
            appenders,
            names_are_known,
        })
    }
}

fn keys_of(text: &str) -> Result<Keys, String> {
    yaml_text::check(text)?;
    // A tab indents JSON, and is no text there; YAML refuses it.
    let json = text.trim_start().starts_with('{').then(|| text.replace('\t', " "));
    let text = json.as_deref().unwrap_or(text);
    let answer = |err: serde_yaml::Error| yaml_text::answer(&err.to_string());
    // Of a key that was written twice, the parser's own error names the line, also below another key.
    let whole = serde_yaml::from_str::<serde_yaml::Value>(text);
    if let Some(err) = whole.err().filter(|err| err.to_string().contains("duplicate")) {
        return Err(answer(err));
    }
    serde_yaml::from_str(text).map_err(answer)
}

/// One part of the file, as log4rs reads it. If the part is invalid, the mistake is recorded, and log4rs's default is
/// returned.
fn part(key: &str, name: &str, value: Value, mistakes: &mut Mistakes) -> RawConfig {
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
    mut read: impl FnMut(&str, Value, &mut Mistakes) -> T,
) -> Vec<T> {
    match value.map(Keys::of) {
        None | Some(Err(Value::Unit)) => Vec::new(),
        Some(Err(value)) => {
            mistakes.add(key, format!("invalid type: {}, expected a mapping", kind_of(&value)));
            Vec::new()
        }
        Some(Ok(keys)) => {
            let (merged, named): (Vec<_>, Vec<_>) =
                keys.0.into_iter().partition(|(name, _)| name == MERGE);
            if !merged.is_empty() {
                mistakes.add(format!("{key}.{MERGE}"), NO_MERGE);
            }
            named.into_iter().map(|(name, value)| read(&name, value, mistakes)).collect()
        }
    }
}

fn declared(name: &str, value: Value, mistakes: &mut Mistakes) -> Declared {
    let key = appender_key(name);
    let mut wrong = |key: &str, why: String| mistakes.add(key, why);
    let kind = match &value {
        Value::Map(keys) => match keys.get(&Value::String("kind".to_owned())).map(scalar) {
            Some(Some(Some(kind))) => Some(kind),
            Some(None) => {
                wrong(&key, "kind: invalid type: a list or a mapping, expected a name".to_owned());
                None
            }
            _ => {
                let has_merge = keys.contains_key(&Value::String(MERGE.to_owned()));
                let why = match has_merge {
                    true => format!("{MERGE}: {NO_MERGE}"),
                    false => "kind: it is required, and missing".to_owned(),
                };
                wrong(&key, why);
                None
            }
        },
        _ => {
            let what = kind_of(&value);
            wrong(&key, format!("invalid type: {what}, expected a mapping with `kind`"));
            None
        }
    };
    let read = |value: Value| value.deserialize_into::<AppenderConfig>();
    if kind.is_some() {
        let declared = read(value.clone()).or_else(|err| {
            // Of the keys that log4rs reads itself, the other one. Without it, the rest is read.
            let why = err.to_string().replace('\n', " ");
            let right = "a list such as [{ kind: threshold, level: warn }]";
            wrong(&key, format!("filters: {why}; {right} is right"));
            read(without_filters(value))
        });
        if let Ok(AppenderConfig { kind, config, filters }) = declared {
            return Declared { name: name.to_owned(), kind, config, filters };
        }
    }
    // Its name is known, so that no logger is blamed for it.
    let kind = format!("?{}", kind.unwrap_or_default());
    let config = Value::Map(BTreeMap::new());
    Declared { name: name.to_owned(), kind, config, filters: vec![] }
}

fn without_filters(value: Value) -> Value {
    match value {
        Value::Map(mut keys) => {
            keys.remove(&Value::String("filters".to_owned()));
            Value::Map(keys)
        }
        other => other,
    }
}

/// The name of an appender in a report.
pub(super) fn appender_key(name: &str) -> String {
    format!("appender {}", shown(name))
}
