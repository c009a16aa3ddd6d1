//! The promise: `merge` and `report` read each file of a log once, in the order of writing, and name each file that they
//! leave out.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Longer than anything takes on any machine.
const HANGS: Duration = Duration::from_secs(120);

/// What the example prints of these paths. They are relative to `folder`.
pub(crate) fn run(example: &str, folder: &Path, args: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples").join(example);
    let program = built.with_extension(std::env::consts::EXE_EXTENSION);
    let page: &[&str] = if example == "report" { &["--output", "-"] } else { &[] };
    let mut child = Command::new(program)
        .args(args)
        .args(page)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if example == "merge" {
        let start = Instant::now();
        // Less than a pipe holds is printed here.
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > HANGS {
                child.kill().unwrap();
                panic!("{example} {args:?} hangs");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    child.wait_with_output().unwrap()
}

/// What both programs say on standard error. Both must fail, and show the record `good` all the same.
pub(crate) fn complaints(folder: &Path, args: &[&str]) -> Vec<String> {
    let both = ["merge", "report"].map(|example| {
        let Output { status, stdout, stderr } = run(example, folder, args);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{example}: {stderr}");
        assert!(String::from_utf8_lossy(&stdout).contains("good"), "{example}: {stderr}");
        stderr
    });
    both.into()
}

/// The last word of each line that `merge` prints. Nothing may be missing.
fn merged(folder: &Path, args: &[&str]) -> Vec<String> {
    let Output { status, stdout, stderr } = run("merge", folder, args);
    assert!(status.success(), "{args:?}: {status}: {}", String::from_utf8_lossy(&stderr));
    let text = String::from_utf8(stdout).unwrap();
    text.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

fn line(time: &str, message: &str) -> String {
    format!("{time} [ERROR] [host:h] [equip:E] {message}\n")
}

/// A folder for the logs of `E`, with the log of one host in it.
pub(crate) fn logs(root: &Path) -> PathBuf {
    let logs = root.join("E/.exlab-wizard");
    fs::create_dir_all(&logs).unwrap();
    fs::write(logs.join("wizard.h.log"), line("2026-04-17T14:31:55Z", "good")).unwrap();
    logs
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

/// `01` and `1` would be one place in a log's order: one of the two was left out in silence.
#[test]
fn a_name_that_no_rotation_gives_is_named_and_takes_no_other_files_place() {
    let root = tempfile::tempdir().unwrap();
    let logs = logs(root.path());
    let others = [".01", ".2026-04-16.0", ".2026-04-16.01", "-20260416", ".bak", "_old"];
    fs::write(logs.join("wizard.logbook.txt"), "no log").unwrap();
    for (n, end) in [".1", ".2026-04-16"].iter().chain(&others).enumerate() {
        let text = line(&format!("2026-04-16T14:31:0{n}Z"), end);
        fs::write(logs.join(format!("wizard.h.log{end}")), text).unwrap();
    }
    // What a rotation makes on Windows, and editors.
    for end in [".lock", ".swp", "~"] {
        fs::write(logs.join(format!("wizard.h.log{end}")), "").unwrap();
    }
    for stderr in complaints(root.path(), &["E"]) {
        let names = others.map(|end| format!("wizard.h.log{end}: is not read"));
        assert!(names.iter().all(|name| stderr.matches(name).count() == 1), "{stderr}");
        assert_eq!(stderr.matches("is not read").count(), others.len(), "{stderr}");
    }
    let read = run("merge", root.path(), &["E"]).stdout;
    let read = String::from_utf8(read).unwrap();
    assert!(read.contains(" .1\n") && read.contains(" .2026-04-16\n"), "{read}");
    let named =
        [".1", ".01", ".2026-04-16", ".2026-04-16.0"].map(|end| format!("wizard.h.log{end}"));
    assert_eq!(merged(&logs, &named.each_ref().map(String::as_str)).len(), 4);
}

#[test]
fn named_files_of_one_log_are_in_the_order_of_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let ends = [".2026-04-17", ".2026-04-17.1", ".2026-04-17.2.gz", ".2026-04-17.10", ""];
    for name in ["run.log", "events"] {
        for (n, end) in ends.iter().enumerate() {
            let text: String =
                (0..2).map(|k| line("2026-04-17T14:31:55Z", &format!("{name}{n}{k}"))).collect();
            let bytes = if end.ends_with(".gz") { gzip(&text) } else { text.clone().into_bytes() };
            fs::write(folder.path().join(format!("{name}{end}")), bytes).unwrap();
            expected.extend([format!("{name}{n}0"), format!("{name}{n}1")]);
        }
    }
    let all: Vec<String> = ["run.log", "events"]
        .iter()
        .flat_map(|name| ends.iter().rev().map(move |end| format!("{name}{end}")))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let read = merged(folder.path(), &all);
    for log in ["run.log", "events"] {
        let of = |words: &[String]| -> Vec<String> {
            words.iter().filter(|word| word.starts_with(log)).cloned().collect()
        };
        assert_eq!(of(&read), of(&expected));
    }
    // As logrotate numbers them.
    for (end, word) in [(".10", "a"), (".2", "b"), (".1", "c"), ("", "d")] {
        let text = line("2026-04-17T14:31:55Z", word);
        fs::write(folder.path().join(format!("pump.log{end}")), text).unwrap();
    }
    let named = ["pump.log", "pump.log.1", "./pump.log.10", "pump.log.2"];
    assert_eq!(merged(folder.path(), &named), ["a", "b", "c", "d"]);
}

/// `every` was changed from an hour to a day, or the other way, within a second that has records in both files.
#[test]
fn files_of_two_kinds_of_names_are_in_the_order_of_writing() {
    const HOUR: &str = ".2026-04-17T14";
    const DAY: &str = ".2026-04-17";
    let (early, tie, late) =
        ("2026-04-17T14:31:50Z", "2026-04-17T14:31:55Z", "2026-04-17T14:31:59Z");
    for (first, second, times) in [
        (HOUR, DAY, [[early, tie], [tie, late]]),
        (DAY, HOUR, [[early, tie], [tie, late]]),
        (HOUR, DAY, [[tie, tie], [tie, tie]]),
    ] {
        let root = tempfile::tempdir().unwrap();
        let logs = logs(root.path());
        let files = [(first, times[0], ["a", "b"]), (second, times[1], ["c", "d"])];
        for (end, times, words) in files {
            let text = line(times[0], words[0]) + &line(times[1], words[1]);
            fs::write(logs.join(format!("wizard.h.log{end}")), text).unwrap();
        }
        fs::write(logs.join("wizard.h.log"), line(times[1][1], "e")).unwrap();
        assert_eq!(merged(root.path(), &["."]), ["a", "b", "c", "d", "e"], "{first} {second}");
        let named = [second, first, ""].map(|end| format!("wizard.h.log{end}"));
        let named = named.each_ref().map(String::as_str);
        assert_eq!(merged(&logs, &named), ["a", "b", "c", "d", "e"], "named {first} {second}");
    }
}

fn set_modified(path: &Path, time: &str) {
    let time: SystemTime = humantime::parse_rfc3339(time).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// The computer's clock was ahead, or was set back: a file's name says less than its last record.
#[test]
fn a_rotated_file_is_left_out_by_its_name_only_where_its_last_record_is_as_old() {
    let root = tempfile::tempdir().unwrap();
    let logs = logs(root.path());
    let write = |end: &str, text: &[u8], modified: &str| {
        let path = logs.join(format!("wizard.h.log{end}"));
        fs::write(&path, text).unwrap();
        set_modified(&path, modified);
    };
    let ahead = line("2026-04-17T10:00:00Z", "old") + &line("2026-04-25T10:00:00Z", "ahead");
    write(".2026-04-17", ahead.as_bytes(), "2026-04-17T10:00:00Z");
    write(".2026-04-16.gz", &gzip(&line("2026-04-25T09:00:00Z", "packed")), "2026-04-25T09:00:00Z");
    // It is not even opened.
    write(".2026-04-15.gz", b"no gzip", "2026-04-15T10:00:00Z");
    assert_eq!(merged(root.path(), &[".", "--since", "2026-04-20"]), ["packed", "ahead"]);
    let page = run("report", root.path(), &[".", "--since", "2026-04-20"]);
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains(r#"<b id="total">2</b> records"#), "both are counted");
}

#[test]
fn what_is_named_in_two_ways_is_read_once() {
    let root = tempfile::tempdir().unwrap();
    let logs = logs(root.path());
    fs::write(logs.join("wizard.h.log.2026-04-16"), line("2026-04-16T10:00:00Z", "old")).unwrap();
    let whole = root.path().to_str().unwrap();
    let file = "E/.exlab-wizard/wizard.h.log";
    let rotated = "E/.exlab-wizard/wizard.h.log.2026-04-16";
    for args in [
        &[".", file][..],
        &[file, "."],
        &[rotated, "E", file],
        &[".", whole],
        &[".", "E"],
        &["E", "./E", "E/.exlab-wizard"],
        &[
            file,
            "E/./.exlab-wizard/wizard.h.log",
            rotated,
            "./E/.exlab-wizard/wizard.h.log.2026-04-16",
        ],
    ] {
        assert_eq!(merged(root.path(), args), ["old", "good"], "{args:?}");
        let page = run("report", root.path(), args);
        assert!(page.status.success());
        let page = String::from_utf8(page.stdout).unwrap();
        assert!(page.contains(r#"<b id="total">2</b> records"#), "{args:?}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("wizard.h.log", logs.join("wizard.latest.log")).unwrap();
        std::os::unix::fs::symlink("E", root.path().join("CURRENT")).unwrap();
        std::os::unix::fs::symlink(file, root.path().join("latest.log")).unwrap();
        for args in [&["."][..], &["E", "CURRENT"], &["latest.log", "E"]] {
            assert_eq!(merged(root.path(), args), ["old", "good"], "{args:?}");
        }
        assert_eq!(merged(root.path(), &["latest.log", file]), ["good"]);
    }
}

#[test]
fn a_folder_without_logs_says_what_to_name() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("E/logs")).unwrap();
    fs::write(root.path().join("E/logs/run.log"), line("2026-04-17T14:31:55Z", "good")).unwrap();
    for stderr in complaints(root.path(), &["E", "E/logs/run.log"]) {
        assert!(stderr.contains("E: holds no wizard.<host>.log: name the files"), "{stderr}");
    }
}

/// As a pattern of the shell names them, while a rotated file is compressed.
#[test]
fn what_a_compression_is_just_making_is_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let rotated = folder.path().join("run.log.2026-04-17");
    fs::write(&rotated, line("2026-04-17T14:31:55Z", "old")).unwrap();
    fs::write(folder.path().join("run.log.2026-04-17.tmp"), b"\x1f\x8b half").unwrap();
    fs::write(folder.path().join("run.log"), line("2026-04-17T14:31:56Z", "new")).unwrap();
    let named = ["run.log", "run.log.2026-04-17", "run.log.2026-04-17.tmp"];
    assert_eq!(merged(folder.path(), &named), ["old", "new"]);
    // The compression has ended since the pattern was read.
    fs::write(folder.path().join("run.log.2026-04-17.gz"), gzip("")).unwrap();
    fs::remove_file(folder.path().join("run.log.2026-04-17.tmp")).unwrap();
    assert_eq!(merged(folder.path(), &named), ["old", "new"]);
    let whole = gzip(&fs::read_to_string(&rotated).unwrap());
    fs::write(folder.path().join("run.log.2026-04-17.gz"), whole).unwrap();
    fs::remove_file(&rotated).unwrap();
    assert_eq!(merged(folder.path(), &named), ["old", "new"]);
}

/// Of a file that is there plain and compressed, the plain one is read: a compression did not finish.
#[test]
fn a_compressed_file_that_has_more_than_the_plain_one_is_named() {
    let root = tempfile::tempdir().unwrap();
    let logs = logs(root.path());
    let plain = line("2026-04-16T10:00:00Z", "one") + &line("2026-04-16T11:00:00Z", "two");
    fs::write(logs.join("wizard.h.log.2026-04-16"), &plain).unwrap();
    let compressed = logs.join("wizard.h.log.2026-04-16.gz");
    let whole = gzip(&plain);
    for same in [&whole[..], &whole[..whole.len() / 2], &gzip(&plain[..plain.len() / 2]), b""] {
        fs::write(&compressed, same).unwrap();
        assert_eq!(merged(root.path(), &["E"]), ["one", "two", "good"]);
    }
    for other in [plain.clone() + "more", plain.replace("one", "ONE")] {
        fs::write(&compressed, gzip(&other)).unwrap();
        for stderr in complaints(root.path(), &["E"]) {
            assert_eq!(stderr.matches("2026-04-16.gz: is not read: ").count(), 1, "{stderr}");
        }
    }
}
