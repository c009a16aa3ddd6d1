//! equipment-log: one sink, appender or output for all files, and a scope for each piece of equipment.

use equipment_log::fern::EquipmentScopedOutput;
use equipment_log::{
    EquipmentId, EquipmentScopedAppender, EquipmentSink, Every, QueueConfig, RotationConfig, Scope,
};
use log4rs::config::{Appender, Config, Root};
use log4rs::encode::pattern::PatternEncoder;

use crate::site::{Site, HOST, PROJECT};
use crate::subject::{log_to, Step, Subject};

/// More than any scenario opens: which file to close is not what we compare.
const MAX_OPEN_FILES: usize = 12_000;

/// The log target of the records.
const TARGET: &str = "compare";

struct Core {
    sink: EquipmentSink,
    scopes: Vec<Scope>,
    level: log::Level,
}

impl Core {
    fn new(sink: &EquipmentSink, site: &Site) -> Self {
        let scope = |id: &String| Scope::new(id).expect("an id").tag("proj", PROJECT);
        let scopes = site.ids().iter().map(scope).collect();
        Self { sink: sink.clone(), scopes, level: site.level }
    }
}

impl Subject for Core {
    fn log(&self, equipment: usize, step: &Step) {
        let scope = &self.scopes[equipment];
        self.sink.write(scope, self.level, step.line()).expect("a line written");
    }

    fn flush(&self) {
        self.sink.flush();
    }

    fn records_and_syncs(&self) -> Option<(u64, u64)> {
        let total = self.sink.stats().total;
        Some((total.written, total.syncs))
    }
}

/// Below a framework, that finds the equipment by the scope entered.
struct Adapter {
    logger: Box<dyn log::Log>,
    core: Core,
}

impl Subject for Adapter {
    fn on(&self, equipment: usize, work: &mut dyn FnMut()) {
        self.core.scopes[equipment].run(work);
    }

    fn log(&self, _equipment: usize, step: &Step) {
        log_to(&*self.logger, self.core.level, TARGET, step);
    }

    fn flush(&self) {
        self.core.flush();
    }

    fn records_and_syncs(&self) -> Option<(u64, u64)> {
        self.core.records_and_syncs()
    }
}

pub fn core(site: &Site) -> Box<dyn Subject> {
    let builder = EquipmentSink::builder(site.root()).hostname(HOST).max_open_files(MAX_OPEN_FILES);
    Box::new(Core::new(&builder.build().expect("a sink"), site))
}

pub fn core_queued(site: &Site) -> Box<dyn Subject> {
    let builder = EquipmentSink::builder(site.root()).hostname(HOST).max_open_files(MAX_OPEN_FILES);
    Box::new(Core::new(&builder.queue(QueueConfig::new()).build().expect("a sink"), site))
}

pub fn log4rs_queued(site: &Site) -> Box<dyn Subject> {
    let builder = EquipmentScopedAppender::builder().hostname(HOST).max_open_files(MAX_OPEN_FILES);
    let builder = builder.queue(QueueConfig::new());
    below_log4rs(builder.build(site.root()).expect("an appender"), site)
}

pub fn log4rs_line(site: &Site) -> Box<dyn Subject> {
    let builder = EquipmentScopedAppender::builder().hostname(HOST).max_open_files(MAX_OPEN_FILES);
    below_log4rs(builder.build(site.root()).expect("an appender"), site)
}

/// No scope is ever entered: the records belong to the equipment of their log target.
pub fn log4rs_targets(site: &Site) -> Box<dyn Subject> {
    let builder = EquipmentScopedAppender::builder().hostname(HOST).max_open_files(MAX_OPEN_FILES);
    let id = EquipmentId::new(&site.ids()[0]).expect("an id");
    let builder = builder.targets([(TARGET, id)]);
    Box::new(ByTarget(below_log4rs(builder.build(site.root()).expect("an appender"), site)))
}

struct ByTarget(Box<dyn Subject>);

impl Subject for ByTarget {
    fn log(&self, equipment: usize, step: &Step) {
        self.0.log(equipment, step);
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// By day and by size, beyond what a round writes: what each record pays for it.
pub fn log4rs_rotating(site: &Site) -> Box<dyn Subject> {
    let builder = EquipmentScopedAppender::builder().hostname(HOST).max_open_files(MAX_OPEN_FILES);
    let builder = builder.rotation(RotationConfig::new().every(Every::Day).limit(1 << 30));
    below_log4rs(builder.build(site.root()).expect("an appender"), site)
}

pub fn log4rs_pattern(site: &Site) -> Box<dyn Subject> {
    let pattern = PatternEncoder::new(
        "{d(%Y-%m-%dT%H:%M:%SZ)(utc)} [{l:<5}] [host:labpc-04] [equip:{X(equipment_id)}] \
         [proj:PROJ-0042] {m}{n}",
    );
    let builder = EquipmentScopedAppender::builder().hostname(HOST).max_open_files(MAX_OPEN_FILES);
    let builder = builder.encoder(Box::new(pattern));
    below_log4rs(builder.build(site.root()).expect("an appender"), site)
}

fn below_log4rs(appender: EquipmentScopedAppender, site: &Site) -> Box<dyn Subject> {
    let core = Core::new(appender.sink(), site);
    let root = Root::builder().appender("equipment").build(log::LevelFilter::Info);
    let appender = Appender::builder().build("equipment", Box::new(appender));
    let config = Config::builder().appender(appender).build(root).expect("a configuration");
    Box::new(Adapter { logger: Box::new(log4rs::Logger::new(config)), core })
}

pub fn fern_line(site: &Site) -> Box<dyn Subject> {
    let builder =
        EquipmentScopedOutput::builder(site.root()).hostname(HOST).max_open_files(MAX_OPEN_FILES);
    let output = builder.build().expect("an output");
    let core = Core::new(output.sink(), site);
    let dispatch = fern::Dispatch::new().level(log::LevelFilter::Info);
    let (_, logger) = dispatch.format(output.line_format()).chain(output).into_log();
    Box::new(Adapter { logger, core })
}
