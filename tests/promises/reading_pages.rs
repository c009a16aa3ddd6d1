//! The promise: what the pages `without_rust` and `reading` tell their readers to type works as it is there.
//!
//! Linux only: the commands are those of its terminals.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{lacks, run, Need};

const WITHOUT_RUST: &str = include_str!("../../src/book/without_rust.md");
const READING: &str = include_str!("../../src/book/reading.md");

/// The lines of the page's blocks that begin with one of these words, without the remark behind three spaces. A line
/// that ends in a backslash continues.
fn commands(page: &str, words: &[&str]) -> Vec<String> {
    let blocks = page.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands = Vec::new();
    for block in blocks {
        for line in block.replace("\\\n    ", "").lines() {
            let command = line.split("   ").next().unwrap();
            if words.contains(&command.split(' ').next().unwrap()) {
                commands.push(command.to_owned());
            }
        }
    }
    commands
}

/// CONFOCAL_01 as the page has it, and another one.
fn tree(root: &Path) {
    for (id, host) in [("CONFOCAL_01", "labpc-04"), ("STAGE_02", "labpc-05")] {
        let folder = root.join(id).join(".exlab-wizard");
        fs::create_dir_all(&folder).unwrap();
        let text = |day: u32| -> String {
            (0..24)
                .flat_map(|hour| {
                    let time = format!("2026-04-{day}T{hour:02}:00:00Z");
                    let head = format!("[host:{host}] [equip:{id}] [run:R7]");
                    [
                        format!("{time} [INFO ] {head} [lamp_c:81.5] moved\n"),
                        format!("{time} [ERROR] {head} laser 2 lost its interlock\n"),
                        format!("{time} [WARN ] {head} 7 records are missing here since {time}: disk full.\n"),
                    ]
                })
                .collect()
        };
        let name = folder.join(format!("wizard.{host}.log")).display().to_string();
        let mut packed = flate2::write::GzEncoder::new(
            File::create(format!("{name}.2026-04-16.gz")).unwrap(),
            flate2::Compression::fast(),
        );
        packed.write_all(text(16).as_bytes()).unwrap();
        packed.finish().unwrap();
        fs::write(format!("{name}.2026-04-17"), text(17)).unwrap();
        fs::write(name, text(18)).unwrap();
    }
}

fn succeeds(command: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{command}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_commands_of_a_terminal_answer_their_questions() {
    let root = tempfile::tempdir().unwrap();
    tree(root.path());
    let mut commands = commands(WITHOUT_RUST, &["zcat", "zgrep", "tail"]);
    // This one never ends.
    commands.retain(|command| !command.starts_with("tail -F"));
    assert_eq!(commands.len(), 7, "{commands:?}");
    let answer = |command: &String| {
        let output = Command::new("sh").arg("-c").arg(command).current_dir(&root).output().unwrap();
        succeeds(command, &output)
    };
    let answers: Vec<_> = commands.iter().map(answer).collect();
    let lines: Vec<_> = answers.iter().map(|answer| answer.lines().count()).collect();
    // All of one, its errors, these with its warnings, the night of all, each file's count, each file's losses, the
    // last records of the two live logs.
    assert_eq!(lines, [3 * 72, 3 * 24, 3 * 48, 2 * 3 * 12, 6, 2 * 72, 2], "{commands:?}");
    assert!(answers[0].lines().is_sorted_by_key(|line| line[..20].to_owned()));
    assert!(answers[4].lines().all(|line| line.ends_with(":24")), "{}", answers[4]);
}

#[test]
fn the_commands_for_lnav_answer_theirs() {
    if lacks(&[Need::Tool("lnav")]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lab");
    tree(&root);
    let shell = |command: &str| {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).current_dir(env!("CARGO_MANIFEST_DIR"));
        shell.env("HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path()).env("TERM", "dumb");
        shell
    };
    let found = commands(WITHOUT_RUST, &["lnav"]);
    assert_eq!(found.len(), 3, "{found:?}");
    run(&mut shell(&found[0]));
    let table = folder.path().join("last-night.csv");
    let here = |command: &str| {
        let command = command.replace("/data/lab", root.to_str().unwrap());
        command.replace("last-night.csv", table.to_str().unwrap())
    };
    succeeds(&found[2], &shell(&here(&found[2])).output().unwrap());
    assert_eq!(fs::read_to_string(&table).unwrap().lines().count(), 1 + 2 * 3 * 72);

    let questions: Vec<_> = WITHOUT_RUST.lines().filter(|line| line.starts_with(';')).collect();
    let [errors, lamp] = questions[..] else { panic!("{questions:?}") };
    for (question, lines) in [(errors, 1 + 2), (lamp, 1 + 2 * 72)] {
        let files = here("/data/lab/*/.exlab-wizard/wizard.*.log*");
        let mut lnav = shell("lnav -n -c \"$QUESTION\" -c ':write-csv-to -' $FILES");
        let output = lnav.env("QUESTION", question).env("FILES", files).output().unwrap();
        let answer = succeeds(question, &output);
        assert_eq!(answer.lines().count(), lines, "{question}: {answer}");
    }
}

#[test]
fn the_commands_for_merge_and_report_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lab");
    tree(&root);
    let test = std::env::current_exe().unwrap();
    let examples = test.ancestors().nth(2).unwrap().join("examples");
    let path = format!("{}:{}", examples.display(), std::env::var("PATH").unwrap());
    let found = commands(READING, &["merge", "report"]);
    assert_eq!(found.len(), 9, "{found:?}");
    for command in found {
        // What waits for more is killed after a while; of a pipe only our part is run.
        let follows = command.contains("--follow");
        let own =
            command.split(" | jq").next().unwrap().replace("/data/lab", root.to_str().unwrap());
        let own = if follows { format!("timeout 2 {own}") } else { own };
        let output = Command::new("sh")
            .arg("-c")
            .arg(&own)
            .env("PATH", &path)
            .current_dir(&folder)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert_eq!(code, Some(if follows { 124 } else { 0 }), "{own}: {errors}");
        let empty = command.contains("yesterday");
        assert!(empty || !output.stdout.is_empty(), "{own} prints nothing");
    }
}
