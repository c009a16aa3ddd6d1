//! The promise: a record's own key-values decide its equipment and are tags of its line, whatever way they were
//! captured, through log4rs and fern, directly and with a queue; and reading the line gives them back.

#![cfg(all(feature = "log4rs", feature = "fern", feature = "yaml"))]

use std::fmt;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::path::Path;

use crate::support::{log_path, logger_for, names_in, parsed_lines, HOST};
use equipment_log::fern::scoped_format;
use equipment_log::{EquipmentScopedOutput, EquipmentSink, Scope};
use log::kv::{ToValue, Value};
use log::{Level, Log, Record};
use log4rs::append::Append;
use proptest::prelude::*;

type Logger = Box<dyn Log>;

/// The appender of log4rs, with these keys.
fn with_log4rs(root: &Path, keys: &str) -> (Logger, EquipmentSink) {
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    let config = serde_yaml::from_str(&yaml(root, keys)).unwrap();
    let appender = deserializers.deserialize::<dyn Append>("equipment_scoped", config).unwrap();
    let sink = handle.sinks().remove(0);

    #[derive(Debug)]
    struct Only(Box<dyn Append>);
    impl Append for Only {
        fn append(&self, record: &Record<'_>) -> anyhow::Result<()> {
            self.0.append(record)
        }
        fn flush(&self) {
            self.0.flush();
        }
    }
    (Box::new(logger_for(Only(appender)).0), sink)
}

/// The output of fern with its own format.
fn with_fern(root: &Path, keys: &str) -> (Logger, EquipmentSink) {
    let output = EquipmentScopedOutput::from_yaml_str(&yaml(root, keys)).unwrap();
    let sink = output.sink().clone();
    let (_, logger) = fern::Dispatch::new().format(output.line_format()).chain(output).into_log();
    (logger, sink)
}

fn yaml(root: &Path, keys: &str) -> String {
    // The macros of `log` ask for it before they ask the logger that they are given.
    log::set_max_level(log::LevelFilter::Trace);
    format!("local_root: {root:?}\nhostname: {HOST}\n{keys}\n")
}

type Adapter = fn(&Path, &str) -> (Logger, EquipmentSink);

const ADAPTERS: [(&str, Adapter); 2] = [("log4rs", with_log4rs), ("fern", with_fern)];

/// What stands behind the time in the only line of a log.
fn only_line(root: &Path, id: &str) -> String {
    let text = std::fs::read_to_string(log_path(root, id)).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text["2026-04-17T14:31:55Z ".len()..].trim_end_matches('\n').to_owned()
}

#[test]
fn a_record_has_its_own_equipment_and_its_numbers() {
    for queue in ["", "queue: {}"] {
        for (name, adapter) in ADAPTERS {
            let root = tempfile::tempdir().unwrap();
            let (logger, sink) = adapter(root.path(), queue);
            let logger = &*logger;
            Scope::new("CONFOCAL_01").unwrap().tag("run", "R7").run(|| {
                log::info!(logger: logger, equipment_id = "STAGE_02", position_um = 12.5, ok = true; "moved");
            });
            sink.flush();
            let line = only_line(root.path(), "STAGE_02");
            let expected =
                "[INFO ] [host:labpc-04] [equip:STAGE_02] [position_um:12.5] [ok:true] moved";
            assert_eq!(line, expected, "{name} {queue}");
            assert_eq!(names_in(root.path()), ["STAGE_02"], "{name} {queue}");
            let tags = &parsed_lines(&log_path(root.path(), "STAGE_02"))[0].tags;
            let read = [("position_um", "12.5"), ("ok", "true")];
            assert_eq!(*tags, read.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
    }
}

/// A value of each kind, and the text that it is.
#[test]
fn every_capture_of_a_value_has_its_text() {
    struct Point;
    impl fmt::Display for Point {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("1 mm")
        }
    }
    impl fmt::Debug for Point {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Point { x: 1 }")
        }
    }
    let nested = serde_json::json!({"x": [1, 2]});
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let (logger, _) = adapter(root.path(), "unscoped: KV_CAPTURES");
        let logger = &*logger;
        log::info!(logger: logger,
            a = "text", b:% = Point, c:? = Point, d:serde = "text", e:sval = "text", f = 'c',
            g = -7, h = u64::MAX, i = i128::MIN, j = 0.1 + 0.2, k = f64::NAN, l = false,
            m = None::<&str>, n:serde = None::<u32>, o:sval = None::<u32>, p = "",
            q = Some(3), r:serde = nested, s:? = "text", t:err = fmt::Error; "m");
        let line = parsed_lines(&log_path(root.path(), "KV_CAPTURES")).remove(0);
        let got: Vec<_> = line.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
        let expected = [
            ("a", "text"),
            ("b", "1 mm"),
            ("c", "Point { x: 1 }"),
            ("d", "text"),
            ("e", "text"),
            ("f", "c"),
            ("g", "-7"),
            ("h", "18446744073709551615"),
            ("i", "-170141183460469231731687303715884105728"),
            ("j", "0.30000000000000004"),
            ("k", "NaN"),
            ("l", "false"),
            ("p", ""),
            ("q", "3"),
            ("r", "{\"x\": [1, 2]}"),
            ("s", "\"text\""),
            ("t", &fmt::Error.to_string()),
        ];
        assert_eq!(got, expected, "{name}");
    }
}

/// What becomes of a record in the scope SCOPE with this `equipment_id`: the folders that were made, and the counters.
macro_rules! with_id {
    ($adapter:expr, $($id:tt)*) => {{
        let root = tempfile::tempdir().unwrap();
        let (logger, sink) = $adapter(root.path(), "");
        let logger = &*logger;
        Scope::new("KV_SCOPE").unwrap().run(|| log::info!(logger: logger, $($id)*; "m"));
        let stats = sink.stats();
        assert_eq!(stats.total.written + stats.refused, 1);
        match root.path().exists() {
            true => names_in(root.path()).join(" "),
            false => String::new(),
        }
    }};
}

#[test]
fn every_capture_of_an_equipment_id_decides() {
    struct Null;
    impl ToValue for Null {
        fn to_value(&self) -> Value<'_> {
            Value::null()
        }
    }
    for (name, adapter) in ADAPTERS {
        const OWN: &str = "KV_OWN";
        for own in [
            with_id!(adapter, equipment_id = OWN),
            with_id!(adapter, equipment_id:% = OWN),
            with_id!(adapter, equipment_id:? = OWN),
            with_id!(adapter, equipment_id:serde = OWN),
            with_id!(adapter, equipment_id:sval = OWN),
            with_id!(adapter, equipment_id = Some(OWN)),
            with_id!(adapter, equipment_id:serde = Some(OWN)),
            with_id!(adapter, equipment_id = "KV_FIRST", equipment_id = OWN),
        ] {
            assert_eq!(own, OWN, "{name}");
        }
        for (number, text) in [
            (with_id!(adapter, equipment_id = 42), "42"),
            (with_id!(adapter, equipment_id = 42.5), "42.5"),
            (with_id!(adapter, equipment_id:? = 42), "42"),
            (with_id!(adapter, equipment_id:% = format_args!("A{}", 1)), "A1"),
            (
                with_id!(adapter, equipment_id = u128::MAX),
                "340282366920938463463374607431768211455",
            ),
        ] {
            assert_eq!(number, text, "{name}");
        }
        let none = None::<&str>;
        for absent in [
            with_id!(adapter, equipment_id = none),
            with_id!(adapter, equipment_id:? = none),
            with_id!(adapter, equipment_id:serde = none),
            with_id!(adapter, equipment_id:sval = none),
            with_id!(adapter, equipment_id = Null),
            with_id!(adapter, equipment_id = ()),
            with_id!(adapter, equipment_id = ""),
            with_id!(adapter, equipment_id:? = ""),
            with_id!(adapter, equipment_id:serde = ""),
        ] {
            assert_eq!(absent, "KV_SCOPE", "{name}");
        }
        for refused in [
            with_id!(adapter, equipment_id = true),
            with_id!(adapter, equipment_id:? = true),
            with_id!(adapter, equipment_id:serde = false),
            with_id!(adapter, equipment_id = f64::NAN),
            with_id!(adapter, equipment_id = f64::INFINITY),
            with_id!(adapter, equipment_id:? = f64::NAN),
            with_id!(adapter, equipment_id = -1),
            with_id!(adapter, equipment_id = "../x"),
            with_id!(adapter, equipment_id:% = format_args!("{}", '"')),
            with_id!(adapter, equipment_id:% = format_args!("A{}", '"')),
            with_id!(adapter, equipment_id:% = format_args!("{}A", '"')),
            with_id!(adapter, equipment_id:? = Some(OWN)),
            with_id!(adapter, equipment_id:serde = [1, 2]),
        ] {
            assert_eq!(refused, "", "{name}");
        }
    }
}

/// A plain dispatch without a format of ours loses key-values below a format only.
#[test]
fn an_output_without_a_format_sees_the_equipment_id() {
    let root = tempfile::tempdir().unwrap();
    let output = EquipmentScopedOutput::from_yaml_str(&yaml(root.path(), "")).unwrap();
    let (_, logger) = fern::Dispatch::new().chain(output).into_log();
    log::info!(logger: &*logger, equipment_id:serde = "KV_PLAIN"; "m");
    assert_eq!(names_in(root.path()), ["KV_PLAIN"]);
}

#[test]
fn own_tags_take_the_place_of_the_scopes_and_the_others_come_last() {
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let (logger, _) = adapter(root.path(), "");
        let logger = &*logger;
        let scope = Scope::new("KV_MERGED").unwrap();
        let scope = scope.tag("user", "ann").tag("run", "R1").tag("a", "1").tag("kind", "k");
        scope.run(|| {
            log::info!(logger: logger, b = 2, a = 3, b = 4, proj = "P", host = "h", equip = "e",
                c = None::<u8>, kind = None::<u8>, run = "R2"; "m");
        });
        let line = only_line(root.path(), "KV_MERGED");
        let expected = "[INFO ] [host:labpc-04] [equip:KV_MERGED] [proj:P] [kind:k] [run:R2] \
                        [user:ann] [a:3] [b:4] m";
        assert_eq!(line, expected, "{name}");
    }
}

#[test]
fn own_tags_are_those_that_path_names() {
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let path = "path: '{equipment_id}/{run}.log'";
        let (logger, sink) = adapter(root.path(), path);
        let logger = &*logger;
        log::warn!(logger: logger, equipment_id = "KV_PATH", run = "R7", temp = 21.5; "moved");
        Scope::new("KV_PATH").unwrap().tag("run", "R1").run(|| {
            log::info!(logger: logger, "1");
            log::info!(logger: logger, temp = 1; "2");
            log::info!(logger: logger, run = "R2"; "3");
            log::info!(logger: logger, "4");
            log::info!(logger: logger, run = "a/b"; "refused");
        });
        log::info!(logger: logger, equipment_id = "KV_PATH"; "skipped");
        let folder = root.path().join("KV_PATH");
        assert_eq!(names_in(&folder), ["R1.log", "R2.log", "R7.log"], "{name}");
        let messages = |run: &str| -> Vec<_> {
            parsed_lines(&folder.join(run)).into_iter().map(|line| line.message).collect()
        };
        assert_eq!(messages("R1.log"), ["1", "2", "4"], "{name}");
        assert_eq!(
            (messages("R2.log"), messages("R7.log")),
            (vec!["3".into()], vec!["moved".into()])
        );
        let stats = sink.stats();
        assert_eq!((stats.total.written, stats.refused, stats.skipped), (5, 1, 1), "{name}");
    }
}

#[test]
fn a_scoped_format_carries_the_tags_to_the_path() {
    let root = tempfile::tempdir().unwrap();
    let path = "path: '{equipment_id}/{run}.log'";
    let output = EquipmentScopedOutput::from_yaml_str(&yaml(root.path(), path)).unwrap();
    let format = scoped_format(|out, message, _| out.finish(format_args!("- {message}")));
    let (_, logger) = fern::Dispatch::new().format(format).chain(output).into_log();
    log::info!(logger: &*logger, equipment_id = "KV_FORMAT", run = "R7"; "moved");
    let text = std::fs::read_to_string(root.path().join("KV_FORMAT/R7.log")).unwrap();
    assert_eq!(text, "- moved\n");
}

/// A value is rendered once: line and path agree, whatever its `Display` does.
#[test]
fn a_value_that_changes_is_looked_at_once() {
    struct Changes(std::cell::Cell<u32>);
    impl fmt::Display for Changes {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            write!(f, "R{}", self.0.get())
        }
    }
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let (logger, _) = adapter(root.path(), "path: '{equipment_id}/{run}.log'");
        let run = Changes(std::cell::Cell::new(0));
        log::info!(logger: &*logger, equipment_id = "KV_ONCE", run:% = run; "m");
        let line = parsed_lines(&root.path().join("KV_ONCE/R1.log")).remove(0);
        assert_eq!(line.tags, [("run".to_owned(), "R1".to_owned())], "{name}");
    }
}

/// Every call is in one of the counters, also one whose record panics.
#[test]
fn a_value_or_a_message_that_panics_is_counted() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic_any("while formatting")
        }
    }
    let root = tempfile::tempdir().unwrap();
    let (logger, sink) = with_log4rs(root.path(), "");
    let logger = &*logger;
    Scope::new("KV_PANICS").unwrap().run(|| {
        let panics = |f: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
        panics(&|| log::info!(logger: logger, x:% = Panics; "m"));
        panics(&|| log::info!(logger: logger, equipment_id:% = Panics; "m"));
        panics(&|| log::info!(logger: logger, "{}", Panics));
        log::info!(logger: logger, y = 1; "after");
    });
    let stats = sink.stats();
    assert_eq!((stats.total.lost, stats.total.written), (3, 1));
    assert!(only_line(root.path(), "KV_PANICS").ends_with("[equip:KV_PANICS] [y:1] after"));
}

#[test]
fn levels_of_the_sink_filter_by_equipment() {
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let keys = "level: info\nlevels: {KV_LOUD: debug, KV_QUIET: error}";
        let (logger, sink) = adapter(root.path(), keys);
        for id in ["KV_LOUD", "KV_QUIET", "KV_OTHER"] {
            for level in Level::iter() {
                log::log!(logger: &*logger, level, equipment_id = id; "{level}");
            }
        }
        log::trace!(logger: &*logger, "less severe than all: it is filtered, not skipped");
        let written = |id: &str| parsed_lines(&log_path(root.path(), id)).len();
        let written = ["KV_LOUD", "KV_QUIET", "KV_OTHER"].map(written);
        assert_eq!(written, [4, 1, 3], "{name}");
        let stats = sink.stats();
        assert_eq!((stats.total.written, stats.filtered, stats.skipped), (8, 8, 0), "{name}");
    }
}

#[test]
fn targets_and_unscoped_take_what_names_no_equipment() {
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let keys = "targets: {opcua: KV_OPC, 'acme::stage': KV_STAGE}\nunscoped: KV_REST";
        let (logger, sink) = adapter(root.path(), keys);
        let logger = &*logger;
        log::info!(logger: logger, target: "opcua::client", "1");
        log::info!(logger: logger, target: "acme::stage", x = 1; "2");
        log::info!(logger: logger, target: "acme::lamp", "3");
        log::info!(logger: logger, target: "opcua", equipment_id = "KV_KEY"; "4");
        Scope::new("KV_IN").unwrap().run(|| log::info!(logger: logger, target: "opcua", "5"));
        for (id, line) in [
            ("KV_OPC", "1"),
            ("KV_STAGE", "[x:1] 2"),
            ("KV_REST", "3"),
            ("KV_KEY", "4"),
            ("KV_IN", "5"),
        ] {
            let expected = format!("[INFO ] [host:labpc-04] [equip:{id}] {line}");
            assert_eq!(only_line(root.path(), id), expected, "{name}");
        }
        assert_eq!(sink.stats().skipped, 0, "{name}");
    }
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
        "[equip:X]",
        "[host:",
        "\n",
        "\r",
        "\x1b",
        "\u{2028}",
        "\\n",
        "host",
        "equip",
        "equipment_id",
        "run",
        "é",
        "n",
        "\\u{41}",
    ];
    let piece = prop_oneof![4 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

#[derive(Clone, Debug)]
enum Any {
    Text(String),
    Whole(i64),
    Number(f64),
    Boolean(bool),
    Null,
}

impl ToValue for Any {
    fn to_value(&self) -> Value<'_> {
        match self {
            Any::Text(text) => text.to_value(),
            Any::Whole(number) => number.to_value(),
            Any::Number(number) => number.to_value(),
            Any::Boolean(boolean) => boolean.to_value(),
            Any::Null => Value::null(),
        }
    }
}

fn value() -> impl Strategy<Value = Any> {
    prop_oneof![
        4 => hostile().prop_map(Any::Text),
        1 => any::<i64>().prop_map(Any::Whole),
        1 => any::<f64>().prop_map(Any::Number),
        1 => any::<bool>().prop_map(Any::Boolean),
        1 => Just(Any::Null),
    ]
}

/// The tags of a line as the documentation tells them, by the plainest code.
fn merged(scope: &[(String, String)], own: &[(String, Any)]) -> Vec<(String, String)> {
    let reserved = |key: &str| ["equipment_id", "host", "equip"].contains(&key);
    let mut tags: Vec<(String, String)> = Vec::new();
    for (key, value) in scope.iter().filter(|(key, _)| !reserved(key)) {
        match tags.iter_mut().find(|(k, _)| k == key) {
            Some(tag) => tag.1.clone_from(value),
            None => tags.push((key.clone(), value.clone())),
        }
    }
    for (n, (key, value)) in own.iter().enumerate().filter(|(_, (key, _))| !reserved(key)) {
        let is_last = own[n + 1..].iter().all(|(later, _)| later != key);
        if !is_last || matches!(value, Any::Null) {
            continue;
        }
        let text = value.to_value().to_string();
        match tags.iter_mut().find(|(k, _)| k == key) {
            Some(tag) => tag.1 = text,
            None => tags.push((key.clone(), text)),
        }
    }
    let rank = |key: &str| ["proj", "kind", "run"].iter().position(|k| *k == key).unwrap_or(3);
    tags.sort_by_key(|(key, _)| rank(key));
    tags
}

#[test]
fn any_key_values_are_read_back() {
    use proptest::test_runner::{Config, TestRunner};
    let scope_tags = prop::collection::vec((hostile(), hostile()), 0..4);
    let own = prop::collection::vec((hostile(), value()), 0..5);
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let (logger, _) = adapter(root.path(), "unscoped: KV_ANY");
        let logged = std::cell::RefCell::new(Vec::new());
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        runner
            .run(&(&scope_tags, &own), |(tags, own)| {
                // The equipment is not the subject here.
                let own: Vec<_> =
                    own.into_iter().filter(|(key, _)| key != "equipment_id").collect();
                let scope = Scope::new("KV_ANY").unwrap();
                let scope = tags.iter().fold(scope, |scope, (key, value)| scope.tag(key, value));
                scope.run(|| {
                    let args = format_args!("m");
                    logger.log(&Record::builder().key_values(&own).args(args).build());
                });
                logged.borrow_mut().push(merged(&tags, &own));
                Ok(())
            })
            .unwrap();
        let read: Vec<_> = parsed_lines(&log_path(root.path(), "KV_ANY"))
            .into_iter()
            .map(|line| line.tags)
            .collect();
        let logged = logged.into_inner();
        assert_eq!(read.len(), logged.len(), "{name}");
        for (read, logged) in read.iter().zip(&logged) {
            assert_eq!(read, logged, "{name}");
        }
    }
}

/// The thread keeps the buffers in which values are rendered.
#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "to see, twice a second, that a log was not moved, Windows wants its path made wide"
)]
fn a_record_with_key_values_allocates_nothing() {
    for (name, adapter) in ADAPTERS {
        let root = tempfile::tempdir().unwrap();
        let (logger, _) = adapter(root.path(), "");
        let numbers = [
            ("position_um", 12.5.to_value()),
            ("speed", 3.to_value()),
            ("state", "moved: µ".to_value()),
        ];
        let record = || {
            let record = Record::builder();
            logger.log(&{ record }.key_values(&numbers).args(format_args!("m")).build());
        };
        let scope = Scope::new("KV_ALLOCATES").unwrap().tag("run", "R7");
        let _in = scope.enter();
        (0..2).for_each(|_| record());
        let allocations = allocation_counter::measure(|| (0..100).for_each(|_| record()));
        assert_eq!(allocations.count_total, 0, "{name}");
    }
}
