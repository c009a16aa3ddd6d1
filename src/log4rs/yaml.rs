//! The appender's keys in YAML, and the appender that they make.
//!
//! Every mistake is reported with its key, and all mistakes are reported at once.

use std::fmt;
use std::sync::Arc;

use ::log4rs::append::Append;
use ::log4rs::config::{Deserialize, Deserializers};
use ::log4rs::encode::Encode;
use serde_value::Value;

use super::appender::{line_for, Encoding};
use super::encoder::LineConfig;
use super::handle::Sinks;
use super::kinds::{self, is_unknown_kind};
use super::scoped::scoped;
use super::{EquipmentScopedAppender, APPENDER_KIND, ENCODER_KIND};
use crate::config::suggest::{nearest, probably};
use crate::config::value::{kind_of, scalar, shown, unknown_key, Keys, Section};
use crate::config::{Settings, SinkConfig};
use crate::error::Mistakes;
use crate::report::Reporter;
use crate::sink::EquipmentSink;

/// An `EquipmentScopedAppenderConfig` holds the appender's keys in YAML: those of [`SinkConfig`], and `encoder`.
///
/// # Examples
///
/// ```
/// use equipment_log::{log4rs::EquipmentScopedAppenderConfig, SinkConfig};
///
/// let config = EquipmentScopedAppenderConfig::from(SinkConfig::new("/data/lab"));
/// # drop(config);
/// ```
#[derive(Clone, Debug)]
pub struct EquipmentScopedAppenderConfig(Given);

#[derive(Clone, Debug)]
enum Given {
    Keys(Keys),
    /// In code.
    Typed(Box<SinkConfig>),
}

impl From<SinkConfig> for EquipmentScopedAppenderConfig {
    fn from(config: SinkConfig) -> EquipmentScopedAppenderConfig {
        EquipmentScopedAppenderConfig(Given::Typed(Box::new(config)))
    }
}

impl<'de> serde::Deserialize<'de> for EquipmentScopedAppenderConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match Keys::of(value) {
            Ok(keys) => Ok(EquipmentScopedAppenderConfig(Given::Keys(keys))),
            Err(value) => {
                let found = kind_of(&value);
                Err(serde::de::Error::custom(format!("invalid type: {found}, expected a mapping")))
            }
        }
    }
}

/// This deserializer builds the appender from YAML. [`register`](super::register) adds it.
///
/// # Examples
///
/// ```
/// use equipment_log::log4rs::EquipmentScopedAppenderDeserializer;
///
/// // Under a kind of one's own; no handle reaches its sinks.
/// let mut deserializers = log4rs::config::Deserializers::default();
/// deserializers.insert("instrument", EquipmentScopedAppenderDeserializer::default());
/// ```
#[derive(Clone, Default)]
pub struct EquipmentScopedAppenderDeserializer {
    sinks: Arc<Sinks>,
}

impl fmt::Debug for EquipmentScopedAppenderDeserializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(APPENDER_KIND)
    }
}

impl EquipmentScopedAppenderDeserializer {
    pub(super) fn new(sinks: &Arc<Sinks>) -> EquipmentScopedAppenderDeserializer {
        EquipmentScopedAppenderDeserializer { sinks: Arc::clone(sinks) }
    }
}

impl Deserialize for EquipmentScopedAppenderDeserializer {
    type Trait = dyn Append;
    type Config = EquipmentScopedAppenderConfig;

    fn deserialize(
        &self,
        EquipmentScopedAppenderConfig(given): EquipmentScopedAppenderConfig,
        deserializers: &Deserializers,
    ) -> anyhow::Result<Box<dyn Append>> {
        let mut mistakes = Mistakes::default();
        let checked = match given {
            Given::Keys(keys) => Checked::read(keys, deserializers, &mut mistakes),
            Given::Typed(config) => Checked::new(*config, None, &mut mistakes),
        };
        let Some(checked) = mistakes.into_result(checked)? else {
            return Err(anyhow::anyhow!("the keys are invalid"));
        };
        let sink = EquipmentSink::from_settings(checked.settings)?;
        self.sinks.add(&sink);
        Ok(Box::new(appender(sink, checked.encoder, Reporter::to_caller())))
    }
}

/// An appender's keys without a mistake.
pub(super) struct Checked {
    pub(super) settings: Settings,
    pub(super) encoder: Encoder,
}

/// What formats the records.
#[derive(Debug)]
pub(super) enum Encoder {
    Line(LineConfig),
    Other(Box<dyn Encode>),
}

impl Checked {
    /// None: a key is invalid, and each mistake was added to `mistakes`.
    pub(super) fn read(
        mut keys: Keys,
        deserializers: &Deserializers,
        mistakes: &mut Mistakes,
    ) -> Option<Checked> {
        let encoder = keys.take("encoder").filter(|value| *value != Value::Unit);
        let encoder = encoder.map(|value| read_encoder(value, deserializers, mistakes));
        let config = SinkConfig::read(keys, &["encoder"], mistakes);
        match encoder {
            None => Checked::new(config, None, mistakes),
            Some(encoder) => {
                let other = matches!(encoder, Some(Encoder::Other(_)));
                if other && config.precision.is_some() {
                    let why = "it is of our own line, and `encoder` replaces that line";
                    mistakes.add("precision", why);
                }
                let checked = Checked::new(config, encoder, mistakes);
                checked.filter(|_| mistakes.is_empty())
            }
        }
    }

    fn new(
        config: SinkConfig,
        encoder: Option<Encoder>,
        mistakes: &mut Mistakes,
    ) -> Option<Checked> {
        let encoder = encoder.unwrap_or(Encoder::Line(LineConfig::default()));
        Some(Checked { settings: config.check_into(mistakes)?, encoder })
    }
}

/// The appender of a sink that is built.
pub(super) fn appender(
    sink: EquipmentSink,
    encoder: Encoder,
    reporter: Reporter,
) -> EquipmentScopedAppender {
    let encoding = match encoder {
        Encoder::Line(config) => Encoding::Line(line_for(&sink, config)),
        Encoder::Other(encoder) => Encoding::Other(encoder),
    };
    EquipmentScopedAppender::new(sink, encoding, reporter)
}

/// An encoder without a kind is ours, unless it has a pattern: log4rs alone would take its own.
fn take_encoder_kind(keys: &mut Keys) -> String {
    if let Some(kind) = keys.take("kind") {
        return scalar(&kind).flatten().unwrap_or_default();
    }
    let of_both = ["pattern", "precision", "control_characters"];
    let is_pattern = |key: &str| nearest(key, of_both) == Some("pattern");
    match keys.0.iter().any(|(key, _)| is_pattern(key)) {
        true => "pattern".to_owned(),
        false => ENCODER_KIND.to_owned(),
    }
}

/// None: the encoder is invalid, and its mistake was added to `mistakes`.
fn read_encoder(
    value: Value,
    deserializers: &Deserializers,
    mistakes: &mut Mistakes,
) -> Option<Encoder> {
    let mut keys = match Keys::of(value) {
        Ok(keys) => keys,
        Err(value) => {
            let right = "a mapping such as { kind: equipment_line }";
            let why = format!("invalid type: {}, expected {right}", kind_of(&value));
            mistakes.add("encoder", why);
            return None;
        }
    };
    let kind = take_encoder_kind(&mut keys);
    if kind == ENCODER_KIND {
        let mut section = Section::new("encoder.", keys, mistakes);
        let config = LineConfig::read(&mut section);
        section.report_unknown_keys(&["kind"]);
        return Some(Encoder::Line(config));
    }
    // log4rs's own error says what it expects, and not which key was probably meant.
    let known: Option<&[&str]> = match kind.as_str() {
        "pattern" => Some(&["pattern"]),
        "json" => Some(&[]),
        _ => None,
    };
    if let Some(known) = known {
        if let Some((key, _)) = keys.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            mistakes.add(format!("encoder.{}", shown(key)), unknown_key(key, known));
            return None;
        }
    }
    let config = keys.0.into_iter().map(|(key, value)| (Value::String(key), value)).collect();
    match kinds::deserialize::<dyn Encode>(deserializers, &kind, Value::Map(config)) {
        Ok(encoder) => Some(Encoder::Other(scoped(encoder))),
        Err(err) => {
            let meant = unknown_kind(&err, &kind, &[ENCODER_KIND, "pattern", "json"]);
            mistakes.add("encoder", format!("{err:#}{meant}").replace('\n', " "));
            None
        }
    }
}

/// The kind that was probably meant, where an error is that a kind is unknown.
pub(super) fn unknown_kind(err: &anyhow::Error, kind: &str, known: &[&str]) -> String {
    match is_unknown_kind(err) {
        true => probably(kind, known.iter().copied()),
        false => String::new(),
    }
}
