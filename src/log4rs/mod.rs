//! This module has an appender and an encoder for log4rs, from YAML or in code.
//!
//! ```yaml
//! appenders:
//!   equipment:
//!     kind: equipment_scoped
//!     local_root: $ENV{LAB_ROOT}
//! ```
//!
//! [`register`] adds to a `Deserializers` the kinds `equipment_scoped` and `equipment_line`. It registers log4rs's own
//! encoder kinds `pattern` and `json` in a form that fills the diagnostic context (MDC) for each record, so that
//! `{X(equipment_id)}` and `{X(run)}` print in every appender of the file. For encoders made in code: [`scoped`].
//!
//! # From a file
//!
//! ```no_run
//! let log = equipment_log::log4rs::init_file("log4rs.yaml")?;
//! // … until the end of the program: dropping it writes what is queued.
//! # drop(log);
//! # Ok::<(), equipment_log::Error>(())
//! ```
//!
//! If an appender cannot be built, log4rs's own `init_file` writes a line to standard error, leaves the appender out,
//! and returns `Ok`. [`init_file`] refuses the file, and names the mistakes. With `refresh_rate`, it reads the file
//! again, and uses an edit as a whole or not at all.

mod appender;
mod document;
mod encoder;
mod handle;
mod kinds;
mod loggers;
mod mdc;
mod plan;
mod scoped;
mod setup;
mod warnings;
mod watch;
mod yaml;

use std::sync::Arc;

use ::log4rs::config::Deserializers;
use ::log4rs::encode::Encode;
pub use appender::{EquipmentScopedAppender, EquipmentScopedAppenderBuilder};
pub use encoder::EquipmentLineEncoder;
use encoder::LineEncoderDeserializer;
pub use handle::Handle;
use handle::Sinks;
pub use scoped::scoped;
use scoped::{ScopedDeserializer, SCOPED_KINDS};
pub use setup::{check_file, init_file, Setup};
pub use yaml::{EquipmentScopedAppenderConfig, EquipmentScopedAppenderDeserializer};

use crate::report::Reporter;

/// The kind of the appender in YAML.
const APPENDER_KIND: &str = "equipment_scoped";

/// The kind of the encoder in YAML.
const ENCODER_KIND: &str = "equipment_line";

/// Adds the appender kind `equipment_scoped` and the encoder kind `equipment_line` to `deserializers`, and lets
/// log4rs's encoder kinds `pattern` and `json` see scopes, as [`scoped`] does. Use it if the program calls log4rs's own
/// `init_file`.
///
/// The handle reaches every sink that a configuration made. Keep the handle until the program ends. When it is dropped,
/// the queued records are written.
///
/// If the kinds are registered already, this handle and the earlier one both reach the sinks of both.
///
/// # Examples
///
/// ```
/// let mut deserializers = log4rs::config::Deserializers::default();
/// let handle = equipment_log::log4rs::register(&mut deserializers);
/// assert!(handle.sinks().is_empty());
/// ```
pub fn register(deserializers: &mut Deserializers) -> Handle {
    Handle::new(register_with(deserializers), Reporter::new(None))
}

/// The same, with the sinks that the kinds will make: those of an earlier registration if there is one.
fn register_with(deserializers: &mut Deserializers) -> Arc<Sinks> {
    let sinks = kinds::registered(deserializers).unwrap_or_default();
    kinds::note_registration(deserializers, &sinks);
    deserializers.insert(APPENDER_KIND, EquipmentScopedAppenderDeserializer::new(&sinks));
    add_encoders(deserializers);
    sinks
}

/// Adds our kinds of encoders. `pattern` and `json` are those that were there before, and an encoder that sees scopes
/// already is left as it is.
fn add_encoders(deserializers: &mut Deserializers) {
    let original = deserializers.clone();
    for kind in SCOPED_KINDS {
        deserializers.insert(kind, ScopedDeserializer::new(kind, &original));
    }
    if kinds::is_known::<dyn Encode>(&original, ENCODER_KIND).is_err() {
        deserializers.insert(ENCODER_KIND, LineEncoderDeserializer);
    }
}

/// Returns log4rs's own kinds and the kinds of this crate, with the handle of [`register`].
///
/// # Examples
///
/// ```no_run
/// let (deserializers, handle) = equipment_log::log4rs::deserializers();
/// log4rs::init_file("log4rs.yaml", deserializers)?;
/// # drop(handle);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deserializers() -> (Deserializers, Handle) {
    let mut deserializers = Deserializers::default();
    let handle = register(&mut deserializers);
    (deserializers, handle)
}
