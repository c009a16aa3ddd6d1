//! The promise: an equipment's log has exactly the records of that equipment, in the order in which
//! each thread logged them, and what belongs to no equipment leaves no trace.

#![cfg(feature = "log4rs")]

use std::sync::Barrier;
use std::thread;

use crate::support::{log, log_as, log_path, logger, messages, names_in, HOST};
use equipment_log::Scope;
use log::Level;

#[test]
fn a_log_has_exactly_the_records_of_its_equipment() {
    let root = tempfile::tempdir().unwrap();
    let (logger, sink, errors) = logger(root.path());
    let confocal = Scope::new("ROUTING_CONFOCAL").unwrap();
    let stage = Scope::new("ROUTING_STAGE").unwrap();

    log(&logger, Level::Error, "before any scope");
    confocal.run(|| {
        log(&logger, Level::Info, "lamp on");
        stage.run(|| log(&logger, Level::Warn, "homed late"));
        log(&logger, Level::Error, "lamp out");
        log_as(&logger, "ROUTING_STAGE", "moved");
    });
    log(&logger, Level::Info, "after any scope");

    assert_eq!(names_in(root.path()), ["ROUTING_CONFOCAL", "ROUTING_STAGE"]);
    for (id, expected) in
        [("ROUTING_CONFOCAL", ["lamp on", "lamp out"]), ("ROUTING_STAGE", ["homed late", "moved"])]
    {
        let folder = root.path().join(id);
        assert_eq!(names_in(&folder), [".exlab-wizard"]);
        assert_eq!(names_in(&folder.join(".exlab-wizard")), [format!("wizard.{HOST}.log")]);
        let lines = crate::support::parsed_lines(&log_path(root.path(), id));
        assert!(lines.iter().all(|line| line.equipment.as_ref().unwrap().as_str() == id));
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, expected);
    }
    let stats = sink.stats();
    assert_eq!((stats.total.written, stats.skipped, stats.refused), (4, 2, 0));
    assert_eq!(*errors.lock().unwrap(), [""; 0]);
}

#[test]
fn each_thread_finds_its_records_in_the_order_in_which_it_logged_them() {
    const THREADS: usize = 8;
    const RECORDS: usize = 500;
    let root = tempfile::tempdir().unwrap();
    let (logger, ..) = logger(root.path());
    let scopes = ["ROUTING_A", "ROUTING_B"].map(|id| Scope::new(id).unwrap());
    let start = Barrier::new(THREADS);

    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (logger, scopes, start) = (&logger, &scopes, &start);
            threads.spawn(move || {
                start.wait();
                for record in 0..RECORDS {
                    let scope = &scopes[(thread + record) % scopes.len()];
                    scope.run(|| log(logger, Level::Info, format_args!("{thread} {record}")));
                }
            });
        }
    });

    for (parity, id) in ["ROUTING_A", "ROUTING_B"].into_iter().enumerate() {
        let mut by_thread = vec![Vec::new(); THREADS];
        for message in messages(&log_path(root.path(), id)) {
            let (thread, record) = message.split_once(' ').unwrap();
            by_thread[thread.parse::<usize>().unwrap()].push(record.parse::<usize>().unwrap());
        }
        for (thread, records) in by_thread.into_iter().enumerate() {
            let logged: Vec<_> = (0..RECORDS).filter(|r| (thread + r) % 2 == parity).collect();
            assert_eq!(records, logged, "thread {thread} in {id}");
        }
    }
}

#[test]
fn a_record_of_no_equipment_makes_no_file_and_no_folder() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("logs");
    let (logger, sink, errors) = logger(&root);

    log(&logger, Level::Error, "no scope");
    log_as(&logger, "", "an empty id");
    log_mdc::insert("equipment_id", "");
    log(&logger, Level::Error, "an empty id in the context");
    log_mdc::remove("equipment_id");

    assert_eq!(names_in(parent.path()), [""; 0], "not even the root was made");
    assert_eq!(sink.stats().skipped, 3);
    assert_eq!(*errors.lock().unwrap(), [""; 0], "and nothing is reported");
}

#[test]
fn five_records_open_the_file_once() {
    let root = tempfile::tempdir().unwrap();
    let (logger, sink, _) = logger(root.path());

    Scope::new("ROUTING_FIVE").unwrap().run(|| {
        for record in 0..5 {
            log(&logger, Level::Info, record);
        }
    });

    let counts = sink.stats().equipment["ROUTING_FIVE"];
    assert_eq!((counts.written, counts.opened, counts.reopened), (5, 1, 0));
    assert_eq!(sink.stats().open, 1, "and it stays open");
    assert_eq!(messages(&log_path(root.path(), "ROUTING_FIVE")), ["0", "1", "2", "3", "4"]);
}
