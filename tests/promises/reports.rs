//! The promise: what an adapter has to report goes to one thread: once per log and ten seconds, with the number since.
//! No log call waits for a report, also where nobody reads standard error.
#![cfg(all(feature = "log4rs", feature = "fern"))]

use std::fs;
use std::path::Path;
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use crate::support::{alone, child, role, tell, until, Running, HOST};
use equipment_log::fern::EquipmentScopedOutputBuilder;
use equipment_log::log4rs::Setup;
use equipment_log::{EquipmentScopedOutput, QueueConfig, Scope};
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

/// Logs one record whose folder cannot be made.
fn fail(log: &dyn log::Log, id: &str, level: log::Level) {
    Scope::new(id).unwrap().run(|| {
        log.log(&log::Record::builder().level(level).args(format_args!("lost")).build());
    });
}

/// The application's function is busy with the first report until more have come than may wait, 256.
#[test]
fn whoever_gets_the_reports_is_told_how_many_were_dropped() {
    alone!();
    const FAILURES: usize = 300;
    let root = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..FAILURES).map(|n| format!("FULL_{n:03}")).collect();
    ids.iter().for_each(|id| fs::write(root.path().join(id), "in the way").unwrap());
    let (told, heard) = mpsc::channel();
    let (go_on, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let output = EquipmentScopedOutput::builder(root.path())
        .on_error(move |err| {
            told.send(err.to_string()).unwrap();
            let _ = hold.lock().unwrap().recv();
        })
        .build()
        .unwrap();
    fail(&output, &ids[0], log::Level::Info);
    let first = heard.recv().unwrap();
    assert!(first.starts_with("FULL_000: "), "{first}");
    ids[1..].iter().for_each(|id| fail(&output, id, log::Level::Info));
    drop(go_on);
    let dropped = FAILURES - 1 - 256;
    let next = heard.recv().unwrap();
    assert_eq!(
        next,
        format!("{dropped} reports were dropped before this: the receiver was held up")
    );
    let next = heard.recv().unwrap();
    assert!(next.starts_with("FULL_001: "), "{next}");
}

/// What is told once more at the end, by each way to end. Windows ends all threads before a program's last words.
const REST: &str = "since the last report: 3 more failures of FULL_01, the worst of level \
                    ERROR; 1 more failure of FULL_02, the worst of level INFO";

fn fail_often(log: &dyn log::Log) {
    use log::Level::{Error, Info, Warn};

    // The report of an INFO, behind which the others would hide.
    let levels = [(0, Info), (1, Warn), (0, Warn), (0, Error), (0, Info), (1, Info)];
    levels.iter().for_each(|(id, level)| fail(log, IDS[*id], *level));
}

#[test]
fn what_failed_since_the_last_report_is_told_once_when_the_output_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    unwritable(root.path());
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let output = EquipmentScopedOutput::builder(root.path())
        .on_error(move |err| seen.lock().unwrap().push(err.to_string()))
        .build()
        .unwrap();
    fail_often(&output);
    drop(output);
    let number = || reports.lock().unwrap().len();
    until("the three reports", || number() >= 3);
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 3, "{reports:?}");
    assert!(reports[0].starts_with("FULL_01: INFO") && reports[1].starts_with("FULL_02: WARN"));
    assert_eq!(reports[2], REST);
}

#[test]
fn what_failed_since_the_last_report_is_told_once_when_the_program_ends() {
    let roles = ["the handle is dropped", "nobody keeps the handle", "fern"];
    for role in &roles[..if cfg!(windows) { 1 } else { 3 }] {
        let root = tempfile::tempdir().unwrap();
        unwritable(root.path());
        let told = Running::start(&mut child!(role, root.path())).finish();
        assert_eq!(told.len(), 3, "{role}: {told:?}");
        assert_eq!(told[2], REST, "{role}");
    }
}

/// No later call is there to return it.
#[test]
fn a_queued_record_that_failed_last_is_reported_when_the_program_ends() {
    let roles = ["queued", "queued, fern"];
    for role in &roles[..if cfg!(windows) { 1 } else { 2 }] {
        let root = tempfile::tempdir().unwrap();
        unwritable(root.path());
        let told = Running::start(&mut child!(role, root.path())).finish();
        let [report] = &told[..] else { panic!("{role}: {told:?}") };
        let words = "1 queued record failed: cannot ";
        assert!(report.starts_with(words) && report.contains("FULL_01"), "{role}: {report}");
    }
}

/// Without an adapter, too.
#[test]
fn a_queued_record_that_failed_last_is_reported_when_its_sink_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    unwritable(root.path());
    let output = child!("queued, a sink alone", root.path()).output().unwrap();
    let reports = String::from_utf8_lossy(&output.stderr);
    let is_it = |line: &&str| line.contains("1 queued record failed: cannot ");
    assert_eq!(reports.lines().filter(is_it).count(), 1, "{reports}");
}

/// The parent gives it a standard error that is full, and that nobody reads.
#[test]
#[cfg_attr(windows, ignore = "standard error is a pipe that fills")]
fn a_standard_error_that_nobody_reads_holds_up_no_log_call() {
    #[cfg(unix)]
    {
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
    let Some((role, root)) = role() else { return };
    let output = |builder: EquipmentScopedOutputBuilder| {
        let output = builder.hostname(HOST).on_error(|err| tell(err)).build().unwrap();
        log::set_boxed_logger(Box::new(output)).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    };
    let log4rs = |keys: &str| {
        let file = root.join("log4rs.yaml");
        let text = format!(
            "appenders:\n  equipment: {{kind: equipment_scoped, local_root: '{}', {keys}}}\n\
             root: {{level: info, appenders: [equipment]}}\n",
            root.display()
        );
        fs::write(&file, text).unwrap();
        Setup::new(&file).on_error(|err| tell(err)).init().unwrap()
    };
    // A second one might be the call that returns why the first failed.
    let queued = || fail(log::logger(), IDS[0], log::Level::Info);
    match role.as_str() {
        "logs" => {
            let output = EquipmentScopedOutput::builder(&root).hostname(HOST).build().unwrap();
            (0..RECORDS).for_each(|n| log_to(&output, IDS[n % IDS.len()], n));
            tell(format!("all is logged: {} lost", output.sink().stats().total.lost));
        }
        "the handle is dropped" => {
            let handle = log4rs("");
            fail_often(log::logger());
            drop(handle);
        }
        "nobody keeps the handle" => {
            drop(log4rs(""));
            fail_often(log::logger());
        }
        "fern" => {
            output(EquipmentScopedOutput::builder(&root));
            fail_often(log::logger());
        }
        "queued" => {
            let handle = log4rs("queue: {}");
            queued();
            drop(handle);
        }
        "queued, fern" => {
            output(EquipmentScopedOutput::builder(&root).queue(QueueConfig::new()));
            queued();
        }
        "queued, a sink alone" => {
            let sink = crate::support::sink(&root).queue(QueueConfig::new()).build().unwrap();
            sink.write(&Scope::new(IDS[0]).unwrap(), log::Level::Info, "lost").unwrap();
        }
        other => unreachable!("{other}"),
    }
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
