//! The promise: the example `merge` puts the logs of all hosts in the order of time, complete, and reports what it
//! cannot read.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
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

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

fn line(second: u32, rest: &str) -> String {
    format!("2026-04-17T14:31:{second:02}Z {rest}\n")
}

/// A small tree: two hosts, rotated by logrotate and by ourselves, compressed and not, with lines that are no
/// records', an editor's byte order mark and line ends, another encoder's line, and a file that ends torn.
fn small_tree(equipment: &Path) {
    let logs = equipment.join(".exlab-wizard");
    fs::create_dir_all(&logs).unwrap();
    let write = |name: &str, text: &[u8]| fs::write(logs.join(name), text).unwrap();
    let a1 = line(1, "[INFO ] [host:a] [equip:E] [run:R1] [speed:3] a1");
    write("wizard.a.log.10.gz", &gzip(a1.as_bytes()));
    let a3 = line(3, "[WARN ] [host:a] [equip:E] [run:R1] [speed:07] a3") + "  below a3\n";
    write("wizard.a.log.9", a3.as_bytes());
    let a5 = line(5, r"[ERROR] [host:a] [equip:E] C:\\new\nis a5");
    write("wizard.a.log", format!("\u{feff}  still below a3\n{a5}").as_bytes());

    let b2 = "no record\r\n".to_owned() + &line(2, "[ERROR] [host:b.c] [equip:E] b2");
    write("wizard.b.c.log.2026-04-17.gz", &gzip(b2.as_bytes()));
    write("wizard.b.c.log.2026-04-17.1", b"2026-04-17T16:31:02.500+02:00 INFO app::stage - b3\n");
    let b4 = line(4, "[DEBUG] [host:b.c] [equip:E] [run:R2] b4\r") + "\0\0 torn";
    write("wizard.b.c.log", b4.as_bytes());
    write("other.log", b"not a log\n");
    write("wizard.a.log.9.tmp", b"not a log\n");
}

/// What each line ends with.
fn last_words(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect()
}

#[test]
fn hosts_and_rotated_and_compressed_files_are_in_the_order_of_time() {
    let root = tempfile::tempdir().unwrap();
    let equipment = root.path().join("E");
    small_tree(&equipment);
    let expected = ["record", "a1", "b2", "b3", "a3", "a3", "a3", "b4", "torn", "a5"];
    for folder in [root.path(), &equipment, &equipment.join(".exlab-wizard")] {
        let text = printed(merge(folder, &[]).output().unwrap());
        assert_eq!(last_words(&text), expected, "{text}");
        assert!(text.contains("a3\n  below a3\n  still below a3\n"), "{text}");
        assert!(text.ends_with('\n') && !text.contains('\r') && !text.contains('\u{feff}'));
    }
    let one = equipment.join(".exlab-wizard/wizard.a.log.9");
    assert_eq!(last_words(&printed(merge(&one, &[]).output().unwrap())), ["a3", "a3"]);
}

#[test]
fn records_are_chosen_by_time_level_run_tag_and_text() {
    let equipment = tempfile::tempdir().unwrap();
    small_tree(equipment.path());
    let chosen = |args: &[&str], zone: &str| {
        let output = merge(equipment.path(), args).env("TZ", zone).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        // One line of this tree is before its log's first record: no filter can judge it.
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("wizard.b.c.log: begins with lines that have no time"), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (args, expected) in [
        (&["--since", "2026-04-17T14:31:04Z"][..], &["b4", "torn", "a5"][..]),
        (&["--until", "2026-04-17T16:31:02+02:00"], &["a1"]),
        (&["--since", "2026-04-17 16:31:04", "--local"], &["b4", "torn", "a5"]),
        (&["--since", "2026-04-17", "--until", "2026-04-17 14:31:02"], &["a1"]),
        (&["--level", "warn"], &["b2", "a3", "a3", "a3", "a5"]),
        (&["--level", "ERROR"], &["b2", "a5"]),
        (&["--run", "R1"], &["a1", "a3", "a3", "a3"]),
        (
            &["--run", "R1", "--level", "info", "--since", "2026-04-17 14:31:02"],
            &["a3", "a3", "a3"],
        ),
        (&["--tag", "speed=3"], &["a1"]),
        (&["--tag", "speed=3", "--tag", "run=R2"], &[]),
        (&["--grep", "still below|b[24]"], &["b2", "a3", "a3", "a3", "b4", "torn"]),
    ] {
        // Windows takes its zone from elsewhere.
        if cfg!(windows) && args.contains(&"--local") {
            continue;
        }
        // Two hours ahead of UTC, on a machine without the zones' rules too.
        let text = chosen(args, "TEST-2");
        assert_eq!(last_words(&text), expected, "{args:?}");
    }
    // Rotated files of long ago are not opened.
    let output = merge(equipment.path(), &["--since", "1 s"]).output().unwrap();
    assert!(output.stdout.is_empty());
}

#[test]
fn a_message_is_unfolded_and_coloured() {
    let equipment = tempfile::tempdir().unwrap();
    small_tree(equipment.path());
    let file = equipment.path().join(".exlab-wizard/wizard.a.log");
    let args = ["--unfold", "--color", "always"];
    let text = printed(merge(&file, &args).output().unwrap());
    assert!(text.ends_with("[ERROR] [host:a] [equip:E] \x1b[0mC:\\new\n    is a5\n"), "{text:?}");
}

#[test]
fn json_has_key_values_as_fields() {
    let equipment = tempfile::tempdir().unwrap();
    small_tree(equipment.path());
    let text = printed(merge(equipment.path(), &["--json"]).output().unwrap());
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 7);
    assert_eq!(objects[0]["text"], "no record");
    let a1 = serde_json::json!({"time": "2026-04-17T14:31:01Z", "level": "INFO", "host": "a", "equipment": "E",
        "run": "R1", "speed": 3, "message": "a1"});
    assert_eq!(objects[1], a1);
    assert_eq!(objects[3]["text"], "2026-04-17T16:31:02.500+02:00 INFO app::stage - b3");
    assert_eq!(objects[3]["time"], "2026-04-17T14:31:02.500Z");
    assert_eq!(objects[4]["message"], "a3\n  below a3\n  still below a3");
    assert_eq!(objects[4]["speed"], "07", "no number of JSON's");
    assert_eq!(objects[6]["message"], "C:\\new\nis a5");
}

/// A changed `every` leaves names of several kinds, whose order only the records' times tell; of a file that is
/// there plain and compressed, the compression was not finished.
#[test]
fn names_of_all_kinds_are_one_log() {
    let equipment = tempfile::tempdir().unwrap();
    let write = |end: &str, second: u32| {
        let text = line(second, &format!("[INFO ] [host:h] [equip:E] {second}"));
        let text = if end.ends_with(".gz") { gzip(text.as_bytes()) } else { text.into_bytes() };
        fs::write(equipment.path().join(format!("wizard.h.log{end}")), text).unwrap();
    };
    for (end, second) in [
        (".2026-04-16", 1),
        (".2026-04-16.1.gz", 2),
        (".2026-04-16.9", 3),
        (".2026-04-16.10", 4),
        (".2026-04", 5),
        (".2026-04-17T14", 6),
        (".2026-04-17T14.1", 7),
        (".2026-04-17T14-31-08Z.gz", 8),
        ("", 9),
    ] {
        write(end, second);
    }
    fs::write(equipment.path().join("wizard.h.log.2026-04-16.gz"), b"\x1f\x8b half of it").unwrap();
    let text = printed(merge(equipment.path(), &[]).output().unwrap());
    assert_eq!(last_words(&text), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

/// As a pattern of the shell names them, while a compression is unfinished.
#[test]
fn a_file_that_is_named_plain_and_compressed_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("pump.log.2026-04-17");
    let compressed = dir.path().join("pump.log.2026-04-17.gz");
    fs::write(&plain, line(1, "[INFO ] [host:a] [equip:E] one")).unwrap();
    fs::write(&compressed, b"\x1f\x8b\x08 half").unwrap();
    let text = printed(merge(&compressed, &[plain.to_str().unwrap()]).output().unwrap());
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_merged() {
    let equipment = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(equipment.path().join(name), text).unwrap();
    let good = line(9, "[INFO ] [host:h] [equip:E] good");
    let noise: String =
        (0..2000).map(|n| line(1, &format!("[INFO ] [host:h] [equip:E] {n}"))).collect();
    let whole = gzip(noise.as_bytes());
    for (name, text, why) in [
        ("wizard.h.log.2026-04-16.gz", &whole[..whole.len() / 2], ""),
        ("wizard.h.log.2026-04-16.xz", b"", "is not read"),
        ("wizard.u.log", b"\xff\xfe2\x000\x002\x006\x00", "UTF-16"),
    ] {
        write("wizard.h.log", good.as_bytes());
        write(name, text);
        let output = merge(equipment.path(), &[]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(stderr.contains(&format!("{name}: ")) && stderr.contains(why), "{name}: {stderr}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(&good), "{name}");
        fs::remove_file(equipment.path().join(name)).unwrap();
    }
}

/// More logs than files may be open, each in several pieces: a file is closed between two reads.
#[test]
fn more_logs_than_open_files_are_merged() {
    let equipment = tempfile::tempdir().unwrap();
    const HOSTS: usize = 150;
    for host in 0..HOSTS {
        let text: String = (0..200)
            .map(|n| {
                let text = format!(
                    "[INFO ] [host:h{host}] [equip:E] {} {}",
                    "x".repeat(60),
                    n * HOSTS + host
                );
                line(n as u32 / 4, &text)
            })
            .collect();
        let (name, text) = match host % 2 {
            0 => (format!("wizard.h{host:03}.log"), text.into_bytes()),
            _ => (format!("wizard.h{host:03}.log.2026-04-17.gz"), gzip(text.as_bytes())),
        };
        fs::write(equipment.path().join(name), text).unwrap();
    }
    let mut command = merge(equipment.path(), &[]);
    if cfg!(unix) {
        let inner = command;
        command = Command::new("sh");
        command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]);
        command.arg(inner.get_program()).args(inner.get_args());
    }
    let text = printed(command.output().unwrap());
    let mut numbers: Vec<usize> =
        last_words(&text).iter().map(|word| word.parse().unwrap()).collect();
    assert!(text.lines().is_sorted_by_key(|line| line[..20].to_owned()));
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..200 * HOSTS));
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
        (empty.path(), &["--since", "some day"], "is no time"),
        (empty.path(), &["--level", "loud"], "--level"),
    ] {
        let output = merge(folder, args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(why), "{why}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}
