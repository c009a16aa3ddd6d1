//! The promises where Windows is not Unix: an open log can be renamed and deleted, device names stay
//! devices, paths have drives, backslashes and more than 260 characters, and lines end in `\r\n`.
//!
//! What is the same everywhere is shown on Windows by the files that run there too: `routing`,
//! `scope`, `reload`, `ids`, `line` and others.
//!
//! Continuous integration runs this under Wine, which is not Windows in four ways:
//!
//! - An append there is a look for the end and a write, in two steps. So Wine can show that processes
//!   append behind each other, and that the threads of one take turns, but not what NTFS adds: that two
//!   processes cannot write over each other in the same moment.
//! - A file that is deleted while it is open keeps its name until it is closed, and can still be opened,
//!   which nobody could notice. NTFS takes the name away at once since Windows 10, and so does the
//!   `rm` of the system below Wine, which [`delete`] calls there.
//! - It makes no links, and says that it did.
//! - It has no network shares. Of a UNC path only the error can be seen.

#![cfg(all(windows, feature = "log4rs", feature = "yaml"))]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{alone, child, log, log_as, log_path, logger, messages, names_in, HOST};
use equipment_log::{EquipmentScopedOutput, EquipmentSink, Scope};
use log::Level;
use tempfile::TempDir;

/// How soon a log that was moved or deleted is noticed, as promised.
const NOTICED: Duration = Duration::from_secs(1);

/// `ERROR_SHARING_VIOLATION`
const SHARING_VIOLATION: &str = "os error 32";

fn under_wine() -> bool {
    Path::new(r"Z:\bin\rm").exists()
}

/// A folder of a test, with a path that the system below Wine knows too.
fn folder() -> TempDir {
    if under_wine() {
        tempfile::tempdir_in(r"Z:\tmp").unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Deletes a file that may be open; its name is gone afterwards.
fn delete(path: &Path) {
    if under_wine() {
        let below = path.to_str().unwrap().strip_prefix("Z:").unwrap().replace('\\', "/");
        let status = Command::new("start.exe").args(["/unix", "/bin/rm", &below]).status().unwrap();
        assert!(status.success());
        // `start` does not wait.
        let start = Instant::now();
        while path.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "rm {below}");
            thread::sleep(Duration::from_millis(5));
        }
    } else {
        fs::remove_file(path).unwrap();
    }
}

fn verbatim(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap()
}

/// A log4rs configuration as Notepad saves it.
fn yaml(local_root: impl std::fmt::Display) -> String {
    format!(
        "refresh_rate: 20 ms
appenders:
  equipment:
    kind: equipment_scoped
    local_root: '{local_root}'
    hostname: {HOST}
root:
  level: info
  appenders: [equipment]
"
    )
    .replace('\n', "\r\n")
}

fn sink_of(yaml: &str) -> EquipmentSink {
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let raw: log4rs::config::RawConfig = serde_yaml::from_str(yaml).unwrap();
    let (_appenders, errors) = raw.appenders_lossy(&deserializers);
    assert!(errors.is_empty(), "{errors:?}");
    handle.sinks().remove(0)
}

#[test]
fn a_reload_follows_a_configuration_with_backslashes_and_carriage_returns() {
    alone!();
    let dir = folder();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let config = dir.path().join("log4rs.yaml");
    fs::write(&config, yaml(first.display())).unwrap();
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    log4rs::init_file(&config, deserializers).unwrap();

    let scope = Scope::new("WINDOWS_RELOAD").unwrap().tag("run", "R1");
    scope.run(|| log::info!("C:\\lab\r\nis a path"));
    crate::support::put_in_place(&config, &yaml(second.display()));
    let start = Instant::now();
    // The old appender is gone only after the new one has taken its place.
    while !handle.sinks().iter().all(|sink| sink.path(&scope).unwrap().starts_with(&second)) {
        assert!(start.elapsed() < Duration::from_secs(60), "not reloaded in time");
        thread::sleep(Duration::from_millis(5));
    }
    scope.run(|| log::info!("elsewhere"));
    // Without a rate nobody reads the file any more, which is about to go.
    crate::support::put_in_place(&config, "root:\r\n  level: info\r\n");
    while !handle.sinks().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "not reloaded in time");
        thread::sleep(Duration::from_millis(5));
    }

    let lines = crate::support::parsed_lines(&log_path(&first, "WINDOWS_RELOAD"));
    assert_eq!(lines.len(), 1, "one record is one line, whatever it holds");
    assert_eq!(lines[0].message, "C:\\lab\r\nis a path");
    assert_eq!(messages(&log_path(&second, "WINDOWS_RELOAD")), ["elsewhere"]);
}

#[test]
fn a_root_may_be_written_in_every_way_that_windows_has() {
    let dir = folder();
    let root = dir.path().join("lab");
    let plain = root.display().to_string();
    let scope = Scope::new("WINDOWS_ROOT").unwrap();
    fs::create_dir(&root).unwrap();
    let ways = [
        plain.clone(),
        plain.replace('\\', "/"),
        verbatim(&root).display().to_string(),
        plain + "\\",
    ];

    for (count, way) in ways.iter().enumerate() {
        let sink = sink_of(&yaml(way));
        sink.write(&scope, Level::Error, b"x\n").unwrap_or_else(|err| panic!("{way}: {err}"));
        let log = fs::read_to_string(log_path(&root, "WINDOWS_ROOT")).unwrap();
        assert_eq!(log, "x\n".repeat(count + 1), "{way}");
    }
    let fern = format!("local_root: '{}'\r\nhostname: {HOST}\r\n", ways[0]);
    let output = EquipmentScopedOutput::from_yaml_str(&fern).unwrap();
    assert_eq!(output.sink().path(&scope).unwrap(), log_path(&root, "WINDOWS_ROOT"));
}

#[test]
fn a_share_that_cannot_be_reached_is_an_error_that_names_it() {
    let scope = Scope::new("WINDOWS_SHARE").unwrap();
    let before = names_in(Path::new("."));
    for root in [r"\\localhost\no-such-share\lab", r"\\?\UNC\localhost\no-such-share\lab"] {
        let sink = sink_of(&yaml(root));
        assert_eq!(sink.path(&scope).unwrap(), log_path(Path::new(root), "WINDOWS_SHARE"));

        let err = sink.write(&scope, Level::Error, b"x\n").unwrap_err().to_string();

        assert!(err.contains(root.split_at(root.len() - 4).0), "{err}");
        assert!(err.contains("os error"), "{err}");
    }
    assert_eq!(names_in(Path::new(".")), before, "nothing is made in the current folder instead");
}

#[test]
fn a_path_may_have_more_than_260_characters() {
    let dir = folder();
    let long = (0..8).fold(PathBuf::new(), |path, _| path.join("a".repeat(40)));
    for root in [dir.path().join(&long).join("1"), verbatim(dir.path()).join(&long).join("2")] {
        let (logger, sink, errors) = logger(&root);
        let scope = Scope::new("WINDOWS_LONG").unwrap();
        scope.run(|| log(&logger, Level::Info, "one"));
        fs::rename(sink.path(&scope).unwrap(), root.join("moved")).unwrap();
        scope.run(|| log(&logger, Level::Error, "two"));

        assert_eq!(*errors.lock().unwrap(), [""; 0]);
        let log = log_path(&root, "WINDOWS_LONG");
        assert!(log.as_os_str().len() > 300);
        assert_eq!(messages(&root.join("moved")), ["one"]);
        assert_eq!(messages(&log), ["two"]);
    }
}

#[test]
fn names_that_windows_keeps_for_itself_are_refused_and_make_nothing() {
    let root = folder();
    let (logger, sink, errors) = logger(root.path());
    let names = [
        "CON",
        "con",
        "PRN",
        "AUX",
        "NUL",
        "nul.log",
        "COM1",
        "com9.txt",
        "LPT1",
        "a:b",
        "a:$DATA",
        "C:",
        "C:x",
        "a\\b",
        "a/b",
        "..",
        "x.",
        "x ",
        "CONIN$",
        r"\\.\COM1",
        "a*",
        "a?",
        "a|b",
    ];
    for name in names {
        let err = Scope::new(name).unwrap_err().to_string();
        assert!(err.contains(&format!("{name:?}")), "{err}");
        log_as(&logger, name, "x");
    }
    // All refused ids share one report in ten seconds.
    assert!(errors.lock().unwrap()[0].contains("\"CON\" is refused"));
    assert_eq!(sink.stats().refused, names.len() as u64);
    assert_eq!(names_in(root.path()), [""; 0]);
}

#[test]
fn a_device_that_the_path_names_is_never_written() {
    let root = folder();
    let scope = Scope::new("WINDOWS_DEVICE").unwrap();
    for path in ["{equipment_id}/NUL", "{equipment_id}/nul.log", "{equipment_id}/COM1"] {
        let sink = EquipmentSink::builder(root.path()).path(path).build();
        let written = sink.and_then(|sink| sink.write(&scope, Level::Error, b"x\n"));
        // Newer releases of Windows let `nul.log` be a file like any other.
        if let Err(err) = written {
            assert!(!err.to_string().contains('\n'), "{err}");
        } else {
            let log = root.path().join(path.replace("{equipment_id}", "WINDOWS_DEVICE"));
            let name = log.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(names_in(log.parent().unwrap()).contains(&name), "{path}: the record is gone");
            assert_eq!(fs::read(&log).unwrap(), b"x\n");
        }
    }
}

#[test]
fn a_folder_in_the_place_of_a_log_is_refused() {
    let root = folder();
    fs::create_dir_all(log_path(root.path(), "WINDOWS_FOLDER")).unwrap();
    let (logger, _, errors) = logger(root.path());
    Scope::new("WINDOWS_FOLDER").unwrap().run(|| log(&logger, Level::Info, "x"));
    let errors = errors.lock().unwrap();
    assert!(errors.len() == 1 && errors[0].contains("a folder"), "{errors:?}");
}

#[test]
#[ignore = "Wine makes no links; on Windows, run it with --ignored as a user who may make them"]
fn a_link_that_leads_out_of_the_root_is_refused() {
    let (root, outside) = (folder(), folder());
    std::os::windows::fs::symlink_dir(outside.path(), root.path().join("WINDOWS_LINK")).unwrap();
    let (logger, _, errors) = logger(root.path());
    Scope::new("WINDOWS_LINK").unwrap().run(|| log(&logger, Level::Info, "x"));
    assert_eq!(errors.lock().unwrap().len(), 1);
    assert_eq!(names_in(outside.path()), [""; 0]);
}

#[test]
fn an_open_log_can_be_read_renamed_and_deleted_and_the_next_record_begins_a_new_one() {
    let root = folder();
    let (logger, sink, errors) = logger(root.path());
    let scope = Scope::new("WINDOWS_MOVED").unwrap();
    let path = log_path(root.path(), "WINDOWS_MOVED");
    let renamed = path.with_extension("log.1");

    scope.run(|| log(&logger, Level::Info, "one"));
    assert_eq!(messages(&path), ["one"], "it is read while it is open");
    fs::rename(&path, &renamed).unwrap();
    scope.run(|| log(&logger, Level::Error, "two: an ERROR looks at once"));
    assert_eq!(messages(&renamed), ["one"]);
    assert_eq!(messages(&path), ["two: an ERROR looks at once"]);

    delete(&path);
    scope.run(|| log(&logger, Level::Error, "three"));
    assert_eq!(messages(&path), ["three"]);

    fs::rename(&path, &renamed).unwrap();
    thread::sleep(NOTICED);
    scope.run(|| log(&logger, Level::Info, "four: others look within a second"));
    assert_eq!(messages(&path), ["four: others look within a second"]);

    delete(&path);
    sink.reopen();
    scope.run(|| log(&logger, Level::Info, "five: asked to look"));
    assert_eq!(messages(&path), ["five: asked to look"]);

    assert_eq!(sink.stats().total.reopened, 4);
    assert_eq!(*errors.lock().unwrap(), [""; 0]);
}

#[test]
fn a_log_that_another_program_has_for_itself_is_tried_again_with_the_next_record() {
    let root = folder();
    let (logger, _, errors) = logger(root.path());
    let scope = Scope::new("WINDOWS_LOCKED").unwrap();
    let path = log_path(root.path(), "WINDOWS_LOCKED");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let alone = |path| fs::OpenOptions::new().append(true).create(true).share_mode(0).open(path);

    let other = alone(&path).unwrap();
    scope.run(|| log(&logger, Level::Info, "cannot be written"));
    drop(other);
    scope.run(|| log(&logger, Level::Info, "can be written"));

    let errors = errors.lock().unwrap();
    assert!(errors.len() == 1 && errors[0].contains(SHARING_VIOLATION), "{errors:?}");
    let messages = messages(&path);
    assert!(messages[0].contains("1 record is missing here"), "{messages:?}");
    assert_eq!(messages[1..], ["can be written"]);
    let refused = alone(&path).unwrap_err().to_string();
    assert!(refused.contains(SHARING_VIOLATION), "nobody takes away a log that is open: {refused}");
}

#[test]
fn an_error_is_flushed_and_nothing_else_is() {
    let root = folder();
    let (logger, sink, errors) = logger(root.path());
    let scope = Scope::new("WINDOWS_FLUSHED").unwrap();
    let syncs_after = |level| {
        scope.run(|| log(&logger, level, "x"));
        sink.stats().total.syncs
    };
    let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Error];
    // Counted where `FlushFileBuffers` has said that it succeeded.
    assert_eq!(levels.map(syncs_after), [0, 0, 0, 0, 1, 2]);
    assert_eq!(sink.stats().total.opened, 1, "each ERROR finds the file where it was");
    assert_eq!(*errors.lock().unwrap(), [""; 0], "folders cannot be synced, and are not tried");
}

#[test]
fn threads_do_not_tear_each_others_lines() {
    const THREADS: usize = 4;
    const RECORDS: usize = 500;
    let root = folder();
    let (logger, ..) = logger(root.path());
    let scope = Scope::new("WINDOWS_THREADS").unwrap();
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (logger, scope) = (&logger, &scope);
            threads.spawn(move || {
                let _in = scope.enter();
                (0..RECORDS).for_each(|n| log(logger, Level::Info, format!("{thread} {n}")));
            });
        }
    });
    let messages = messages(&log_path(root.path(), "WINDOWS_THREADS"));
    for thread in 0..THREADS {
        let prefix = format!("{thread} ");
        let own: Vec<_> = messages.iter().filter_map(|text| text.strip_prefix(&prefix)).collect();
        assert_eq!(own, (0..RECORDS).map(|n| n.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(messages.len(), THREADS * RECORDS);
}

/// Both have the file open all the time, and take turns: see the head of this file.
#[test]
fn two_processes_append_behind_each_other() {
    const TURNS: usize = 100;
    let root = folder();
    let (logger, sink, errors) = logger(root.path());
    let scope = Scope::new("WINDOWS_SHARED").unwrap();
    let mut command = child!("appends when told", root.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to_child = child.stdin.take().unwrap();
    let mut from_child =
        BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).filter(|line| {
            // libtest has words of its own.
            line.ends_with("written")
        });

    for turn in 0..TURNS {
        scope.run(|| log(&logger, Level::Info, format!("parent {turn}")));
        writeln!(to_child, "{turn}").unwrap();
        from_child.next().expect("the child answers");
    }
    drop(to_child);
    assert_eq!(from_child.count(), 0);
    assert!(child.wait().unwrap().success());

    let expected: Vec<_> =
        (0..TURNS).flat_map(|n| [format!("parent {n}"), format!("child {n}")]).collect();
    assert_eq!(messages(&sink.path(&scope).unwrap()), expected);
    assert_eq!(sink.stats().total.opened, 1);
    assert_eq!(*errors.lock().unwrap(), [""; 0]);
}

#[test]
fn child_plays_its_role() {
    let Some((_, root)) = crate::support::role() else { return };
    let (logger, ..) = logger(&root);
    let scope = Scope::new("WINDOWS_SHARED").unwrap();
    for turn in std::io::stdin().lines().map_while(Result::ok) {
        scope.run(|| log(&logger, Level::Info, format!("child {turn}")));
        println!("written");
    }
}
