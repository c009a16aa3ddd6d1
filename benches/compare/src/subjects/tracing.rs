//! tracing-appender below tracing-subscriber's text format: a subscriber for each file, the tags in a span.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing::{Dispatch, Span};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{self, RollingFileAppender};
use tracing_subscriber::fmt::MakeWriter;

use crate::site::{Site, HOST, PROJECT};
use crate::subject::{Step, Subject};

struct Tracing {
    equipment: Vec<(Dispatch, Span)>,
    workers: Mutex<Vec<WorkerGuard>>,
}

fn appender(path: &Path) -> RollingFileAppender {
    let folder = path.parent().expect("a path below the root");
    rolling::never(folder, path.file_name().expect("a file's name"))
}

fn subscriber<W>(id: &str, writer: W) -> (Dispatch, Span)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_target(false).with_writer(writer);
    let dispatch = Dispatch::new(subscriber.finish());
    let span = tracing::dispatcher::with_default(&dispatch, || {
        tracing::info_span!("wizard", host = HOST, equip = id, proj = PROJECT)
    });
    (dispatch, span)
}

pub fn direct(site: &Site) -> Box<dyn Subject> {
    let each = |(id, path): (&str, PathBuf)| subscriber(id, appender(&path));
    let equipment = site.files_in_folders().map(each).collect();
    Box::new(Tracing { equipment, workers: Mutex::default() })
}

/// With the default capacity, but without its default of dropping what does not fit.
pub fn queued(site: &Site) -> Box<dyn Subject> {
    let each = |(id, path): (&str, PathBuf)| {
        let (writer, worker) = NonBlockingBuilder::default().lossy(false).finish(appender(&path));
        (subscriber(id, writer), worker)
    };
    let (equipment, workers) = site.files_in_folders().map(each).unzip();
    Box::new(Tracing { equipment, workers: Mutex::new(workers) })
}

impl Subject for Tracing {
    fn on(&self, equipment: usize, work: &mut dyn FnMut()) {
        let (dispatch, span) = &self.equipment[equipment];
        tracing::dispatcher::with_default(dispatch, || span.in_scope(work));
    }

    fn log(&self, _equipment: usize, step: &Step) {
        tracing::info!("axis Z homed at 12.5 um, step {}", step.number());
    }

    /// Only the end of its worker says that all is written.
    fn finish(&self) {
        self.workers.lock().expect("the workers").clear();
    }
}
