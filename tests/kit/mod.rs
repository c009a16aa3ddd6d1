//! What several tests need: a log4rs logger around one appender, records, and a look at the folder.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part; a test says what it expects by failing"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use equipment_log::{EquipmentScopedAppender, EquipmentSink};
use log::{Level, Log, Record};
use log4rs::append::Append;
use log4rs::config::{Appender, Config, Root};

/// Every test's host.
pub(crate) const HOST: &str = "labpc-04";

/// What log4rs's error handler was given.
pub(crate) type Errors = Arc<Mutex<Vec<String>>>;

/// A logger with this appender alone, and what it reports.
pub(crate) fn logger_for(appender: impl Append) -> (log4rs::Logger, Errors) {
    let config = Config::builder()
        .appender(Appender::builder().build("only", Box::new(appender)))
        .build(Root::builder().appender("only").build(log::LevelFilter::Trace))
        .unwrap();
    let errors = Errors::default();
    let seen = Arc::clone(&errors);
    let handler = move |err: &anyhow::Error| seen.lock().unwrap().push(err.to_string());
    (log4rs::Logger::new_with_err_handler(config, Box::new(handler)), errors)
}

/// A logger that routes below `root`.
pub(crate) fn logger(root: &Path) -> (log4rs::Logger, EquipmentSink, Errors) {
    let appender = EquipmentScopedAppender::builder().hostname(HOST).build(root).unwrap();
    let sink = appender.sink().clone();
    let (logger, errors) = logger_for(appender);
    (logger, sink, errors)
}

pub(crate) fn log(logger: &dyn Log, level: Level, message: impl std::fmt::Display) {
    logger.log(&Record::builder().level(level).args(format_args!("{message}")).build());
}

/// Logs a record with `equipment_id` as its own key-value.
pub(crate) fn log_as(logger: &dyn Log, id: &str, message: &str) {
    let own = [("equipment_id", id)];
    logger.log(&Record::builder().key_values(&own).args(format_args!("{message}")).build());
}

/// Where an equipment's log stands by default.
pub(crate) fn log_path(root: &Path, id: &str) -> PathBuf {
    root.join(id).join(format!(".exlab-wizard/wizard.{HOST}.log"))
}

/// The lines of a log as they stand in it, parsed.
pub(crate) fn lines(path: &Path) -> Vec<equipment_log::Line> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    assert!(text.ends_with('\n'), "{} ends in the middle of a line", path.display());
    let parse = |line| equipment_log::parse_line(line).unwrap_or_else(|| panic!("{line}"));
    text.lines().map(parse).collect()
}

pub(crate) fn messages(path: &Path) -> Vec<String> {
    lines(path).into_iter().map(|line| line.message).collect()
}

/// Puts a file in the place of another: whoever reads the path sees the old one or the new one whole.
pub(crate) fn put_in_place(path: &Path, text: &str) {
    /// Longer than anybody reads.
    const READ: Duration = Duration::from_secs(60);
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    let start = Instant::now();
    // Windows may refuse it while somebody has the old one open; Wine does.
    while let Err(err) = std::fs::rename(&new, path) {
        assert!(cfg!(windows) && start.elapsed() < READ, "{}: {err}", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The names of what is in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
