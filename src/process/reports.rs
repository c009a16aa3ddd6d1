//! The one reporting thread of the process: what may hang or call the application is done there.
//!
//! It is started by the first report. In a child that fork(2) made it is not there, and a report is dropped.

use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::Mutex;

use super::threads::{self, ProcessId};
use crate::sync::LockExt;

/// One report: it is run once, on the reporting thread.
pub(crate) type Report = Box<dyn FnOnce() + Send>;

/// The most reports that wait while standard error, or the application, is held up.
const MOST_WAITING: usize = 256;

// One thread for all adapters: an application has one standard error.
static THREAD: Mutex<Option<(ProcessId, SyncSender<Report>)>> = Mutex::new(None);

/// Hands a report over, and never waits for it. False: it is dropped.
pub(crate) fn submit(report: Report) -> bool {
    let mut thread = THREAD.lock_any();
    let running = match &*thread {
        Some((process, reports)) if process.is_current() => Some(reports.clone()),
        _ => None,
    };
    let reports = match running {
        Some(reports) => reports,
        None => {
            let (reports, waiting) = sync_channel::<Report>(MOST_WAITING);
            if threads::spawn(move || waiting.iter().for_each(|report| report())).is_err() {
                return false;
            }
            *thread = Some((ProcessId::current(), reports.clone()));
            reports
        }
    };
    drop(thread);
    reports.try_send(report).is_ok()
}

/// Returns when what was reported before is delivered, or after `timeout`.
pub(crate) fn flush(timeout: std::time::Duration) -> bool {
    if THREAD.lock_any().is_none() {
        return true;
    }
    let (done, delivered) = std::sync::mpsc::channel();
    // Where nothing has room, nothing is read either.
    let report = Box::new(move || {
        let _ = done.send(());
    });
    submit(report) && delivered.recv_timeout(timeout).is_ok()
}
