//! For fern: an output that chains into a dispatch, and two formats.
//!
//! ```
//! # let root = tempfile::tempdir()?;
//! use equipment_log::{fern::line_format, EquipmentScopedOutput};
//!
//! let output = EquipmentScopedOutput::builder(root.path()).build()?;
//! let dispatch = fern::Dispatch::new().format(line_format()).chain(output);
//! # let _ = dispatch.into_log();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A record's own `equipment_id` below a format
//!
//! fern's `FormatCallback::finish` makes a new record without the key-values of the first (fern
//! 0.7.1). Below a plain `.format(…)` a record is therefore its scope's, whatever `equipment_id` it
//! had. [`line_format`] and [`scoped_format`] enter the record's own equipment around `finish`, so
//! that it arrives.
//!
//! # Failures
//!
//! A record that cannot be written is reported on standard error, as by fern's own outputs, but a
//! standard error that is closed does not panic.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
#[cfg(feature = "yaml")]
use std::path::PathBuf;

use ::fern::FormatCallback;

use crate::config;
#[cfg(feature = "yaml")]
use crate::config::SinkConfig;
use crate::context;
use crate::error::Error;
#[cfg(feature = "yaml")]
use crate::error::Mistakes;
use crate::line::{self, LineFormat};
use crate::process::machine;
use crate::sink::{EquipmentSink, EquipmentSinkBuilder};

/// Writes each record to the log of the equipment it belongs to, at the end of a fern dispatch.
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
}

impl EquipmentScopedOutput {
    /// A builder for an output below `local_root`; `$ENV{NAME}` in it expands, as in YAML.
    pub fn builder(local_root: impl AsRef<Path>) -> EquipmentScopedOutputBuilder {
        EquipmentScopedOutputBuilder { sink: EquipmentSink::builder(local_root) }
    }

    /// An output from YAML with the keys of [`SinkConfig`](crate::SinkConfig).
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], naming the key and what would be right.
    ///
    /// # Examples
    ///
    /// ```
    /// # let root = tempfile::tempdir()?;
    /// let yaml = format!("local_root: {:?}\nfsync_level: warn", root.path());
    /// let output = equipment_log::EquipmentScopedOutput::from_yaml_str(&yaml)?;
    /// # drop(output);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "yaml")]
    pub fn from_yaml_str(yaml: &str) -> Result<EquipmentScopedOutput, Error> {
        let mut keys: config::value::Keys =
            serde_yaml::from_str(yaml).map_err(|err| Error::config("YAML", err.to_string()))?;
        let mut mistakes = Mistakes::default();
        if keys.take("encoder").is_some() {
            let why =
                "it is for log4rs; under fern the dispatch formats, with `.format(line_format())`";
            mistakes.add("encoder", why);
        }
        let config = SinkConfig::read_and_check(keys, &[], &mut mistakes);
        Ok(EquipmentScopedOutput { sink: mistakes.end(config)?.into_builder().build()? })
    }

    /// The same from a file.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], naming the file, the key, and what would be right.
    #[cfg(feature = "yaml")]
    pub fn from_yaml_file(path: impl AsRef<Path>) -> Result<EquipmentScopedOutput, Error> {
        let path: PathBuf = path.as_ref().to_owned();
        let yaml = crate::file::read_config(&path)?;
        EquipmentScopedOutput::from_yaml_str(&yaml)
            .map_err(|err| Error::config(path.display().to_string(), err.to_string()))
    }

    /// The sink below: its counters, `close`, `reopen`.
    pub fn sink(&self) -> &EquipmentSink {
        &self.sink
    }

    #[inline(always)]
    fn write(&self, record: &log::Record<'_>) -> Result<(), Error> {
        let Some(scope) = self.sink.scope_of(record, || None)? else { return Ok(()) };
        line::with_buffer(|buffer| {
            line::push_message(buffer, *record.args());
            self.sink.write_buffer(&scope, record.level(), buffer)
        })
    }
}

impl log::Log for EquipmentScopedOutput {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if let Err(err) = self.write(record) {
            // Formatted first: nothing of the application runs under the lock of standard error.
            let report = format!("equipment-log: {err}\n");
            let _ = std::io::stderr().write_all(report.as_bytes());
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

/// Builds an [`EquipmentScopedOutput`]. The setters are named as the YAML keys.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct EquipmentScopedOutputBuilder {
    sink: EquipmentSinkBuilder,
}

impl EquipmentScopedOutputBuilder {
    config::setters!(sink config);

    /// Checks everything and builds the output. No file or folder is made before the first record.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], naming the key and what would be right.
    pub fn build(self) -> Result<EquipmentScopedOutput, Error> {
        Ok(EquipmentScopedOutput { sink: self.sink.build()? })
    }
}

/// The structured line as a format of a dispatch, for this machine.
///
/// The record's own `equipment_id` is entered around `finish`, as by [`scoped_format`]. The
/// dispatch must not format the record again on the way to the output.
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
    line_format_for(machine::host())
}

/// The structured line for another host's name than this machine's: the one that the output's
/// `hostname` says.
pub fn line_format_for(
    hostname: impl AsRef<str>,
) -> impl Fn(FormatCallback<'_>, &fmt::Arguments<'_>, &log::Record<'_>) + Send + Sync + 'static {
    let line = LineFormat::new(hostname.as_ref());
    move |out, message, record| {
        context::run_as(record, |scope| {
            line.with_line(scope, record.level(), *message, |line| {
                out.finish(format_args!("{line}"));
            });
        });
    }
}

/// A format that keeps the record's own equipment: enters it around `format`, and so around its
/// `finish`.
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
    move |out, message, record| context::run_as(record, |_| format(out, message, record))
}
