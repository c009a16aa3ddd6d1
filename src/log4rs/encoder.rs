//! [`EquipmentLineEncoder`]: the structured line for any appender of log4rs.

use std::fmt;

use ::log4rs::config::{Deserialize, Deserializers};
use ::log4rs::encode::{self, Encode};

use super::mdc;
use crate::config;
use crate::config::choice::Choice;
use crate::config::value::{Keys, Section};
use crate::context::RecordFacts;
use crate::error::Mistakes;
use crate::line::{ControlCharacters, LineFormat, Precision};

/// The encoder's keys in YAML.
///
/// None: as the appender has it, or the default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineConfig {
    pub(super) precision: Option<Precision>,
    pub(super) control_characters: Option<ControlCharacters>,
}

impl LineConfig {
    pub(super) fn read(section: &mut Section<'_>) -> LineConfig {
        LineConfig {
            precision: section.read("precision", Precision::from_word),
            control_characters: section.read("control_characters", ControlCharacters::from_word),
        }
    }
}

impl<'de> serde::Deserialize<'de> for LineConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut mistakes = Mistakes::default();
        let mut section = Section::new("", Keys::deserialize(deserializer)?, &mut mistakes);
        let config = LineConfig::read(&mut section);
        section.report_unknown_keys(&[]);
        mistakes.into_result(config).map_err(serde::de::Error::custom)
    }
}

/// This encoder writes the line of this crate, in any appender of log4rs: `kind: equipment_line`.
///
/// ```yaml
/// encoder:
///   kind: equipment_line
///   precision: millis             # or seconds, the default
///   control_characters: escape    # or keep
/// ```
///
/// In an `equipment_scoped` appender, the line has the appender's host. If `precision` or `control_characters` is not
/// set here, the appender's value is used. In other appenders, the host is this machine, and a record outside any scope
/// has no tag `equip`.
///
/// # Examples
///
/// ```
/// use equipment_log::log4rs::EquipmentLineEncoder;
/// use log4rs::append::console::ConsoleAppender;
///
/// let console = ConsoleAppender::builder()
///     .encoder(Box::new(EquipmentLineEncoder::new("labpc-04")))
///     .build();
/// # drop(console);
/// ```
#[derive(Clone)]
pub struct EquipmentLineEncoder {
    line: LineFormat,
    /// What was set, for an appender of ours.
    config: LineConfig,
}

impl EquipmentLineEncoder {
    /// Returns an encoder whose lines have this host.
    pub fn new(hostname: impl AsRef<str>) -> EquipmentLineEncoder {
        EquipmentLineEncoder::with(LineConfig::default(), hostname.as_ref())
    }

    fn with(config: LineConfig, hostname: &str) -> EquipmentLineEncoder {
        let mut line = LineFormat::new(hostname);
        line.precision = config.precision.unwrap_or_default();
        line.control = config.control_characters.unwrap_or_default();
        EquipmentLineEncoder { line, config }
    }

    /// Sets whether the time in the line has milliseconds. Default: seconds.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> EquipmentLineEncoder {
        self.line.precision = precision;
        self.config.precision = Some(precision);
        self
    }

    /// Sets how control characters in the message are written. Default: they are escaped.
    #[must_use]
    pub fn control_characters(mut self, control: ControlCharacters) -> EquipmentLineEncoder {
        self.line.control = control;
        self.config.control_characters = Some(control);
        self
    }
}

/// `line_config_of` reads this text.
impl fmt::Debug for EquipmentLineEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EquipmentLineEncoder({:?})", self.config)
    }
}

/// What was set of an encoder of ours. None: it is another's. log4rs gives nothing of an encoder but its `Debug`.
pub(super) fn line_config_of(encoder: &dyn Encode) -> Option<LineConfig> {
    let shown = format!("{encoder:?}");
    let precisions = [None, Some(Precision::Seconds), Some(Precision::Millis)];
    let controls = [None, Some(ControlCharacters::Escape), Some(ControlCharacters::Keep)];
    let configs = precisions.into_iter().flat_map(|precision| {
        controls.map(|control_characters| LineConfig { precision, control_characters })
    });
    configs.into_iter().find(|config| shown == format!("EquipmentLineEncoder({config:?})"))
}

impl Encode for EquipmentLineEncoder {
    fn encode(&self, w: &mut dyn encode::Write, record: &log::Record<'_>) -> anyhow::Result<()> {
        let facts = RecordFacts::of(record);
        let time = facts.time();
        // A refused id is reported by the appender that would write there; here it is only left out.
        let context = facts.context_by_rules_1_to_3(mdc::equipment_scope).unwrap_or_default();
        let line = self.line.line_of(context.as_ref(), time, record.level(), *record.args());
        w.write_all(&line)?;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LineEncoderDeserializer;

impl Deserialize for LineEncoderDeserializer {
    type Trait = dyn Encode;
    type Config = LineConfig;

    fn deserialize(
        &self,
        config: LineConfig,
        _: &Deserializers,
    ) -> anyhow::Result<Box<dyn Encode>> {
        Ok(Box::new(EquipmentLineEncoder::with(config, &config::this_host())))
    }
}
