//! The promise: reloads under load lose and double nothing, and leave neither a descriptor nor a thread
//! behind.
//!
//! One test: a process has one global logger.
//!
//! Linux only: descriptors and threads are counted in /proc.
#![cfg(target_os = "linux")]
#![cfg(feature = "log4rs")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{alone, log4rs_yaml, log_path, until, StopFlag};
use equipment_log::Scope;
use log4rs::config::{Config, Deserializers, RawConfig};

const RELOADS: usize = 200;
const THREADS: usize = 4;

/// What the configurations in turn have besides `local_root`. Each must lose nothing to the next.
const KEYS: &[&str] = &[
    "",
    "encoder: {precision: millis}",
    "idle_timeout: 10 ms",
    "rotation: {limit: 1 gb, keep: 3}",
    "queue: {limit: 64 kb}",
    "max_open_files: 1",
    "queue: {durable: continue}",
    "fsync_level: warn",
];

/// As log4rs does it when its file has changed.
fn load(deserializers: &Deserializers, root: &Path, keys: &str) -> Config {
    let yaml = log4rs_yaml(root, &format!("    {keys}"), "info");
    let raw: RawConfig = serde_yaml::from_str(&yaml).unwrap();
    let (appenders, errors) = raw.appenders_lossy(deserializers);
    assert!(errors.is_empty(), "{errors:?}");
    Config::builder().appenders(appenders).build(raw.root()).unwrap()
}

fn entries_of(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn two_hundred_reloads_lose_double_and_leak_nothing() {
    alone!();
    let dir = tempfile::tempdir().unwrap();
    let roots = ["one", "two"].map(|name| dir.path().join(name));
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let logger = log4rs::init_config(load(&deserializers, &roots[0], KEYS[0])).unwrap();
    // The threads that the sinks of a process share live as long as it does.
    for keys in KEYS.iter().chain(&[KEYS[0]]) {
        logger.set_config(load(&deserializers, &roots[0], keys));
        Scope::new("WARM_UP").unwrap().run(|| log::error!("0 0"));
    }
    logger.set_config(load(&deserializers, &roots[0], KEYS[0]));
    Scope::new("WARM_UP").unwrap().run(|| log::error!("0 0"));
    let before = (entries_of("/proc/self/fd"), entries_of("/proc/self/task"));

    let stop = StopFlag::default();
    let total = AtomicUsize::new(0);
    let logged = thread::scope(|threads| {
        let stopper = stop.stop_on_drop();
        let loggers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (stop, total) = (&stop, &total);
                threads.spawn(move || {
                    let _in = Scope::new("RELOADED").unwrap().enter();
                    let mut record = 0;
                    while !stop.is_set() {
                        match record % 64 {
                            0 => log::error!("{thread} {record}"),
                            _ => log::info!("{thread} {record}"),
                        }
                        record += 1;
                        total.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_micros(20));
                    }
                    record
                })
            })
            .collect();
        for reload in 1..=RELOADS {
            let logged = total.load(Ordering::Relaxed);
            // Mostly the same files in the old appender and the new.
            let root = &roots[reload / 10 % 2];
            logger.set_config(load(&deserializers, root, KEYS[reload % KEYS.len()]));
            until("records after a reload", || total.load(Ordering::Relaxed) > logged + THREADS);
        }
        drop(stopper);
        loggers.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<usize>>()
    });

    let mut found = vec![Vec::<usize>::new(); THREADS];
    for root in &roots {
        for message in crate::support::messages(&log_path(root, "RELOADED")) {
            let (thread, record) = message.split_once(' ').unwrap();
            let (thread, record) = (thread.parse::<usize>().unwrap(), record.parse().unwrap());
            found[thread].push(record);
        }
    }
    for (thread, logged) in logged.into_iter().enumerate() {
        // A new sink and the queue of the one before it write side by side.
        found[thread].sort_unstable();
        let all = found[thread].iter().copied().eq(0..logged);
        assert!(all, "thread {thread}: {} found of {logged}", found[thread].len());
    }

    // The last configuration's one log is open; before the first record none was.
    logger.set_config(load(&deserializers, &roots[0], ""));
    assert_eq!(handle.sinks().len(), 1);
    until("the end of the old descriptors and threads", || {
        let now = (entries_of("/proc/self/fd"), entries_of("/proc/self/task"));
        now.0 <= before.0 && now.1 <= before.1
    });
}
