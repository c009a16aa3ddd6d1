//! A configuration that cannot serve is refused with one line that names the key and the reason,
//! through log4rs and through fern, and nothing is created.

#![cfg(all(feature = "log4rs", feature = "yaml"))]

use std::path::Path;
use std::time::Duration;

use crate::support::alone;
use equipment_log::{
    EquipmentId, EquipmentScopedOutput, EquipmentSink, Keep, QueueConfig, RotationConfig,
};
use log4rs::append::{Append, AppenderConfig};

/// A variable that nobody sets.
const UNSET: &str = "EQUIPMENT_LOG_TEST_UNSET";

/// What stands for the test's own folder in the YAML below.
const ROOT: &str = "ROOT";

/// YAML that both adapters refuse: its lines, the key, and words of the reason.
const REFUSED: &[(&str, &str, &str)] = &[
    // Keys that are missing or not ours.
    ("fsync_level: warn", "local_root", "required"),
    ("local_root:", "local_root", "required"),
    ("local_root: ~", "local_root", "a lone ~ is none in YAML, and $ENV{HOME} is"),
    ("local_rot: ROOT", "local_rot", "local_root"),
    ("local_root: ROOT\nlevels: info", "levels", "an equipment id and a level"),
    ("local_root: ROOT\nfsync: info", "fsync", "`fsync_level`"),
    // The root.
    ("local_root: ''", "local_root", "empty"),
    ("local_root: ~/lab", "local_root", "$ENV{HOME}"),
    ("local_root: $ENV{EQUIPMENT_LOG_TEST_UNSET}", "local_root", UNSET),
    ("local_root: ROOT/$ENV{EQUIPMENT_LOG_TEST_UNSET}/logs", "local_root", "not set"),
    ("local_root: ROOT/$ENV{HOME", "local_root", "closing brace"),
    ("local_root: ROOT/$ENV{}", "local_root", "variable"),
    // The host's name.
    ("local_root: ROOT\nhostname: $ENV{EQUIPMENT_LOG_TEST_UNSET}", "hostname", UNSET),
    ("local_root: ROOT\nhostname: ''", "hostname", "empty"),
    ("local_root: ROOT\nhostname: a/b", "hostname", "portable"),
    ("local_root: ROOT\nhostname: ..", "hostname", "'.'"),
    ("local_root: ROOT\nhostname: nul", "hostname", "device"),
    // The path below the root.
    ("local_root: ROOT\npath: ''", "path", "empty"),
    ("local_root: ROOT\npath: /{equipment_id}/w.log", "path", "absolute"),
    ("local_root: ROOT\npath: '{equipment_id}/../w.log'", "path", ".."),
    ("local_root: ROOT\npath: 'C:\\{equipment_id}.log'", "path", "portable"),
    ("local_root: ROOT\npath: w.log", "path", "{equipment_id}"),
    ("local_root: ROOT\npath: '{hostname}.log'", "path", "{equipment_id}"),
    ("local_root: ROOT\npath: '{equipment_id'", "path", "brace"),
    ("local_root: ROOT\npath: '{equipment_id}/{}.log'", "path", "{}"),
    ("local_root: ROOT\npath: '{equipment_id}/{a:b}.log'", "path", "{a:b}"),
    ("local_root: ROOT\npath: '{equipment_id}/w.log/'", "path", "empty"),
    ("local_root: ROOT\npath: '{equipment_id}/wizard log'", "path", "' '"),
    // Values that their key does not know.
    ("local_root: ROOT\nfsync_level: fatal", "fsync_level", "one of off, error"),
    ("local_root: ROOT\nfsync_level: 3", "fsync_level", "\"3\""),
    ("local_root: ROOT\nfsync_level: ''", "fsync_level", "one of off, error"),
    ("local_root: ROOT\ncontrol_characters: remove", "control_characters", "escape or keep"),
    ("local_root: ROOT\ncontrol_characters: true", "control_characters", "escape or keep"),
    ("local_root: ROOT\nfollow_links: sometimes", "follow_links", "true or false"),
    ("local_root: ROOT\nfollow_links: 1", "follow_links", "true or false"),
    ("local_root: ROOT\nfile_mode: '0648'", "file_mode", "octal"),
    ("local_root: ROOT\nfile_mode: 0o644", "file_mode", "quotes"),
    ("local_root: ROOT\nfile_mode: '-644'", "file_mode", "octal"),
    ("local_root: ROOT\nfile_mode: rw-r--r--", "file_mode", "octal"),
    ("local_root: ROOT\nfile_mode: '10000'", "file_mode", "octal"),
    ("local_root: ROOT\ndir_mode: '0o755'", "dir_mode", "octal"),
    ("local_root: ROOT\ndir_mode: ''", "dir_mode", "octal"),
    ("local_root: ROOT\ndir_mode: '77777'", "dir_mode", "such as \"0755\""),
    ("local_root: ROOT\ndir_mode: 755", "dir_mode", "such as \"0755\""),
    ("local_root: ROOT\nmax_open_files: 0", "max_open_files", "from 1 on"),
    ("local_root: ROOT\nmax_open_files: -1", "max_open_files", "from 1 on"),
    ("local_root: ROOT\nmax_open_files: 1.5", "max_open_files", "from 1 on"),
    ("local_root: ROOT\nmax_open_files: many", "max_open_files", "from 1 on"),
    ("local_root: ROOT\nmax_open_files: 99999999999999999999999", "max_open_files", "99999999"),
    ("local_root: ROOT\nidle_timeout: 0 seconds", "idle_timeout", "such as 30 minutes"),
    ("local_root: ROOT\nidle_timeout: 30", "idle_timeout", "such as 30 minutes"),
    ("local_root: ROOT\nidle_timeout: soon", "idle_timeout", "\"soon\""),
    ("local_root: ROOT\nidle_timeout: -1 s", "idle_timeout", "such as 30 minutes"),
    ("local_root: ROOT\nidle_timeout: 999999999999999999999 days", "idle_timeout", "such as"),
    // Keys below a key.
    ("local_root: ROOT\nrotation: {keep: 5}", "rotation", "required"),
    ("local_root: ROOT\nrotation: {}", "rotation", "required"),
    ("local_root: ROOT\nrotation: {every: week}", "rotation.every", "hour, day, month"),
    ("local_root: ROOT\nrotation: {evry: day}", "evry", "every"),
    ("local_root: ROOT\nrotation: {every: day, compress: zstd}", "rotation.compress", "gzip"),
    ("local_root: ROOT\nrotation: {limit: 0 kb, keep: 5}", "rotation.limit", "above zero"),
    ("local_root: ROOT\nrotation: {limit: -1, keep: 5}", "rotation.limit", "such as 10 mb"),
    ("local_root: ROOT\nrotation: {limit: big, keep: 5}", "rotation.limit", "\"big\""),
    ("local_root: ROOT\nrotation: {limit: 10 parsecs, keep: 5}", "rotation.limit", "parsecs"),
    ("local_root: ROOT\nrotation: {limit: 99 eb, keep: 5}", "rotation.limit", "such as 10 mb"),
    ("local_root: ROOT\nrotation: {limit: 8 eb, keep: 5}", "rotation.limit", "such as 10 mb"),
    ("local_root: ROOT\nrotation: {limit: 10 mb, keep: 0}", "rotation.keep", "\"0\""),
    ("local_root: ROOT\nrotation: {limit: 10 mb, keep: none}", "rotation.keep", "90 days"),
    ("local_root: ROOT\nrotation: {every: day, keep: 5 m}", "rotation.keep", "20 gb"),
    ("local_root: ROOT\nrotation: {limit: [1], keep: 5}", "rotation.limit", "nvalid type"),
    ("local_root: ROOT\nrotation: 10 mb", "rotation", "nvalid type"),
    (
        "local_root: ROOT\nrotation: {limit: 1 kb, keep: 5}\npath: 'logs/{equipment_id}'",
        "path",
        "rotated",
    ),
    // The queue.
    ("local_root: ROOT\nqueue: 8 mb", "queue", "nvalid type"),
    ("local_root: ROOT\nqueue: ~", "queue", "{} for the defaults"),
    ("local_root: ROOT\nrotation: ~", "rotation", "every: day"),
    ("local_root: ROOT\nqueue: {limt: 8 mb}", "limt", "when_full"),
    ("local_root: ROOT\nqueue: {limit: [8]}", "queue.limit", "nvalid type"),
    ("local_root: ROOT\nqueue: {limit: 0}", "queue.limit", "from 1 on"),
    ("local_root: ROOT\nqueue: {limit: 0 mb}", "queue.limit", "\"0 mb\""),
    ("local_root: ROOT\nqueue: {limit: -1}", "queue.limit", "such as 8 mb"),
    ("local_root: ROOT\nqueue: {limit: ''}", "queue.limit", "such as 8 mb"),
    ("local_root: ROOT\nqueue: {limit: 8 megs}", "queue.limit", "such as 8 mb"),
    ("local_root: ROOT\nqueue: {limit: 99999999 tb}", "queue.limit", "memory"),
    ("local_root: ROOT\nqueue: {limit: 15 eb}", "queue.limit", "memory"),
    ("local_root: ROOT\nqueue: {when_full: wait}", "queue.when_full", "block or drop"),
    ("local_root: ROOT\nqueue: {when_full: true}", "queue.when_full", "block or drop"),
    ("local_root: ROOT\nqueue: {durable: block}", "queue.durable", "wait or continue"),
];

/// Of what people write, the key and the words that tell them what to do.
const ANSWERED: &[(&str, &str, &str)] = &[
    // Another program's variables.
    ("local_root: ${LAB_DIR}/logs", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: $LAB_DIR/logs", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: '$(LAB_DIR)/logs'", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: $env{LAB_DIR}", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: $ENV(LAB_DIR)", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: ENV{LAB_DIR}", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: '%LAB_DIR%/logs'", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: '$env:LAB_DIR'", "local_root", "$ENV{LAB_DIR}"),
    ("local_root: $ENV{LAB-DIR}", "local_root", "$ENV{NAME:-default}"),
    ("local_root: ROOT\nhostname: ${HOSTNAME}", "hostname", "$ENV{HOSTNAME}"),
    // Quotes.
    ("local_root: |\n  /data/lab\nlevel: info", "local_root", "a line feed at its end"),
    (r#"local_root: "C:\new\test""#, "local_root", "single quotes"),
    (r#"local_root: "C:\temp""#, "local_root", "single quotes"),
    (r#"local_root: "/data\0/x""#, "local_root", "control character"),
    ("local_root: ' /data/lab'", "local_root", "begins or ends with a blank"),
    (r#"local_root: '"/data/lab"'"#, "local_root", "begins and ends with a quote"),
    (r#"local_root: "'/data/lab'""#, "local_root", "begins and ends with a quote"),
    // A variable in a default, and placeholders, which stand in `path`.
    ("local_root: '$ENV{EQUIPMENT_LOG_TEST_UNSET:-%LAB%}'", "local_root", "in a default"),
    ("local_root: $ENV{EQUIPMENT_LOG_TEST_UNSET:-~/lab}", "local_root", "begins with ~"),
    ("local_root: '/data/{equipment_id}'", "local_root", "placeholders stand in `path`"),
    ("local_root: '{{ lab_root }}/logs'", "local_root", "placeholders stand in `path`"),
    ("local_root: '/data/{}'", "local_root", "placeholders stand in `path`"),
    // A host's name that is configured.
    ("local_root: ROOT\nhostname: Büro-PC", "hostname", "\"B_ro-PC\" can"),
    ("local_root: ROOT\nhostname: (none)", "hostname", "\"_none_\" can"),
    ("local_root: ROOT\nhostname: lab pc 4", "hostname", "\"lab_pc_4\" can"),
    // Where an id is meant, and where a date goes.
    ("local_root: ROOT\npath: '{equipment}/x.log'", "path", "{equipment_id}: was that meant?"),
    ("local_root: ROOT\npath: '{device}/x.log'", "path", "{equipment_id}"),
    ("local_root: ROOT\npath: '{equipment_id}/%Y-%m-%d.log'", "path", "every: day"),
    ("local_root: ROOT\npath: '{equipment_id}/{date}.log'", "path", "every: day"),
    ("local_root: ROOT\npath: '{equipment_id}/{d(%Y)}.log'", "path", "every: day"),
    ("local_root: ROOT\npath: '{equipment_id}/{time}.log'", "path", "every: day"),
    (
        "local_root: ROOT\npath: '{equipment_id}/wizard.{host}.log'",
        "path",
        "has {host}, which is never a tag: {hostname}",
    ),
    (
        "local_root: ROOT\npath: '{equipment_id}/{equip}.log'",
        "path",
        "has {equip}, which is never a tag: {equipment_id}",
    ),
    (
        "local_root: ROOT\npath: '{equip}/x.log'",
        "path",
        "has {equip}, which is never a tag: {equipment_id}",
    ),
    ("local_root: ROOT\npath: $ENV{X}/{equipment_id}.log", "path", "local_root"),
    // Keys that look alike.
    ("local_root: ROOT\nfsync: warn", "fsync", "was `fsync_level` meant?"),
    ("local_root: ROOT\nhost: pc", "host", "was `hostname` meant?"),
    ("local_root: ROOT\nroot: /x", "root", "was `local_root` meant?"),
    ("local_root: ROOT\ndir-mode: '0755'", "dir-mode", "was `dir_mode` meant?"),
    ("local_root: ROOT\nmax_files: 5", "max_files", "was `max_open_files` meant?"),
    ("local_root: ROOT\ntarget: {a: B}", "target", "was `targets` meant?"),
    ("local_root: ROOT\nqueue: {drain: 1 s}", "queue.drain", "was `drain_timeout` meant?"),
    ("local_root: ROOT\nqueue: {drain_timeout: 0 s}", "queue.drain_timeout", "such as 10 seconds"),
    ("local_root: ROOT\nrotation: {evry: day}", "rotation.evry", "was `every` meant?"),
    ("local_root: ROOT\n\"line\\nfeed\": x", "line\\nfeed", "unknown key"),
    // Targets and levels.
    ("local_root: ROOT\ntargets: opcua", "targets", "a log target and an equipment id"),
    ("local_root: ROOT\ntargets: {opcua: ../x}", "targets.opcua", "portable filename"),
    ("local_root: ROOT\ntargets: {'': X}", "targets", "`unscoped`"),
    ("local_root: ROOT\ntargets: {a: [X]}", "targets.a", "a list"),
    (
        "local_root: ROOT\ntargets: {'acme::': X}",
        "targets.acme::",
        "\"acme\" is that target and all",
    ),
    (
        "local_root: ROOT\ntargets: {'acme::*': X}",
        "targets.acme::*",
        "\"acme\" is that target and all",
    ),
    ("local_root: ROOT\ntargets: {acme:: X}", "targets.acme:", "\"acme\" is that target and all"),
    ("local_root: ROOT\ntargets: {'acme*': X}", "targets.acme*", "\"acme\" is that target and all"),
    (
        "local_root: ROOT\ntargets: {'::acme::stage': X}",
        "targets.::acme::stage",
        "\"acme::stage\" is",
    ),
    ("local_root: ROOT\ntargets: {' acme': X}", "targets. acme", "\"acme\" is that target and all"),
    ("local_root: ROOT\ntargets: {'*': X}", "targets.*", "`unscoped`"),
    // Names that YAML reads as something else.
    ("local_root: ROOT\nlevels: {1: debug, '1': info}", "levels.1", "duplicate key"),
    ("local_root: ROOT\ntargets: {1: A, '1': B}", "targets.1", "duplicate key"),
    ("local_root: ROOT\nunscoped: 5E2", "unscoped", "this is the number 500 in YAML"),
    ("local_root: ROOT\nunscoped: 1.10", "unscoped", "put the name in quotes"),
    ("local_root: ROOT\nunscoped: True", "unscoped", "this is the truth value true in YAML"),
    ("local_root: ROOT\ntargets: {a: 1.10}", "targets.a", "this is the number 1.1 in YAML"),
    ("local_root: ROOT\ntargets: {1.10: A}", "targets.1.1", "put the name in quotes"),
    ("local_root: ROOT\ntargets: {~: A}", "targets.nothing", "null in YAML, and no name"),
    ("local_root: ROOT\ntargets: {[a]: A}", "targets.a list", "a list is no name"),
    ("local_root: ROOT\nlevels: {1e3: debug}", "levels.1000", "put the name in quotes"),
    ("local_root: ROOT\nlevels: {null: debug}", "levels.nothing", "null in YAML, and no name"),
    ("local_root: ROOT\nlevels: {TRUE: debug}", "levels.true", "put the name in quotes"),
    ("local_root: ROOT\nhostname: 1.10", "hostname", "this is the number 1.1 in YAML"),
    ("local_root: 1.10", "local_root", "this is the number 1.1 in YAML"),
    ("local_root: ROOT\npath: .inf", "path", "this is the number inf in YAML"),
    ("local_root: ROOT\nunscoped: a/b", "unscoped", "portable filename"),
    ("local_root: ROOT\nlevel: verbose", "level", "one of off, error"),
    ("local_root: ROOT\nlevels: {X: loud}", "levels.X", "one of off, error"),
    ("local_root: ROOT\nlevels: {a/b: info}", "levels.a/b", "portable filename"),
    ("local_root: ROOT\nlevels: [info]", "levels", "an equipment id and a level"),
    ("local_root: ROOT\nprecision: nanos", "precision", "seconds or millis"),
];

#[test]
fn what_people_write_is_answered_with_what_they_can_do() {
    for (yaml, key, reason) in ANSWERED {
        assert_refused(yaml, key, reason);
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let yaml = "local_root: $LAB_DIR\nhostname: a/b\nfsync_level: fatal\nfile_mode: '9'\n\
                queue: {limit: 0, when_full: wait}\nrotation: {every: week}\nlevels: {X: loud}\n\
                path: '{date}'\nunknown: 1";
    for error in [log4rs_error(yaml).unwrap(), fern_error(yaml).unwrap()] {
        for key in [
            "local_root: ",
            "hostname: ",
            "fsync_level: ",
            "file_mode: ",
            "queue.limit: ",
            "queue.when_full: ",
            "rotation.every: ",
            "levels.X: ",
            "path: ",
            "unknown: ",
        ] {
            assert_eq!(error.matches(key).count(), 1, "{key}: {error}");
        }
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn an_encoder_that_is_not_what_was_meant_is_answered_with_what_was() {
    for (encoder, reason) in [
        (
            "encoder: {patern: '{m}{n}'}",
            "encoder.patern: unknown key (was `pattern` meant?); the keys are `pattern`",
        ),
        ("encoder: {kind: pattern, patern: '{m}{n}'}", "was `pattern` meant?"),
        ("encoder: {kind: equipment_lin}", "was `equipment_line` meant?"),
        ("encoder: {kind: jsn}", "was `json` meant?"),
        ("encoder: {presicion: millis}", "was `precision` meant?"),
        ("encoder: json", "a mapping such as { kind: equipment_line }"),
        ("encoder: {kind: json}\nprecision: millis", "precision: it is of our own line"),
    ] {
        let yaml = format!("local_root: /data/lab\n{encoder}");
        let error = log4rs_error(&yaml).unwrap_or_else(|| panic!("log4rs takes {encoder}"));
        assert!(error.contains(reason) && !error.contains('\n'), "{encoder}: {error}");
    }
}

/// What log4rs's file has around our appender.
#[test]
fn a_file_of_log4rs_that_is_wrong_is_answered_with_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let right = "appenders:\n  equipment: {kind: equipment_scoped, local_root: /data/lab}\n\
                 root: {level: info, appenders: [equipment]}\n";
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        equipment_log::log4rs::check_file(path, &log4rs::config::Deserializers::default())
    };
    for (from, to, reason) in [
        ("equipment_scoped", "equipment-scoped", "was `equipment_scoped` meant?"),
        ("equipment_scoped", "equipment_scope", "was `equipment_scoped` meant?"),
        ("equipment_scoped", "consol", "was `console` meant?"),
        ("kind: equipment_scoped, ", "", "appender equipment: "),
        ("[equipment]", "[equipmnt]", "was `equipment` meant?"),
        ("appenders:\n", "appender:\n", "was `appenders` meant?"),
        ("\nroot:", "\nroots:", "was `root` meant?"),
        ("level: info", "level: inf", "root"),
        ("\nroot:", "\nrefresh_rate: 30\nroot:", "refresh_rate"),
        ("\nroot:", "\nrefresh_rate: 0 s\nroot:", "such as 30 seconds"),
        ("\nroot:", "\nloggers: {a: {levl: info}}\nroot:", "loggers.a"),
        ("\nroot:", "\nloggers: {a: {level: info, appenders: [none]}}\nroot:", "appender none"),
        ("/data/lab}", "/data/lab, filters: [{kind: thresold, level: warn}]}", "`threshold`"),
    ] {
        let text = right.replacen(from, to, 1);
        let error = file("log4rs.yaml", &text).expect_err(&text).to_string();
        assert!(error.contains(reason) && !error.contains('\n'), "{text}: {error}");
    }
    file("log4rs.yaml", right).unwrap();
    let appenders = r#"{ "equipment": { "kind": "equipment_scoped", "local_root": "/data/lab" } }"#;
    let root = r#"{ "appenders": ["equipment"] }"#;
    let json = format!("{{\n\t\"appenders\": {appenders},\n\t\"root\": {root}\n}}\n");
    file("log4rs.json", &json).unwrap();
    for name in ["log4rs.toml", "log4rs.txt", "log4rs"] {
        let error = file(name, right).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("YAML (.yaml, .yml) and JSON"), "{error}");
    }
}

/// Every key that both adapters have, and whose value is a single one.
const KEYS: &[&str] = &[
    "local_root",
    "hostname",
    "path",
    "fsync_level",
    "control_characters",
    "follow_links",
    "file_mode",
    "dir_mode",
    "max_open_files",
    "idle_timeout",
];

/// Values of a kind that no key has.
const WRONG_KINDS: &[&str] = &["[a, b]", "{a: b}", "[]"];

/// What log4rs prints about an `equipment_scoped` appender with these keys, none if it takes it.
fn log4rs_error(yaml: &str) -> Option<String> {
    let appender: AppenderConfig =
        match serde_yaml::from_str(&format!("kind: equipment_scoped\n{yaml}")) {
            Ok(appender) => appender,
            Err(err) => return Some(err.to_string()),
        };
    let (deserializers, handle) = equipment_log::log4rs::deserializers();
    match deserializers.deserialize::<dyn Append>(&appender.kind, appender.config) {
        Ok(_appender) => None,
        Err(err) => {
            assert!(handle.sinks().is_empty(), "a sink is left of an appender that was refused");
            // log4rs prints `Display` without the causes.
            Some(err.to_string())
        }
    }
}

fn fern_error(yaml: &str) -> Option<String> {
    let err = EquipmentScopedOutput::from_yaml_str(yaml).err()?;
    assert!(err.is_config(), "{err}");
    Some(err.to_string())
}

/// Gives `yaml` to both adapters, and asks each for a line with the key and the reason.
fn assert_refused(yaml: &str, key: &str, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("logs");
    // In single quotes, where YAML takes all but a quote as it is, a Windows path too.
    let place = |line: &str| match line.split_once(ROOT) {
        Some((key, rest)) => format!("{key}'{}{rest}'", root.display()),
        None => line.to_owned(),
    };
    let yaml = yaml.lines().map(place).collect::<Vec<_>>().join("\n");
    for (adapter, error) in [("log4rs", log4rs_error(&yaml)), ("fern", fern_error(&yaml))] {
        let error = error.unwrap_or_else(|| panic!("{adapter} takes this:\n{yaml}"));
        assert_eq!(error.lines().count(), 1, "{adapter}, more than a line:\n{error}");
        let named = error.contains(&format!("{key}:")) || error.contains(&format!("`{key}`"));
        assert!(named, "{adapter} does not name {key}: {error}\n{yaml}");
        assert!(error.contains(reason), "{adapter} does not say {reason:?}: {error}\n{yaml}");
    }
    assert!(is_empty(folder.path()), "something was created for:\n{yaml}");
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

#[test]
fn a_value_that_cannot_serve_is_refused_with_its_key_and_the_reason() {
    for (yaml, key, reason) in REFUSED {
        assert_refused(yaml, key, reason);
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_its_key() {
    for key in KEYS {
        for value in WRONG_KINDS {
            let yaml = match *key {
                "local_root" => format!("local_root: {value}"),
                key => format!("local_root: ROOT\n{key}: {value}"),
            };
            // serde_value begins with a capital letter, serde_yaml does not.
            assert_refused(&yaml, key, "nvalid type");
        }
    }
}

#[test]
fn an_unknown_key_is_answered_with_all_that_are_known() {
    for key in KEYS {
        assert_refused("local_root: ROOT\nrotate: daily", "rotate", key);
    }
    assert_refused("local_root: ROOT\nrotate: daily", "rotate", "queue");
}

#[test]
fn an_empty_variable_is_refused_by_name() {
    alone!();
    std::env::set_var("EQUIPMENT_LOG_TEST_EMPTY", "");
    assert_refused(
        "local_root: $ENV{EQUIPMENT_LOG_TEST_EMPTY}",
        "local_root",
        "EQUIPMENT_LOG_TEST_EMPTY is empty",
    );
}

/// A variable is set by another hand than the one that wrote the file.
#[test]
fn what_a_variable_holds_is_checked_as_what_is_written() {
    alone!();
    const HELD: &str = "EQUIPMENT_LOG_TEST_HELD";
    for (held, reason) in [
        ("${HOME}/lab", "a variable in the value of a variable is not expanded"),
        ("$HOME/lab", "a variable in the value of a variable is not expanded"),
        ("$(pwd)/lab", "a variable in the value of a variable is not expanded"),
        ("%LAB%", "a variable in the value of a variable is not expanded"),
        ("$ENV{HOME}/lab", "a variable in the value of a variable is not expanded"),
        ("\"/data/lab\"", "begins and ends with a quote"),
        ("'/data/lab'", "begins and ends with a quote"),
        ("/data/lab ", "begins or ends with a blank"),
        ("/data/lab\r", "begins or ends with a blank"),
        ("~/lab", "begins with ~"),
        ("https://nas/lab", "is an address"),
        ("/data/l\tab", "has a control character"),
        ("/data/{equipment_id}", "placeholders stand in `path`"),
        ("{{ lab_root }}", "placeholders stand in `path`"),
    ] {
        std::env::set_var(HELD, held);
        let yaml = "local_root: $ENV{EQUIPMENT_LOG_TEST_HELD}/x";
        assert_refused(yaml, "local_root", reason);
        assert_refused(yaml, "local_root", HELD);
        let yaml = "local_root: ROOT\nhostname: $ENV{EQUIPMENT_LOG_TEST_HELD}";
        assert_refused(yaml, "hostname", HELD);
        let root = EquipmentSink::builder(format!("$ENV{{{HELD}}}")).build().unwrap_err();
        assert!(root.to_string().contains(HELD), "{root}");
    }
    for held in ["/nas/lab$", "/data/100%", "/data/o'clock", "/data/{x"] {
        std::env::set_var(HELD, held);
        assert_eq!(log4rs_error("local_root: $ENV{EQUIPMENT_LOG_TEST_HELD}"), None, "{held}");
    }
}

/// Such names cannot be told from what they look like, or are what they look like.
#[test]
fn a_name_that_yaml_does_not_change_is_taken_without_quotes() {
    let yaml =
        "local_root: /data/lab\nhostname: 12\nunscoped: 7\ntargets: {4: 5, a:b: X, 'a b': Y}\n\
                levels: {12: debug, '1.10': info}";
    assert_eq!(log4rs_error(yaml), None);
    assert_eq!(fern_error(yaml), None);
}

#[test]
fn a_wrong_encoder_is_refused_through_log4rs() {
    for (encoder, reason) in [
        ("encoder: {kind: no_such_encoder}", "no_such_encoder"),
        ("encoder: {kind: equipment_line, precision: nanos}", "nanos"),
        ("encoder: {kind: equipment_line, presicion: millis}", "presicion"),
        ("encoder: {kind: equipment_line, control_characters: remove}", "remove"),
        ("encoder: equipment_line", "encoder"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!("local_root: '{}'\n{encoder}", folder.path().join("logs").display());
        let error = log4rs_error(&yaml).unwrap_or_else(|| panic!("log4rs takes {encoder}"));
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("encoder") && error.contains(reason), "{encoder}: {error}");
        assert!(is_empty(folder.path()));
    }
}

#[test]
fn an_encoder_is_refused_through_fern() {
    let error = fern_error("local_root: /data\nencoder: {kind: equipment_line}").unwrap();
    assert!(error.contains("encoder") && error.contains("line_format"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

/// log4rs keeps the last of them before it asks us: only fern can tell.
#[test]
fn a_key_that_stands_twice_is_refused_through_fern() {
    let error = fern_error("local_root: /a\nlocal_root: /b").unwrap();
    assert!(error.contains("local_root") && error.contains("duplicate"), "{error}");
}

#[test]
fn the_text_of_an_error_is_for_people() {
    for (yaml, error) in [
        (
            "local_root: $ENV{EQUIPMENT_LOG_TEST_UNSET}",
            "local_root: the environment variable EQUIPMENT_LOG_TEST_UNSET is not set",
        ),
        (
            "local_root: /a\nfsync_level: fatal",
            "fsync_level: \"fatal\" is not one of off, error, warn, info, debug, trace (was `error` meant?)",
        ),
    ] {
        assert_eq!(log4rs_error(yaml).unwrap(), error);
        assert_eq!(fern_error(yaml).unwrap(), error);
    }
}

#[test]
fn text_that_is_no_yaml_is_one_line() {
    for yaml in ["local_root: [", "- local_root", "\tlocal_root: /data", "local_root"] {
        let error = fern_error(yaml).unwrap_or_else(|| panic!("fern takes {yaml:?}"));
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_file_is_named_in_the_error_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.yaml");
    let error = EquipmentScopedOutput::from_yaml_file(&missing).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("missing.yaml"), "{error}");

    let bad = folder.path().join("bad.yaml");
    std::fs::write(&bad, "local_root: /data\nfsync_level: fatal\n").unwrap();
    let error = EquipmentScopedOutput::from_yaml_file(&bad).unwrap_err();
    assert!(error.is_config());
    let error = error.to_string();
    assert!(error.contains("bad.yaml") && error.contains("fsync_level"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_builder_refuses_what_the_yaml_would() {
    let root = tempfile::tempdir().unwrap();
    let sink = || EquipmentSink::builder(root.path().join("logs"));
    for (builder, key) in [
        (sink().hostname("a/b"), "hostname"),
        (sink().path("{equipment_id}/../w.log"), "path"),
        (sink().path("{equipment_id}/{host}.log"), "path"),
        (sink().targets([("acme::", EquipmentId::new("X").unwrap())]), "targets.acme::"),
        (sink().dir_mode(0o77777), "dir_mode: 77777 is not an octal mode such as \"0755\""),
        (sink().max_open_files(0), "max_open_files"),
        (sink().idle_timeout(Duration::ZERO), "idle_timeout"),
        (sink().rotation(RotationConfig::new().limit(0).keep(Keep::Files(5))), "rotation.limit"),
        (sink().rotation(RotationConfig::new().limit(1024).keep(Keep::Files(0))), "rotation.keep"),
        (sink().queue(QueueConfig::new().limit(0)), "queue.limit"),
        (sink().queue(QueueConfig::new().limit(u64::MAX)), "queue.limit"),
        (EquipmentSink::builder(""), "local_root"),
        (EquipmentSink::builder("/data/{equipment_id}"), "local_root"),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.is_config() && error.to_string().starts_with(key), "{error}");
    }
    assert!(is_empty(root.path()));
}

#[test]
fn a_configuration_that_is_right_is_taken_and_creates_nothing_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!(
        "local_root: '{}'\nhostname: labpc-04\npath: '{{equipment_id}}/{{run}}/w.log'\n\
         fsync_level: WARN\ncontrol_characters: keep\nfollow_links: true\nfile_mode: '0600'\n\
         dir_mode: 0700\nmax_open_files: 32\nidle_timeout: 30 minutes\n\
         rotation: {{every: day, limit: 10 mb, keep: 90 days, compress: gzip}}\n",
        folder.path().join("logs").display(),
    );
    for queue in ["{}", "{limit: 8 mb}", "{limit: 64kb, when_full: drop, durable: continue}"] {
        let yaml = format!("{yaml}queue: {queue}\n");
        assert_eq!(log4rs_error(&yaml), None);
        assert_eq!(fern_error(&yaml), None);
    }
    assert!(is_empty(folder.path()));
}
