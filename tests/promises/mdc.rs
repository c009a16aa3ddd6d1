//! The promise: log4rs's own encoders show each record's equipment and tags, in every appender, and log4rs's
//! diagnostic context (MDC) stays the application's: as it was after each record, untouched by entering a scope.

#![cfg(feature = "log4rs")]

use std::fmt;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::{log, log_as, log_path, logger_for, HOST};
use equipment_log::log4rs::scoped;
use equipment_log::{EquipmentScopedAppender, Scope, ScopeFutureExt};
use log::{Level, Log};
use log4rs::append::file::FileAppender;
use log4rs::append::Append;
use log4rs::encode::json::JsonEncoder;
use log4rs::encode::pattern::PatternEncoder;
use log4rs::encode::writer::simple::SimpleWriter;
use log4rs::encode::Encode;

const PATTERN: &str = "{X(equipment_id)(-)} {X(run)(-)} {m}{n}";

/// log4rs's own appender and encoder, as a program makes them in code.
fn stock_logger(file: &Path) -> log4rs::Logger {
    let encoder = scoped(Box::new(PatternEncoder::new(PATTERN)));
    logger_for(FileAppender::builder().encoder(encoder).build(file).unwrap()).0
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn context(key: &str) -> Option<String> {
    log_mdc::get(key, |value| value.map(str::to_owned))
}

/// The whole MDC, sorted.
fn whole_context() -> Vec<(String, String)> {
    let mut all = Vec::new();
    log_mdc::iter(|key, value| all.push((key.to_owned(), value.to_owned())));
    all.sort();
    all
}

#[test]
fn a_pattern_shows_the_scope_of_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let logger = stock_logger(&file);
    let outer = Scope::new("MDC_OUTER").unwrap().tag("run", "R7");

    log(&logger, Level::Info, "before");
    outer.run(|| {
        log(&logger, Level::Info, "inside");
        let inner = Scope::new("MDC_INNER").unwrap();
        inner.run(|| log(&logger, Level::Info, "the run is the outer scope's"));
        inner.tag("run", "R8").run(|| log(&logger, Level::Info, "inner"));
        log(&logger, Level::Info, "inside again");
    });
    log(&logger, Level::Info, "after");

    assert_eq!(
        lines(&file),
        [
            "- - before",
            "MDC_OUTER R7 inside",
            "MDC_INNER - the run is the outer scope's",
            "MDC_INNER R8 inner",
            "MDC_OUTER R7 inside again",
            "- - after",
        ]
    );
}

#[test]
fn a_pattern_in_a_configuration_file_shows_the_scope_of_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let (deserializers, _handle) = equipment_log::log4rs::deserializers();
    let yaml = format!("path: {file:?}\nencoder: {{pattern: \"{PATTERN}\"}}");
    let config = serde_yaml::from_str(&yaml).unwrap();
    let appender = deserializers.deserialize::<dyn Append>("file", config).unwrap();
    let scope = Scope::new("MDC_YAML").unwrap().tag("run", "R7");
    scope.run(|| {
        let run = [("run", "R8")];
        let record = log::Record::builder().key_values(&run).args(format_args!("m")).build();
        appender.append(&record).unwrap();
    });
    assert_eq!(lines(&file), ["MDC_YAML R8 m"]);
}

#[test]
fn entering_a_scope_leaves_the_context_alone() {
    log_mdc::insert("run", "the application's");
    let before = whole_context();
    Scope::new("MDC_ENTERED").unwrap().tag("run", "R7").run(|| assert_eq!(whole_context(), before));
    // Also inside a callback, where the context is borrowed.
    log_mdc::iter(|_, _| {
        Scope::new("MDC_ENTERED").unwrap().run(|| ());
    });
    assert_eq!(whole_context(), before);
    log_mdc::clear();
}

#[test]
fn the_context_is_the_applications_after_each_record() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic_any("while formatting")
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let logger = stock_logger(&dir.path().join("central.log"));
    log_mdc::insert("equipment_id", "MDC_APPLICATION");
    log_mdc::insert("run", "R1");
    log_mdc::insert("other", "untouched");
    let before = whole_context();

    let scope = Scope::new("MDC_RESTORES").unwrap().tag("run", "R7").tag("user", "ann");
    scope.run(|| log(&logger, Level::Info, "m"));
    assert_eq!(whole_context(), before);
    let unwound =
        catch_unwind(AssertUnwindSafe(|| scope.run(|| log(&logger, Level::Info, Panics))));
    assert!(unwound.is_err());
    assert_eq!(whole_context(), before);
    log_as(&logger, "../refused", "m");
    assert_eq!(whole_context(), before);
    log_mdc::clear();
}

#[test]
fn keys_of_the_application_are_seen_unless_they_are_another_equipments() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let logger = stock_logger(&file);
    log_mdc::insert("run", "R1");
    Scope::new("MDC_SEES").unwrap().run(|| log(&logger, Level::Info, "no other equipment"));
    log_mdc::insert("equipment_id", "MDC_SAME");
    log(&logger, Level::Info, "by the context itself");
    log_as(&logger, "MDC_SAME", "the same equipment");
    log_as(&logger, "MDC_DIFFERENT", "another equipment");
    log_as(&logger, "../refused", "refused equipment");
    log_mdc::clear();
    assert_eq!(
        lines(&file),
        [
            "MDC_SEES R1 no other equipment",
            "MDC_SAME R1 by the context itself",
            "MDC_SAME R1 the same equipment",
            "MDC_DIFFERENT - another equipment",
            "- - refused equipment",
        ]
    );
}

/// Logs while it is formatted.
struct Logs<'a>(&'a log4rs::Logger, Option<&'a Scope>);

impl fmt::Display for Logs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Logs(logger, scope) = self;
        match scope {
            Some(scope) => scope.run(|| log(*logger, Level::Info, "nested")),
            None => log(*logger, Level::Info, "nested"),
        }
        f.write_str("outer")
    }
}

/// An appender that holds no lock while it encodes, as log4rs's file appender does.
#[derive(Debug)]
struct Lines(Box<dyn Encode>, Arc<Mutex<Vec<String>>>);

impl Append for Lines {
    fn append(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
        let mut out = SimpleWriter(Vec::new());
        self.0.encode(&mut out, record)?;
        self.1.lock().unwrap().push(String::from_utf8(out.0).unwrap());
        Ok(())
    }
    fn flush(&self) {}
}

/// A record that is logged while the context is filled for another one.
#[test]
fn a_message_that_logs_does_not_lend_its_equipment() {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let encoder = scoped(Box::new(PatternEncoder::new("{X(equipment_id)(-)} {X(run)(-)} {m}")));
    let (logger, _) = logger_for(Lines(encoder, Arc::clone(&lines)));
    log_as(&logger, "MDC_OWN", "first");
    let with_own = |args: Logs<'_>| {
        let own = [("equipment_id", "MDC_OWN"), ("run", "R7")];
        let record = log::Record::builder();
        logger.log(&{ record }.key_values(&own).args(format_args!("{args}")).build());
    };
    with_own(Logs(&logger, None));
    with_own(Logs(&logger, Some(&Scope::new("MDC_NESTED").unwrap())));
    log_mdc::insert("equipment_id", "MDC_APPLICATION");
    with_own(Logs(&logger, None));
    log_mdc::clear();
    assert_eq!(
        *lines.lock().unwrap(),
        [
            "MDC_OWN - first",
            "- - nested",
            "MDC_OWN R7 outer",
            "MDC_NESTED - nested",
            "MDC_OWN R7 outer",
            "MDC_APPLICATION - nested",
            "MDC_OWN R7 outer",
        ]
    );
}

#[test]
fn a_record_that_is_logged_inside_a_callback_of_the_context_lacks_its_tags() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let logger = stock_logger(&file);
    let scope = Scope::new("MDC_BORROWED").unwrap();
    log_mdc::insert("other", "x");
    scope.run(|| log_mdc::get("other", |_| log(&logger, Level::Info, "inside")));
    scope.run(|| log(&logger, Level::Info, "outside"));
    log_mdc::clear();
    assert_eq!(lines(&file), ["- - inside", "MDC_BORROWED - outside"]);
}

#[test]
fn a_pattern_that_does_not_name_the_context_is_left_as_it_is() {
    let shown = |pattern| format!("{:?}", scoped(Box::new(PatternEncoder::new(pattern))));
    assert!(shown("{d} {m}{n}").starts_with("PatternEncoder"));
    for pattern in ["{X(run)}", "{mdc(run)}", "{h({X(run)} {m})}{n}"] {
        assert!(shown(pattern).starts_with("Scoped"), "{pattern}");
    }
    let twice = scoped(scoped(Box::new(PatternEncoder::new("{X(run)}"))));
    assert_eq!(format!("{twice:?}").matches("Scoped").count(), 1);
}

/// An appender of ours with an encoder of log4rs's, and the texts of its files.
fn our_logger(root: &Path, yaml: &str) -> log4rs::Logger {
    let (deserializers, _) = equipment_log::log4rs::deserializers();
    let yaml = format!("local_root: {root:?}\nhostname: {HOST}\n{yaml}");
    let config = serde_yaml::from_str(&yaml).unwrap();
    let appender = deserializers.deserialize::<dyn Append>("equipment_scoped", config).unwrap();
    #[derive(Debug)]
    struct Only(Box<dyn Append>);
    impl Append for Only {
        fn append(&self, record: &log::Record<'_>) -> anyhow::Result<()> {
            self.0.append(record)
        }
        fn flush(&self) {}
    }
    logger_for(Only(appender)).0
}

/// What a line says of its equipment is what decided its file.
#[test]
fn in_our_appender_an_encoder_shows_what_decided_the_file_by_each_rule() {
    let root = tempfile::tempdir().unwrap();
    let logger = our_logger(
        root.path(),
        &format!(
            "targets: {{acme::stage: MDC_TARGET}}\nunscoped: MDC_UNSCOPED\n\
             encoder: {{pattern: \"{PATTERN}\"}}"
        ),
    );
    let record = |target: &str, own: &[(&str, &str)], message: &str| {
        let args = format_args!("{message}");
        logger.log(&log::Record::builder().target(target).key_values(&own).args(args).build());
    };
    let scope = Scope::new("MDC_SCOPE").unwrap().tag("run", "R7");
    scope.run(|| record("", &[("equipment_id", "MDC_KEY"), ("run", "R8")], "1"));
    scope.run(|| record("acme::stage", &[], "2"));
    log_mdc::insert("equipment_id", "MDC_CONTEXT");
    record("acme::stage", &[], "3");
    log_mdc::clear();
    record("acme::stage::axis", &[("run", "R9")], "4");
    record("acme", &[], "5");

    for (id, text) in [
        ("MDC_KEY", "MDC_KEY R8 1\n"),
        ("MDC_SCOPE", "MDC_SCOPE R7 2\n"),
        ("MDC_CONTEXT", "MDC_CONTEXT - 3\n"),
        ("MDC_TARGET", "MDC_TARGET R9 4\n"),
        ("MDC_UNSCOPED", "MDC_UNSCOPED - 5\n"),
    ] {
        assert_eq!(std::fs::read_to_string(log_path(root.path(), id)).unwrap(), text);
    }
}

/// For those who want JSON: equipment and tags are in `mdc`, the key-values in `attributes` too.
#[test]
fn json_has_equipment_and_tags_in_mdc() {
    let root = tempfile::tempdir().unwrap();
    let appender = EquipmentScopedAppender::builder().hostname(HOST);
    let appender = appender.encoder(Box::new(JsonEncoder::new())).build(root.path()).unwrap();
    let (logger, _) = logger_for(appender);
    let own = [("position_um", 12.5)];
    Scope::new("MDC_JSON").unwrap().tag("run", "R7").run(|| {
        logger.log(&log::Record::builder().key_values(&own).args(format_args!("moved")).build());
    });
    let text = std::fs::read_to_string(log_path(root.path(), "MDC_JSON")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let tags = serde_json::json!({"equipment_id": "MDC_JSON", "run": "R7", "position_um": "12.5"});
    assert_eq!(json["mdc"], tags);
    assert_eq!(json["attributes"], serde_json::json!({"position_um": "12.5"}));
    assert_eq!(json["message"], "moved");
}

#[test]
fn a_hundred_tasks_on_four_threads_print_their_own_scope() {
    const TASKS: usize = 100;
    const RECORDS: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("central.log");
    let logger = Arc::new(stock_logger(&file));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for task in 0..TASKS {
            let logger = Arc::clone(&logger);
            let work = async move {
                for record in 0..RECORDS {
                    log(&*logger, Level::Info, format_args!("task {task} {record}"));
                    tokio::task::yield_now().await;
                }
            };
            // Every fourth has no scope, and must not see one that another left behind.
            if task % 4 == 0 {
                tasks.push(tokio::spawn(work));
            } else {
                let scope = Scope::new(format!("MDC_TASK_{task}")).unwrap();
                tasks.push(tokio::spawn(work.in_scope(scope.tag("run", format!("R{task}")))));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(context("equipment_id"), None);
    });

    let mut printed = lines(&file);
    let mut expected: Vec<_> = (0..TASKS * RECORDS)
        .map(|n| (n / RECORDS, n % RECORDS))
        .map(|(task, record)| match task % 4 {
            0 => format!("- - task {task} {record}"),
            _ => format!("MDC_TASK_{task} R{task} task {task} {record}"),
        })
        .collect();
    printed.sort();
    expected.sort();
    assert!(printed == expected, "{} lines, the first: {:?}", printed.len(), printed.first());
}

#[test]
fn kinds_that_are_registered_twice_are_scoped_once() {
    let (mut deserializers, _first) = equipment_log::log4rs::deserializers();
    let _second = equipment_log::log4rs::register(&mut deserializers);
    let config = serde_yaml::from_str("pattern: '{X(run)}'").unwrap();
    let encoder = deserializers.deserialize::<dyn Encode>("pattern", config).unwrap();
    assert_eq!(format!("{encoder:?}").matches("Scoped").count(), 1);
}
