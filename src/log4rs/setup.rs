//! [`init_file`] and [`Setup`]: log4rs's logger from a file, whole or not at all; [`check_file`].
//!
//! The invariant: nothing is installed unless every appender was built and every name is declared.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::Arc;

use ::log4rs::config::Deserializers;

use super::document::check_ending;
use super::handle::{drain_at_end, Handle};
use super::plan::{in_file, ConfigFile, Kept, Plan};
use super::register_with;
use super::watch::{report_warnings, Watch};
use crate::error::Error;
use crate::file::read_config;
use crate::process::threads;
use crate::report::{OnError, Reporter};

/// Installs the configuration in a file, and reads the file again while the program runs.
///
/// If the file has a mistake, it is refused, and the error names the mistakes. With `refresh_rate`, the file is read
/// again, and an edit is used as a whole or not at all. This is [`Setup::new(path).init()`](Setup).
///
/// # Errors
///
/// [`Error::is_config`]: the file has mistakes, and the error names the file and the mistakes. Or the program already
/// has a logger.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("log4rs.yaml");
/// std::fs::write(&path, "
/// appenders:
///   equipment: { kind: equipment_scoped, local_root: /data/lab, fsync_levle: warn }
/// ")?;
/// let err = equipment_log::log4rs::init_file(&path).unwrap_err();
/// assert!(err.to_string().contains("was `fsync_level` meant?"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn init_file(path: impl AsRef<Path>) -> Result<Handle, Error> {
    Setup::new(path).init()
}

/// A `Setup` does what [`init_file`] does, with kinds of your own, or with a function that is called for each error.
///
/// # Examples
///
/// ```no_run
/// use equipment_log::log4rs::Setup;
///
/// let handle = Setup::new("log4rs.yaml")
///     .on_error(|err| eprintln!("the log of the equipment: {err}"))
///     .init()?;
/// # drop(handle);
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[must_use = "nothing is installed before `init`"]
pub struct Setup {
    path: PathBuf,
    kinds: Option<Deserializers>,
    on_error: Option<OnError>,
}

/// Every setter replaces a whole value: a panic leaves nothing half done.
impl UnwindSafe for Setup {}
impl RefUnwindSafe for Setup {}

impl Setup {
    /// Returns a setup for this file: YAML (`.yaml`, `.yml`) or JSON (`.json`).
    pub fn new(path: impl AsRef<Path>) -> Setup {
        Setup { path: path.as_ref().to_owned(), kinds: None, on_error: None }
    }

    /// Sets the kinds of appenders, encoders and filters. Default: the kinds of log4rs and of this crate.
    ///
    /// Each kind of this crate is added if it is missing. The encoder kinds `pattern` and `json` see scopes, also if the
    /// program has replaced them.
    ///
    /// A kind of an appender is also called with bytes that are no text, to learn whether it is there. A deserializer
    /// whose `Config` has keys or is a text refuses them, and is then called with the keys in the file alone. A
    /// deserializer that panics is a mistake in the file.
    ///
    /// A [`Handle`] that [`register`](super::register) returned for them reaches the sinks of this setup, too.
    pub fn kinds(mut self, kinds: Deserializers) -> Setup {
        self.kinds = Some(kinds);
        self
    }

    /// Sets the function that is called for each report, for example about a record that was not written, or about a
    /// mistake in an edit of the file. The reporting thread of the process calls it. The function may block, because no
    /// log call waits for it. Default: one line to standard error.
    pub fn on_error(mut self, on_error: impl Fn(&Error) + Send + Sync + 'static) -> Setup {
        self.on_error = Some(Arc::new(on_error));
        self
    }

    /// Installs the configuration.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: the file has mistakes, and the error names the file and the mistakes. Or the program
    /// already has a logger. Usually nothing was built then, so that an appender with `append: false` has emptied no
    /// file. A logger without state of its own, or one that is set at the same moment, is found only afterwards.
    pub fn init(self) -> Result<Handle, Error> {
        let Setup { path, kinds, on_error } = self;
        let mut kinds = kinds.unwrap_or_default();
        let sinks = register_with(&mut kinds);
        check_ending(&path)?;
        // A relative path means the same file after a later `chdir`.
        let path = std::path::absolute(&path).unwrap_or(path);
        if has_logger() {
            return Err(in_file(&path, HAS_LOGGER));
        }
        let text = read_config(&path)?;
        let plan = Plan::read(&path, &text, &kinds)?;
        let (refresh_rate, warnings) = (plan.refresh_rate, plan.warnings.clone());
        let file = ConfigFile { path, kinds, sinks, reporter: Reporter::new(on_error) };
        let (config, kept) = plan.build(&file, &Kept::new())?;
        let watch = refresh_rate.map(|refresh_rate| {
            start(Watch { file: file.clone(), kept, installed: text, refresh_rate })
        });
        let watch = watch.transpose()?;
        let log4rs = ::log4rs::init_config(config)
            .map_err(|err| in_file(&file.path, format!("{HAS_LOGGER}: {err}")))?;
        if let Some(watch) = watch {
            // It waits for this.
            let _ = watch.send(log4rs);
        }
        report_warnings(&file, warnings);
        let ConfigFile { sinks, reporter, .. } = file;
        drain_at_end(&sinks, &reporter);
        Ok(Handle::new(sinks, reporter))
    }
}

/// What is reported where a second logger is to be installed.
const HAS_LOGGER: &str = "the program has a logger already";

/// Whether the program certainly has a logger: the logger of log that does nothing has no state, and log's level is
/// then `Off`. log has no other way to ask.
fn has_logger() -> bool {
    std::mem::size_of_val(log::logger()) > 0 && log::max_level() > log::LevelFilter::Off
}

/// Starts the thread of a watch, which begins when log4rs is installed, and ends where it is not.
fn start(watch: Watch) -> Result<mpsc::Sender<::log4rs::Handle>, Error> {
    let (installed, log4rs) = mpsc::channel();
    let path = watch.file.path.clone();
    let run = move || {
        if let Ok(log4rs) = log4rs.recv() {
            watch.run(&log4rs);
        }
    };
    threads::spawn(run).map(|_| installed).map_err(|err| {
        in_file(&path, format!("cannot start the thread that reads it again: {err}"))
    })
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Checks a file as [`init_file`] does, but installs nothing. Use it before you edit the configuration, also in a
/// program that runs.
///
/// It returns warnings about settings that are valid, but probably a mistake. Appenders of other kinds are not built,
/// because an appender with `append: false` empties its file when it is built. [`Setup::kinds`] says how a kind is
/// looked for.
///
/// # Errors
///
/// [`Error::is_config`]: the file has mistakes. The error names the file and the mistakes.
///
/// # Examples
///
/// ```
/// let (deserializers, handle) = equipment_log::log4rs::deserializers();
/// let err = equipment_log::log4rs::check_file("no-such.yaml", &deserializers).unwrap_err();
/// assert!(err.is_config());
/// # drop(handle);
/// ```
pub fn check_file(
    path: impl AsRef<Path>,
    deserializers: &Deserializers,
) -> Result<Vec<String>, Error> {
    let path = path.as_ref();
    check_ending(path)?;
    let mut kinds = deserializers.clone();
    register_with(&mut kinds);
    Ok(Plan::read(path, &read_config(path)?, &kinds)?.warnings)
}
