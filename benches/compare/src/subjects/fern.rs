//! fern: a child dispatch for each file, chosen by the record's target.

use std::time::SystemTime;

use crate::site::{Site, HOST, PROJECT};
use crate::subject::{log_to, Step, Subject};

struct Fern {
    logger: Box<dyn log::Log>,
    ids: Vec<String>,
    level: log::Level,
}

pub fn log_file(site: &Site) -> Box<dyn Subject> {
    let mut dispatch =
        fern::Dispatch::new().level(log::LevelFilter::Info).format(|out, message, record| {
            out.finish(format_args!(
                "{} [{:<5}] [host:{HOST}] [equip:{}] [proj:{PROJECT}] {}",
                humantime::format_rfc3339_seconds(SystemTime::now()),
                record.level(),
                record.target(),
                message
            ));
        });
    for (id, path) in site.files_in_folders() {
        let target = id.to_owned();
        let file = fern::log_file(path).expect("a file for append");
        dispatch = dispatch.chain(
            fern::Dispatch::new().filter(move |metadata| metadata.target() == target).chain(file),
        );
    }
    let (_, logger) = dispatch.into_log();
    Box::new(Fern { logger, ids: site.ids().to_vec(), level: site.level })
}

impl Subject for Fern {
    fn log(&self, equipment: usize, step: &Step) {
        log_to(&*self.logger, self.level, &self.ids[equipment], step);
    }
}
