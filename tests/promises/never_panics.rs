//! The logger never panics and never waits for itself, and the application goes on: with standard
//! error gone, on a full disk, with messages that panic or log, with an error handler that logs.
//!
//! Linux only: full disks are a tmpfs's and `/dev/full`.
#![cfg(all(target_os = "linux", feature = "fern", feature = "log4rs"))]

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::{child, lacks, log_of, tell, Mount, Need, Running};
use equipment_log::{parse_line, EquipmentScopedAppender, EquipmentScopedOutput, Scope};
use log4rs::config::{Appender, Config, Root};
use tempfile::tempdir;

/// An application may use each of these inside `catch_unwind`, and after it.
const fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
const _: () = {
    is_unwind_safe::<equipment_log::EquipmentSink>();
    is_unwind_safe::<equipment_log::EquipmentSinkBuilder>();
    is_unwind_safe::<equipment_log::SinkConfig>();
    is_unwind_safe::<equipment_log::Stats>();
    is_unwind_safe::<equipment_log::Line>();
    is_unwind_safe::<EquipmentScopedOutput>();
    is_unwind_safe::<equipment_log::fern::EquipmentScopedOutputBuilder>();
    is_unwind_safe::<EquipmentScopedAppender>();
    is_unwind_safe::<equipment_log::log4rs::EquipmentScopedAppenderBuilder>();
    is_unwind_safe::<equipment_log::log4rs::EquipmentScopedAppenderConfig>();
    is_unwind_safe::<equipment_log::log4rs::EquipmentScopedAppenderDeserializer>();
    is_unwind_safe::<equipment_log::log4rs::EquipmentLineEncoder>();
    is_unwind_safe::<equipment_log::log4rs::Handle>();
    is_unwind_safe::<equipment_log::log4rs::Setup>();
};

/// Both adapters, by the names that the children know.
const ADAPTERS: [&str; 2] = ["fern", "log4rs"];

#[test]
fn child_plays_its_role() {
    let Some((role, root)) = crate::support::role() else { return };
    // Whoever waits for itself is ended, and the test fails.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(120));
        std::process::abort();
    });
    install(&root);
    let scope = Scope::new("EQ").unwrap();
    let _in = scope.enter();
    match role.as_str() {
        "much" => much(),
        "panicking message" => panicking_message(),
        "message that logs" => message_that_logs(),
        "failing message on standard error" => eprintln!("{}", Logs("this fails")),
        "handler that logs" => (0..10).for_each(|n| log::error!("{n}")),
        "thread that ends" => thread_that_ends(&scope),
        role => panic!("unknown role {role}"),
    }
    tell("alive");
}

fn install(root: &Path) {
    if std::env::var("ADAPTER").unwrap() == "fern" {
        let output = EquipmentScopedOutput::builder(root).hostname("h").build().unwrap();
        fern::Dispatch::new().format(output.line_format()).chain(output).apply().unwrap();
        return;
    }
    let appender = EquipmentScopedAppender::builder().hostname("h").build(root).unwrap();
    let config = Config::builder()
        .appender(Appender::builder().build("equipment", Box::new(appender)))
        .build(Root::builder().appender("equipment").build(log::LevelFilter::Trace))
        .unwrap();
    if std::env::var_os("HANDLER").is_some() {
        // It logs to where it can: to another equipment's file.
        let handler = |err: &anyhow::Error| log::warn!(equipment_id = "HANDLER"; "{err}");
        log4rs::config::init_config_with_err_handler(config, Box::new(handler)).unwrap();
    } else {
        log4rs::init_config(config).unwrap();
    }
}

fn much() {
    for n in 0..100 {
        log::info!("{n} {}", "x".repeat(3_000));
        log::error!("{n} {}", "x".repeat(3_000));
    }
    log::logger().flush();
}

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half a message")?;
        panic!("a message that panics");
    }
}

fn panicking_message() {
    std::panic::set_hook(Box::new(|_| {}));
    log::info!("before");
    for _ in 0..3 {
        let logged = catch_unwind(AssertUnwindSafe(|| log::error!("{} {Panics}", "x".repeat(100))));
        assert!(logged.is_err());
    }
    log::info!("after");
}

/// A message that logs, as it is formatted.
struct Logs(&'static str);

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        log::error!("{} inside", self.0);
        f.write_str(self.0)
    }
}

fn message_that_logs() {
    log::info!("{}", Logs("one"));
    log::error!("{} and {}", Logs("two"), Logs("three"));
}

fn thread_that_ends(scope: &Scope) {
    /// Logs when its thread's locals are gone, or going.
    struct Last(Scope, &'static str);

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.run(|| log::error!("good {}", "bye"));
            log::error!(equipment_id = "EQ"; "and {}", "again");
            log::error!(equipment_id = self.1; "for equipment that is new");
        }
    }

    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }

    // Locals go in the order in which they were first used: once before the logger's, once after.
    for (logs_first, new) in [(false, "NEW_1"), (true, "NEW_2")] {
        let scope = scope.clone();
        let thread = thread::spawn(move || {
            if logs_first {
                scope.run(|| log::info!("first {}", "of all"));
            }
            LAST.with(|last| *last.borrow_mut() = Some(Last(scope.clone(), new)));
            scope.run(|| log::info!("hello {}", "there"));
        });
        thread.join().unwrap();
    }
}

/// The child of a role, with an adapter.
fn with(adapter: &str, role: &str, root: &Path) -> Command {
    let mut child = child!(role, root);
    child.env("ADAPTER", adapter);
    child
}

/// Runs it to its end: it must be alive then.
fn assert_goes_on(mut command: Command) {
    let mut running = Running::start(&mut command);
    // Where standard error is a pipe, nobody reads it any more.
    drop(running.process.stderr.take());
    assert_eq!(running.finish(), ["alive"], "{command:?}");
}

/// The messages in the log of EQ.
fn messages(root: &Path) -> Vec<String> {
    let message = |line: Vec<u8>| {
        let text = String::from_utf8(line).unwrap();
        parse_line(&text).unwrap_or_else(|| panic!("{text:?}")).message
    };
    crate::support::lines(&log_of(root, "EQ")).into_iter().map(message).collect()
}

#[test]
fn a_full_disk_ends_nothing_whatever_became_of_standard_error() {
    if lacks(&[Need::Root]) {
        return;
    }
    for adapter in ADAPTERS {
        for stderr in ["as it is", "closed", "full", "a pipe that nobody reads"] {
            let dir = tempdir().unwrap();
            let _disk = Mount::tmpfs(dir.path(), "64k");
            let mut command = with(adapter, "much", &dir.path().join("logs"));
            command.stderr(Stdio::null());
            let command = match stderr {
                "closed" => crate::support::after("exec 2>&-", &command),
                "full" => crate::support::after("exec 2>/dev/full", &command),
                "a pipe that nobody reads" => {
                    command.stderr(Stdio::piped());
                    command
                }
                _ => command,
            };
            assert_goes_on(command);
            let log = fs::read(log_of(&dir.path().join("logs"), "EQ")).unwrap();
            assert!(log.len() > 20_000, "{adapter}, {stderr}: only {} bytes", log.len());
        }
    }
}

#[test]
fn a_failure_is_reported_on_standard_error() {
    for adapter in ADAPTERS {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("EQ"), "in the way").unwrap();
        let mut command = with(adapter, "failing message on standard error", dir.path());
        let out = command.stderr(Stdio::piped()).output().unwrap();
        let reported = String::from_utf8(out.stderr).unwrap();
        assert!(out.status.success(), "{reported}");
        assert!(
            reported.contains("Not a directory") && reported.contains("this fails"),
            "{reported}"
        );
    }
}

#[test]
fn a_message_that_panics_leaves_nothing_behind() {
    for adapter in ADAPTERS {
        let dir = tempdir().unwrap();
        assert_goes_on(with(adapter, "panicking message", dir.path()));
        assert_eq!(messages(dir.path()), ["before", "after"], "{adapter}");
    }
}

#[test]
fn a_message_that_logs_stands_behind_what_it_logged() {
    for adapter in ADAPTERS {
        let dir = tempdir().unwrap();
        assert_goes_on(with(adapter, "message that logs", dir.path()));
        let expected = ["one inside", "one", "two inside", "three inside", "two and three"];
        assert_eq!(messages(dir.path()), expected, "{adapter}");
    }
}

#[test]
fn an_error_handler_may_log() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("EQ"), "in the way").unwrap();
    let mut command = with("log4rs", "handler that logs", dir.path());
    command.env("HANDLER", "logs");
    assert_goes_on(command);
    let lines = crate::support::lines(&log_of(dir.path(), "HANDLER"));
    // Each log is reported once in ten seconds.
    assert!((1..10).contains(&lines.len()), "{}", lines.len());
    let line = parse_line(std::str::from_utf8(&lines[0]).unwrap()).unwrap();
    assert!(line.message.contains("Not a directory"), "{}", line.message);
}

#[test]
fn a_thread_may_log_while_it_ends() {
    for adapter in ADAPTERS {
        let dir = tempdir().unwrap();
        assert_goes_on(with(adapter, "thread that ends", dir.path()));
        let messages = messages(dir.path());
        let last = messages.iter().filter(|message| *message == "and again").count();
        // Below fern's format a record's equipment is the thread's, of which nothing may be left.
        let expected = if adapter == "fern" { 1 } else { 2 };
        assert_eq!(last, expected, "{adapter}: {messages:?}");
        for new in ["NEW_1", "NEW_2"].iter().filter(|_| adapter == "log4rs") {
            assert_eq!(crate::support::lines(&log_of(dir.path(), new)).len(), 1, "{new}");
        }
    }
}
