//! The examples do what they are there to show: each piece of equipment has its own log, and the
//! replay accounts for every line of what it read.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use equipment_log::{parse_line, Line};

/// An example that `cargo test` has built, to be run on a root of its own.
fn example(name: &str, root: &Path) -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples");
    let program = built.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.exists(),
        "{} is not built: `cargo test --examples` does it",
        program.display()
    );
    let mut command = Command::new(program);
    command.env("LAB_ROOT", root);
    command
}

/// What the program printed, which must have succeeded.
fn printed(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// The equipment logs below `root`, by equipment: every one is at the default path.
fn logs(root: &Path) -> BTreeMap<String, String> {
    let mut logs = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            let files: Vec<PathBuf> = fs::read_dir(entry.path().join(".exlab-wizard"))
                .unwrap()
                .map(|file| file.unwrap().path())
                .collect();
            let [file] = &files[..] else { panic!("one host has one file: {files:?}") };
            let text = fs::read_to_string(file).unwrap();
            logs.insert(entry.file_name().into_string().unwrap(), text);
        }
    }
    logs
}

fn lines(text: &str) -> Vec<Line> {
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text}");
    let line = |line| parse_line(line).unwrap_or_else(|| panic!("not a structured line: {line}"));
    text.lines().map(line).collect()
}

fn messages(text: &str) -> Vec<String> {
    lines(text).into_iter().map(|line| line.message).collect()
}

#[test]
fn the_workstation_keeps_three_pieces_of_equipment_apart() {
    let root = tempfile::tempdir().unwrap();
    let stdout = printed(example("workstation", root.path()).output().unwrap());

    let logs = logs(root.path());
    let equipment: Vec<_> = logs.keys().map(String::as_str).collect();
    assert_eq!(equipment, ["CONFOCAL_01", "INCUBATOR_03", "STAGE_02"]);
    assert_eq!(
        messages(&logs["CONFOCAL_01"]),
        [
            "frame 1 of 4 acquired",
            "frame 2 of 4 acquired",
            "frame 3 of 4 acquired",
            "frame 4 of 4 acquired",
            "laser 2 lost its interlock",
        ]
    );
    assert_eq!(messages(&logs["INCUBATOR_03"]), ["31 °C", "34 °C", "37 °C"]);
    assert_eq!(messages(&logs["STAGE_02"]), ["homing", "end switch found 0.3 mm early", "homed"]);
    for (id, text) in &logs {
        for line in lines(text) {
            assert_eq!(line.equipment.unwrap().as_str(), id);
        }
        let last = text.lines().last().unwrap();
        assert!(stdout.contains(last), "the last line of {id} is not printed:\n{stdout}");
    }

    let central = fs::read_to_string(root.path().join("central.log")).unwrap();
    let mut warnings = messages(&central);
    assert_eq!(warnings.pop().unwrap(), "the workstation is done for today");
    warnings.sort();
    assert_eq!(warnings, ["end switch found 0.3 mm early", "laser 2 lost its interlock"]);
    assert!(central.lines().all(|line| stdout.contains(line)), "{stdout}");
}

#[test]
fn the_fern_dispatch_keeps_three_pieces_of_equipment_apart() {
    let root = tempfile::tempdir().unwrap();
    let stdout = printed(example("fern_dispatch", root.path()).output().unwrap());

    let logs = logs(root.path());
    assert_eq!(messages(&logs["CONFOCAL_01"]), ["frame 1 acquired", "laser 2 lost its interlock"]);
    assert_eq!(messages(&logs["INCUBATOR_03"]), ["31 °C", "34 °C", "37 °C"]);
    let mut stage = messages(&logs["STAGE_02"]);
    stage.sort();
    assert_eq!(stage, ["end switch found 0.3 mm early", "the stage may move again"]);
    assert_eq!(logs.len(), 3);

    let central = fs::read_to_string(root.path().join("central.log")).unwrap();
    assert_eq!(lines(&central).len(), 3);
    assert!(central.lines().all(|line| stdout.contains(line)), "{stdout}");
}

#[test]
fn without_lab_root_an_example_makes_a_folder_and_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let output = example("workstation", temporary.path())
        .env_remove("LAB_ROOT")
        .env("TMPDIR", temporary.path())
        .env("TMP", temporary.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    printed(output);
    let made: Vec<_> = fs::read_dir(temporary.path()).unwrap().map(Result::unwrap).collect();
    let [made] = &made[..] else { panic!("one folder: {made:?}") };
    assert_eq!(logs(&made.path()).len(), 3);
    let said = format!("LAB_ROOT is not set: the logs go to {}", made.path().display());
    assert!(stderr.contains(&said), "{stderr}");
}

/// What the replay says at its end.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    lines: usize,
    written: usize,
    skipped: usize,
    filtered: usize,
    refused: usize,
    lost: usize,
}

fn sum(stdout: &str) -> Sum {
    let line = stdout.lines().find(|line| line.contains(" lines in ")).expect("a sum");
    let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [lines, written, skipped, filtered, refused, lost] = numbers[..] else { panic!("{line}") };
    Sum { lines, written, skipped, filtered, refused, lost }
}

/// Each row of the table, as the equipment's records and bytes.
fn table(stdout: &str) -> BTreeMap<String, (usize, usize)> {
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [equipment, records, bytes] = words[..] else { return None };
        Some((equipment.to_owned(), (records.parse().ok()?, bytes.parse().ok()?)))
    };
    stdout.lines().take_while(|line| !line.starts_with("all ")).filter_map(row).collect()
}

/// The table and the sum agree with the tree, as `wc -lc` would count it.
fn assert_agrees_with_the_tree(stdout: &str, root: &Path) {
    let on_disk: BTreeMap<_, _> = logs(root)
        .into_iter()
        .map(|(equipment, text)| (equipment, (text.matches('\n').count(), text.len())))
        .collect();
    assert_eq!(table(stdout), on_disk);
    let Sum { lines, written, skipped, filtered, refused, lost } = sum(stdout);
    assert_eq!(written, on_disk.values().map(|(records, _)| records).sum::<usize>());
    assert_eq!(lines, written + skipped + filtered + refused + lost);
}

#[test]
fn the_replay_of_four_threads_accounts_for_every_line() {
    let root = tempfile::tempdir().unwrap();
    let mut input = tempfile::NamedTempFile::new().unwrap();
    for n in 0..2000 {
        // 20 pieces of equipment, and every kind of line that is nobody's.
        match n % 25 {
            20 => writeln!(input, "{n}"),
            21 => writeln!(input),
            22 => writeln!(input, "{n} ../EQ climbs"),
            23 => writeln!(input, "{n} libc6:amd64 has a colon"),
            24 => input.write_all(b"\xff\xfe nul NAMES A DEVICE\r\n"),
            equipment => writeln!(input, "{n} EQ_{equipment:02} \x1b[31m{}", "long ".repeat(n)),
        }
        .unwrap();
    }
    write!(input, "2000 EQ_00 the last line has no end").unwrap();

    let output = example("replay", root.path())
        .args(["--threads", "4", "--field", "2"])
        .arg(input.path())
        .output()
        .unwrap();
    let stdout = printed(output);

    assert_eq!(
        sum(&stdout),
        Sum { lines: 2001, written: 1601, skipped: 160, refused: 240, ..Sum::default() }
    );
    assert_agrees_with_the_tree(&stdout, root.path());
    let logs = logs(root.path());
    assert_eq!(logs.len(), 20);
    for (id, text) in logs {
        let numbers: Vec<usize> = messages(&text)
            .iter()
            .map(|message| message.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{id} is out of order: {numbers:?}");
        assert!(numbers.len() >= 80, "{id}: {numbers:?}");
        assert!(messages(&text).iter().all(|message| message.contains(&id)));
    }
    // Refused names have no end: one report stands for all of ten seconds.
    let reasons = ["\"../EQ\"", "\"libc6:amd64\"", "\"nul\""];
    assert!(reasons.iter().any(|reason| stdout.contains(reason)), "{stdout}");
}

#[test]
fn the_replay_of_the_package_log_accounts_for_every_line() {
    let input = Path::new("/var/log/dpkg.log");
    let Ok(text) = fs::read(input) else {
        println!("{} is not here: nothing to replay", input.display());
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let output = example("replay", root.path())
        .args(["--threads", "4", "--field", "4"])
        .arg(input)
        .output()
        .unwrap();
    let stdout = printed(output);
    // dpkg may append meanwhile, but what was there was read.
    assert!(sum(&stdout).lines >= text.iter().filter(|byte| **byte == b'\n').count());
    assert_agrees_with_the_tree(&stdout, root.path());
}

#[test]
fn the_replay_reads_standard_input() {
    let root = tempfile::tempdir().unwrap();
    let mut child = example("replay", root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"EQ_01 one\nEQ_02 two\nEQ_01 three\n").unwrap();
    let stdout = printed(child.wait_with_output().unwrap());
    assert_eq!(sum(&stdout), Sum { lines: 3, written: 3, ..Sum::default() });
    assert_eq!(messages(&logs(root.path())["EQ_01"]), ["EQ_01 one", "EQ_01 three"]);
}

/// The replay of these lines below `root`, with further keys of the appender. It must account for all of them.
fn replay_with(root: &Path, keys: &str, lines: &str) -> String {
    let (config, input) = (root.join("log4rs.yaml"), root.join("input.log"));
    let yaml = format!(
        "appenders: {{a: {{kind: equipment_scoped, local_root: '$ENV{{LAB_ROOT}}', {keys}}}}}\n\
         root: {{level: info, appenders: [a]}}\n"
    );
    fs::write(&config, yaml).unwrap();
    fs::write(&input, lines).unwrap();
    let mut replay = example("replay", &root.join("logs"));
    printed(replay.arg("--config").args([config, input]).output().unwrap())
}

#[test]
fn the_replay_counts_what_a_level_filters() {
    let root = tempfile::tempdir().unwrap();
    let stdout = replay_with(root.path(), "level: error", "EQ_01 one\nEQ_01 two\n");
    assert_eq!(sum(&stdout), Sum { lines: 2, filtered: 2, ..Sum::default() });
}

#[test]
fn the_replay_counts_what_is_lost() {
    let root = tempfile::tempdir().unwrap();
    // Where the folder of the equipment should be, there is a file.
    fs::create_dir(root.path().join("logs")).unwrap();
    fs::write(root.path().join("logs/EQ_01"), "").unwrap();
    let stdout =
        replay_with(root.path(), "fsync_level: off", "EQ_01 one\nEQ_02 two\nEQ_01 three\n");
    assert_eq!(sum(&stdout), Sum { lines: 3, written: 1, lost: 2, ..Sum::default() });
}

/// The table was taken before the queue was empty.
#[test]
fn the_replay_through_a_queue_counts_what_is_written() {
    let lines = "EQ_01 one of many lines\nEQ_02 another\n".repeat(20_000);
    let root = tempfile::tempdir().unwrap();
    let stdout = replay_with(root.path(), "queue: {}", &lines);
    assert_agrees_with_the_tree(&stdout, &root.path().join("logs"));
    assert_eq!(sum(&stdout), Sum { lines: 40_000, written: 40_000, ..Sum::default() });

    // How much is lost depends on the machine.
    let root = tempfile::tempdir().unwrap();
    let stdout = replay_with(root.path(), "queue: {limit: 4 kb, when_full: drop}", &lines);
    let Sum { lines, written, lost, .. } = sum(&stdout);
    assert_eq!(lines, written + lost);
}

/// Runs the replay of one line with this configuration, which must fail.
fn failing_replay(config: &str) -> (String, String) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log4rs.yaml");
    fs::write(&path, config).unwrap();
    let input = root.path().join("input.log");
    fs::write(&input, "EQ_01 one\n").unwrap();
    let Output { status, stdout, stderr } = example("replay", &root.path().join("logs"))
        .arg("--config")
        .args([path, input])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!status.success(), "it succeeds:\n{stdout}\n{stderr}");
    assert!(!root.path().join("logs").exists());
    (stdout, stderr)
}

#[test]
fn the_replay_fails_on_a_configuration_with_a_mistake() {
    let (_, stderr) = failing_replay(
        "appenders: {a: {kind: equipment_scoped, local_root: '$ENV{LAB_ROOT}', fsync: off}}\n\
         root: {level: info, appenders: [a]}\n",
    );
    assert!(stderr.contains("fsync"), "{stderr}");
    assert!(stderr.contains("fsync_level"), "the known keys are named: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn the_replay_fails_where_lines_are_not_accounted_for() {
    let (stdout, _) = failing_replay(
        "appenders: {a: {kind: equipment_scoped, local_root: '$ENV{LAB_ROOT}'}}\n\
         root: {level: warn, appenders: [a]}\n",
    );
    assert_eq!(sum(&stdout), Sum { lines: 1, ..Sum::default() });
}

#[test]
fn the_replay_fails_without_its_input() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("missing.log");
    let output = example("replay", root.path()).arg(missing).output().unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("missing.log"), "{stderr}");
}
