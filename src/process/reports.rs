//! The reporting thread of the process. It writes to standard error and calls the application's functions, which may
//! hang.
//!
//! The first report starts the thread. In a child by fork(2) the thread does not exist: the child's first report starts
//! a thread of its own.

use std::sync::mpsc::{sync_channel, SyncSender};
use std::sync::Mutex;

use super::threads::{self, ProcessId};
use crate::locks::LockExt;

/// A report: a function that is run once, on the reporting thread.
pub(crate) type Report = Box<dyn FnOnce() + Send>;

/// The most reports that wait while standard error or the application hangs.
const MOST_WAITING: usize = 256;

// One thread for all adapters: an application has one standard error.
static THREAD: Mutex<Option<(ProcessId, SyncSender<Report>)>> = Mutex::new(None);

/// Passes a report to the thread, and never waits. False: the report is dropped.
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

/// Returns when all earlier reports are delivered, or after `timeout`.
pub(crate) fn flush(timeout: std::time::Duration) -> bool {
    if THREAD.lock_any().is_none() {
        return true;
    }
    let (done, delivered) = std::sync::mpsc::channel();
    // If there is no room for another report, the thread hangs, and would not answer.
    let report = Box::new(move || {
        let _ = done.send(());
    });
    submit(report) && delivered.recv_timeout(timeout).is_ok()
}
