//! [`EquipmentScopedAppender`]: each record into the log of its equipment.
//!
//! [`EquipmentScopedAppender::write`] is the path of a record: decide the equipment, format the line, append it.

use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;

use ::log4rs::append::Append;
use ::log4rs::encode::{self, Encode};

use super::encoder::{line_config_of, LineConfig};
use super::mdc;
use super::scoped::scoped;
use crate::clock::Time;
use crate::config::{self, SinkConfig};
use crate::context::{Handover, RecordContext};
use crate::equipment_id::EquipmentId;
use crate::error::{Error, Kind};
use crate::line::{ByteBuffer, LineFormat};
use crate::report::{About, Reporter};
use crate::sink::EquipmentSink;

/// This appender writes each record to the log of the equipment that it belongs to.
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
    reporter: Reporter,
}

/// Every change of a sink, a reporter or a builder replaces a whole value: a panic leaves nothing half done. An
/// encoder is only called through a shared reference.
impl UnwindSafe for EquipmentScopedAppender {}
impl RefUnwindSafe for EquipmentScopedAppender {}
impl UnwindSafe for EquipmentScopedAppenderBuilder {}
impl RefUnwindSafe for EquipmentScopedAppenderBuilder {}

/// How records are formatted. Our own line is known to be whole and free of control characters; the text of another
/// encoder is not.
#[derive(Debug)]
pub(super) enum Encoding {
    Line(LineFormat),
    Other(Box<dyn Encode>),
}

impl EquipmentScopedAppender {
    /// Returns a builder. `local_root` is the argument of its `build`, as the path is in log4rs's own file appender.
    pub fn builder() -> EquipmentScopedAppenderBuilder {
        EquipmentScopedAppenderBuilder::default()
    }

    pub(super) fn new(
        sink: EquipmentSink,
        encoding: Encoding,
        reporter: Reporter,
    ) -> EquipmentScopedAppender {
        EquipmentScopedAppender { sink, encoding, reporter }
    }

    /// Returns the sink of this appender. It has the counters, `close` and `reopen`.
    pub fn sink(&self) -> &EquipmentSink {
        &self.sink
    }

    fn write(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        let _counted = self.sink.count_panic();
        let Some(context) = self.sink.context_if_wanted(record, mdc::equipment_scope)? else {
            return Ok(());
        };
        match &self.encoding {
            Encoding::Line(format) => {
                let line = format.line(&context, record);
                Ok(self.sink.append(&context, record.level(), &line)?)
            }
            Encoding::Other(encoder) => {
                let mut line = encoded(&**encoder, &context, record)
                    .inspect_err(|_| self.sink.count_unformatted())?;
                Ok(self.sink.append_any(&context, record.level(), &mut line)?)
            }
        }
    }
}

impl EquipmentScopedAppender {
    /// Reports why a record is not written, at the rate of all reports.
    #[cold]
    fn report(&self, record: &log::Record<'_>, err: anyhow::Error) -> anyhow::Result<()> {
        let err = err.downcast::<Error>().unwrap_or_else(|err| {
            Error::from(Kind::Encode { why: format!("{err:#}").replace('\n', " ") })
        });
        let equipment = self.sink.equipment_of_failed(record, mdc::equipment_scope);
        let about = About { record, equipment: equipment.as_ref().map(EquipmentId::as_str) };
        Ok(self.reporter.failure(about, err, Time::now())?)
    }
}

/// The text that an encoder makes of a record. The encoder sees the context that decided the file.
fn encoded(
    encoder: &dyn Encode,
    context: &RecordContext<'_>,
    record: &log::Record<'_>,
) -> anyhow::Result<ByteBuffer> {
    let mut bytes = Bytes(ByteBuffer::take());
    let _handover = Handover::for_record(record, context);
    encoder.encode(&mut bytes, record)?;
    Ok(bytes.0)
}

impl Append for EquipmentScopedAppender {
    fn append(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        self.write(record).or_else(|err| self.report(record, err))
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

/// The buffer that an encoder writes into.
struct Bytes(ByteBuffer);

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn write_fmt(&mut self, message: fmt::Arguments<'_>) -> io::Result<()> {
        self.0.push_message(message);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl encode::Write for Bytes {}

impl fmt::Debug for Bytes {
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

    /// Sets how a record is formatted. Default: [`EquipmentLineEncoder`](super::EquipmentLineEncoder) for the
    /// configured host. An encoder that reads log4rs's diagnostic context (MDC) sees the record's equipment and tags
    /// there.
    pub fn encoder(mut self, encoder: Box<dyn Encode>) -> Self {
        self.encoder = Some(encoder);
        self
    }

    /// Checks everything and builds the appender. No file or folder is created before the first record.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: a value is wrong. The error names the key and what would be right.
    pub fn build(self, local_root: impl AsRef<Path>) -> Result<EquipmentScopedAppender, Error> {
        let sink = self.config.local_root(local_root).into_builder().build()?;
        let encoding = match self.encoder {
            None => Encoding::Line(line_for(&sink, LineConfig::default())),
            Some(encoder) => match line_config_of(&*encoder) {
                Some(config) => Encoding::Line(line_for(&sink, config)),
                None => Encoding::Other(scoped(encoder)),
            },
        };
        Ok(EquipmentScopedAppender::new(sink, encoding, Reporter::to_caller()))
    }
}

/// Our line with the settings of the sink, replaced by the encoder's own keys.
pub(super) fn line_for(sink: &EquipmentSink, config: LineConfig) -> LineFormat {
    let mut line = sink.line_format().clone();
    line.precision = config.precision.unwrap_or(line.precision);
    line.control = config.control_characters.unwrap_or(line.control);
    line
}
