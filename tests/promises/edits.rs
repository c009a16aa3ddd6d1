//! The promise: an edit of the configuration of a program that runs is taken whole or not at all. A mistake changes
//! nothing, and is reported once. No record is lost or doubled, and nothing is left behind.
//!
//! A number of edits of one's own: `EQUIPMENT_LOG_TEST_EDITS=500`.
#![cfg(feature = "log4rs")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{
    alone, lacks, log4rs_yaml_with_central, log_path, put_in_place, until, Need, StopFlag,
};
use equipment_log::log4rs::{Handle, Setup};
use equipment_log::Scope;

const THREADS: usize = 3;

type Reports = Arc<Mutex<Vec<String>>>;

/// A program: its file, its logs, and what was reported.
struct Program {
    folder: PathBuf,
    file: PathBuf,
    reports: Reports,
    handle: Handle,
}

impl Program {
    fn start(folder: &Path) -> Program {
        let (folder, file) = (folder.to_owned(), folder.join("log4rs.yaml"));
        let reports = Reports::default();
        put_in_place(&file, &right(&folder, 0));
        let seen = Arc::clone(&reports);
        let on_error = move |err: &equipment_log::Error| {
            let report = err.to_string();
            // A warning that is true on a machine with many times the load.
            if !report.contains("its file system does not answer within") {
                seen.lock().unwrap().push(report);
            }
        };
        let handle = Setup::new(&file).on_error(on_error).init().unwrap();
        Program { folder, file, reports, handle }
    }

    fn root(&self) -> PathBuf {
        self.folder.join("lab")
    }

    /// Returns when an edit is installed: log4rs's own appender of it has a record.
    fn await_taken(&self, edit: usize) {
        await_record(&central(&self.folder, edit));
    }

    /// Returns when one more report is there than `before`.
    fn await_report(&self, before: usize) -> String {
        until("a report", || self.reports.lock().unwrap().len() > before);
        self.reports.lock().unwrap()[before].clone()
    }

    /// Takes out the reports of what the file was on its way from one state to the next: where a machine with many
    /// times the load stood still meanwhile, two looks found the file so. Never those with the `wanted` words.
    fn take_out_reports(&self, since: usize, on_the_way: &[&str], wanted: Option<&str>) {
        let mut reports = self.reports.lock().unwrap();
        let later = reports.split_off(since);
        let stays = |report: &String| {
            wanted.is_some_and(|words| report.contains(words))
                || !on_the_way.iter().any(|words| report.contains(words))
        };
        reports.extend(later.into_iter().filter(stays));
    }

    /// Returns the first report after `before`, those apart that `take_out_reports` takes out.
    fn await_report_beside(
        &self,
        before: usize,
        on_the_way: &[&str],
        wanted: Option<&str>,
    ) -> String {
        until("a report", || {
            self.take_out_reports(before, on_the_way, wanted);
            self.number_of_reports() > before
        });
        self.await_report(before)
    }

    fn number_of_reports(&self) -> usize {
        self.reports.lock().unwrap().len()
    }
}

/// Returns when a record gets to a file of log4rs's own. It is of no equipment.
fn await_record(file: &Path) {
    until("an edit is taken", || {
        log::info!("of no equipment");
        fs::metadata(file).is_ok_and(|file| file.len() > 0)
    });
}

/// What log4rs's own appender of an edit writes to.
fn central(folder: &Path, edit: usize) -> PathBuf {
    folder.join(format!("central-{edit}.log"))
}

/// What the edits in turn have besides the place. Most keep the sink.
const KEYS: &[&str] = &[
    "",
    "precision: millis",
    "queue: {}",
    "queue: {}\n    levels: {RELOADED: trace}",
    "fsync_level: warn",
    "idle_timeout: 10 ms",
    "rotation: {limit: 1 gb}",
    "max_open_files: 1",
    "encoder: {pattern: '2026-04-17T14:31:55Z [INFO ] [host:h] [equip:{X(equipment_id)}] {m}{n}'}",
];

fn right(folder: &Path, edit: usize) -> String {
    let keys = format!("    {}", KEYS[edit % KEYS.len()]);
    log4rs_yaml_with_central(&folder.join("lab"), &keys, &central(folder, edit))
}

/// What is wrong with every third edit, and words of the report.
const MISTAKES: &[(&str, &str)] = &[
    ("ours: unknown key", "was `fsync_level` meant?"),
    ("ours: wrong value", "not one of off, error"),
    ("log4rs's kind", "was `file` meant?"),
    ("log4rs's appender cannot be built", "appender broken"),
    ("log4rs's root", "root"),
    ("no YAML", "YAML"),
    ("half a file", "YAML"),
    ("empty", EMPTY),
    ("no refresh_rate", "refresh_rate"),
    ("deleted", GONE),
    ("a dangling link", GONE),
    ("a folder", "no regular file"),
];

/// What a file may be on its way, in the words of the report.
const EMPTY: &str = "the file is empty";
const GONE: &str = "cannot read the configuration file";

/// Makes a mistake. Returns what the file was on its way.
fn make(mistake: &str, program: &Program, edit: usize) -> Option<&'static str> {
    let (file, good) = (&program.file, right(&program.folder, edit));
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        put_in_place(file, &good.replacen(from, to, 1));
    };
    match mistake {
        "ours: unknown key" => with("hostname:", "fsync_levle: warn\n    hostname:"),
        "ours: wrong value" => with("hostname:", "level: fatal\n    hostname:"),
        "log4rs's kind" => with("kind: file", "kind: fiel"),
        "log4rs's appender cannot be built" => with(
            "root:\n",
            "  broken:\n    kind: rolling_file\n    path: x.log\n    policy: {kind: none}\nroot:\n",
        ),
        "log4rs's root" => with("level: info", "level: loud"),
        "no YAML" => put_in_place(file, "appenders: ["),
        // As an editor writes it that was stopped: in place.
        "half a file" => {
            fs::write(file, good.split_at(good.find("kind: file").unwrap() - 6).0).unwrap();
            return Some(EMPTY);
        }
        "empty" => fs::write(file, "").unwrap(),
        "no refresh_rate" => with("refresh_rate: 20 ms\n", ""),
        "deleted" => fs::remove_file(file).unwrap(),
        "a folder" => {
            fs::remove_file(file).unwrap();
            // On Windows the name is there until the last who has the file open lets it go.
            until("a folder", || fs::create_dir(file).is_ok());
            return Some(GONE);
        }
        "a dangling link" => link(&program.folder.join("nowhere.yaml"), file),
        other => unreachable!("{other}"),
    }
    None
}

/// Puts a symbolic link in the place of the file, as Kubernetes swaps one.
fn link(to: &Path, file: &Path) {
    #[cfg(unix)]
    {
        let new = file.with_extension("new");
        let _ = fs::remove_file(&new);
        std::os::unix::fs::symlink(to, &new).unwrap();
        fs::rename(new, file).unwrap();
    }
    #[cfg(not(unix))]
    {
        let _ = to;
        fs::remove_file(file).unwrap();
    }
}

/// Puts the right file in place, in one of the ways in which people do that. Returns what the file was on its way.
fn put_right(program: &Program, edit: usize) -> Option<&'static str> {
    let (file, text) = (&program.file, right(&program.folder, edit));
    let was_folder = file.is_dir();
    if was_folder {
        fs::remove_dir(file).unwrap();
    }
    let is_link = file.symlink_metadata().is_ok_and(|it| it.is_symlink());
    match edit % 6 {
        // Never the edit before the mistake that is an empty file.
        4 if !is_link && !was_folder => {
            fs::write(file, text).unwrap();
            return Some(EMPTY);
        }
        1 if cfg!(unix) => {
            let target = program.folder.join(format!("version-{edit}.yaml"));
            fs::write(&target, text).unwrap();
            link(&target, file);
        }
        _ => put_in_place(file, &text),
    }
    was_folder.then_some(GONE)
}

/// Descriptors and threads of this process; nothing where they cannot be counted.
fn held() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
    match cfg!(target_os = "linux") {
        true => (count("/proc/self/fd"), count("/proc/self/task")),
        false => (0, 0),
    }
}

/// What this process has written to of its memory, in kB: neither its code nor files. 0 where it cannot be counted.
fn memory_kb() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.map_or(0, |kb| kb.split_whitespace().next().unwrap().parse().unwrap())
}

/// How much it may grow, in kB, when half of the edits have been made: by the holes of the heap, and by an edit, since
/// this test keeps the reports.
const MOST_KB: usize = 96;
const MOST_KB_AN_EDIT: usize = 1;

fn edits() -> usize {
    std::env::var("EQUIPMENT_LOG_TEST_EDITS").map_or(96, |edits| edits.parse().unwrap())
}

#[test]
fn an_edit_is_taken_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = crate::support::child!("is edited", folder.path());
    // How many of glibc's heaps are in use is a matter of which threads happen to meet.
    let out = child.env("GLIBC_TUNABLES", "glibc.malloc.arena_max=1").output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
}

fn is_edited(folder: &Path) {
    let program = Program::start(folder);
    program.await_taken(0);
    let scope = Scope::new("RELOADED").unwrap();
    scope.run(|| log::info!("{THREADS} 0"));
    // The first report starts the reporting thread.
    make("empty", &program, 0);
    program.await_report(0);
    put_right(&program, 0);
    let before = held();

    let stop = StopFlag::default();
    let (logged, reported) = thread::scope(|threads| {
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
                        thread::sleep(Duration::from_micros(300));
                    }
                    record
                })
            })
            .collect();
        let mut reported = 1;
        let mut on_the_way = Vec::new();
        let mut taken = 0;
        let (warm, mut memory) = (edits() / 2, 0);
        for edit in 1..=edits() {
            if edit % 3 != 0 {
                on_the_way.extend(put_right(&program, edit));
                program.await_taken(edit);
                taken = edit;
                // The first edit of each kind takes memory for good.
                if edit <= warm + 1 {
                    memory = memory_kb();
                }
                continue;
            }
            let (mistake, words) = MISTAKES[edit / 3 % MISTAKES.len()];
            on_the_way.extend(make(mistake, &program, edit));
            let report = program.await_report_beside(reported, &on_the_way, Some(words));
            on_the_way.clear();
            reported += 1;
            assert!(report.contains(words) && !report.contains('\n'), "{mistake}: {report}");
            assert!(report.contains(program.file.to_str().unwrap()), "{mistake}: {report}");
            // The last right one is installed: all its appenders, and none of the wrong one's.
            let wrong = central(&program.folder, edit);
            assert!(!wrong.exists() || mistake.starts_with("log4rs's appender"), "{mistake}");
            let central = central(&program.folder, taken);
            let length = || fs::metadata(&central).unwrap().len();
            let then = length();
            until("a record of the last right configuration", || length() > then);
        }
        let grown = memory_kb().saturating_sub(memory);
        let most = MOST_KB + MOST_KB_AN_EDIT * (edits() - warm);
        println!("{grown} kB of memory more after {} edits; {most} may be", edits() - warm);
        assert!(grown <= most, "{grown} kB more after {} edits", edits() - warm);
        drop(stopper);
        let logged: Vec<usize> = loggers.into_iter().map(|it| it.join().unwrap()).collect();
        (logged, reported)
    });

    // What is wrong was reported once an edit, and nothing else was.
    let on_the_way = put_right(&program, edits() + 1);
    program.await_taken(edits() + 1);
    program.take_out_reports(reported, on_the_way.as_slice(), None);
    assert_eq!(program.number_of_reports(), reported, "{:?}", program.reports.lock().unwrap());
    until("the end of the old descriptors and threads", || {
        let (descriptors, threads) = held();
        // Of a queue that is there now, and was not before.
        descriptors <= before.0 + 1 && threads <= before.1 + 1
    });
    until("the end of the old sinks", || program.handle.sinks().len() == 1);

    program.handle.flush();
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for message in crate::support::messages(&log_path(&program.root(), "RELOADED")) {
        let (thread, record) = message.split_once(' ').unwrap();
        found.entry(thread.parse().unwrap()).or_default().push(record.parse().unwrap());
    }
    for (thread, logged) in logged.into_iter().enumerate() {
        let found = found.get_mut(&thread).unwrap();
        // A new sink and the queue of the one before it write side by side.
        found.sort_unstable();
        let all = found.iter().copied().eq(0..logged);
        assert!(all, "thread {thread}: {} found of {logged}", found.len());
    }
}

/// The counters are the sink's own: a new one would begin at nothing.
#[test]
fn a_sink_is_kept_where_its_place_is_unchanged() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    program.await_taken(0);
    let written = || program.handle.sinks()[0].stats().total.written;
    let scope = Scope::new("KEPT").unwrap();
    scope.run(|| log::info!("0 0"));
    assert_eq!(written(), 1);
    // precision, fsync_level, idle_timeout, max_open_files, encoder: each takes effect, and none ends the sink.
    for (n, edit) in (2..).zip([1, 4, 5, 7, 8]) {
        put_right(&program, edit);
        program.await_taken(edit);
        until("one sink", || program.handle.sinks().len() == 1);
        scope.run(|| log::info!("0 {n}"));
        assert_eq!(written(), n, "{}", KEYS[edit]);
    }
    // Another queue.
    put_right(&program, 2);
    program.await_taken(2);
    until("the new sink alone", || program.handle.sinks().len() == 1);
    scope.run(|| log::info!("0 7"));
    program.handle.flush();
    assert_eq!(written(), 1);
    assert_eq!(crate::support::messages(&log_path(&program.root(), "KEPT")).len(), 7);
    assert_eq!(program.number_of_reports(), 0);
}

/// What is open is closed, so that the limit holds at once; and the share of all others is theirs again.
#[test]
fn a_limit_of_open_files_that_is_edited_holds_for_the_sink_that_is_kept() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    program.await_taken(0);
    let log_all = || {
        let scopes = (0..5).map(|n| Scope::new(format!("EQ{n}")).unwrap());
        scopes.for_each(|scope| scope.run(|| log::info!("one of five")));
    };
    let open = || program.handle.sinks()[0].stats().open;
    log_all();
    assert_eq!(open(), 5);
    // Two of its own, then three, then a share of all again.
    for (edit, keys, most) in
        [(9, "max_open_files: 2", 2), (18, "max_open_files: 3", 3), (27, "", 5)]
    {
        let text =
            right(&program.folder, edit).replace("hostname:", &format!("{keys}\n    hostname:"));
        put_in_place(&program.file, &text);
        program.await_taken(edit);
        until("one sink", || program.handle.sinks().len() == 1);
        assert_eq!(open(), 0, "{keys}");
        log_all();
        assert_eq!(open(), most, "{keys}");
    }
    assert_eq!(program.handle.sinks()[0].stats().total.written, 20);
    assert_eq!(program.number_of_reports(), 0);
}

#[test]
fn a_level_that_is_edited_takes_effect_and_the_rest_is_counted() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    program.await_taken(0);
    let scope = Scope::new("LEVEL").unwrap();
    scope.run(|| log::info!("0 0"));
    let text = right(&program.folder, 9).replace("hostname:", "level: error\n    hostname:");
    put_in_place(&program.file, &text);
    program.await_taken(9);
    let stats = || program.handle.sinks()[0].stats();
    let before = stats().filtered;
    scope.run(|| {
        log::info!("0 1");
        log::error!("0 2");
    });
    assert_eq!((stats().total.written, stats().filtered - before), (2, 1));
}

/// A check of the edit reports what the edit would report, and neither leaves a trace.
#[test]
fn an_id_that_differs_by_letter_case_is_refused_by_the_check_and_by_the_edit() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    program.await_taken(0);
    log::info!(equipment_id = "Workstation"; "it is known from here on");
    let checked = folder.path().join("checked.yaml");
    let (kinds, _handle) = equipment_log::log4rs::deserializers();
    let wrong = [
        (
            "unscoped: WORKSTATION",
            "unscoped: \"WORKSTATION\" is refused: \"Workstation\" is in use",
        ),
        ("targets: {a: WORKSTATION}", "targets.a: \"WORKSTATION\" is refused: \"Workstation\" is"),
        ("targets: {a: EQ1, b: eq1}", "targets.b: \"eq1\" and \"EQ1\" of targets.a differ"),
        (
            "targets: {a: EQ1}\n    unscoped: eq1",
            "unscoped: \"eq1\" and \"EQ1\" of targets.a differ",
        ),
        ("levels: {EQ1: warn, eq1: error}", "levels.eq1: \"eq1\" and \"EQ1\" of levels.EQ1 differ"),
        ("unscoped: EQ1\n    levels: {eq1: warn}", "levels.eq1: \"eq1\" and \"EQ1\" of unscoped"),
    ];
    for (n, (keys, words)) in wrong.into_iter().enumerate() {
        let text =
            right(&program.folder, 9).replace("hostname:", &format!("{keys}\n    hostname:"));
        put_in_place(&checked, &text);
        let check = equipment_log::log4rs::check_file(&checked, &kinds).unwrap_err().to_string();
        assert!(check.contains(words), "{keys}: {check}");
        put_in_place(&program.file, &text);
        let report = program.await_report(n);
        let why = check.replace(checked.to_str().unwrap(), program.file.to_str().unwrap());
        assert!(report.contains(&why), "{keys}: {report}, and not {why}");
    }
    log::info!(equipment_id = "eq1"; "neither spelling was claimed");
    let stats = program.handle.sinks()[0].stats();
    assert_eq!((stats.refused, stats.equipment["eq1"].written), (0, 1));
    // A right edit is taken, and its check is right.
    let text = right(&program.folder, 18).replace("hostname:", "unscoped: eq1\n    hostname:");
    put_in_place(&checked, &text);
    equipment_log::log4rs::check_file(&checked, &kinds).unwrap();
    put_in_place(&program.file, &text);
    program.await_taken(18);
    assert_eq!(program.number_of_reports(), wrong.len());
}

#[test]
#[cfg_attr(
    windows,
    ignore = "the working directory and the name of the machine are changed with the tools of Unix"
)]
fn a_later_chdir_and_another_name_of_the_machine_move_no_log() {
    if lacks(&[Need::Root, Need::Tool("unshare"), Need::Tool("hostname")]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let child = crate::support::child!("moves", folder.path());
    let out = crate::support::under(["unshare", "--uts"], &child).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn child_plays_its_role() {
    let Some((role, folder)) = crate::support::role() else { return };
    if role == "is edited" {
        return is_edited(&folder);
    }
    let rename = |name: &str| crate::support::run(std::process::Command::new("hostname").arg(name));
    rename("first-name");
    std::env::set_current_dir(&folder).unwrap();
    let configure = |edit: usize, keys: &str| {
        let central = central(&folder, edit);
        let text = format!(
            "refresh_rate: 20 ms\nappenders:\n  equipment: {{kind: equipment_scoped, local_root: logs, {keys}}}\n  \
             central: {{kind: file, path: '{}'}}\nroot: {{level: info, appenders: [equipment, central]}}\n",
            central.display()
        );
        put_in_place(&folder.join("log4rs.yaml"), &text);
        central
    };
    configure(0, "");
    // By a relative path, too.
    let handle = equipment_log::log4rs::init_file("log4rs.yaml").unwrap();
    let scope = Scope::new("STAYS").unwrap();
    scope.run(|| log::info!("first"));
    rename("second-name");
    std::env::set_current_dir("/").unwrap();
    for (edit, keys) in (1..).zip(["fsync_level: warn", "queue: {}"]) {
        let taken = configure(edit, keys);
        await_record(&taken);
        scope.run(|| log::info!("after edit {edit}"));
    }
    handle.flush();
    let log = folder.join("logs/STAYS/.exlab-wizard/wizard.first-name.log");
    assert_eq!(crate::support::messages(&log), ["first", "after edit 1", "after edit 2"]);
    assert_eq!(crate::support::names_in(log.parent().unwrap()), ["wizard.first-name.log"]);
    assert!(!Path::new("/logs").exists());
}
