//! The promise: the samples for collectors take equipment and host from a log's path, and time, level, tags
//! and message from its lines. rsyslog is run, over rotations and a stop; of the others the expressions are.
//!
//! Linux only: rsyslog's imfile is told of new records by inotify.
#![cfg(all(target_os = "linux", feature = "log4rs", feature = "yaml"))]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::support::{lacks, Need};
use equipment_log::Scope;
use log::Level;
use regex::Regex;
use serde_json::Value;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config-samples/collectors");

fn sample(name: &str) -> String {
    fs::read_to_string(format!("{SAMPLES}/{name}")).unwrap()
}

/// `text` with `old` in it replaced, which must be there once.
fn put(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old:?} in the sample");
    text.replace(old, new)
}

/// A running rsyslogd, killed when the test is over.
struct Rsyslog(Child);

impl Rsyslog {
    /// Runs the sample as it stands, but for the root and the place where records go.
    fn start(lab: &Path, state: &Path, port: u16) -> Rsyslog {
        let conf = sample("rsyslog.conf");
        assert_eq!(conf.matches("File=\"/data/lab/").count(), 2, "live and rotated files");
        let conf = conf.replace("File=\"/data/lab/", &format!("File=\"{}/", lab.display()));
        let conf = put(&conf, "target=\"logs.example.org\"", "target=\"127.0.0.1\"");
        let conf = put(&conf, "port=\"10514\"", &format!("port=\"{port}\""));
        // Debian's rsyslog.conf names the folder; the sample is included below it.
        let conf = format!("global(workDirectory=\"{}\")\n{conf}", state.display());
        let file = state.join("rsyslog.conf");
        fs::write(&file, conf).unwrap();
        let check = Command::new("rsyslogd").arg("-N1").arg("-f").arg(&file).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        let child = Command::new("rsyslogd")
            .args(["-n", "-f"])
            .arg(&file)
            .arg("-i")
            .arg(state.join("pid"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Rsyslog(child)
    }
}

impl Rsyslog {
    /// As systemd stops it: it notes its place in each file.
    fn stop(mut self) {
        crate::support::run(Command::new("kill").args(["-TERM", &self.0.id().to_string()]));
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What rsyslog sent, each a JSON object.
struct Received(BufReader<TcpStream>);

impl Received {
    fn next(&mut self) -> BTreeMap<String, String> {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a record within the time");
        let Ok(Value::Object(object)) = serde_json::from_str(&line) else {
            panic!("not a JSON object: {line:?}");
        };
        object.into_iter().map(|(key, value)| (key, value.as_str().unwrap().to_owned())).collect()
    }
}

fn accept(listener: &TcpListener, rsyslog: &mut Rsyslog) -> Received {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(err) => assert_eq!(err.kind(), std::io::ErrorKind::WouldBlock, "{err}"),
        }
        assert!(rsyslog.0.try_wait().unwrap().is_none(), "rsyslogd has ended");
        assert!(Instant::now() < deadline, "rsyslogd did not connect");
        thread::sleep(Duration::from_millis(10));
    };
    stream.set_nonblocking(false).unwrap();
    // Long enough for a busy machine; a record that was lost fails the test by it.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    Received(BufReader::new(stream))
}

const EQUIPMENT: [&str; 3] = ["CONFOCAL_01", "STAGE_02", "WIDEFIELD_03"];

/// Equipment, level, run and number of each record, as it is to arrive.
type Sent = Vec<(String, String, String, u32)>;

/// A lab that logs.
struct Lab {
    root: PathBuf,
    logger: log4rs::Logger,
    sent: Sent,
    /// How many of them have arrived.
    delivered: usize,
    /// Records that rsyslog had not sent before their file was renamed: they may be sent twice.
    late: BTreeSet<u32>,
}

impl Lab {
    fn send(&mut self, id: &str, level: Level, records: usize) {
        for _ in 0..records {
            let count = self.sent.len() as u32 + 1;
            let message = format!("record {count} [run:forged] \"quoted\" µm \\ \n end");
            let run = format!("R]{}", count % 3);
            let scope = Scope::new(id).unwrap().tag("proj", "PROJ-0042").tag("run", &run);
            scope
                .tag("position_um", "12.5")
                .run(|| crate::support::log(&self.logger, level, &message));
            self.sent.push((id.to_owned(), level.to_string(), run.replace(']', "\\]"), count));
        }
    }

    /// The writer continues in the renamed file until it notices.
    fn rotate(&mut self, id: &str, period: &str) {
        let path = crate::support::log_path(&self.root, id);
        let first = self.delivered as u32 + 1;
        fs::rename(&path, format!("{}.{period}", path.display())).unwrap();
        self.send(id, Level::Warn, 10);
        while !path.exists() {
            self.send(id, Level::Info, 1);
            thread::sleep(Duration::from_millis(5));
        }
        self.late.extend(first..=self.sent.len() as u32);
        self.send(id, Level::Error, 50);
    }
}

/// Takes records until each that was sent has arrived.
fn take_all(
    lab: &mut Lab,
    received: &mut Received,
    arrived: &mut BTreeMap<u32, (String, String, String)>,
) {
    while arrived.len() < lab.sent.len() {
        let record = received.next();
        assert_eq!(record["host"], crate::support::HOST, "{record:?}");
        assert_eq!(record["proj"], "PROJ-0042", "{record:?}");
        assert_eq!(record["kind"], "", "{record:?}");
        assert_eq!(record["tags"], " [position_um:12.5]", "{record:?}");
        humantime::parse_rfc3339(&record["time"]).unwrap_or_else(|_| panic!("{record:?}"));
        let rest =
            record["message"].strip_prefix("record ").unwrap_or_else(|| panic!("{record:?}"));
        let (number, rest) = rest.split_once(' ').unwrap();
        assert_eq!(rest, "[run:forged] \"quoted\" µm \\\\ \\n end");
        let number = number.parse().unwrap();
        let field = |name| record[name].clone();
        let before = arrived.insert(number, (field("equipment"), field("level"), field("run")));
        assert!(before.is_none() || lab.late.contains(&number), "record {number} arrived twice");
    }
    lab.delivered = lab.sent.len();
}

#[test]
fn rsyslog_delivers_every_record_over_rotations_and_while_it_is_stopped() {
    if lacks(&[Need::Tool("rsyslogd")]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, state) = (folder.path().join("lab"), folder.path().join("state"));
    fs::create_dir_all(&state).unwrap();
    fs::create_dir_all(&root).unwrap();
    let (logger, sink, errors) = crate::support::logger(&root);
    let mut lab =
        Lab { root: root.clone(), logger, sent: Vec::new(), delivered: 0, late: BTreeSet::new() };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut arrived = BTreeMap::new();

    // What was there before rsyslog.
    EQUIPMENT.iter().for_each(|id| lab.send(id, Level::Info, 100));
    let mut rsyslog = Rsyslog::start(&root, &state, port);
    let mut received = accept(&listener, &mut rsyslog);
    take_all(&mut lab, &mut received, &mut arrived);
    // While it reads.
    for id in EQUIPMENT {
        lab.send(id, Level::Warn, 100);
        lab.rotate(id, "2026-04-16");
    }
    take_all(&mut lab, &mut received, &mut arrived);
    rsyslog.stop();
    // While it is stopped: two rotations.
    for id in EQUIPMENT {
        lab.send(id, Level::Warn, 50);
        lab.rotate(id, "2026-04-17");
        lab.rotate(id, "2026-04-17.1");
    }
    let mut rsyslog = Rsyslog::start(&root, &state, port);
    let mut received = accept(&listener, &mut rsyslog);
    take_all(&mut lab, &mut received, &mut arrived);
    EQUIPMENT.iter().for_each(|id| lab.send(id, Level::Info, 50));
    take_all(&mut lab, &mut received, &mut arrived);

    assert_eq!(*errors.lock().unwrap(), [""; 0]);
    assert_eq!(sink.stats().total.written, lab.sent.len() as u64);
    let arrived: Sent =
        arrived.into_iter().map(|(number, (id, level, run))| (id, level, run, number)).collect();
    assert!(arrived == lab.sent, "each record with its fields");
}

/// The regular expression that has a group of this name, as the sample holds it between single quotes.
fn expression(name: &str, group: &str) -> Regex {
    let text = sample(name);
    let quoted = text.split('\'').find(|part| {
        part.contains(&format!("(?P<{group}>")) || part.contains(&format!("(?<{group}>"))
    });
    Regex::new(quoted.unwrap_or_else(|| panic!("{name} has no group {group}"))).unwrap()
}

const COLLECTORS: [&str; 3] = ["fluent-bit.yaml", "vector.yaml", "otel-collector.yaml"];

#[test]
fn their_expressions_take_the_fields_from_path_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let (logger, _, _) = crate::support::logger(folder.path());
    let bare = Scope::new("CONFOCAL_01").unwrap();
    let full = bare
        .clone()
        .tag("operator", "ki]m")
        .tag("run", "R 7")
        .tag("proj", "a[b")
        .tag("kind", "x\\");
    bare.run(|| crate::support::log(&logger, Level::Info, "stage homed"));
    full.run(|| crate::support::log(&logger, Level::Error, "[run:forged] lamp\nis out"));
    let path = crate::support::log_path(folder.path(), "CONFOCAL_01");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();

    for name in COLLECTORS {
        let field = |regex: &Regex, text: &str, group: &str| {
            let found = regex.captures(text).unwrap_or_else(|| panic!("{name}: {text}"));
            found.name(group).map_or(String::new(), |value| value.as_str().to_owned())
        };
        let of_path = expression(name, "equipment");
        let path = path.to_str().unwrap();
        assert_eq!(field(&of_path, path, "equipment"), "CONFOCAL_01");
        assert_eq!(field(&of_path, path, "host"), crate::support::HOST);
        if sample(name).contains(".log.*[0-9Z]\n") {
            let rotated = format!("{path}.2026-04-17.1");
            assert_eq!(field(&of_path, &rotated, "host"), crate::support::HOST);
        }

        let of_line = expression(name, "message");
        let fields = |line: &str| {
            ["level", "proj", "kind", "run", "tags", "message"]
                .map(|group| field(&of_line, line, group))
        };
        assert_eq!(fields(lines[0]), ["INFO", "", "", "", "", "stage homed"], "{name}");
        assert_eq!(
            fields(lines[1]),
            [
                "ERROR",
                "a\\[b",
                "x\\\\",
                "R 7",
                " [operator:ki\\]m]",
                "\\[run:forged] lamp\\nis out"
            ],
            "{name}"
        );
        let time = field(&of_line, lines[1], "time");
        assert!(humantime::parse_rfc3339(&time).is_ok(), "{name}: {time}");
        assert!(of_line.captures("2026-04-17T14:31:55Z another format").is_none(), "{name}");
    }
}

#[test]
fn each_sample_is_yaml_and_reads_the_same_files() {
    for name in COLLECTORS {
        let text = sample(name);
        let value: serde_yaml::Value =
            serde_yaml::from_str(&text).unwrap_or_else(|err| panic!("{name}: {err}"));
        assert!(value.is_mapping(), "{name}");
        assert!(text.contains(" /data/lab/*/.exlab-wizard/wizard.*.log\n"), "{name}");
    }
}
