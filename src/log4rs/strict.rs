//! [`init_file_strict`]: log4rs's `init_file`, but a mistake stops the program.
//!
//! Imports `error` and `file`. Invariant: nothing is installed unless every appender was built and every name
//! is declared.

use std::collections::BTreeMap;
use std::path::Path;

use ::log4rs::append::{Append, AppenderConfig};
use ::log4rs::config::{Appender, Config, Deserializers, RawConfig};
use ::log4rs::filter::Filter;

use super::APPENDER_KIND;
use crate::error::Error;
use crate::file::read_config;

/// Installs the configuration in a YAML file, with its `refresh_rate`, or refuses it whole.
///
/// log4rs's own `init_file` leaves out an appender that it cannot build, prints a line about it, and returns
/// `Ok`. Use this one in its place. Refused is also a file with no appender that a logger uses, and an
/// `equipment_scoped` one that none does. Before anything is installed every appender is built once; log4rs's
/// own make their files by that. What is wrong after an edit while the program runs is still left out and
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
    check(path, &deserializers, |_| true)?;
    ::log4rs::init_file(path, deserializers).map_err(|err| in_file(path, &format!("{err:#}")))
}

/// Whether a YAML file has no mistake that can be seen without a trace: in its `equipment_scoped` appenders,
/// in filters, and in the names that loggers use.
///
/// For a file that is about to replace the one that a running program reads again (`refresh_rate`): rename it
/// over the old one, since log4rs does not read any more after it has met a file without `refresh_rate`, such
/// as one that is just being written. Other kinds of appenders are not looked into: log4rs can only build
/// them, and one with `append: false` empties its file by that.
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
    check(path.as_ref(), deserializers, |kind| kind == APPENDER_KIND)
}

fn check(
    path: &Path,
    deserializers: &Deserializers,
    builds: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let text = read_config(path)?;
    let wrong = |err: &dyn std::fmt::Display| in_file(path, err);
    let raw: RawConfig = serde_yaml::from_str(&text).map_err(|err| wrong(&err))?;
    let declared: Declared = serde_yaml::from_str(&text).map_err(|err| wrong(&err))?;

    let mut mistakes = Vec::new();
    let mut appenders = Vec::new();
    let mut ours = Vec::new();
    for (name, AppenderConfig { kind, config, filters }) in declared.appenders {
        for filter in filters {
            if let Err(err) = deserializers.deserialize::<dyn Filter>(&filter.kind, filter.config) {
                mistakes.push(format!("appender {name}, filter {}: {err:#}", filter.kind));
            }
        }
        if kind == APPENDER_KIND {
            ours.push(name.clone());
        }
        if builds(&kind) {
            // Dropped at once: while it lives, it would go on in the place of the next that is wrong.
            if let Err(err) = deserializers.deserialize::<dyn Append>(&kind, config) {
                mistakes.push(format!("appender {name}: {err:#}"));
            }
        }
        appenders.push(Appender::builder().build(name, Box::new(Nobody)));
    }
    let (root, loggers) = (raw.root(), raw.loggers());
    let mut used = root.appenders().to_vec();
    used.extend(loggers.iter().flat_map(|logger| logger.appenders().iter().cloned()));
    for name in ours.iter().filter(|name| !used.contains(name)) {
        mistakes.push(format!("appender {name}: neither `root` nor any logger names it"));
    }
    for name in used.iter().filter(|name| appenders.iter().all(|it| it.name() != **name)) {
        mistakes.push(format!("`root` or a logger names the appender {name}, which is not there"));
    }
    if used.is_empty() && ours.is_empty() {
        mistakes.push("no logger has an appender".to_owned());
    }
    // Whatever else log4rs refuses, such as two loggers of one name.
    if mistakes.is_empty() {
        let config = Config::builder().appenders(appenders).loggers(loggers);
        if let Err(err) = config.build(root) {
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
