//! What several modules of tests need.

#![allow(
    dead_code,
    unused_imports,
    reason = "what is used depends on the platform and the features"
)]

mod files;
#[cfg(feature = "log4rs")]
mod logging;
#[cfg(unix)]
mod mount;
mod process;
mod rotated;
mod stop;
pub(crate) mod trace;

use std::env;
use std::io::Write as _;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use files::*;
#[cfg(feature = "log4rs")]
pub(crate) use logging::*;
#[cfg(unix)]
pub(crate) use mount::*;
pub(crate) use process::*;
pub(crate) use rotated::*;
pub(crate) use stop::*;

/// What a test cannot do without.
#[derive(Clone, Copy)]
pub(crate) enum Need<'a> {
    /// To be root, and allowed to mount.
    Root,
    /// To be allowed to trace a child with strace.
    Strace,
    /// Another program.
    Tool(&'a str),
    /// A module of this Python interpreter.
    PythonModule(&'a str, &'a str),
}

impl Need<'_> {
    fn is_met(self) -> bool {
        let works = |program: &str, args: &[&str]| {
            Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
        };
        match self {
            Need::Root => works("unshare", &["--mount", "true"]),
            Need::Strace => works("strace", &["-f", "-o", "/dev/null", "true"]),
            Need::Tool(name) => works("sh", &["-c", &format!("command -v {name}")]),
            Need::PythonModule(python, module) => {
                works(python, &["-c", &format!("import {module}")])
            }
        }
    }

    fn words(self) -> String {
        match self {
            Need::Root => "root, with the right to mount".to_owned(),
            Need::Strace => "strace, with the right to trace".to_owned(),
            Need::Tool(name) => name.to_owned(),
            Need::PythonModule(python, module) => format!("the module {module} of {python}"),
        }
    }
}

/// Whether the test must be left out; says why. On CI nothing may be left out.
pub(crate) fn lacks(needs: &[Need<'_>]) -> bool {
    let lacking: Vec<_> =
        needs.iter().filter(|need| !need.is_met()).map(|need| need.words()).collect();
    if lacking.is_empty() {
        return false;
    }
    let lacking = lacking.join(", ");
    assert!(env::var("CI").as_deref() != Ok("true"), "this machine lacks: {lacking}");
    // Past the capture of a test's output: a test that was left out must be seen.
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: this machine lacks {lacking}");
    true
}

/// Longer than anything takes that does not hang, on a machine with many times the load.
pub(crate) const NOT_HUNG: Duration = Duration::from_secs(120);

/// Waits until something has happened. Returns how long it took.
pub(crate) fn until(what: &str, happened: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < NOT_HUNG, "not seen in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Runs `f` on a thread of its own; panics where it takes longer.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (send, receive) = mpsc::channel();
    let worker = thread::spawn(move || drop(send.send(f())));
    match receive.recv_timeout(limit) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it took longer than {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the sender is gone only after a panic"),
        },
    }
}
