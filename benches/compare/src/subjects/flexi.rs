//! flexi_logger: a named writer for each file, addressed by a target in braces.

use std::io;

use flexi_logger::writers::FileLogWriter;
use flexi_logger::{DeferredNow, FileSpec, Logger, LoggerHandle, WriteMode};

use crate::site::{Site, HOST, PROJECT};
use crate::subject::{log_to, Step, Subject};

struct Flexi {
    logger: Box<dyn log::Log>,
    /// Closes the files when it is dropped.
    _handle: LoggerHandle,
    targets: Vec<String>,
    level: log::Level,
}

fn format(out: &mut dyn io::Write, now: &mut DeferredNow, record: &log::Record) -> io::Result<()> {
    let target = record.target().trim_matches(['{', '}']);
    write!(
        out,
        "{} [{:<5}] [host:{HOST}] [equip:{target}] [proj:{PROJECT}] {}",
        now.format("%Y-%m-%dT%H:%M:%SZ"),
        record.level(),
        record.args()
    )
}

pub fn direct(site: &Site) -> Box<dyn Subject> {
    let mut logger = Logger::with(log::LevelFilter::Info).do_not_log();
    for (id, path) in site.files_in_folders() {
        let writer = FileLogWriter::builder(FileSpec::try_from(path).expect("a file's path"))
            .format(format)
            .append()
            .write_mode(WriteMode::Direct)
            .try_build()
            .expect("a file for append");
        logger = logger.add_writer(id, Box::new(writer));
    }
    let (logger, handle) = logger.use_utc().build().expect("a logger");
    let targets = site.ids().iter().map(|id| format!("{{{id}}}")).collect();
    Box::new(Flexi { logger, _handle: handle, targets, level: site.level })
}

impl Subject for Flexi {
    fn log(&self, equipment: usize, step: &Step) {
        log_to(&*self.logger, self.level, &self.targets[equipment], step);
    }
}
