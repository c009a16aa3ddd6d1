//! The promise: the example `merge` puts the logs of all hosts in the order of time, complete, in a
//! memory that does not grow with them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The example that `cargo test` has built.
fn merge(folder: &Path, args: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples/merge");
    let program = built.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is not built: `cargo build --example merge`", program.display());
    let mut command = Command::new(program);
    command.arg(folder).args(args);
    command
}

fn printed(Output { status, stdout, stderr }: Output) -> String {
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A small tree: two hosts, rotated and not, with lines that are none and a file that ends torn.
fn small_tree(equipment: &Path) {
    let logs = equipment.join(".exlab-wizard");
    fs::create_dir_all(&logs).unwrap();
    let a = |second: u32, rest: &str| format!("2026-04-17T14:31:{second:02}Z {rest}\n");
    let write = |name: &str, lines: &[String]| fs::write(logs.join(name), lines.concat()).unwrap();
    write("wizard.a.log.10", &[a(1, "[INFO ] [host:a] [equip:E] [run:R1] a1")]);
    write(
        "wizard.a.log.9",
        &[a(3, "[WARN ] [host:a] [equip:E] [run:R1] a3"), "  below a3\n".into()],
    );
    write("wizard.a.log", &["  still below a3\n".into(), a(5, "[ERROR] [host:a] [equip:E] a5")]);
    write("wizard.b.c.log.1", &["no record\n".into(), a(2, "[ERROR] [host:b.c] [equip:E] b2")]);
    fs::write(
        logs.join("wizard.b.c.log"),
        a(4, "[DEBUG] [host:b.c] [equip:E] [run:R2] b4") + "\0\0 torn",
    )
    .unwrap();
    write("wizard.a.log.gz", &["not a log\n".into()]);
    write("other.log", &["not a log\n".into()]);
}

/// What each line ends with.
fn last_words(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect()
}

#[test]
fn hosts_and_rotated_files_are_in_the_order_of_time() {
    let equipment = tempfile::tempdir().unwrap();
    small_tree(equipment.path());
    let expected = ["record", "a1", "b2", "a3", "a3", "a3", "b4", "torn", "a5"];
    for folder in [equipment.path(), &equipment.path().join(".exlab-wizard")] {
        let text = printed(merge(folder, &[]).output().unwrap());
        assert_eq!(last_words(&text), expected, "{text}");
        assert!(text.contains("a3\n  below a3\n  still below a3\n"), "{text}");
        assert!(text.ends_with('\n'));
    }
}

#[test]
fn records_are_chosen_by_time_level_and_run() {
    let equipment = tempfile::tempdir().unwrap();
    small_tree(equipment.path());
    for (args, expected) in [
        (&["--since", "2026-04-17T14:31:04Z"][..], &["b4", "torn", "a5"][..]),
        (&["--level", "warn"], &["b2", "a3", "a3", "a3", "a5"]),
        (&["--level", "ERROR"], &["b2", "a5"]),
        (&["--run", "R1"], &["a1", "a3", "a3", "a3"]),
        (
            &["--run", "R1", "--level", "info", "--since", "2026-04-17 14:31:02"],
            &["a3", "a3", "a3"],
        ),
        (&["--since", "1 s"], &[]),
    ] {
        let text = printed(merge(equipment.path(), args).output().unwrap());
        assert_eq!(last_words(&text), expected, "{args:?}");
    }
}

#[test]
fn a_line_longer_than_the_memory_allows_is_passed_on_whole() {
    let equipment = tempfile::tempdir().unwrap();
    let long = "x\\n ".repeat(1_000_000);
    let text = [
        format!("2026-04-17T14:31:55Z [WARN ] [host:a] [equip:E] {long}\n"),
        "2026-04-17T14:31:57Z [INFO ] [host:a] [equip:E] after\n".to_owned(),
        "\0".repeat(1_000_000),
    ];
    fs::write(equipment.path().join("wizard.a.log"), text.concat()).unwrap();
    let other = "2026-04-17T14:31:56Z [WARN ] [host:b] [equip:E] between\n";
    fs::write(equipment.path().join("wizard.b.log"), other).unwrap();

    let all = printed(merge(equipment.path(), &[]).output().unwrap());
    assert!(all == [&text[0], other, &text[1], &text[2], "\n"].concat(), "{} bytes", all.len());
    let warnings = printed(merge(equipment.path(), &["--level", "warn"]).output().unwrap());
    assert!(warnings == [&text[0], other].concat(), "{} bytes", warnings.len());
}

/// As `merge … | head -1` leaves it.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let equipment = tempfile::tempdir().unwrap();
    let line = "2026-04-17T14:31:55Z [INFO ] [host:a] [equip:E] one of many\n";
    fs::write(equipment.path().join("wizard.a.log"), line.repeat(20_000)).unwrap();
    let mut command = merge(equipment.path(), &[]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, line);
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn what_cannot_be_merged_is_said() {
    let empty = tempfile::tempdir().unwrap();
    for (folder, args, why) in [
        (empty.path(), &[][..], "holds no wizard.<host>.log"),
        (&empty.path().join("missing"), &[], "missing"),
        (empty.path(), &["--since", "yesterday"], "nor a duration"),
        (empty.path(), &["--level", "loud"], "--level"),
    ] {
        let output = merge(folder, args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(why), "{why}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}
