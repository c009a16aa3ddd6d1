//! For log4rs: an appender and an encoder, from YAML or in code.
//!
//! ```yaml
//! appenders:
//!   equipment:
//!     kind: equipment_scoped
//!     local_root: $ENV{LAB_ROOT}
//! ```
//!
//! [`register`] teaches a `Deserializers` the kinds `equipment_scoped` and `equipment_line`. It registers log4rs's own
//! encoder kinds `pattern` and `json` in a form that fills the diagnostic context (MDC) for each record, so that
//! `{X(equipment_id)}` and `{X(run)}` print in every appender of the file. For encoders made in code: [`scoped`].
//!
//! # A configuration that is wrong
//!
//! log4rs's `init_file` turns an appender that cannot be built into a line on standard error, leaves
//! it out and returns `Ok`. [`init_file_strict`] refuses the file:
//!
//! ```no_run
//! let (deserializers, handle) = equipment_log::log4rs::deserializers();
//! equipment_log::log4rs::init_file_strict("log4rs.yaml", deserializers)?;
//! # Ok::<(), equipment_log::Error>(())
//! ```
//!
//! # A configuration that is read again
//!
//! With `refresh_rate`, log4rs builds all appenders anew when the file has changed. Both the old one and
//! the new append to the same files for a moment; no record is lost or written twice.
//!
//! - Where the new keys cannot serve, the earlier appender goes on with its own, and a line on standard
//!   error says why: where it is the only `equipment_scoped` one, or the only one with the same
//!   `local_root`, `hostname` and `path`, and has had a record. log4rs gives an appender's name to
//!   nobody, so that in any other case it cannot be told which was meant, and log4rs leaves it out.
//! - Counters begin anew with each new appender; [`Handle::sinks`] reaches those that live.

mod appender;
mod encoder;
mod mdc;
mod scoped;
mod standing;
mod strict;
mod yaml;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::log4rs::config::Deserializers;
pub use appender::{EquipmentScopedAppender, EquipmentScopedAppenderBuilder};
pub use encoder::EquipmentLineEncoder;
use encoder::LineEncoderDeserializer;
pub use scoped::scoped;
use scoped::{ScopedDeserializer, SCOPED_KINDS};
pub use strict::{check_file, init_file_strict};
pub use yaml::{EquipmentScopedAppenderConfig, EquipmentScopedAppenderDeserializer};

use crate::sink::{EquipmentSink, WeakSink};

/// The kind of the appender in YAML.
const APPENDER_KIND: &str = "equipment_scoped";

/// The kind of the encoder in YAML.
const ENCODER_KIND: &str = "equipment_line";

/// Teaches `deserializers` the appender kind `equipment_scoped` and the encoder kind
/// `equipment_line`, and lets log4rs's encoder kinds `pattern` and `json` see scopes, as [`scoped`] does.
///
/// The handle reaches every sink that a configuration made. Keep it until the program ends: when it
/// is dropped it flushes them.
///
/// # Examples
///
/// ```
/// let mut deserializers = log4rs::config::Deserializers::default();
/// let handle = equipment_log::log4rs::register(&mut deserializers);
/// assert!(handle.sinks().is_empty());
/// ```
#[must_use = "the handle flushes when it is dropped: keep it until the program ends"]
pub fn register(deserializers: &mut Deserializers) -> Handle {
    let sinks = Arc::<Mutex<Vec<WeakSink>>>::default();
    let original = deserializers.clone();
    for kind in SCOPED_KINDS {
        deserializers.insert(kind, ScopedDeserializer::new(kind, &original));
    }
    deserializers.insert(APPENDER_KIND, EquipmentScopedAppenderDeserializer::new(&sinks));
    deserializers.insert(ENCODER_KIND, LineEncoderDeserializer);
    Handle { sinks }
}

/// log4rs's own kinds and ours, with the handle of [`register`].
///
/// # Examples
///
/// ```no_run
/// let (deserializers, handle) = equipment_log::log4rs::deserializers();
/// equipment_log::log4rs::init_file_strict("log4rs.yaml", deserializers)?;
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[must_use = "the handle flushes when it is dropped: keep it until the program ends"]
pub fn deserializers() -> (Deserializers, Handle) {
    let mut deserializers = Deserializers::default();
    let handle = register(&mut deserializers);
    (deserializers, handle)
}

/// Reaches every sink that a configuration made, also after a reload.
#[must_use = "the handle flushes when it is dropped: keep it until the program ends"]
pub struct Handle {
    sinks: Arc<Mutex<Vec<WeakSink>>>,
}

impl Handle {
    /// The sinks that live: those of the present configuration, and those of an earlier one while
    /// somebody still uses them.
    pub fn sinks(&self) -> Vec<EquipmentSink> {
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.iter().filter_map(WeakSink::upgrade).collect()
    }

    /// Flushes them all.
    pub fn flush(&self) {
        self.sinks().iter().for_each(EquipmentSink::flush);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("sinks", &self.sinks()).finish()
    }
}
