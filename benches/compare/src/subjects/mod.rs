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
pub const OURS_LOG4RS_ROTATING: &str = "equipment-log below log4rs, our line, rotation";
pub const OURS_LOG4RS_TARGETS: &str = "equipment-log below log4rs, our line, by `targets`";
pub const OURS_QUEUED: &str = "equipment-log, ready line, queued";
pub const OURS_LOG4RS_QUEUED: &str = "equipment-log below log4rs, our line, queued";

/// Direct, through a framework, with the structured line.
pub const OUR_LINES: [&str; 2] = [OURS_LOG4RS, OURS_FERN];
/// Those of ours that write ERRORs.
pub const OUR_SYNCS: [&str; 2] = [OURS, OURS_LOG4RS];

pub struct Entry {
    pub name: &'static str,
    /// Beyond it the time or the threads grow until a round takes minutes.
    pub max_files: usize,
    pub build: fn(&Site) -> Box<dyn Subject>,
    /// Its errors are on disk when the call returns.
    pub durable: bool,
    /// It writes a record's key-values into the line.
    pub numbers: bool,
    /// It is measured with ever more threads.
    pub scales: bool,
}

impl Entry {
    pub fn is_ours(&self) -> bool {
        self.name.starts_with("equipment-log")
    }

    const fn durable(self) -> Self {
        Self { durable: true, ..self }
    }

    const fn numbers(self) -> Self {
        Self { numbers: true, ..self }
    }

    const fn scales(self) -> Self {
        Self { scales: true, ..self }
    }
}

const fn entry(
    name: &'static str,
    max_files: usize,
    build: fn(&Site) -> Box<dyn Subject>,
) -> Entry {
    Entry { name, max_files, build, durable: false, numbers: false, scales: false }
}

/// The first is what all others are compared with; then those whose logging thread writes, then those that queue.
pub const ALL: &[Entry] = &[
    entry(BARE, 10_000, bare::build).durable().numbers().scales(),
    entry(OURS, 10_000, ours::core).durable(),
    entry(OURS_LOG4RS, 10_000, ours::log4rs_line).durable().numbers().scales(),
    entry(OURS_LOG4RS_TARGETS, 1, ours::log4rs_targets),
    entry(OURS_FERN, 10_000, ours::fern_line).numbers(),
    entry(OURS_LOG4RS_ROTATING, 10_000, ours::log4rs_rotating).numbers(),
    entry(OURS_LOG4RS_PATTERN, 10_000, ours::log4rs_pattern),
    entry(SPDLOG, 10_000, spdlog::direct).scales(),
    entry("fern log_file", 100, fern::log_file),
    entry("flexi_logger", 10_000, flexi::direct),
    entry(LOG4RS, 10_000, log4rs::file),
    entry("log4rs rolling_file", 10_000, log4rs::rolling_file),
    entry("tracing-appender", 100, tracing::direct),
    entry(OURS_QUEUED, 10_000, ours::core_queued).durable(),
    entry(OURS_LOG4RS_QUEUED, 10_000, ours::log4rs_queued).durable().numbers().scales(),
    entry(SPDLOG_QUEUED, 10_000, spdlog::queued).scales(),
    entry("tracing-appender non_blocking", 100, tracing::queued),
];
