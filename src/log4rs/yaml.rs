//! The appender's keys in YAML, and the appender that they make.
//!
//! Imports `config`, `sink` and `error`. Every mistake is one line that names its key.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::log4rs::append::Append;
use ::log4rs::config::{Deserialize, Deserializers};
use ::log4rs::encode::EncoderConfig;
use serde_value::Value;

use super::appender::{line_for, Encoding};
use super::encoder::LineConfig;
use super::scoped::scoped;
use super::standing::{Living, Place};
use super::{EquipmentScopedAppender, APPENDER_KIND, ENCODER_KIND};
use crate::config::value::{kind_of, Keys};
use crate::config::SinkConfig;
use crate::error::{Error, Mistakes};
use crate::sink::WeakSink;

/// The appender's keys in YAML: those of [`SinkConfig`], `encoder` among them.
///
/// It takes keys that cannot serve, too: they are an error of the deserializer, and only where no
/// earlier appender can go on in the place of the new one.
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
pub struct EquipmentScopedAppenderConfig {
    keys: Result<(SinkConfig, Option<Value>), String>,
    place: Place,
}

impl From<SinkConfig> for EquipmentScopedAppenderConfig {
    fn from(config: SinkConfig) -> EquipmentScopedAppenderConfig {
        let place = Place::of(&Value::String(format!("{config:?}")));
        EquipmentScopedAppenderConfig { keys: Ok((config, None)), place }
    }
}

impl<'de> serde::Deserialize<'de> for EquipmentScopedAppenderConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Value::deserialize(deserializer)?;
        let place = Place::of(&given);
        let keys = read_keys(given).map_err(|err| err.to_string());
        Ok(EquipmentScopedAppenderConfig { keys, place })
    }
}

/// The sink's keys, and the encoder's.
fn read_keys(given: Value) -> Result<(SinkConfig, Option<Value>), Error> {
    let mut mistakes = Mistakes::default();
    let mut keys = Keys::of(given)
        .map_err(|value| Error::config("keys", format!("{} is no mapping", kind_of(&value))))?;
    let encoder = keys.take("encoder").filter(|value| !matches!(value, Value::Unit));
    let config = SinkConfig::read_and_check(keys, &["encoder"], &mut mistakes);
    mistakes.end((config, encoder))
}

/// Makes the appender from YAML, for [`register`](super::register).
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
    sinks: Arc<Mutex<Vec<WeakSink>>>,
    living: Arc<Living>,
}

impl fmt::Debug for EquipmentScopedAppenderDeserializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(APPENDER_KIND)
    }
}

impl Deserialize for EquipmentScopedAppenderDeserializer {
    type Trait = dyn Append;
    type Config = EquipmentScopedAppenderConfig;

    fn deserialize(
        &self,
        EquipmentScopedAppenderConfig { keys, place }: EquipmentScopedAppenderConfig,
        deserializers: &Deserializers,
    ) -> anyhow::Result<Box<dyn Append>> {
        match self.build(keys, deserializers) {
            Ok(appender) => Ok(self.living.begin(place, appender)),
            Err(err) => self.living.stand_in(place, &err).ok_or(err),
        }
    }
}

impl EquipmentScopedAppenderDeserializer {
    pub(super) fn new(sinks: &Arc<Mutex<Vec<WeakSink>>>) -> EquipmentScopedAppenderDeserializer {
        EquipmentScopedAppenderDeserializer { sinks: Arc::clone(sinks), living: Arc::default() }
    }

    fn build(
        &self,
        keys: Result<(SinkConfig, Option<Value>), String>,
        deserializers: &Deserializers,
    ) -> anyhow::Result<EquipmentScopedAppender> {
        let (config, encoder) = keys.map_err(anyhow::Error::msg)?;
        let encoder = encoder.map(read_encoder).transpose()?;
        let sink = config.into_builder().build()?;
        let encoding = match encoder {
            None => Encoding::Line(line_for(&sink, LineConfig::default())),
            Some(encoder) if encoder.kind == ENCODER_KIND => {
                let config = encoder.config.deserialize_into().map_err(in_encoder)?;
                Encoding::Line(line_for(&sink, config))
            }
            Some(encoder) => {
                let made = deserializers.deserialize(&encoder.kind, encoder.config);
                Encoding::Other(scoped(made.map_err(|err| anyhow::anyhow!("encoder: {err}"))?))
            }
        };
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.retain(|sink| sink.upgrade().is_some());
        sinks.push(sink.downgrade());
        Ok(EquipmentScopedAppender::new(sink, encoding))
    }
}

/// An encoder without a kind is ours, unless it has a pattern: log4rs alone would take its own.
fn read_encoder(value: Value) -> anyhow::Result<EncoderConfig> {
    let kind = Value::String("kind".to_owned());
    match value {
        Value::Map(map) if !map.contains_key(&kind) => {
            let pattern = map.contains_key(&Value::String("pattern".to_owned()));
            let kind = if pattern { "pattern" } else { ENCODER_KIND }.to_owned();
            Ok(EncoderConfig { kind, config: Value::Map(map) })
        }
        value => value.deserialize_into().map_err(in_encoder),
    }
}

fn in_encoder(err: impl fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("encoder: {err}")
}
