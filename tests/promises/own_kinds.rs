//! The promise: kinds of the application's own are called with the keys that were written and with nothing else, and a
//! panic in one of them is a mistake in the file, also in an edit of it.

#![cfg(feature = "log4rs")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::{alone, log, log_path, logger_for, put_in_place, until, HOST};
use equipment_log::log4rs::{
    check_file, deserializers, init_file, register, EquipmentLineEncoder, Setup,
};
use equipment_log::{ControlCharacters, EquipmentScopedAppender, Precision, Scope};
use log4rs::append::Append;
use log4rs::config::{Deserialize, Deserializers};

type Calls = Arc<Mutex<Vec<String>>>;

/// A kind that notes each call, and panics where its key `paper` is `none`. Its keys are read by serde_json, as a
/// program does that has them as they come.
struct Printer(Calls);

#[derive(Debug)]
struct Prints;

impl Append for Prints {
    fn append(&self, _: &log::Record<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn flush(&self) {}
}

impl Deserialize for Printer {
    type Trait = dyn Append;
    type Config = serde_json::Value;

    fn deserialize(
        &self,
        config: serde_json::Value,
        _: &Deserializers,
    ) -> anyhow::Result<Box<dyn Append>> {
        self.0.lock().unwrap().push(config.to_string());
        assert!(config["paper"] != "none", "out of paper");
        Ok(Box::new(Prints))
    }
}

/// A file with our appender, one of log4rs's own, and a printer.
fn text(folder: &Path, central: &str, paper: &str) -> String {
    format!(
        "refresh_rate: 20 ms\nappenders:\n  equipment: {{kind: equipment_scoped, local_root: '{}'}}\n  \
         central: {{kind: file, path: '{}'}}\n  printer: {{kind: printer, paper: {paper}}}\n\
         root: {{level: info, appenders: [equipment, central, printer]}}\n",
        folder.join("lab").display(),
        folder.join(central).display()
    )
}

fn kinds(calls: &Calls) -> Deserializers {
    let mut kinds = Deserializers::default();
    kinds.insert("printer", Printer(Arc::clone(calls)));
    kinds
}

#[test]
fn a_deserializer_that_panics_is_a_mistake_of_its_edit_and_the_next_edit_is_taken() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let (file, calls) = (folder.path().join("log4rs.yaml"), Calls::default());
    let answer = "appender printer: a deserializer panicked: out of paper";

    put_in_place(&file, &text(folder.path(), "none.log", "none"));
    let err = Setup::new(&file).kinds(kinds(&calls)).init().unwrap_err();
    assert!(err.is_config() && err.to_string().contains(answer), "{err}");
    assert_eq!(log::max_level(), log::LevelFilter::Off, "nothing was installed");

    put_in_place(&file, &text(folder.path(), "first.log", "A4"));
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let on_error = move |err: &equipment_log::Error| seen.lock().unwrap().push(err.to_string());
    let handle = Setup::new(&file).kinds(kinds(&calls)).on_error(on_error).init().unwrap();
    put_in_place(&file, &text(folder.path(), "second.log", "none"));
    let is_reported = || reports.lock().unwrap().iter().any(|report| report.contains(answer));
    until("a report", is_reported);
    put_in_place(&file, &text(folder.path(), "third.log", "A3"));
    until("the next edit is taken", || {
        log::info!("of no equipment");
        let third = std::fs::metadata(folder.path().join("third.log"));
        third.is_ok_and(|file| file.len() > 0)
    });
    drop(handle);
}

/// Found with log4rs's own parser of patterns, in a debug build.
#[test]
fn an_encoder_that_panics_is_a_mistake_of_a_file_that_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    struct Broken;
    impl Deserialize for Broken {
        type Trait = dyn log4rs::encode::Encode;
        type Config = BTreeMap<String, String>;

        fn deserialize(
            &self,
            _: BTreeMap<String, String>,
            _: &Deserializers,
        ) -> anyhow::Result<Box<dyn log4rs::encode::Encode>> {
            panic!("no such width")
        }
    }
    let mut kinds = Deserializers::default();
    kinds.insert("broken", Broken);
    let file = folder.path().join("log4rs.yaml");
    let yaml =
        "appenders:\n  a: {kind: equipment_scoped, local_root: /lab, encoder: {kind: broken}}\n\
                root: {appenders: [a]}\n";
    std::fs::write(&file, yaml).unwrap();
    let err = check_file(&file, &kinds).unwrap_err().to_string();
    assert!(err.ends_with("appender a: encoder: a deserializer panicked: no such width"), "{err}");
}

#[test]
fn a_kind_of_the_program_is_called_with_the_keys_that_were_written_and_once() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let (file, calls) = (folder.path().join("log4rs.yaml"), Calls::default());
    std::fs::write(&file, text(folder.path(), "central.log", "A4")).unwrap();
    check_file(&file, &kinds(&calls)).unwrap();
    assert_eq!(*calls.lock().unwrap(), [""; 0], "a check builds nothing");
    let _handle = Setup::new(&file).kinds(kinds(&calls)).init().unwrap();
    assert_eq!(*calls.lock().unwrap(), ["{\"paper\":\"A4\"}"]);
}

/// It would be the second logger, which log refuses.
#[test]
fn a_second_init_builds_nothing_and_so_empties_no_file() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log4rs.yaml");
    let (central, spare) = (folder.path().join("central.log"), folder.path().join("spare.log"));
    let yaml = |path: &Path| {
        let central = format!("{{kind: file, path: '{}', append: false}}", path.display());
        format!("appenders:\n  central: {central}\nroot: {{level: info, appenders: [central]}}\n")
    };
    std::fs::write(&file, yaml(&spare)).unwrap();
    let _handle = init_file(&file).unwrap();
    std::fs::write(&central, "a week's records\n").unwrap();
    std::fs::write(&file, yaml(&central)).unwrap();
    let err = init_file(&file).unwrap_err();
    assert!(err.is_config() && err.to_string().contains("has a logger already"), "{err}");
    assert_eq!(std::fs::read_to_string(&central).unwrap(), "a week's records\n");
}

#[test]
fn a_check_leaves_a_relative_root_to_the_directory_of_the_first_build() {
    alone!();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (checked, built) = (folder.join("checked"), folder.join("built"));
    [&checked, &built].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let file = folder.join("log4rs.yaml");
    let yaml = "appenders:\n  a: {kind: equipment_scoped, local_root: lab, hostname: HOST}\n\
                root: {level: info, appenders: [a]}\n";
    std::fs::write(&file, yaml.replace("HOST", HOST)).unwrap();
    std::env::set_current_dir(&checked).unwrap();
    check_file(&file, &Deserializers::default()).unwrap();
    EquipmentScopedAppender::builder().hostname("a/b").build("lab").unwrap_err();
    std::env::set_current_dir(&built).unwrap();
    let handle = init_file(&file).unwrap();
    let path = handle.sinks()[0].path(&Scope::new("DAEMON").unwrap());
    let path = path.unwrap();
    assert!(path.ends_with(log_path(Path::new("built/lab"), "DAEMON")), "{path:?}");
    // So that the folder can be removed.
    std::env::set_current_dir(std::env::temp_dir()).unwrap();
}

#[test]
fn our_encoder_that_is_given_in_code_has_the_appenders_host_and_keeps_its_own_settings() {
    let root = tempfile::tempdir().unwrap();
    let encoder = EquipmentLineEncoder::new("another").control_characters(ControlCharacters::Keep);
    let appender = EquipmentScopedAppender::builder()
        .hostname(HOST)
        .precision(Precision::Millis)
        .encoder(Box::new(encoder))
        .build(root.path())
        .unwrap();
    let (logger, _) = logger_for(appender);
    Scope::new("IN_CODE").unwrap().run(|| log(&logger, log::Level::Info, "a\tb"));
    let written = std::fs::read_to_string(log_path(root.path(), "IN_CODE")).unwrap();
    assert!(written.contains(&format!("[host:{HOST}] ")), "{written}");
    assert!(written.ends_with(" a\tb\n"), "its own `keep`: {written}");
    assert_eq!(written.find("Z [INFO ]"), Some("2026-04-17T14:31:55.250".len()), "{written}");
}

#[test]
fn each_handle_of_kinds_that_are_registered_twice_reaches_the_sinks() {
    let (folder, (mut kinds, first)) = (tempfile::tempdir().unwrap(), deserializers());
    let second = register(&mut kinds);
    let config = format!("local_root: '{}'", folder.path().display());
    let config: serde_value::Value = serde_yaml::from_str(&config).unwrap();
    let _appender = kinds.deserialize::<dyn Append>("equipment_scoped", config).unwrap();
    assert_eq!((first.sinks().len(), second.sinks().len()), (1, 1));
}
