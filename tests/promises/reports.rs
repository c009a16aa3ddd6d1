//! The promise: what an adapter has to report goes to one thread: once per log and ten seconds, with the number since.
//! No log call waits for a report, also where nobody reads standard error.
#![cfg(all(feature = "log4rs", feature = "fern"))]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{role, tell, HOST};
use equipment_log::{EquipmentScopedOutput, Scope};
use log::Log as _;

/// Each of them looks for its folder many times and fails; Wine takes a fifth of a second for that.
const RECORDS: usize = if cfg!(windows) { 40 } else { 10_000 };
const IDS: [&str; 2] = ["FULL_01", "FULL_02"];

/// A root below which no folder of these ids can be made: a file is in its place.
fn unwritable(root: &Path) {
    IDS.iter().for_each(|id| fs::write(root.join(id), "in the way").unwrap());
}

fn log_to(log: &dyn log::Log, id: &str, n: usize) {
    Scope::new(id).unwrap().run(|| {
        log.log(
            &log::Record::builder()
                .level(log::Level::Warn)
                .target("acme::stage")
                .file(Some("src/stage.rs"))
                .line(Some(7))
                .args(format_args!("{n}"))
                .build(),
        );
    });
}

#[test]
fn a_log_that_fails_is_reported_once_with_the_record_that_it_is_about() {
    let root = tempfile::tempdir().unwrap();
    unwritable(root.path());
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let output = EquipmentScopedOutput::builder(root.path())
        .hostname(HOST)
        .on_error(move |err| seen.lock().unwrap().push((err.to_string(), err.record_is_lost())))
        .build()
        .unwrap();
    let sink = output.sink().clone();
    for n in 0..RECORDS {
        log_to(&output, IDS[n % IDS.len()], n);
    }
    assert_eq!(sink.stats().total.lost, RECORDS as u64);
    let begun = std::time::Instant::now();
    while reports.lock().unwrap().len() < IDS.len() {
        assert!(begun.elapsed() < Duration::from_secs(60), "a report is missing");
        std::thread::sleep(Duration::from_millis(5));
    }
    let reports = reports.lock().unwrap();
    // More than one of each where this took more than ten seconds.
    for id in IDS {
        let of_id: Vec<_> = reports.iter().filter(|(text, _)| text.starts_with(id)).collect();
        assert!((1..=12).contains(&of_id.len()), "{reports:?}");
        for (text, lost) in of_id {
            assert!(text.contains("WARN of acme::stage at src/stage.rs:7: cannot "), "{text}");
            assert!(lost, "{text}");
        }
    }
}

/// The parent gives it a standard error that is full, and that nobody reads.
#[test]
#[cfg_attr(windows, ignore = "standard error is a pipe that fills")]
fn a_standard_error_that_nobody_reads_holds_up_no_log_call() {
    #[cfg(unix)]
    {
        use crate::support::{child, Running};
        use std::io::Write as _;
        use std::os::fd::OwnedFd;
        use std::os::unix::net::UnixStream;

        let root = tempfile::tempdir().unwrap();
        unwritable(root.path());
        let (mut full, unread) = UnixStream::pair().unwrap();
        full.set_nonblocking(true).unwrap();
        while full.write(&[b'x'; 4096]).is_ok() {}
        full.set_nonblocking(false).unwrap();
        let mut command = child!("logs", root.path());
        command.stderr(std::process::Stdio::from(OwnedFd::from(full)));
        let mut running = Running::start(&mut command);
        drop(command);
        assert_eq!(running.told().as_deref(), Some("all is logged: 10000 lost"));
        drop(running);
        drop(unread);
    }
}

#[test]
fn child_plays_its_role() {
    let Some((_, root)) = role() else { return };
    let output = EquipmentScopedOutput::builder(&root).hostname(HOST).build().unwrap();
    (0..RECORDS).for_each(|n| log_to(&output, IDS[n % IDS.len()], n));
    tell(format!("all is logged: {} lost", output.sink().stats().total.lost));
}

#[test]
fn under_log4rs_itself_the_appender_returns_the_error_at_the_same_rate() {
    let root = tempfile::tempdir().unwrap();
    unwritable(root.path());
    let (logger, sink, errors) = crate::support::logger(root.path());
    (0..RECORDS).for_each(|n| log_to(&logger, IDS[n % IDS.len()], n));
    assert_eq!(sink.stats().total.lost, RECORDS as u64);
    let errors = errors.lock().unwrap();
    assert!((2..=24).contains(&errors.len()), "{errors:?}");
    assert!(errors[0].starts_with("FULL_01: WARN of acme::stage"), "{errors:?}");
    logger.flush();
}
