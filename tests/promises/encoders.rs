//! The promise: whatever encoder formats a record, one record is one line, and what the encoder
//! wrote as JSON can still be read as JSON.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use equipment_log::{ControlCharacters, EquipmentScopedAppender, Scope};
use log4rs::append::Append;
use log4rs::encode::json::JsonEncoder;
use log4rs::encode::pattern::PatternEncoder;
use log4rs::encode::Encode;

/// The log's text after one record with this message.
fn logged(encoder: Box<dyn Encode>, control: ControlCharacters, message: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let builder = EquipmentScopedAppender::builder().encoder(encoder).control_characters(control);
    let appender = builder.build(root.path()).unwrap();
    let scope = Scope::new("ENCODED_01").unwrap();
    scope.run(|| {
        let append = |args| appender.append(&log::Record::builder().args(args).build());
        append(format_args!("{message}")).unwrap();
    });
    std::fs::read_to_string(appender.sink().path(&scope).unwrap()).unwrap()
}

const HOSTILE: &str =
    "tab\t, line\r\nend, \u{1b}[31m, del \u{7f}, C1 \u{85}, \u{2028} and \u{2029}";

#[test]
fn json_with_any_control_character_stays_json_of_the_same_message() {
    let text = logged(Box::new(JsonEncoder::new()), ControlCharacters::Escape, HOSTILE);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["message"], HOSTILE);
    assert_eq!(text.lines().count(), 1);
    assert!(!text.trim_end().contains(|c: char| c.is_control() || c == '\u{2028}'), "{text:?}");
}

#[test]
fn a_pattern_of_log4rs_makes_one_line_of_a_message_with_several() {
    let pattern = || Box::new(PatternEncoder::new("{l} {m}{n}"));
    let escaped = logged(pattern(), ControlCharacters::Escape, "one\r\ntwo\u{1b}");
    assert_eq!(escaped, "INFO one\\r\\ntwo\\u001b\n");
    let kept = logged(pattern(), ControlCharacters::Keep, "one\ntwo\u{1b}");
    assert_eq!(kept, "INFO one\ntwo\u{1b}\n");
}

#[test]
fn a_ready_line_is_one_line_whatever_is_in_it() {
    use ControlCharacters::{Escape, Keep};
    for (control, ready, written) in [
        (Escape, "one", "one\n"),
        (Escape, "one\n", "one\n"),
        (Escape, "one\r\n", "one\n"),
        (Escape, "one\ttwo\n", "one\\ttwo\n"),
        (Escape, "one\ntwo", "one\\ntwo\n"),
        (Keep, "one\ttwo\r\n", "one\ttwo\n"),
        (Keep, "one\ntwo\n", "one\ntwo\n"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let builder = crate::support::sink(root.path()).control_characters(control);
        let sink = builder.build().unwrap();
        let scope = Scope::new("ENCODED_04").unwrap();
        sink.write(&scope, log::Level::Info, ready).unwrap();
        let text = std::fs::read_to_string(sink.path(&scope).unwrap()).unwrap();
        assert_eq!(text, written, "{ready:?}");
    }
}

#[test]
fn an_encoder_without_a_kind_is_the_structured_line() {
    let root = tempfile::tempdir().unwrap();
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let yaml = format!("local_root: {:?}\nencoder: {{precision: millis}}", root.path());
    let config = serde_yaml::from_str(&yaml).unwrap();
    let appender = deserializers.deserialize::<dyn Append>("equipment_scoped", config).unwrap();
    let scope = Scope::new("ENCODED_02").unwrap();
    scope.run(|| {
        appender.append(&log::Record::builder().args(format_args!("message")).build()).unwrap();
    });
    let log = std::fs::read_to_string(handle.sinks()[0].path(&scope).unwrap()).unwrap();
    let line = equipment_log::parse_line(log.trim_end()).unwrap();
    assert_eq!((&*line.message, log.find('Z')), ("message", Some("2026-04-17T14:31:55.250".len())));
}

/// As log4rs's own appenders take it: who comes from one need not change the encoder.
#[test]
fn an_encoder_with_a_pattern_alone_is_log4rs_s() {
    let root = tempfile::tempdir().unwrap();
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let yaml = format!("local_root: {:?}\nencoder: {{pattern: '{{l}} {{m}}{{n}}'}}", root.path());
    let config = serde_yaml::from_str(&yaml).unwrap();
    let appender = deserializers.deserialize::<dyn Append>("equipment_scoped", config).unwrap();
    let scope = Scope::new("ENCODED_03").unwrap();
    scope.run(|| {
        appender.append(&log::Record::builder().args(format_args!("message")).build()).unwrap();
    });
    let log = std::fs::read_to_string(handle.sinks()[0].path(&scope).unwrap()).unwrap();
    assert_eq!(log, "INFO message\n");
}
