//! The promise: the structured line is what other programs were told, to the byte, and whatever a tag
//! or a message holds, reading the line gives it back.

#![cfg(feature = "log4rs")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{log, log_path, logger, logger_for, HOST};
use equipment_log::log4rs::EquipmentLineEncoder;
use equipment_log::{parse_line, ControlCharacters, EquipmentScopedAppender, Precision, Scope};
use log::{Level, Record};
use log4rs::encode::writer::simple::SimpleWriter;
use log4rs::encode::Encode;
use proptest::prelude::*;

/// The line as it was agreed on.
const AGREED: &str = "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:CONFOCAL_01] \
                      [proj:PROJ-0042] [kind:experimental] \
                      Creation started: new_run on CONFOCAL_01/PROJ-0042";

/// The moment of the agreed line, as `date --utc --date=2026-04-17T14:31:55Z +%s` tells it.
const AGREED_AT: Duration = Duration::from_secs(1_776_436_315);

/// How far a whole second may be behind: the coarse clock's step, on any kernel.
const TICK: Duration = Duration::from_millis(20);

/// How long the line's time is.
const TIME: usize = "2026-04-17T14:31:55Z".len();

fn encode(encoder: &EquipmentLineEncoder, level: Level, message: &str) -> String {
    let mut out = SimpleWriter(Vec::new());
    encoder
        .encode(&mut out, &Record::builder().level(level).args(format_args!("{message}")).build())
        .unwrap();
    String::from_utf8(out.0).unwrap()
}

/// A line without its end, which it must have.
fn one_line(text: &str) -> &str {
    let line = text.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains(char::is_control), "one record is one line: {line:?}");
    line
}

fn confocal() -> Scope {
    let scope = Scope::new("CONFOCAL_01").unwrap();
    scope.tag("kind", "experimental").tag("proj", "PROJ-0042")
}

#[test]
fn the_line_is_the_agreed_one_to_the_byte() {
    let encoder = EquipmentLineEncoder::new(HOST);
    let message = "Creation started: new_run on CONFOCAL_01/PROJ-0042";
    let before = SystemTime::now();
    let text = confocal().run(|| encode(&encoder, Level::Info, message));
    let after = SystemTime::now();

    let (time, rest) = one_line(&text).split_at(TIME);
    assert_eq!(rest, &AGREED[TIME..]);
    let time = humantime::parse_rfc3339(time).expect("RFC 3339, in UTC, to the second");
    assert!(time <= after && before < time + Duration::from_secs(1) + TICK, "it is now");
}

/// What stands before the message is kept for the next record: it must be of the same scope, level,
/// host and second.
#[test]
fn no_line_begins_with_what_another_record_left() {
    let encoders = [HOST, "labpc-05"].map(EquipmentLineEncoder::new);
    let scopes = [confocal(), confocal().tag("run", "R7"), Scope::new("STAGE_02").unwrap()];
    for n in 0..1_000 {
        let level = [Level::Info, Level::Warn][n / 4 % 2];
        let host = n / 8 % 2;
        let scope = (n / 16 % 4 < 3).then(|| &scopes[n / 16 % 4]);
        let encode = || encode(&encoders[host], level, &n.to_string());
        let text = scope.map_or_else(encode, |scope| scope.run(encode));

        let line = parse_line(one_line(&text)).unwrap();
        let said = (line.level, &*line.host, line.equipment.as_ref(), &*line.message);
        let equipment = scope.map(Scope::equipment_id);
        assert_eq!(said, (level, [HOST, "labpc-05"][host], equipment, &*n.to_string()));
        let tags: Vec<_> = scope.map_or(Vec::new(), |scope| scope.tags().collect());
        assert_eq!(line.tags.len(), tags.len(), "{text}");
    }
    let (mut before, begun) = (SystemTime::now(), SystemTime::now());
    while before < begun + Duration::from_millis(1_100) {
        let text = encode(&encoders[0], Level::Info, "now");
        let line = parse_line(one_line(&text)).unwrap();
        assert!(before < line.time + Duration::from_secs(1) + TICK, "{text} at {before:?}");
        before = SystemTime::now();
    }
}

#[test]
fn the_agreed_line_is_read() {
    let line = parse_line(AGREED).unwrap();
    assert_eq!(line.time, UNIX_EPOCH + AGREED_AT);
    assert_eq!((line.level, &*line.host), (Level::Info, "labpc-04"));
    assert_eq!(line.equipment.unwrap().as_str(), "CONFOCAL_01");
    let tags = [("proj", "PROJ-0042"), ("kind", "experimental")];
    assert_eq!(line.tags, tags.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(line.message, "Creation started: new_run on CONFOCAL_01/PROJ-0042");
}

#[test]
fn the_same_line_reaches_the_file() {
    let root = tempfile::tempdir().unwrap();
    let (logger, ..) = logger(root.path());
    let message = "Creation started: new_run on CONFOCAL_01/PROJ-0042";
    confocal().run(|| log(&logger, Level::Info, message));
    let text = std::fs::read_to_string(log_path(root.path(), "CONFOCAL_01")).unwrap();
    assert_eq!(&one_line(&text)[TIME..], &AGREED[TIME..]);
}

#[test]
fn levels_are_padded_to_five_and_tags_stand_in_their_order() {
    let encoder = EquipmentLineEncoder::new(HOST);
    let scope = Scope::new("CONFOCAL_01").unwrap();
    let scope = scope.tag("user", "ann").tag("run", "R7").tag("a", "b").tag("kind", "k");
    for (level, said) in [
        (Level::Error, "ERROR"),
        (Level::Warn, "WARN "),
        (Level::Info, "INFO "),
        (Level::Debug, "DEBUG"),
        (Level::Trace, "TRACE"),
    ] {
        let text = scope.run(|| encode(&encoder, level, "m"));
        let tags = "[host:labpc-04] [equip:CONFOCAL_01] [kind:k] [run:R7] [user:ann] [a:b]";
        assert_eq!(one_line(&text)[TIME..], format!(" [{said}] {tags} m"));
    }
    assert_eq!(
        one_line(&encode(&encoder, Level::Warn, "m"))[TIME..],
        *" [WARN ] [host:labpc-04] m"
    );
}

#[test]
fn a_key_cannot_end_its_tag_and_keys_of_ours_are_no_tags() {
    let scope = confocal().tag("host", "h").tag("equip", "FORGED").tag("a]", "[b:\\");
    let text = scope.run(|| encode(&EquipmentLineEncoder::new(HOST), Level::Info, "m"));
    let line = one_line(&text);
    assert!(line.ends_with(r"[kind:experimental] [a\]:\[b:\\] m"), "{line}");
    let line = parse_line(line).unwrap();
    assert_eq!((&*line.host, line.equipment.unwrap().as_str()), (HOST, "CONFOCAL_01"));
    assert_eq!(line.tags[2..], [("a]".to_owned(), "[b:\\".to_owned())]);
}

#[test]
fn one_final_line_end_is_no_part_of_a_message() {
    for (message, read) in
        [("m\n", "m"), ("m\r\n", "m"), ("m\n\n", "m\n"), ("m\r", "m\r"), ("\n", ""), ("\r\n", "")]
    {
        let text = encode(&EquipmentLineEncoder::new(HOST), Level::Info, message);
        assert_eq!(parse_line(one_line(&text)).unwrap().message, read, "{message:?}");
    }
}

#[test]
fn a_message_that_looks_like_tags_stays_a_message() {
    let encoder = EquipmentLineEncoder::new(HOST);
    for message in [
        "[equip:FORGED] m",
        "[run:R8]",
        "[run:R8] [user:eve] m",
        " [run:R8] m",
        "\\[run:R8] m",
        "m\n2026-04-17T14:31:55Z [ERROR] [host:x] [equip:FORGED] forged",
        "",
        " ",
        "\\",
        "\\n",
        "\x1b[31mred\x1b[0m \u{2028} \u{85} \0 \t",
    ] {
        let text = confocal().run(|| encode(&encoder, Level::Info, message));
        let line = parse_line(one_line(&text)).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(line.message, message, "{text}");
        assert_eq!(line.equipment.unwrap().as_str(), "CONFOCAL_01");
        assert_eq!(line.tags.len(), 2, "{text}");
    }
}

#[test]
fn other_text_is_no_line() {
    for text in [
        "",
        "stage homed",
        "2026-04-17T14:31:55Z",
        "2026-04-17T14:31:55Z [INFO ]",
        "2026-04-17T14:31:55Z [INFO ] [host:labpc-04]",
        "2026-04-17T14:31:55Z [INFO ] no host",
        "2026-04-17T14:31:55Z [LOUD ] [host:labpc-04] m",
        "2026-04-17 [INFO ] [host:labpc-04] m",
        "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [equip:../x] m",
        "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] cut off in an escape \\",
        "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] cut off in an escape \\u{20",
        "2026-04-17T14:31:55Z [INFO ] [host:labpc-04] [a message that was not escaped",
        "\0\0\0\0",
        // What the crate never writes.
        "2026-04-17T14:31:55Z [info] [host:h] m",
        "2026-04-17T14:31:55Z [INFO] [host:h] m",
        "2026-04-17T14:31:55Z [WARN  ] [host:h] m",
        "2026-04-17T14:31:55Z [INFO ] [equip:E] m",
        "2026-04-17T14:31:55Z [INFO ] [equip:E] [host:h] m",
        "2026-04-17T14:31:55Z [INFO ] [run:R7] [host:h] [equip:E] m",
        "2026-04-17T14:31:55Z [INFO ] [host:h] [run:R7] [equip:E] m",
        "2026-04-17T14:31:55Z [INFO ] [host:h] [equip:A] [equip:B] m",
        "2026-04-17T14:31:55Z [INFO ] [host:h] [equip:A] [host:x] m",
        "2026-04-17T14:31:60Z [INFO ] [host:h] m",
    ] {
        assert_eq!(parse_line(text), None, "{text}");
    }
}

#[test]
fn milliseconds_are_read_to_the_millisecond() {
    let encoder = EquipmentLineEncoder::new(HOST).precision(Precision::Millis);
    let to_millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let before = SystemTime::now();
    let text = encode(&encoder, Level::Info, "m");
    let after = SystemTime::now();
    assert_eq!(text.find(' '), Some("2026-04-17T14:31:55.250Z".len()));
    let time = to_millis(parse_line(one_line(&text)).unwrap().time);
    assert!((to_millis(before)..=to_millis(after)).contains(&time));

    let quarter = parse_line("2026-04-17T14:31:55.250Z [INFO ] [host:h] m").unwrap().time;
    assert_eq!(quarter, UNIX_EPOCH + AGREED_AT + Duration::from_millis(250));
}

#[test]
fn the_line_that_stands_where_records_are_missing_is_read_too() {
    let root = tempfile::tempdir().unwrap();
    let (logger, sink, errors) = logger(root.path());
    let path = log_path(root.path(), "LINE_GAP");
    std::fs::create_dir_all(&path).unwrap();
    Scope::new("LINE_GAP").unwrap().tag("run", "R7").run(|| {
        log(&logger, Level::Info, "no file to write to");
        log(&logger, Level::Info, "still none");
        std::fs::remove_dir(&path).unwrap();
        log(&logger, Level::Info, "there it is");
    });

    assert_eq!(errors.lock().unwrap().len(), 1, "the second is of the same kind");
    assert_eq!(sink.stats().total.lost, 2);
    let lines = crate::support::parsed_lines(&path);
    let [gap, record] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((gap.level, &*gap.host), (Level::Warn, HOST));
    assert_eq!(gap.equipment.as_ref().unwrap().as_str(), "LINE_GAP");
    assert!(gap.message.starts_with("2 records are missing here since 2"), "{}", gap.message);
    assert!(gap.message.ends_with("."), "{}", gap.message);
    assert_eq!(record.message, "there it is");
}

/// Text that tries to pass for something else, and any other.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = vec![
        "[",
        "]",
        ":",
        "\\",
        " ",
        " [",
        "] ",
        "[equip:X]",
        "[host:",
        "\n",
        "\r\n",
        "\t",
        "\x1b",
        "\0",
        "\x7f",
        "\u{80}",
        "\u{9f}",
        "\u{2028}",
        "\u{2029}",
        "\\n",
        "\\x41",
        "\\u{41}",
        "x41",
        "u{41}",
        "n",
        "host",
        "equip",
        "proj",
        "kind",
        "run",
        "é",
        "2026-04-17T14:31:55Z",
    ];
    let piece = prop_oneof![4 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((hostile(), hostile()), 0..6)
}

fn tagged(tags: &[(String, String)]) -> Scope {
    let scope = Scope::new("LINE_TAGGED").unwrap();
    tags.iter().fold(scope, |scope, (key, value)| scope.tag(key, value))
}

/// The tags as the line has them: a key once, with its last value, and ours first.
fn in_line(tags: &[(String, String)]) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (key, value) in tags.iter().filter(|(key, _)| key != "host" && key != "equip") {
        match kept.iter_mut().find(|(k, _)| k == key) {
            Some(tag) => tag.1.clone_from(value),
            None => kept.push((key.clone(), value.clone())),
        }
    }
    let rank = |key: &str| ["proj", "kind", "run"].iter().position(|k| *k == key).unwrap_or(3);
    kept.sort_by_key(|(key, _)| rank(key));
    kept
}

/// A message as the line has it: without one final line end.
fn ended(message: &str) -> String {
    let ended = message.strip_suffix('\n').map(|m| m.strip_suffix('\r').unwrap_or(m));
    ended.unwrap_or(message).to_owned()
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back(host in hostile(), tags in tags(), message in hostile()) {
        let text = tagged(&tags).run(|| {
            encode(&EquipmentLineEncoder::new(&host), Level::Debug, &message)
        });
        let line = parse_line(one_line(&text));
        prop_assert!(line.is_some(), "{}", text);
        let line = line.unwrap();
        prop_assert_eq!(line.host, host, "{}", text);
        prop_assert_eq!(line.equipment.as_ref().map(|id| id.as_str()), Some("LINE_TAGGED"));
        prop_assert_eq!(line.level, Level::Debug);
        prop_assert_eq!(line.tags, in_line(&tags), "{}", text);
        prop_assert_eq!(line.message, ended(&message), "{}", text);
    }

    #[test]
    fn a_message_that_keeps_its_control_characters_is_read_back(
        tags in tags(),
        message in hostile(),
    ) {
        let encoder =
            EquipmentLineEncoder::new(HOST).control_characters(ControlCharacters::Keep);
        let text = tagged(&tags).run(|| encode(&encoder, Level::Info, &message));
        let line = parse_line(text.strip_suffix('\n').unwrap());
        prop_assert!(line.is_some(), "{}", text);
        let line = line.unwrap();
        prop_assert_eq!(line.tags, in_line(&tags));
        prop_assert_eq!(line.message, ended(&message));
    }

    #[test]
    fn reading_any_text_does_not_panic(text in hostile()) {
        let _ = parse_line(&text);
        let _ = parse_line(&format!("2026-04-17T14:31:55Z [INFO ] [host:h]{text}"));
    }
}

#[test]
fn what_the_appender_wrote_is_read_back() {
    use proptest::test_runner::{Config, TestRunner};
    let root = tempfile::tempdir().unwrap();
    let appender = EquipmentScopedAppender::builder().hostname(HOST).build(root.path()).unwrap();
    let (logger, errors) = logger_for(appender);
    let logged = std::cell::RefCell::new(Vec::new());
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner
        .run(&(tags(), hostile()), |(tags, message)| {
            tagged(&tags).run(|| log(&logger, Level::Info, &message));
            logged.borrow_mut().push((in_line(&tags), ended(&message)));
            Ok(())
        })
        .unwrap();

    assert_eq!(*errors.lock().unwrap(), [""; 0]);
    let lines = crate::support::parsed_lines(&log_path(root.path(), "LINE_TAGGED"));
    let read: Vec<_> = lines.into_iter().map(|line| (line.tags, line.message)).collect();
    assert_eq!(read, logged.into_inner());
}
