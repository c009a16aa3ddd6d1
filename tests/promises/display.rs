//! The promise: what a record's `Display` does cannot harm another record: one that logs does not
//! deadlock, one that panics or fails leaves nothing behind.

#![cfg(feature = "log4rs")]

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{log, log_path, logger, messages};
use equipment_log::Scope;
use log::Level;

/// Longer than a log call takes on any machine: a deadlock fails the test instead of hanging it.
const DEADLOCK: Duration = Duration::from_secs(120);

/// Logs `levels` more records, each from within the one before, while it is being formatted.
struct Logs<'a>(&'a log4rs::Logger, u32);

impl fmt::Display for Logs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Logs(logger, levels) = *self;
        write!(f, "begin {levels} ")?;
        if levels > 0 {
            log(logger, Level::Error, Logs(logger, levels - 1));
        }
        write!(f, "end {levels}")
    }
}

#[test]
fn a_display_that_logs_does_not_deadlock_and_every_record_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let (logger, _, errors) = logger(root.path());
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        Scope::new("DISPLAY_LOGS").unwrap().run(|| log(&logger, Level::Error, Logs(&logger, 3)));
        done.send(())
    });
    wait.recv_timeout(DEADLOCK).expect("logging from within a record deadlocks");

    let whole = [0, 1, 2, 3].map(|level| format!("begin {level} end {level}"));
    assert_eq!(messages(&log_path(root.path(), "DISPLAY_LOGS")), whole);
    assert_eq!(*errors.lock().unwrap(), [""; 0]);
}

#[test]
fn a_display_that_panics_leaves_the_next_record_clean() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("STALE BYTES")?;
            std::panic::panic_any("while formatting")
        }
    }
    let root = tempfile::tempdir().unwrap();
    let (logger, ..) = logger(root.path());
    let scope = Scope::new("DISPLAY_PANICS").unwrap();
    let _in = scope.enter();

    log(&logger, Level::Info, "before");
    let unwound = catch_unwind(AssertUnwindSafe(|| log(&logger, Level::Error, Panics)));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"while formatting"));
    log(&logger, Level::Info, "after");
    std::thread::scope(|threads| {
        threads.spawn(|| scope.run(|| log(&logger, Level::Info, "from another thread")));
    });

    let path = log_path(root.path(), "DISPLAY_PANICS");
    assert_eq!(messages(&path), ["before", "after", "from another thread"]);
}

#[test]
fn a_display_that_fails_leaves_the_next_record_clean() {
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("what it could say")?;
            Err(fmt::Error)
        }
    }
    let root = tempfile::tempdir().unwrap();
    let (logger, ..) = logger(root.path());
    Scope::new("DISPLAY_FAILS").unwrap().run(|| {
        log(&logger, Level::Info, Fails);
        log(&logger, Level::Info, "after");
    });

    let path = log_path(root.path(), "DISPLAY_FAILS");
    assert_eq!(messages(&path), ["what it could say", "after"]);
}
