//! The promise: an edit of the file loses and doubles no record, to a queue and from one, also when `local_root`
//! changes. The handle reaches the new sinks, and what they have queued is written when it is dropped.
//!
//! One test has the process's global logger.

#![cfg(feature = "log4rs")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::{alone, log4rs_yaml, log_path, until, StopFlag, HOST};
use equipment_log::Scope;

const THREADS: usize = 4;

fn configure(file: &Path, root: &Path, precision: &str, queue: &str) {
    let encoder = format!("    encoder: {{kind: equipment_line, precision: {precision}}}");
    let yaml = log4rs_yaml(root, &format!("    {queue}\n{encoder}"), "info");
    crate::support::put_in_place(file, &yaml);
}

/// The records that each thread has in a log, in the order of the log.
fn records(path: &Path) -> Vec<Vec<usize>> {
    let mut by_thread = vec![Vec::new(); THREADS];
    for message in crate::support::messages(path) {
        let (thread, record) = message.split_once(' ').unwrap();
        by_thread[thread.parse::<usize>().unwrap()].push(record.parse().unwrap());
    }
    by_thread
}

#[test]
fn a_reload_loses_nothing_and_follows_a_changed_root() {
    alone!();
    let dir = tempfile::tempdir().unwrap();
    let (config, old, new) =
        (dir.path().join("log4rs.yaml"), dir.path().join("old"), dir.path().join("new"));
    let (old_log, new_log) = (log_path(&old, "RELOADED"), log_path(&new, "RELOADED"));
    configure(&config, &old, "seconds", "");
    let handle = equipment_log::log4rs::init_file(&config).unwrap();
    let scope = Scope::new("RELOADED").unwrap();
    let paths = || handle.sinks().iter().filter_map(|sink| sink.path(&scope)).collect::<Vec<_>>();
    assert_eq!(paths(), [&*old_log]);

    let stop = StopFlag::default();
    let logged = thread::scope(|threads| {
        let stopper = stop.stop_on_drop();
        let loggers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (scope, stop) = (&scope, &stop);
                threads.spawn(move || {
                    let _in = scope.enter();
                    let mut record = 0;
                    while !stop.is_set() {
                        log::info!("{thread} {record}");
                        record += 1;
                        // The disk need not hold more than a test's worth.
                        thread::sleep(Duration::from_micros(200));
                    }
                    record
                })
            })
            .collect();

        // The same file, through new appenders.
        until("a first record", || old_log.exists());
        for round in 0..8 {
            let precision = ["millis", "seconds"][round % 2];
            let queue = ["queue: {}", "queue: {limit: 1 kb}", "", ""][round % 4];
            configure(&config, &old, precision, queue);
            until("the new precision in the same log", || {
                let text = std::fs::read_to_string(&old_log).unwrap();
                let last = text.rsplit('\n').nth(1);
                last.is_some_and(|line| (line.get(19..20) == Some(".")) == (precision == "millis"))
            });
        }
        // Another root.
        configure(&config, &new, "seconds", "queue: {}");
        until("the log below the new root", || new_log.exists());
        until("the end of the old appenders", || paths() == [&*new_log]);
        drop(stopper);
        loggers.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<usize>>()
    });

    let sinks = handle.sinks();
    drop(handle);
    let (before, after) = (records(&old_log), records(&new_log));
    for (thread, logged) in logged.into_iter().enumerate() {
        // A new sink and the queue of the old one write side by side.
        let mut found: Vec<_> = before[thread].iter().chain(&after[thread]).copied().collect();
        found.sort_unstable();
        assert_eq!(found, (0..logged).collect::<Vec<_>>(), "thread {thread}");
    }
    let [sink] = &sinks[..] else { panic!("one appender, one sink") };
    let stats = sink.stats();
    assert_eq!(stats.total.written, after.iter().flatten().count() as u64);
    assert_eq!((stats.total.lost, stats.skipped, stats.refused), (0, 0, 0));
}

/// Through log4rs, `log::logger().flush()` reaches the queue.
#[test]
fn a_flush_of_the_logger_writes_what_is_queued() {
    use log::Log as _;

    let root = tempfile::tempdir().unwrap();
    let builder = equipment_log::EquipmentScopedAppender::builder().hostname(HOST);
    let appender = builder.queue(equipment_log::QueueConfig::new()).build(root.path()).unwrap();
    let (logger, errors) = crate::support::logger_for(appender);
    for n in 1..=100 {
        Scope::new("FLUSHED").unwrap().run(|| crate::support::log(&logger, log::Level::Info, n));
        logger.flush();
        assert_eq!(crate::support::messages(&log_path(root.path(), "FLUSHED")).len(), n);
    }
    assert!(errors.lock().unwrap().is_empty());
}

#[test]
fn a_handle_that_is_dropped_writes_what_is_queued() {
    use log4rs::append::{Append, AppenderConfig};

    for _ in 0..50 {
        let root = tempfile::tempdir().unwrap();
        let root_key = format!("kind: equipment_scoped\nlocal_root: {:?}", root.path());
        let yaml = format!("{root_key}\nhostname: {HOST}\nqueue: {{}}");
        let config: AppenderConfig = serde_yaml::from_str(&yaml).unwrap();
        let (deserializers, handle) = equipment_log::log4rs::deserializers();
        let appender =
            deserializers.deserialize::<dyn Append>(&config.kind, config.config).unwrap();
        let record = log::Record::builder().args(format_args!("record")).build();
        Scope::new("HANDLE").unwrap().run(|| appender.append(&record).unwrap());
        drop(handle);
        assert_eq!(crate::support::messages(&log_path(root.path(), "HANDLE")), ["record"]);
    }
}
