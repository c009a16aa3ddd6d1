//! The promise: what becomes of queued records at each end of a program is what `book/ends.md` says.
//!
//! A row of its table is a test: [`ROWS`]. A record that has waited longer than the queue's linger is written whatever
//! happens; so each child ends at once after its last record.
#![cfg(feature = "log4rs")]

use std::fs;
#[cfg(target_os = "linux")]
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::{child, log_path, role, tell, told, Running, HOST};
use equipment_log::log4rs::Setup;
use equipment_log::{EquipmentSink, QueueConfig, Scope};

const RECORDS: usize = 500;

/// How each row of the table begins, and the tests that show it, each with its module.
const ROWS: &[(&str, &[&str])] = &[
    (
        "return from `main`, the handle or the last clone of the sink",
        &["ends::a_return_with_a_handle_writes_everything"],
    ),
    ("return from `main`, `let _", &["ends::a_return_without_a_handle_writes_everything"]),
    (
        "`process::exit` on the thread that",
        &["ends::an_exit_on_the_thread_that_called_init_file_writes_everything"],
    ),
    (
        "`process::exit` on another",
        &["ends::an_exit_on_another_thread_may_lose_what_was_just_queued"],
    ),
    ("a panic that ends `main`", &["ends::a_panic_writes_everything"]),
    ("a panic on another thread", &["ends::a_panic_writes_everything"]),
    (
        "`process::abort`, a panic with `panic = \"abort\"`",
        &["ends::an_abort_may_lose_what_was_just_queued_and_nothing_before_an_error"],
    ),
    ("SIGTERM, SIGINT without a handler", &["ends::a_signal_loses_at_most_what_was_just_queued"]),
    (
        "SIGKILL, the OOM killer, TerminateProcess",
        &[
            "ends::a_signal_loses_at_most_what_was_just_queued",
            "ends::a_process_that_another_terminates_loses_at_most_what_was_just_queued",
        ],
    ),
    (
        "a network share that hangs at the end",
        &[
            "ends::a_share_that_hangs_holds_up_the_end_for_drain_timeout_and_is_reported",
            "hanging_share::while_a_share_hangs_the_program_is_edited_counted_and_ended",
        ],
    ),
    (
        "power cut",
        &[
            "power_cut::acknowledged_errors_survive_a_power_cut_on_ext4",
            "power_cut::acknowledged_errors_survive_a_power_cut_on_xfs",
            "power_cut::without_syncs_a_power_cut_takes_acknowledged_errors",
        ],
    ),
];

/// The configuration of the children.
fn configure(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("log4rs.yaml");
    let text = format!(
        "appenders:\n  equipment: {{kind: equipment_scoped, local_root: '{}', hostname: {HOST}, queue: {{drain_timeout: 2 s}}}}\n\
         root: {{level: info, appenders: [equipment]}}\n",
        folder.join("lab").display()
    );
    fs::write(&file, text).unwrap();
    file
}

fn log_all() {
    Scope::new("EQ").unwrap().run(|| (0..RECORDS).for_each(|n| log::info!("{n}")));
}

fn ends(role: &str, folder: &Path) -> Command {
    let mut command = child!(role, folder);
    command.stderr(Stdio::piped());
    command
}

/// The child has ended in the way that its role says, and the log is whole: how many records are in it.
fn written(folder: &Path) -> usize {
    let log = log_path(&folder.join("lab"), "EQ");
    if !log.exists() {
        return 0;
    }
    // The end may come inside a write of several pages: it leaves the beginning of a line.
    let text = fs::read_to_string(&log).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let message = |line: &str| equipment_log::parse_line(line).expect(line).message;
    let found: Vec<_> = whole.lines().map(message).collect();
    // In order, and from the first on: nothing is lost in between.
    assert!(found.iter().enumerate().all(|(n, message)| *message == n.to_string()), "{found:?}");
    found.len()
}

#[test]
fn child_plays_its_role() {
    let Some((role, folder)) = role() else { return };
    if role == "a share hangs below a sink" {
        return drop_a_sink(&folder.join("lab"));
    }
    let file = configure(&folder);
    let handle = Setup::new(&file).on_error(|err| tell(err)).init().unwrap();
    match role.as_str() {
        "a share hangs" => {
            let log = |n: usize| Scope::new("EQ").unwrap().run(|| log::info!("{n}"));
            log(0);
            handle.flush();
            tell("ready");
            told().next();
            (1..=5).for_each(log);
            drop(handle);
            tell("the last line of main");
        }
        "returns" => {
            log_all();
            drop(handle);
        }
        "returns without a handle" => {
            drop(handle);
            log_all();
        }
        "exits" => {
            log_all();
            std::process::exit(3);
        }
        "exits on another thread" => {
            let _ = thread::spawn(|| {
                log_all();
                std::process::exit(3);
            })
            .join();
        }
        "exits on another thread after a flush" => {
            let _ = thread::spawn(move || {
                log_all();
                handle.flush();
                std::process::exit(3);
            })
            .join();
        }
        "panics" => {
            log_all();
            panic!("as by a mistake of the application");
        }
        "panics on another thread" => {
            let _ = thread::spawn(|| {
                log_all();
                panic!("as by a mistake of the application");
            })
            .join();
            drop(handle);
        }
        "aborts" => {
            log_all();
            std::process::abort();
        }
        "aborts after an ERROR" => {
            log_all();
            Scope::new("EQ").unwrap().run(|| log::error!("{RECORDS}"));
            std::process::abort();
        }
        "is killed" => {
            log_all();
            tell("all is logged");
            thread::park();
        }
        other => unreachable!("{other}"),
    }
}

fn end(role: &str) -> (usize, ExitStatus) {
    let folder = tempfile::tempdir().unwrap();
    let out = ends(role, folder.path()).output().unwrap();
    (written(folder.path()), out.status)
}

#[test]
fn a_return_with_a_handle_writes_everything() {
    let (written, status) = end("returns");
    assert!(status.success());
    assert_eq!(written, RECORDS);
}

#[test]
fn a_return_without_a_handle_writes_everything() {
    let (written, status) = end("returns without a handle");
    assert!(status.success());
    assert_end_of_main(written);
}

/// Windows ends all other threads before the last words of `main` could be heard.
fn assert_end_of_main(written: usize) {
    let may_lose = cfg!(windows);
    assert!(written == RECORDS || (may_lose && written < RECORDS), "{written}");
}

#[test]
fn an_exit_on_the_thread_that_called_init_file_writes_everything() {
    let (written, status) = end("exits");
    assert_eq!(status.code(), Some(3));
    assert_end_of_main(written);
}

#[test]
fn an_exit_on_another_thread_may_lose_what_was_just_queued() {
    let (written, status) = end("exits on another thread");
    assert_eq!(status.code(), Some(3));
    assert!(written <= RECORDS);
    let (written, status) = end("exits on another thread after a flush");
    assert_eq!(status.code(), Some(3));
    assert_eq!(written, RECORDS);
}

#[test]
fn a_panic_writes_everything() {
    let (written, status) = end("panics");
    assert_eq!(status.code(), Some(101));
    assert_eq!(written, RECORDS);
    let (written, status) = end("panics on another thread");
    assert!(status.success());
    assert_eq!(written, RECORDS);
}

#[test]
fn an_abort_may_lose_what_was_just_queued_and_nothing_before_an_error() {
    let (written, status) = end("aborts");
    assert_aborted(status);
    assert!(written <= RECORDS);
    let (written, status) = end("aborts after an ERROR");
    assert_aborted(status);
    assert_eq!(written, RECORDS + 1);
}

fn assert_aborted(status: ExitStatus) {
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6));
    assert!(!status.success());
}

/// A child that has logged, and whose records have waited for longer than the linger: they are in the kernel.
fn logged(folder: &Path) -> Running {
    let mut running = Running::start(&mut ends("is killed", folder));
    assert_eq!(running.told().as_deref(), Some("all is logged"));
    crate::support::until("all records", || written(folder) == RECORDS);
    running
}

#[test]
#[cfg_attr(windows, ignore = "there are no signals")]
fn a_signal_loses_at_most_what_was_just_queued() {
    for signal in ["TERM", "KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = logged(folder.path());
        let id = running.process.id().to_string();
        crate::support::run(Command::new("kill").args(["-s", signal, &id]));
        running.process.wait().unwrap();
        assert_eq!(written(folder.path()), RECORDS, "{signal}");
    }
}

/// By SIGKILL, and on Windows by TerminateProcess.
#[test]
fn a_process_that_another_terminates_loses_at_most_what_was_just_queued() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = logged(folder.path());
    running.process.kill().unwrap();
    assert!(!running.process.wait().unwrap().success());
    assert_eq!(written(folder.path()), RECORDS);
}

/// A share that hangs: what is left is reported, within the bound.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "a file system is frozen with fsfreeze")]
fn a_share_that_hangs_holds_up_the_end_for_drain_timeout_and_is_reported() {
    #[cfg(target_os = "linux")]
    {
        use crate::support::{lacks, within, Need};

        if lacks(&[Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")]) {
            return;
        }
        let stallable = crate::stalled::Stallable::new();
        let mut running = Running::start(&mut ends("a share hangs", &stallable.slow));
        assert_eq!(running.told().as_deref(), Some("ready"));
        let frozen = stallable.freeze();
        running.tell("it hangs");
        let mut running = within(crate::stalled::HANGS, move || {
            let report = running.told().unwrap();
            assert!(report.contains("not written") && report.contains("5 of EQ"), "{report}");
            assert_eq!(running.told().as_deref(), Some("the last line of main"));
            running
        });
        // The process itself may remain until the kernel lets its thread go.
        drop(frozen);
        assert!(running.process.wait().unwrap().success());
    }
}

/// A sink without a framework has no caller that it could tell.
fn drop_a_sink(root: &Path) {
    let queue = QueueConfig::new().drain_timeout(Duration::from_secs(2));
    let sink = EquipmentSink::builder(root).hostname(HOST).queue(queue).build().unwrap();
    let write = |n: usize| {
        sink.write(&Scope::new("EQ").unwrap(), log::Level::Info, n.to_string()).unwrap();
    };
    write(0);
    sink.flush();
    tell("ready");
    told().next();
    (1..=5).for_each(write);
    drop(sink);
    tell("dropped");
    // Until the report has been read.
    told().next();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "a file system is frozen with fsfreeze")]
fn a_sink_that_is_dropped_while_a_share_hangs_reports_on_standard_error_what_is_not_written() {
    #[cfg(target_os = "linux")]
    {
        use crate::support::{lacks, within, Need};

        if lacks(&[Need::Root, Need::Tool("mkfs.ext4"), Need::Tool("fsfreeze")]) {
            return;
        }
        let stallable = crate::stalled::Stallable::new();
        let mut running = Running::start(&mut ends("a share hangs below a sink", &stallable.slow));
        assert_eq!(running.told().as_deref(), Some("ready"));
        let frozen = stallable.freeze();
        running.tell("it hangs");
        let mut running = within(crate::stalled::HANGS, move || {
            assert_eq!(running.told().as_deref(), Some("dropped"));
            let errors = BufReader::new(running.process.stderr.take().unwrap());
            let mut reports = errors.lines().map(Result::unwrap);
            let report = reports.find(|line| line.contains("not written")).unwrap();
            assert!(report.contains("5 of EQ"), "{report}");
            running.tell("it is read");
            running
        });
        drop(frozen);
        assert!(running.process.wait().unwrap().success());
    }
}

#[test]
fn each_row_of_the_table_has_a_test() {
    let page = include_str!("../../src/book/ends.md");
    // Behind its head.
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| ")).skip(1).collect();
    assert_eq!(rows.len(), ROWS.len(), "{rows:#?}");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promises");
    for (row, (begins, shown_by)) in rows.iter().zip(ROWS) {
        assert!(row.starts_with(begins), "{row}");
        for test in *shown_by {
            let (module, name) = test.split_once("::").unwrap();
            let text = fs::read_to_string(tests.join(format!("{module}.rs"))).unwrap();
            assert!(text.contains(&format!("\nfn {name}() {{")), "{test} is gone");
        }
    }
}
