//! log4rs: an appender for each file, and a logger of the equipment's name that leads to it.

use log4rs::append::file::FileAppender;
use log4rs::append::rolling_file::policy::compound::roll::fixed_window::FixedWindowRoller;
use log4rs::append::rolling_file::policy::compound::trigger::size::SizeTrigger;
use log4rs::append::rolling_file::policy::compound::CompoundPolicy;
use log4rs::append::rolling_file::RollingFileAppender;
use log4rs::append::Append;
use log4rs::config::{Appender, Config, Logger, Root};
use log4rs::encode::pattern::PatternEncoder;

use crate::site::Site;
use crate::subject::{log_to, Step, Subject};

struct Log4rs {
    logger: log4rs::Logger,
    ids: Vec<String>,
    level: log::Level,
}

fn encoder() -> Box<PatternEncoder> {
    Box::new(PatternEncoder::new(
        "{d(%Y-%m-%dT%H:%M:%SZ)(utc)} [{l:<5}] [host:labpc-04] [equip:{t}] [proj:PROJ-0042] {m}{n}",
    ))
}

pub fn file(site: &Site) -> Box<dyn Subject> {
    build(site, |path| {
        Box::new(FileAppender::builder().encoder(encoder()).build(path).expect("a file for append"))
    })
}

/// Ten megabytes, as configurations have it: a round stays below, so that all its lines are in one file.
pub fn rolling_file(site: &Site) -> Box<dyn Subject> {
    build(site, |path| {
        let trigger = SizeTrigger::new(10 * 1024 * 1024);
        let roller =
            FixedWindowRoller::builder().build(&format!("{path}.{{}}"), 5).expect("a roller");
        let policy = CompoundPolicy::new(Box::new(trigger), Box::new(roller));
        let builder = RollingFileAppender::builder().encoder(encoder());
        Box::new(builder.build(path, Box::new(policy)).expect("a file for append"))
    })
}

fn build(site: &Site, append: impl Fn(&str) -> Box<dyn Append>) -> Box<dyn Subject> {
    let mut config = Config::builder();
    for (id, path) in site.files() {
        let path = path.to_str().expect("a path in UTF-8");
        config = config.appender(Appender::builder().build(id, append(path))).logger(
            Logger::builder().appender(id).additive(false).build(id, log::LevelFilter::Info),
        );
    }
    let config =
        config.build(Root::builder().build(log::LevelFilter::Info)).expect("a configuration");
    Box::new(Log4rs {
        logger: log4rs::Logger::new(config),
        ids: site.ids().to_vec(),
        level: site.level,
    })
}

impl Subject for Log4rs {
    fn log(&self, equipment: usize, step: &Step) {
        log_to(&self.logger, self.level, &self.ids[equipment], step);
    }
}
