//! Through fern, a record reaches the log of its equipment whatever the dispatch does with it, as
//! far as fern lets it; and a failure is said on standard error, which may be closed.

#![cfg(feature = "fern")]

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::child;
use equipment_log::fern::{line_format, scoped_format};
use equipment_log::{parse_line, EquipmentScopedOutput, EquipmentSink, Scope};
use log::kv::ToValue;
use log::{Level, Log, Record};

/// A dispatch as `format` arranges it, over an output below a fresh root.
fn logger(
    format: impl FnOnce(fern::Dispatch) -> fern::Dispatch,
) -> (tempfile::TempDir, EquipmentSink, Box<dyn Log>) {
    let root = tempfile::tempdir().unwrap();
    let output = EquipmentScopedOutput::builder(root.path()).hostname("labpc-04").build().unwrap();
    let sink = output.sink().clone();
    let (_, logger) = format(fern::Dispatch::new()).chain(output).into_log();
    (root, sink, logger)
}

fn log(logger: &dyn Log, message: &str) {
    logger.log(&Record::builder().level(Level::Info).args(format_args!("{message}")).build());
}

/// Logs with the record's own `equipment_id`.
fn log_for(logger: &dyn Log, id: &str, message: &str) {
    let own = [("equipment_id", id.to_value())];
    logger.log(
        &Record::builder()
            .level(Level::Info)
            .key_values(&own)
            .args(format_args!("{message}"))
            .build(),
    );
}

fn text(sink: &EquipmentSink, id: &str) -> String {
    std::fs::read_to_string(sink.path(&Scope::new(id).unwrap()).unwrap()).unwrap()
}

fn is_empty(root: &Path) -> bool {
    root.read_dir().unwrap().next().is_none()
}

#[test]
fn without_a_format_the_message_is_the_line() {
    let (_root, sink, logger) = logger(|dispatch| dispatch);
    Scope::new("FERN_01").unwrap().run(|| log(&*logger, "homed"));
    log_for(&*logger, "FERN_02", "moved");
    assert_eq!(text(&sink, "FERN_01"), "homed\n");
    assert_eq!(text(&sink, "FERN_02"), "moved\n");
}

/// A dispatch with the format of its output.
#[cfg(feature = "yaml")]
fn logger_of_output(yaml: &str) -> (tempfile::TempDir, EquipmentSink, Box<dyn Log>) {
    let root = tempfile::tempdir().unwrap();
    let yaml = format!("local_root: {:?}\nhostname: labpc-04\n{yaml}", root.path());
    let output = EquipmentScopedOutput::from_yaml_str(&yaml).unwrap();
    let sink = output.sink().clone();
    let (_, logger) = fern::Dispatch::new().format(output.line_format()).chain(output).into_log();
    (root, sink, logger)
}

#[cfg(feature = "yaml")]
#[test]
fn line_format_writes_the_structured_line_with_the_scopes_tags() {
    let (_root, sink, logger) = logger_of_output("");
    let scope = Scope::new("FERN_01").unwrap().tag("run", "R7");
    scope.run(|| log(&*logger, "[equip:FORGED] two\nlines"));

    let text = text(&sink, "FERN_01");
    let line = parse_line(text.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!(line.host, "labpc-04");
    assert_eq!(line.equipment.unwrap().as_str(), "FERN_01");
    assert_eq!(line.tags, [("run".to_owned(), "R7".to_owned())]);
    assert_eq!(line.message, "[equip:FORGED] two\nlines");
}

#[cfg(feature = "yaml")]
#[test]
fn an_outputs_line_keeps_control_characters_where_the_output_does() {
    let (_root, sink, logger) = logger_of_output("control_characters: keep");
    Scope::new("FERN_01").unwrap().run(|| log(&*logger, "two\nlines\x1b"));
    assert!(text(&sink, "FERN_01").ends_with("] two\nlines\x1b\n"));
}

#[test]
fn line_format_names_this_host() {
    let (_root, sink, logger) = logger(|dispatch| dispatch.format(line_format()));
    log_for(&*logger, "FERN_01", "homed");
    let this_host = EquipmentSink::builder("unused").build().unwrap();
    let path = this_host.path(&Scope::new("FERN_01").unwrap()).unwrap();
    let host = parse_line(text(&sink, "FERN_01").trim_end()).unwrap().host;
    assert!(path.ends_with(format!("wizard.{host}.log")), "{host} is not in {}", path.display());
}

#[test]
fn a_records_own_equipment_survives_line_format() {
    let (_root, sink, logger) = logger(|dispatch| dispatch.format(line_format()));
    let scope = Scope::new("FERN_01").unwrap().tag("run", "R7");
    scope.run(|| log_for(&*logger, "FERN_02", "moved"));

    let line = parse_line(text(&sink, "FERN_02").trim_end()).unwrap();
    assert_eq!(line.equipment.unwrap().as_str(), "FERN_02");
    assert_eq!(line.tags, [], "another equipment's tags");
    assert!(!sink.path(&scope).unwrap().exists());
}

#[test]
fn a_records_own_equipment_survives_a_scoped_format() {
    let (_root, sink, logger) = logger(|dispatch| {
        dispatch.format(scoped_format(|out, message, record| {
            out.finish(format_args!("{}: {message}", record.level()));
        }))
    });
    let scope = Scope::new("FERN_01").unwrap();
    scope.run(|| {
        log_for(&*logger, "FERN_02", "moved");
        log(&*logger, "homed");
    });
    assert_eq!(text(&sink, "FERN_02"), "INFO: moved\n");
    assert_eq!(text(&sink, "FERN_01"), "INFO: homed\n");
}

/// Documented, since fern rebuilds the record: should this fail, fern keeps key-values by now, and
/// the documentation of `equipment_log::fern` can be shortened.
#[test]
fn a_plain_format_loses_a_records_own_equipment() {
    let (root, sink, logger) =
        logger(|dispatch| dispatch.format(|out, message, _| out.finish(format_args!("{message}"))));
    log_for(&*logger, "FERN_02", "of nobody");
    assert!(is_empty(root.path()));
    assert_eq!(sink.stats().skipped, 1);

    Scope::new("FERN_01").unwrap().run(|| log_for(&*logger, "FERN_02", "of the scope"));
    assert_eq!(text(&sink, "FERN_01"), "of the scope\n");
}

#[test]
fn an_empty_equipment_id_counts_as_absent_also_below_a_scoped_format() {
    let (_root, sink, logger) = logger(|dispatch| dispatch.format(line_format()));
    Scope::new("FERN_01").unwrap().run(|| log_for(&*logger, "", "homed"));
    assert!(text(&sink, "FERN_01").ends_with("[equip:FERN_01] homed\n"));
}

/// A message that logs while it is formatted.
struct Logs<'a>(&'a dyn Log);

impl std::fmt::Display for Logs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        log(self.0, "inside");
        f.write_str("outside")
    }
}

#[test]
fn key_values_are_carried_to_their_own_record_alone() {
    let message = |format: fn(fern::Dispatch) -> fern::Dispatch| {
        let (root, sink, logger) = logger(format);
        let own = [("equipment_id", "FERN_02".to_value()), ("axis", 3.to_value())];
        let args = Logs(&*logger);
        logger.log(
            &Record::builder()
                .level(Level::Info)
                .key_values(&own)
                .args(format_args!("{args}"))
                .build(),
        );
        log(&*logger, "after");
        assert_eq!(sink.stats().skipped, 2, "those inside and after belong to nobody");
        let text = text(&sink, "FERN_02");
        drop(root);
        text
    };
    let line = message(|dispatch| dispatch.format(line_format()));
    assert!(line.ends_with("[equip:FERN_02] [axis:3] outside\n"), "{line}");
    assert_eq!(line.lines().count(), 1);

    let own = message(|dispatch| {
        dispatch.format(scoped_format(|out, message, _| out.finish(format_args!("- {message}"))))
    });
    assert_eq!(own, "- outside\n");
}

/// An output that logs once more through its own dispatch, as the same log statement does when it runs again: with the
/// same target, place and level, and without key-values.
struct LogsAgain {
    dispatch: std::sync::Arc<std::sync::OnceLock<Box<dyn Log>>>,
    has_logged: std::sync::atomic::AtomicBool,
}

impl Log for LogsAgain {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if self.has_logged.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let mut same = Record::builder();
        let same = same.metadata(record.metadata().clone()).line(record.line());
        self.dispatch.get().unwrap().log(&same.args(format_args!("again")).build());
    }

    fn flush(&self) {}
}

#[test]
fn a_record_of_the_same_statement_that_an_output_logs_is_of_its_own_equipment() {
    let formats: [fn(fern::Dispatch) -> fern::Dispatch; 2] = [
        |dispatch| dispatch.format(line_format()),
        |dispatch| {
            dispatch.format(scoped_format(|out, text, _| out.finish(format_args!("{text}"))))
        },
    ];
    for format in formats {
        let dispatch = std::sync::Arc::new(std::sync::OnceLock::new());
        let (_root, sink, logger) = logger(|dispatch_of| {
            let dispatch = dispatch.clone();
            let again: Box<dyn Log> = Box::new(LogsAgain { dispatch, has_logged: false.into() });
            format(dispatch_of).chain(again)
        });
        let logger = dispatch.get_or_init(|| logger);
        log_for(&**logger, "FERN_02", "first");
        assert_eq!((sink.stats().total.written, sink.stats().skipped), (1, 1));
        assert!(text(&sink, "FERN_02").ends_with("first\n"));
    }
}

#[test]
fn a_refused_equipment_id_is_nobodys_also_below_a_scoped_format() {
    let (root, sink, logger) = logger(|dispatch| dispatch.format(line_format()));
    Scope::new("FERN_01").unwrap().run(|| log_for(&*logger, "../x", "of nobody"));
    assert!(is_empty(root.path()));
    assert_eq!((sink.stats().refused, sink.stats().total.written), (1, 0));
}

/// A process that logs for an id that is refused, when its standard input has ended.
fn logs_for_a_refused_id() -> Command {
    let mut command = child!("logs for a refused id", Path::new(""));
    command.stderr(Stdio::piped());
    command
}

#[test]
fn a_failure_is_one_line_on_standard_error() {
    let Output { status, stderr, .. } = logs_for_a_refused_id().output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{stderr}");
    let reports: Vec<_> = stderr.lines().filter(|line| line.contains("../x")).collect();
    let [report] = reports[..] else { panic!("one line for one record: {stderr}") };
    assert!(report.contains(" equipment-log: INFO: equipment id"), "{report}");
    assert!(report.contains("portable filename characters"), "{report}");
}

#[cfg(feature = "yaml")]
#[test]
fn an_output_of_keys_that_were_read_reports_to_its_function() {
    let root = tempfile::tempdir().unwrap();
    let yaml = format!("local_root: '{}'\nunscoped: EQ", root.path().display());
    let config: equipment_log::SinkConfig = serde_yaml::from_str(&yaml).unwrap();
    let (report, reports) = std::sync::mpsc::channel();
    let builder = equipment_log::fern::EquipmentScopedOutputBuilder::from(config);
    let output = builder.on_error(move |err| drop(report.send(err.to_string()))).build().unwrap();
    let sink = output.sink().clone();
    log(&output, "of the equipment that the keys name");
    assert_eq!(sink.stats().equipment["EQ"].written, 1);
    let refused = [("equipment_id", "../x")];
    output.log(&Record::builder().key_values(&refused).args(format_args!("m")).build());
    assert!(reports.recv().unwrap().contains("../x"));
}

#[test]
fn a_closed_standard_error_does_not_panic() {
    let mut child = logs_for_a_refused_id().spawn().unwrap();
    // The child waits for the end of its input, so that nobody reads its standard error by then.
    drop(child.stderr.take());
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{stdout}");
    assert!(stdout.contains("1 passed"), "{stdout}");
}

#[test]
fn child_plays_its_role() {
    if crate::support::role().is_none() {
        return;
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let (root, sink, logger) = logger(|dispatch| dispatch);
    log_for(&*logger, "../x", "homed");
    log_for(&*logger, "FERN_01", "the next one is written");
    assert_eq!((sink.stats().refused, sink.stats().total.written), (1, 1));
    drop(root);
}
