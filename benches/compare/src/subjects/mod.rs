//! Everything measured, each set up as its users would.

mod bare;
mod fern;
mod flexi;
mod log4rs;
mod ours;
mod spdlog;
mod tracing;

use crate::site::Site;
use crate::subject::Subject;

pub const BARE: &str = "bare write(2) of a ready line";
pub const LOG4RS: &str = "log4rs FileAppender";
pub const SPDLOG: &str = "spdlog-rs FileSink, flushed";
pub const SPDLOG_QUEUED: &str = "spdlog-rs AsyncPoolSink";

pub const OURS: &str = "equipment-log, ready line";
pub const OURS_LOG4RS: &str = "equipment-log below log4rs, our line";
pub const OURS_LOG4RS_PATTERN: &str = "equipment-log below log4rs, its pattern";
pub const OURS_FERN: &str = "equipment-log below fern, our line";

pub struct Entry {
    pub name: &'static str,
    /// Another thread than the one that logs does the writing.
    pub queued: bool,
    /// Its errors are on disk when the call returns.
    pub durable: bool,
    /// Beyond it the time or the threads grow until a round takes minutes.
    pub max_files: usize,
    pub build: fn(&Site) -> Box<dyn Subject>,
}

const fn direct(
    name: &'static str,
    max_files: usize,
    build: fn(&Site) -> Box<dyn Subject>,
) -> Entry {
    Entry { name, queued: false, durable: false, max_files, build }
}

const fn queued(
    name: &'static str,
    max_files: usize,
    build: fn(&Site) -> Box<dyn Subject>,
) -> Entry {
    Entry { queued: true, ..direct(name, max_files, build) }
}

impl Entry {
    const fn durable(self) -> Self {
        Self { durable: true, ..self }
    }
}

/// The first is what all others are compared with.
pub const ALL: &[Entry] = &[
    direct(BARE, 10_000, bare::build).durable(),
    direct(SPDLOG, 10_000, spdlog::direct),
    direct("fern log_file", 100, fern::log_file),
    direct("flexi_logger, direct", 10_000, flexi::direct),
    direct(LOG4RS, 10_000, log4rs::file),
    direct("log4rs rolling_file", 10_000, log4rs::rolling_file),
    direct("tracing-appender", 100, tracing::direct),
    direct(OURS, 10_000, ours::core).durable(),
    direct(OURS_LOG4RS, 10_000, ours::log4rs_line).durable(),
    direct(OURS_LOG4RS_PATTERN, 10_000, ours::log4rs_pattern),
    direct(OURS_FERN, 10_000, ours::fern_line),
    queued(SPDLOG_QUEUED, 10_000, spdlog::queued),
    queued("tracing-appender non_blocking", 100, tracing::queued),
];
