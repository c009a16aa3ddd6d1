//! The promise: a record belongs to the equipment that is active on the thread that logs it, and
//! every scope is left as it was found: by nested guards, panics, other threads and futures.

#![cfg(feature = "log4rs")]

use std::future::Future;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread;

use crate::support::{log, log_as, log_path, logger, messages};
use equipment_log::{Scope, ScopeFutureExt};
use log::{Level, Record};

fn scope(id: &str) -> Scope {
    Scope::new(id).unwrap()
}

/// The equipment that is active here.
fn active() -> Option<String> {
    Scope::current().map(|scope| scope.equipment_id().to_string())
}

fn some(id: &str) -> Option<String> {
    Some(id.to_owned())
}

#[test]
fn a_scope_is_not_seen_on_another_thread_unless_it_is_carried_there() {
    let scope = scope("SCOPE_CARRIED").tag("run", "R7");
    let _in = scope.enter();
    let here = Scope::current();
    thread::spawn(move || {
        assert_eq!(Scope::current(), None);
        let carried = here.unwrap();
        {
            let _in = carried.enter();
            assert_eq!(Scope::current().unwrap().get("run"), Some("R7"));
        }
        assert_eq!(Scope::current(), None);
    })
    .join()
    .unwrap();
    assert_eq!(active(), some("SCOPE_CARRIED"));
}

#[test]
fn nested_scopes_restore_the_outer_one() {
    assert_eq!(active(), None);
    let outer = scope("SCOPE_OUTER").enter();
    let value = scope("SCOPE_INNER").run(|| {
        assert_eq!(active(), some("SCOPE_INNER"));
        scope("SCOPE_OUTER").run(|| assert_eq!(active(), some("SCOPE_OUTER")));
        assert_eq!(active(), some("SCOPE_INNER"));
        7
    });
    assert_eq!((value, active()), (7, some("SCOPE_OUTER")));
    drop(outer);
    assert_eq!(active(), None);
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let first = scope("SCOPE_FIRST").enter();
    let second = scope("SCOPE_SECOND").enter();
    let third = scope("SCOPE_THIRD").enter();
    drop(second);
    assert_eq!(active(), some("SCOPE_THIRD"));
    drop(first);
    assert_eq!(active(), some("SCOPE_THIRD"));
    drop(third);
    assert_eq!(active(), None);

    let first = scope("SCOPE_FIRST").enter();
    let second = scope("SCOPE_SECOND").enter();
    drop(first);
    let third = scope("SCOPE_THIRD").enter();
    drop(third);
    assert_eq!(active(), some("SCOPE_SECOND"));
    drop(second);
    assert_eq!(active(), None);
}

#[test]
fn a_panic_inside_a_scope_restores_the_outer_one() {
    let outer = scope("SCOPE_SURVIVES");
    outer.run(|| {
        let inner = scope("SCOPE_PANICS");
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _in = inner.enter();
            inner.run(|| panic_any("inside"))
        }));
        assert!(unwound.is_err());
        assert_eq!(active(), some("SCOPE_SURVIVES"));
    });
    assert_eq!(active(), None);
}

#[test]
fn the_own_equipment_id_of_a_record_wins_and_leaves_the_tags_of_another_behind() {
    let root = tempfile::tempdir().unwrap();
    let (logger, ..) = logger(root.path());
    scope("SCOPE_OWN_A").tag("run", "R7").run(|| {
        log_as(&logger, "SCOPE_OWN_B", "of another");
        log_as(&logger, "SCOPE_OWN_A", "of the same");
        log(&logger, Level::Info, "of the scope");
        let own = [("equipment_id", 42)];
        log::Log::log(&logger, &Record::builder().key_values(&own).args(format_args!("n")).build());
    });

    let told = |id| -> Vec<_> {
        let lines = crate::support::parsed_lines(&log_path(root.path(), id));
        lines.into_iter().map(|line| (line.message, line.tags)).collect()
    };
    let run = || vec![("run".to_owned(), "R7".to_owned())];
    assert_eq!(told("SCOPE_OWN_B"), [("of another".to_owned(), vec![])]);
    assert_eq!(
        told("SCOPE_OWN_A"),
        [("of the same".to_owned(), run()), ("of the scope".to_owned(), run())]
    );
    assert_eq!(told("42"), [("n".to_owned(), vec![])], "an id may be a number");
}

#[test]
fn the_context_of_log4rs_comes_last() {
    let root = tempfile::tempdir().unwrap();
    let (logger, ..) = logger(root.path());
    let _context = log_mdc::insert_scoped("equipment_id", "SCOPE_MDC");

    log(&logger, Level::Info, "context alone");
    scope("SCOPE_OVER_MDC").run(|| log(&logger, Level::Info, "scope"));
    log_as(&logger, "SCOPE_KV_OVER_MDC", "key-value");
    log(&logger, Level::Info, "context again");
    // Set inside a scope, it is still not the scope.
    scope("SCOPE_OVER_MDC").run(|| {
        let _context = log_mdc::insert_scoped("equipment_id", "SCOPE_MDC");
        log(&logger, Level::Info, "scope again");
    });

    let own = |id| messages(&log_path(root.path(), id));
    assert_eq!(own("SCOPE_MDC"), ["context alone", "context again"]);
    assert_eq!(own("SCOPE_OVER_MDC"), ["scope", "scope again"]);
    assert_eq!(own("SCOPE_KV_OVER_MDC"), ["key-value"]);
}

#[test]
fn a_hundred_tasks_on_a_multi_threaded_runtime_keep_their_own_equipment() {
    const TASKS: usize = 100;
    const RECORDS: usize = 20;
    let root = tempfile::tempdir().unwrap();
    let (logger, sink, errors) = logger(root.path());
    let logger = Arc::new(logger);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let logger = Arc::clone(&logger);
                let id = format!("SCOPE_TASK_{task}");
                let work = async move {
                    for record in 0..RECORDS {
                        log(&*logger, Level::Info, format_args!("{task} {record}"));
                        tokio::task::yield_now().await;
                    }
                };
                tokio::spawn(work.in_scope(scope(&id)))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(active(), None);
    });

    for task in 0..TASKS {
        let own: Vec<_> = (0..RECORDS).map(|record| format!("{task} {record}")).collect();
        assert_eq!(messages(&log_path(root.path(), &format!("SCOPE_TASK_{task}"))), own);
    }
    assert_eq!(sink.stats().total.written, (TASKS * RECORDS) as u64);
    assert_eq!(*errors.lock().unwrap(), [""; 0]);
}

/// Nobody to wake: the tests poll by hand.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

fn poll(future: &mut Pin<Box<dyn Future<Output = ()> + Send>>) -> Poll<()> {
    future.as_mut().poll(&mut Context::from_waker(&Arc::new(Nobody).into()))
}

/// Pending at its first poll.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

#[test]
fn a_future_takes_its_scope_from_thread_to_thread_and_leaves_none_behind() {
    let work = async {
        for _ in 0..3 {
            assert_eq!(active(), some("SCOPE_MOVES"));
            Once(false).await;
        }
    };
    let mut future: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(work.in_scope(scope("SCOPE_MOVES")));
    let executor = scope("SCOPE_EXECUTOR");
    for (step, pending) in [true, true, true, false].into_iter().enumerate() {
        let executor = executor.clone();
        let polled = thread::spawn(move || {
            // Every other thread is in a scope of its own.
            let _in = (step % 2 == 0).then(|| executor.enter());
            let before = active();
            assert_eq!(poll(&mut future).is_pending(), pending);
            assert_eq!(active(), before);
            future
        });
        future = polled.join().unwrap();
    }
}

#[test]
fn a_future_that_is_dropped_midway_is_dropped_inside_its_scope() {
    struct LogsAtTheEnd(Arc<log4rs::Logger>);
    impl Drop for LogsAtTheEnd {
        fn drop(&mut self) {
            log(&*self.0, Level::Warn, "aborted");
        }
    }
    let root = tempfile::tempdir().unwrap();
    let (logger, sink, _) = logger(root.path());
    let last_words = LogsAtTheEnd(Arc::new(logger));
    let work = async move {
        let _last_words = last_words;
        std::future::pending::<()>().await;
    };
    let mut future: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(work.in_scope(scope("SCOPE_DROPPED")));
    assert!(poll(&mut future).is_pending());
    assert_eq!(active(), None);
    drop(future);
    assert_eq!(active(), None);

    assert_eq!(messages(&log_path(root.path(), "SCOPE_DROPPED")), ["aborted"]);
    assert_eq!(sink.stats().skipped, 0);
}

#[test]
fn a_closure_that_runs_in_a_scope_may_be_unwound() {
    let scope = scope("SCOPE_UNWINDS");
    let unwound = catch_unwind(|| scope.run(|| panic_any("inside")));
    assert!(unwound.is_err());
    assert_eq!(active(), None);
}

#[test]
fn a_closure_or_a_future_brings_the_scope_of_here_or_none() {
    let scope = scope("SCOPE_BROUGHT");
    let (brought, none) = (scope.run(|| Scope::wrap(active)), Scope::wrap(active));
    thread::spawn(move || assert_eq!(brought(), some("SCOPE_BROUGHT"))).join().unwrap();
    // None, also where the thread that runs it is in a scope.
    assert_eq!(scope.run(none), None);

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (brought, none) = (
        scope.run(|| async { active() }.in_current_scope()),
        async { active() }.in_current_scope(),
    );
    let polled = |future| scope.run(|| runtime.block_on(future));
    assert_eq!(runtime.block_on(brought), some("SCOPE_BROUGHT"));
    assert_eq!(polled(none), None);
}

#[test]
fn a_scope_is_widened_where_it_is_current() {
    scope("SCOPE_WIDE").tag("proj", "P").run(|| {
        let widened = Scope::current().unwrap().tag("run", 7);
        assert_eq!(widened.tags().collect::<Vec<_>>(), [("proj", "P"), ("run", "7")]);
        assert_eq!(Scope::current().unwrap().get("run"), None);
    });
}

#[test]
#[allow(
    clippy::mutable_key_type,
    reason = "what a scope remembers is no part of what it is equal to"
)]
fn equal_scopes_are_one_key() {
    let mut seen = std::collections::HashSet::new();
    assert!(seen.insert(scope("SCOPE_KEY").tag("run", 7)));
    assert!(!seen.insert(scope("SCOPE_KEY").tag("run", "7")));
    assert!(seen.insert(scope("SCOPE_KEY").tag("run", 8)));
    assert!(seen.insert(scope("SCOPE_KEY")));
}

/// One scope that lives longer than many sinks: each sink finds its log in it, and the file is opened once.
#[test]
fn a_scope_serves_more_sinks_than_it_remembers() {
    let roots: Vec<_> = (0..7).map(|_| tempfile::tempdir().unwrap()).collect();
    let sinks: Vec<_> = roots
        .iter()
        .map(|root| {
            equipment_log::EquipmentSink::builder(root.path()).hostname("h").build().unwrap()
        })
        .collect();
    let scope = scope("SCOPE_SINKS");
    for _ in 0..3 {
        for sink in &sinks {
            sink.write(&scope, Level::Info, b"m").unwrap();
            sink.write(&scope, Level::Info, b"m").unwrap();
        }
    }
    for sink in &sinks {
        let counts = sink.stats().total;
        assert_eq!((counts.written, counts.opened), (6, 1));
    }
}
