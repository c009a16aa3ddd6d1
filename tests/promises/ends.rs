//! The promise: what becomes of queued records at each end of a program is what `book/ends.md` says.
//!
//! Linux only: signals and exit codes are those of Unix, and a share is frozen with fsfreeze.
//!
//! A row of its table is a test. A record that has waited longer than the queue's linger is written whatever
//! happens; so each child ends at once after its last record.
#![cfg(all(target_os = "linux", feature = "log4rs"))]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::{child, log_path, role, tell, told, Running, HOST};
use equipment_log::log4rs::Setup;
use equipment_log::Scope;

const RECORDS: usize = 500;

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
    assert_eq!(written, RECORDS);
}

#[test]
fn an_exit_on_the_thread_that_called_init_file_writes_everything() {
    let (written, status) = end("exits");
    assert_eq!(status.code(), Some(3));
    assert_eq!(written, RECORDS);
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
    use std::os::unix::process::ExitStatusExt as _;

    let (written, status) = end("aborts");
    assert_eq!(status.signal(), Some(6));
    assert!(written <= RECORDS);
    let (written, status) = end("aborts after an ERROR");
    assert_eq!(status.signal(), Some(6));
    assert_eq!(written, RECORDS + 1);
}

/// What has waited for longer than the linger is in the kernel.
#[test]
fn a_signal_loses_at_most_what_was_just_queued() {
    for signal in ["TERM", "KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Running::start(&mut ends("is killed", folder.path()));
        assert_eq!(running.told().as_deref(), Some("all is logged"));
        let begun = std::time::Instant::now();
        while written(folder.path()) < RECORDS {
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing more is written");
            thread::sleep(Duration::from_millis(5));
        }
        let id = running.process.id().to_string();
        crate::support::run(Command::new("kill").args(["-s", signal, &id]));
        running.process.wait().unwrap();
        assert_eq!(written(folder.path()), RECORDS, "{signal}");
    }
}

/// A share that hangs: what is left is reported, within the bound.
#[test]
fn a_share_that_hangs_holds_up_the_end_for_drain_timeout_and_is_reported() {
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

#[test]
fn each_row_of_the_table_has_a_test() {
    let rows = include_str!("../../src/book/ends.md").lines().filter(|line| line.starts_with("| "));
    // One for the head. A share that hangs and the power cut have their tests elsewhere.
    assert_eq!(rows.count(), 1 + 11);
}
