//! The promise: inside a scope log4rs's own `{X(equipment_id)}` and `{X(run)}` print its values in every
//! appender, and leaving it restores what was there, also where tasks change threads.

#![cfg(feature = "log4rs")]

use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use crate::support::{log, logger_for};
use equipment_log::{Scope, ScopeFutureExt};
use log::Level;
use log4rs::append::file::FileAppender;
use log4rs::config::Deserializers;
use log4rs::encode::pattern::PatternEncoder;

/// log4rs's own appender and encoder, in a program that has registered ours.
fn stock_logger(file: &Path) -> log4rs::Logger {
    let _ = equipment_log::log4rs::register(&mut Deserializers::default());
    let pattern = "{X(equipment_id)(-)} {X(run)(-)} {m}{n}";
    let appender = FileAppender::builder().encoder(Box::new(PatternEncoder::new(pattern)));
    logger_for(appender.build(file).unwrap()).0
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn context(key: &str) -> Option<String> {
    log_mdc::get(key, |value| value.map(str::to_owned))
}

#[test]
fn the_context_shows_the_scope_inside_it_and_nothing_after() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let logger = stock_logger(&file);
    let outer = Scope::new("MDC_OUTER").unwrap().tag("run", "R7");

    log(&logger, Level::Info, "before");
    outer.run(|| {
        log(&logger, Level::Info, "inside");
        let inner = Scope::new("MDC_INNER").unwrap();
        inner.run(|| log(&logger, Level::Info, "the run is the outer scope's"));
        inner.tag("run", "R8").run(|| log(&logger, Level::Info, "inner"));
        log(&logger, Level::Info, "inside again");
    });
    log(&logger, Level::Info, "after");

    assert_eq!(
        lines(&file),
        [
            "- - before",
            "MDC_OUTER R7 inside",
            "MDC_INNER - the run is the outer scope's",
            "MDC_INNER R8 inner",
            "MDC_OUTER R7 inside again",
            "- - after",
        ]
    );
}

#[test]
fn what_the_application_had_in_the_context_is_restored() {
    let _ = equipment_log::log4rs::register(&mut Deserializers::default());
    let scope = Scope::new("MDC_RESTORES").unwrap().tag("run", "R7").tag("user", "ann");
    log_mdc::insert("equipment_id", "the application's");
    log_mdc::insert("run", "R1");
    log_mdc::insert("other", "untouched");

    scope.run(|| {
        assert_eq!(context("run").as_deref(), Some("R7"));
        assert_eq!(context("other").as_deref(), Some("untouched"));
    });
    let unwound = catch_unwind(AssertUnwindSafe(|| scope.run(|| panic_any("inside"))));
    assert!(unwound.is_err());
    // Dropped in the wrong order.
    let first = scope.enter();
    let second = Scope::new("MDC_SECOND").unwrap().enter();
    drop(first);
    assert_eq!(context("equipment_id").as_deref(), Some("MDC_SECOND"));
    assert_eq!(context("user"), None);
    drop(second);

    assert_eq!(context("equipment_id").as_deref(), Some("the application's"));
    assert_eq!(context("run").as_deref(), Some("R1"));
    assert_eq!(context("other").as_deref(), Some("untouched"));
    assert_eq!(context("user"), None);
}

#[test]
fn a_tag_cannot_replace_the_equipment_in_the_context() {
    let _ = equipment_log::log4rs::register(&mut Deserializers::default());
    let scope = Scope::new("MDC_OWN").unwrap().tag("equipment_id", "MDC_FORGED");
    scope.run(|| assert_eq!(context("equipment_id").as_deref(), Some("MDC_OWN")));
    assert_eq!(context("equipment_id"), None);
}

#[test]
fn a_hundred_tasks_on_four_threads_print_their_own_scope() {
    const TASKS: usize = 100;
    const RECORDS: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let logger = Arc::new(stock_logger(&file));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for task in 0..TASKS {
            let logger = Arc::clone(&logger);
            let work = async move {
                for record in 0..RECORDS {
                    log(&*logger, Level::Info, format_args!("task {task} {record}"));
                    tokio::task::yield_now().await;
                }
            };
            // Every fourth has no scope, and must not see one that another left behind.
            if task % 4 == 0 {
                tasks.push(tokio::spawn(work));
            } else {
                let scope = Scope::new(format!("MDC_TASK_{task}")).unwrap();
                tasks.push(tokio::spawn(work.in_scope(scope.tag("run", format!("R{task}")))));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(context("equipment_id"), None);
    });

    let mut printed = lines(&file);
    let mut expected: Vec<_> = (0..TASKS * RECORDS)
        .map(|n| (n / RECORDS, n % RECORDS))
        .map(|(task, record)| match task % 4 {
            0 => format!("- - task {task} {record}"),
            _ => format!("MDC_TASK_{task} R{task} task {task} {record}"),
        })
        .collect();
    printed.sort();
    expected.sort();
    assert_eq!(printed, expected);
}
