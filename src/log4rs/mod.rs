//! For log4rs: an appender and an encoder, from YAML or in code.
//!
//! ```yaml
//! appenders:
//!   equipment:
//!     kind: equipment_scoped
//!     local_root: $ENV{LAB_ROOT}
//! ```
//!
//! [`register`] teaches a `Deserializers` the kinds `equipment_scoped` and `equipment_line`.
//! Entering a [`Scope`](crate::Scope) shows in log4rs's own diagnostic context from then on, so that
//! `{X(equipment_id)}` and `{X(run)}` print in every other appender too.
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

mod encoder;
mod standing;
mod strict;
mod yaml;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ::log4rs::append::Append;
use ::log4rs::config::Deserializers;
use ::log4rs::encode::{self, Encode};
pub use encoder::EquipmentLineEncoder;
use encoder::{LineConfig, LineEncoderDeserializer};
pub use strict::{check_file, init_file_strict};
pub use yaml::{EquipmentScopedAppenderConfig, EquipmentScopedAppenderDeserializer};

use crate::config::{self, SinkConfig};
use crate::context::{self, Mirror, EQUIPMENT_ID};
use crate::error::Error;
use crate::line::{self, LineFormat};
use crate::sink::{EquipmentSink, WeakSink};

/// The kind of the appender in YAML.
const APPENDER_KIND: &str = "equipment_scoped";

/// The kind of the encoder in YAML.
const ENCODER_KIND: &str = "equipment_line";

/// Teaches `deserializers` the appender kind `equipment_scoped` and the encoder kind
/// `equipment_line`.
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
    mirror_scopes();
    let sinks = Arc::<Mutex<Vec<WeakSink>>>::default();
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

fn mirror_scopes() {
    context::mirror_into(Mirror {
        set: |key, value| in_context(|| log_mdc::insert(key, value)).flatten(),
        remove: |key| in_context(|| log_mdc::remove(key)).flatten(),
    });
}

/// Calls `f`, which uses log4rs's diagnostic context, unless this thread is ending and the context
/// is gone: log-mdc would panic then, and a panic in a thread-local's destructor ends the process.
fn in_context<T>(f: impl FnOnce() -> T) -> Option<T> {
    /// Made after the context, and so destroyed before it.
    struct Lives(bool);

    impl Drop for Lives {
        fn drop(&mut self) {}
    }

    thread_local! {
        static LIVES: Lives =
            Lives(std::panic::catch_unwind(|| log_mdc::get("", |_| ())).is_ok());
    }
    LIVES.try_with(|lives| lives.0.then(f)).ok().flatten()
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

/// Writes each record to the log of the equipment it belongs to.
///
/// # Examples
///
/// ```
/// # let root = tempfile::tempdir()?;
/// use equipment_log::EquipmentScopedAppender;
/// use log4rs::config::{Appender, Config, Root};
///
/// let appender = EquipmentScopedAppender::builder().hostname("labpc-04").build(root.path())?;
/// let config = Config::builder()
///     .appender(Appender::builder().build("equipment", Box::new(appender)))
///     .build(Root::builder().appender("equipment").build(log::LevelFilter::Info))?;
/// # let _ = log4rs::Logger::new(config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EquipmentScopedAppender {
    sink: EquipmentSink,
    encoding: Encoding,
}

/// Our own line is known to be whole and free of control characters; another encoder's is not.
#[derive(Debug)]
enum Encoding {
    Line(LineFormat),
    Other(Box<dyn Encode>),
}

impl EquipmentScopedAppender {
    /// A builder; the root is given to its `build`, as the path is to log4rs's own file appender.
    pub fn builder() -> EquipmentScopedAppenderBuilder {
        EquipmentScopedAppenderBuilder::default()
    }

    /// The sink below: its counters, `close`, `reopen`.
    pub fn sink(&self) -> &EquipmentSink {
        &self.sink
    }

    #[inline(always)]
    fn write(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        let Some(scope) = self.sink.scope_of(record, context_id)? else { return Ok(()) };
        match &self.encoding {
            Encoding::Line(format) => {
                format.with_line(Some(&scope), record.level(), *record.args(), |line| {
                    line.push('\n');
                    Ok(self.sink.write_line(&scope, record.level(), line.as_bytes())?)
                })
            }
            Encoding::Other(encoder) => line::with_buffer(|buffer| {
                encoder.encode(&mut Bytes(buffer), record)?;
                Ok(self.sink.write_buffer(&scope, record.level(), buffer)?)
            }),
        }
    }
}

impl Append for EquipmentScopedAppender {
    fn append(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        self.write(record)
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

/// The equipment in log4rs's diagnostic context, for those who set it themselves.
fn context_id() -> Option<String> {
    in_context(|| log_mdc::get(EQUIPMENT_ID, |id| id.map(str::to_owned))).flatten()
}

/// What an encoder writes into.
struct Bytes<'a>(&'a mut Vec<u8>);

impl io::Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn write_fmt(&mut self, message: fmt::Arguments<'_>) -> io::Result<()> {
        line::push_message(self.0, message);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl encode::Write for Bytes<'_> {}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bytes")
    }
}

/// Builds an [`EquipmentScopedAppender`]. The setters are named as the YAML keys.
#[derive(Debug, Default)]
#[must_use = "nothing is made before `build`"]
pub struct EquipmentScopedAppenderBuilder {
    config: SinkConfig,
    encoder: Option<Box<dyn Encode>>,
}

impl EquipmentScopedAppenderBuilder {
    config::setters!(config);

    /// How a record is formatted. Default: [`EquipmentLineEncoder`] for the configured host.
    pub fn encoder(mut self, encoder: Box<dyn Encode>) -> Self {
        self.encoder = Some(encoder);
        self
    }

    /// Checks everything and builds the appender. No file or folder is made before the first record.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], naming the key and what would be right.
    pub fn build(self, local_root: impl AsRef<Path>) -> Result<EquipmentScopedAppender, Error> {
        let sink = self.config.local_root(local_root).into_builder().build()?;
        let encoding = match self.encoder {
            Some(encoder) => Encoding::Other(encoder),
            None => Encoding::Line(line_for(&sink, LineConfig::default())),
        };
        mirror_scopes();
        Ok(EquipmentScopedAppender { sink, encoding })
    }
}

fn line_for(sink: &EquipmentSink, config: LineConfig) -> LineFormat {
    let mut line = sink.line_format().clone();
    line.precision = config.precision;
    line.control = config.control_characters.unwrap_or(line.control);
    line
}
