//! spdlog-rs: a logger and a sink for each file.

use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex};

use spdlog::formatter::{pattern, PatternFormatter};
use spdlog::sink::{AsyncPoolSink, FileSink, GetSinkProp, Sink, SinkProp};
use spdlog::{LevelFilter, Logger, Record, ThreadPool};

use crate::site::Site;
use crate::subject::{Step, Subject};

struct Spdlog {
    loggers: Vec<Logger>,
    flush: Option<AwaitedFlush>,
}

fn file_sinks(site: &Site) -> impl Iterator<Item = (&str, Arc<FileSink>)> {
    site.files().map(|(id, path)| {
        let line = pattern!(
            "{date}T{time}Z [{level}] [host:labpc-04] [equip:{logger}] [proj:PROJ-0042] {payload}{eol}"
        );
        let sink = FileSink::builder().path(path).formatter(PatternFormatter::new(line));
        (id, sink.build_arc().expect("a file for append"))
    })
}

/// Flushed after each record: otherwise a crash takes the last 8 kB, and it would be no peer of the others.
pub fn direct(site: &Site) -> Box<dyn Subject> {
    let logger = |(id, sink): (&str, Arc<FileSink>)| {
        let mut builder = Logger::builder();
        builder.name(id).sink(sink).flush_level_filter(LevelFilter::All);
        builder.build().expect("a logger")
    };
    Box::new(Spdlog { loggers: file_sinks(site).map(logger).collect(), flush: None })
}

/// One pool with its default capacity for all files; it blocks when it is full, and flushes when asked.
pub fn queued(site: &Site) -> Box<dyn Subject> {
    let pool = ThreadPool::builder().build_arc().expect("a thread pool");
    let on_pool = |sink: Arc<dyn Sink>| {
        AsyncPoolSink::builder()
            .sink(sink)
            .thread_pool(pool.clone())
            .build_arc()
            .expect("a sink on the pool")
    };
    let logger = |(id, sink): (&str, Arc<FileSink>)| {
        Logger::builder().name(id).sink(on_pool(sink)).build().expect("a logger")
    };
    let loggers = file_sinks(site).map(logger).collect();
    let (sender, flushed) = sync_channel(1);
    let last = on_pool(Arc::new(Signal { prop: SinkProp::default(), sender }));
    Box::new(Spdlog { loggers, flush: Some(AwaitedFlush { last, flushed: Mutex::new(flushed) }) })
}

impl Subject for Spdlog {
    fn log(&self, equipment: usize, step: &Step) {
        spdlog::info!(logger: self.loggers[equipment], "axis Z homed at 12.5 um, step {}", step.number());
    }

    fn flush(&self) {
        let Some(flush) = &self.flush else { return };
        self.loggers.iter().for_each(Logger::flush);
        flush.last.flush().expect("a flush queued");
        let flushed = flush.flushed.lock().expect("one that waits");
        flushed.recv().expect("a flush done");
    }
}

/// The pool's flush does not wait. Its one thread works in order, so that when this last sink's turn comes all
/// others are done.
struct AwaitedFlush {
    last: Arc<AsyncPoolSink>,
    flushed: Mutex<Receiver<()>>,
}

struct Signal {
    prop: SinkProp,
    sender: SyncSender<()>,
}

impl GetSinkProp for Signal {
    fn prop(&self) -> &SinkProp {
        &self.prop
    }
}

impl Sink for Signal {
    fn log(&self, _record: &Record) -> spdlog::Result<()> {
        Ok(())
    }

    fn flush(&self) -> spdlog::Result<()> {
        // Nobody waits any more when the pool is dropped.
        let _ = self.sender.send(());
        Ok(())
    }
}
