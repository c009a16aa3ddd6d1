//! For fern: an output that chains into a dispatch, and two formats.
//!
//! ```
//! # let root = tempfile::tempdir()?;
//! use equipment_log::EquipmentScopedOutput;
//!
//! let output = EquipmentScopedOutput::builder(root.path()).build()?;
//! let dispatch = fern::Dispatch::new().format(output.line_format()).chain(output);
//! # let _ = dispatch.into_log();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A record's own key-values below a format
//!
//! fern's `FormatCallback::finish` makes a new record without the key-values of the first (fern
//! 0.7.1). Below a plain `.format(…)` a record therefore belongs to its scope, whatever `equipment_id` it
//! had, and `path` sees none of its tags. [`line_format`], [`EquipmentScopedOutput::line_format`] and
//! [`scoped_format`] carry the key-values to the output, for that record alone.
//!
//! # Failures
//!
//! A record that cannot be written is reported by a thread of its own, on standard error or to
//! [`on_error`](EquipmentScopedOutputBuilder::on_error): each piece of equipment at most once in ten seconds, with the
//! number since.

#[cfg(feature = "yaml")]
mod yaml;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::Arc;

use ::fern::FormatCallback;

use crate::clock::Time;
use crate::config::{self, SinkConfig};
use crate::context::{Handover, RecordFacts, Scope};
use crate::equipment_id::EquipmentId;
use crate::error::Error;
use crate::line::{ByteBuffer, LineBuffer, LineFormat};
use crate::process::end::{self, AtEnd};
use crate::report::{About, OnError, Reporter, WeakReporter};
use crate::sink::{drain, EquipmentSink, EquipmentSinkBuilder, WeakSink};

/// This output of a fern dispatch writes each record to the log of the equipment that it belongs to.
///
/// What is written is the record's message, as the dispatch has formatted it, and a line end.
///
/// # Examples
///
/// ```
/// # let root = tempfile::tempdir()?;
/// use equipment_log::EquipmentScopedOutput;
///
/// let output = EquipmentScopedOutput::builder(root.path()).hostname("labpc-04").build()?;
/// let sink = output.sink().clone();
/// let (_, log) = fern::Dispatch::new().chain(output).into_log();
///
/// equipment_log::Scope::new("CONFOCAL_01")?.run(|| {
///     log.log(&log::Record::builder().args(format_args!("stage homed")).build());
/// });
/// assert_eq!(sink.stats().total.written, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EquipmentScopedOutput {
    sink: EquipmentSink,
    reporter: Reporter,
}

/// Every change of a sink, a reporter or a builder replaces a whole value: a panic leaves nothing half done. A panic of
/// `on_error` is caught.
impl UnwindSafe for EquipmentScopedOutput {}
impl RefUnwindSafe for EquipmentScopedOutput {}
impl UnwindSafe for EquipmentScopedOutputBuilder {}
impl RefUnwindSafe for EquipmentScopedOutputBuilder {}

impl EquipmentScopedOutput {
    /// Returns a builder for an output below `local_root`. `$ENV{NAME}` is replaced by an environment variable, as in
    /// YAML.
    pub fn builder(local_root: impl AsRef<Path>) -> EquipmentScopedOutputBuilder {
        EquipmentScopedOutputBuilder { sink: EquipmentSink::builder(local_root), on_error: None }
    }

    /// The structured line as a format for the dispatch that this output is chained into: with its host, its
    /// `precision` and its `control_characters`, and with its `targets` and `unscoped`.
    ///
    /// The record's own key-values reach the output. The dispatch must not format the record again on the way.
    ///
    /// # Examples
    ///
    /// ```
    /// # let root = tempfile::tempdir()?;
    /// use equipment_log::{EquipmentScopedOutput, Scope};
    ///
    /// let output = EquipmentScopedOutput::builder(root.path()).hostname("labpc-04").build()?;
    /// fern::Dispatch::new().format(output.line_format()).chain(output).apply()?;
    ///
    /// log::info!(equipment_id = "STAGE_02", position_um = 12.5; "moved");
    /// let log = std::fs::read_to_string(root.path().join("STAGE_02/.exlab-wizard/wizard.labpc-04.log"))?;
    /// assert!(log.ends_with("[host:labpc-04] [equip:STAGE_02] [position_um:12.5] moved\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn line_format(
        &self,
    ) -> impl Fn(FormatCallback<'_>, &fmt::Arguments<'_>, &log::Record<'_>) + Send + Sync + 'static
    {
        let sink = self.sink.clone();
        move |out, message, record| {
            let facts = RecordFacts::of_logged(record);
            // The output reports a refused id.
            let context = sink.context_by_all_rules(facts.clone(), record.target(), no_context);
            let context = context.unwrap_or_default();
            let (time, level) = (facts.time(), record.level());
            let line = sink.line_format().line_of(context.as_ref(), time, level, *message);
            finish(out, &line, record, facts);
        }
    }

    /// Returns the sink of this output. It has the counters, `close` and `reopen`.
    pub fn sink(&self) -> &EquipmentSink {
        &self.sink
    }

    fn write(&self, record: &log::Record<'_>) -> Result<(), Error> {
        let _counted = self.sink.count_panic();
        let Some(context) = self.sink.context_if_wanted(record, no_context)? else { return Ok(()) };
        let mut line = ByteBuffer::take();
        line.push_message(*record.args());
        self.sink.append_any(&context, record.level(), &mut line)
    }
}

/// fern has no diagnostic context of its own.
fn no_context() -> Result<Option<Scope>, Error> {
    Ok(None)
}

impl log::Log for EquipmentScopedOutput {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Err(err) = self.write(record) {
            let equipment = self.sink.equipment_of_failed(record, no_context);
            let about = About { record, equipment: equipment.as_ref().map(EquipmentId::as_str) };
            // It goes to the reporting thread: there is nothing to return.
            let _ = self.reporter.failure(about, err, Time::now());
        }
    }

    fn flush(&self) {
        self.sink.flush();
    }
}

impl From<EquipmentScopedOutput> for ::fern::Output {
    fn from(output: EquipmentScopedOutput) -> ::fern::Output {
        ::fern::Output::from(Box::new(output) as Box<dyn log::Log>)
    }
}

/// The end of a program: fern's dispatch is a static then, and not dropped.
struct End(WeakSink, WeakReporter);

impl AtEnd for End {
    fn end(&self) {
        let (Some(sink), Some(reporter)) = (self.0.upgrade(), self.1.upgrade()) else { return };
        drain(&[sink], &reporter);
        reporter.report_rest();
    }

    fn is_needed(&self) -> bool {
        self.0.is_alive()
    }
}

/// Builds an [`EquipmentScopedOutput`]. The setters are named as the YAML keys.
#[derive(Clone)]
#[must_use = "nothing is made before `build`"]
pub struct EquipmentScopedOutputBuilder {
    sink: EquipmentSinkBuilder,
    on_error: Option<OnError>,
}

impl fmt::Debug for EquipmentScopedOutputBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EquipmentScopedOutputBuilder")
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}

/// The keys as they were read, for example from a file of the program's own:
///
/// ```
/// # #[cfg(feature = "yaml")] {
/// use equipment_log::{fern::EquipmentScopedOutputBuilder, SinkConfig};
///
/// # let root = tempfile::tempdir()?;
/// # let yaml = format!("local_root: {:?}", root.path());
/// let config: SinkConfig = serde_yaml::from_str(&yaml)?;
/// let builder = EquipmentScopedOutputBuilder::from(config);
/// let output = builder.on_error(|err| eprintln!("the log of the equipment: {err}")).build()?;
/// # drop(output);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl From<SinkConfig> for EquipmentScopedOutputBuilder {
    fn from(config: SinkConfig) -> EquipmentScopedOutputBuilder {
        EquipmentScopedOutputBuilder { sink: config.into_builder(), on_error: None }
    }
}

impl EquipmentScopedOutputBuilder {
    config::setters!(sink config);

    /// Sets the function that is called for each report, on the reporting thread of the process. The function may
    /// block, because no log call waits for it. Default: one line to standard error.
    pub fn on_error(mut self, on_error: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(on_error));
        self
    }

    /// Checks everything and builds the output. No file or folder is created before the first record.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: a value is wrong. The error names the key and what would be right.
    pub fn build(self) -> Result<EquipmentScopedOutput, Error> {
        let reporter = Reporter::new(self.on_error);
        let sink = self.sink.build()?;
        end::at_end(Arc::new(End(sink.downgrade(), reporter.downgrade())));
        Ok(EquipmentScopedOutput { sink, reporter })
    }
}

/// The structured line as a format of a dispatch, for a dispatch without an output of ours: this machine's host, times
/// to the second, control characters escaped.
///
/// The line names the equipment and the tags of the record's own key-values and of its scope. It does not know an
/// output's `targets` and `unscoped`: [`EquipmentScopedOutput::line_format`] does. The record's own key-values reach
/// the outputs of the dispatch. The dispatch must not format the record again on the way.
///
/// # Examples
///
/// ```
/// use equipment_log::fern::line_format;
///
/// let dispatch = fern::Dispatch::new().format(line_format()).chain(std::io::stdout());
/// # let _ = dispatch.into_log();
/// ```
pub fn line_format(
) -> impl Fn(FormatCallback<'_>, &fmt::Arguments<'_>, &log::Record<'_>) + Send + Sync + 'static {
    let format = LineFormat::new(&config::this_host());
    move |out, message, record| {
        let facts = RecordFacts::of_logged(record);
        // An output reports a refused id.
        let context = facts.clone().context_by_rules_1_to_3(no_context).unwrap_or_default();
        let line = format.line_of(context.as_ref(), facts.time(), record.level(), *message);
        finish(out, &line, record, facts);
    }
}

/// Gives a line to the outputs of the dispatch, which add its end.
fn finish(
    out: FormatCallback<'_>,
    line: &LineBuffer,
    record: &log::Record<'_>,
    facts: RecordFacts,
) {
    let _handover = Handover::for_rebuilt(record, facts);
    out.finish(format_args!("{}", line.without_end()));
}

/// Wraps a format, so that the output sees the record's own `equipment_id` and key-values. Records that are logged
/// while this record is written do not get them.
///
/// # Examples
///
/// ```
/// use equipment_log::fern::scoped_format;
///
/// let dispatch = fern::Dispatch::new()
///     .format(scoped_format(|out, message, record| {
///         out.finish(format_args!("{} {message}", record.level()))
///     }))
///     .chain(std::io::stdout());
/// # let _ = dispatch.into_log();
/// ```
pub fn scoped_format<F>(
    format: F,
) -> impl Fn(FormatCallback<'_>, &fmt::Arguments<'_>, &log::Record<'_>) + Send + Sync + 'static
where
    F: Fn(FormatCallback<'_>, &fmt::Arguments<'_>, &log::Record<'_>) + Send + Sync + 'static,
{
    move |out, message, record| {
        let facts = RecordFacts::of_logged(record);
        // First, and once: a message that logs must not find what is left to its own record.
        let text = LineBuffer::of_message(*message);
        let _handover = Handover::for_rebuilt(record, facts);
        format(out, &format_args!("{}", text.as_str()), record);
    }
}
