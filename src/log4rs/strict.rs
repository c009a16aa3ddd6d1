//! [`init_file_strict`]: log4rs's `init_file`, but a mistake stops the program.
//!
//! Imports `error` and `file`. Invariant: nothing is installed unless every appender was built and every name
//! is declared.

use std::collections::BTreeMap;
use std::path::Path;

use ::log4rs::append::{Append, AppenderConfig};
use ::log4rs::config::{Appender, Config, Deserializers, RawConfig};
use ::log4rs::filter::Filter;

use crate::error::Error;
use crate::file::read_config;

/// Installs the configuration in a YAML file, with its `refresh_rate`, or refuses it whole.
///
/// log4rs's own `init_file` leaves out an appender that it cannot build, prints a line about it, and returns
/// `Ok`. Use this one in its place. What is wrong after an edit while the program runs is still left out and
/// said on standard error only: see [`check_file`].
///
/// # Errors
///
/// [`Error::is_config`], naming the file and every mistake in it; also where a logger is installed already.
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
/// let (deserializers, handle) = equipment_log::log4rs::deserializers();
/// let err = equipment_log::log4rs::init_file_strict(&path, deserializers).unwrap_err();
/// assert!(err.to_string().contains("fsync_levle"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn init_file_strict(path: impl AsRef<Path>, deserializers: Deserializers) -> Result<(), Error> {
    let path = path.as_ref();
    check_file(path, &deserializers)?;
    ::log4rs::init_file(path, deserializers).map_err(|err| in_file(path, &format!("{err:#}")))
}

/// Whether log4rs would take all of a YAML file: builds its appenders, and drops them again.
///
/// For a file that is about to replace the one that a running program reads again (`refresh_rate`).
///
/// # Errors
///
/// [`Error::is_config`], naming the file and every mistake in it.
///
/// # Examples
///
/// ```
/// let (deserializers, handle) = equipment_log::log4rs::deserializers();
/// let err = equipment_log::log4rs::check_file("no-such.yaml", &deserializers).unwrap_err();
/// assert!(err.is_config());
/// ```
pub fn check_file(path: impl AsRef<Path>, deserializers: &Deserializers) -> Result<(), Error> {
    let path = path.as_ref();
    let text = read_config(path)?;
    let wrong = |err: &dyn std::fmt::Display| in_file(path, err);
    let raw: RawConfig = serde_yaml::from_str(&text).map_err(|err| wrong(&err))?;
    let declared: Declared = serde_yaml::from_str(&text).map_err(|err| wrong(&err))?;

    let mut mistakes = Vec::new();
    let mut appenders = Vec::new();
    for (name, AppenderConfig { kind, config, filters }) in declared.appenders {
        for filter in filters {
            if let Err(err) = deserializers.deserialize::<dyn Filter>(&filter.kind, filter.config) {
                mistakes.push(format!("appender {name}, filter {}: {err:#}", filter.kind));
            }
        }
        match deserializers.deserialize::<dyn Append>(&kind, config) {
            // Dropped at once: while it lives, it would go on in the place of the next that is wrong.
            Ok(_) => appenders.push(Appender::builder().build(name, Box::new(Nobody))),
            Err(err) => mistakes.push(format!("appender {name}: {err:#}")),
        }
    }
    // A name that is used and not declared; without this appender it would be missed, too.
    if mistakes.is_empty() {
        let config = Config::builder().appenders(appenders).loggers(raw.loggers());
        if let Err(err) = config.build(raw.root()) {
            mistakes.push(err.to_string().trim().replace('\n', "; "));
        }
    }
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(in_file(path, &mistakes.join("; ")))
}

/// Stands for an appender that could be built, where only its name counts.
#[derive(Debug)]
struct Nobody;

impl Append for Nobody {
    fn append(&self, _: &log::Record<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn flush(&self) {}
}

/// The part of the file of which log4rs's own type tells no more than that it is wrong.
#[derive(serde::Deserialize)]
struct Declared {
    #[serde(default)]
    appenders: BTreeMap<String, AppenderConfig>,
}

fn in_file(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::config(path.display().to_string(), why.to_string())
}
