//! A log4rs logger around one appender, and records for it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use equipment_log::{EquipmentScopedAppender, EquipmentSink};
use log::{Level, Log, Record};
use log4rs::append::Append;
use log4rs::config::{Appender, Config, Root};

use super::HOST;

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
