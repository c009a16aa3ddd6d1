//! [`scoped`]: an encoder of log4rs that sees a record's equipment and tags.
//!
//! log4rs's own kinds `pattern` and `json` are registered in this form.

use ::log4rs::config::{Deserialize, Deserializers};
use ::log4rs::encode::{self, Encode};
use serde_value::Value;

use super::mdc::{self, SavedContext};
use crate::context::RecordFacts;

/// The kinds of log4rs's own encoders, which read the MDC.
pub(super) const SCOPED_KINDS: [&str; 2] = ["pattern", "json"];

/// Lets an encoder made in code see each record's equipment and tags in log4rs's diagnostic context (MDC):
/// `{X(equipment_id)}` and `{X(run)}` in a pattern, the field `mdc` in JSON.
///
/// The MDC is filled before each record is encoded, and restored afterwards. Usually the other keys of the application
/// stay visible. If they describe a different equipment, they are hidden for this record. In a configuration file
/// the kinds `pattern` and `json` do this by themselves, and so does any encoder that is given to
/// [`EquipmentScopedAppender`](super::EquipmentScopedAppender). Filters and appenders of the application's own, and
/// encoder kinds that are not wrapped, do not see the scope in the MDC.
///
/// A log call inside a callback of log-mdc is encoded without the tags, because the MDC cannot be changed there.
///
/// # Examples
///
/// ```
/// use log4rs::{append::console::ConsoleAppender, encode::pattern::PatternEncoder};
///
/// let pattern = PatternEncoder::new("{d} {X(equipment_id)(-)} {X(run)(-)} {m}{n}");
/// let console = ConsoleAppender::builder()
///     .encoder(equipment_log::log4rs::scoped(Box::new(pattern)))
///     .build();
/// # drop(console);
/// ```
#[must_use = "the encoder that is returned is the one that sees scopes"]
pub fn scoped(encoder: Box<dyn Encode>) -> Box<dyn Encode> {
    // log4rs gives nothing of an encoder but its `Debug`. A fill that was not needed is harmless.
    let shown = format!("{encoder:?}");
    let is_ours = shown.starts_with("Scoped(") || shown.starts_with("EquipmentLineEncoder(");
    let is_pattern_without_mdc = shown.starts_with("PatternEncoder")
        && !["{X(", "{mdc("].iter().any(|it| shown.contains(it));
    match is_ours || is_pattern_without_mdc {
        true => encoder,
        false => Box::new(Scoped(encoder)),
    }
}

/// Fills the MDC around each record.
#[derive(Debug)]
struct Scoped(Box<dyn Encode>);

impl Encode for Scoped {
    fn encode(&self, w: &mut dyn encode::Write, record: &log::Record<'_>) -> anyhow::Result<()> {
        let context = RecordFacts::of(record).context_by_rules_1_to_3(mdc::equipment_scope);
        let _saved = SavedContext::fill(context.as_ref().map(Option::as_ref));
        self.0.encode(w, record)
    }
}

/// Makes one of log4rs's own encoders, scoped.
#[derive(Clone)]
pub(super) struct ScopedDeserializer {
    kind: &'static str,
    /// As they were before ours were added.
    original: Deserializers,
}

impl ScopedDeserializer {
    pub(super) fn new(kind: &'static str, original: &Deserializers) -> ScopedDeserializer {
        ScopedDeserializer { kind, original: original.clone() }
    }
}

impl Deserialize for ScopedDeserializer {
    type Trait = dyn Encode;
    type Config = Value;

    fn deserialize(&self, config: Value, _: &Deserializers) -> anyhow::Result<Box<dyn Encode>> {
        self.original.deserialize(self.kind, config).map(scoped)
    }
}
