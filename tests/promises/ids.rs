//! The promise: an id never leaves `local_root`. One that is no portable folder name is an error with
//! a clear text, wherever it came from, and creates nothing.

#![cfg(feature = "log4rs")]

use std::path::{Component, Path};

use crate::support::{log, log_as, log_path, logger, names_in};
use equipment_log::{EquipmentId, EquipmentSink, Scope};
use log::Level;
use proptest::prelude::*;

/// What is refused, and words of the reason.
fn refused() -> Vec<(String, &'static str)> {
    const CHARACTERS: &str = "portable filename characters";
    [
        ("../x", CHARACTERS),
        ("/abs", CHARACTERS),
        ("a/b", CHARACTERS),
        ("a\\b", CHARACTERS),
        ("a b", CHARACTERS),
        ("C:", CHARACTERS),
        ("a\nb", CHARACTERS),
        ("NUL\0", CHARACTERS),
        ("é", CHARACTERS),
        (".", "begins with '.'"),
        ("..", "begins with '.'"),
        (".hidden", "begins with '.'"),
        ("-x", "begins with '.' or '-'"),
        ("x.", "ends with '.'"),
        ("CON", "device on Windows"),
        ("con", "device on Windows"),
        ("nul.log", "device on Windows"),
        ("COM1", "device on Windows"),
        ("Lpt9.x.y", "device on Windows"),
    ]
    .into_iter()
    .map(|(id, why)| (id.to_owned(), why))
    .chain([("x".repeat(129), "longer than 128 bytes")])
    .collect()
}

/// One error, on one line, that names the id and the reason.
fn assert_says(errors: &[String], id: &str, why: &str) {
    let [error] = errors else { panic!("{id:?}: not one error: {errors:?}") };
    assert!(error.contains(&format!("{id:?}")) && error.contains(why), "{id:?}: {error}");
    assert!(!error.contains(char::is_control), "{id:?}: {error:?}");
}

/// Runs `f` with a logger below a root that does not exist, and expects it to stay so.
fn nothing_is_made(f: impl Fn(&log4rs::Logger, &str)) {
    for (id, why) in refused() {
        let parent = tempfile::tempdir().unwrap();
        let (logger, sink, errors) = logger(&parent.path().join("logs"));
        f(&logger, &id);
        assert_says(&errors.lock().unwrap(), &id, why);
        assert_eq!(names_in(parent.path()), [""; 0], "{id:?}");
        assert_eq!((sink.stats().refused, sink.stats().skipped), (1, 0), "{id:?}");
    }
}

#[test]
fn a_refused_id_in_a_key_value_is_reported_and_creates_nothing() {
    nothing_is_made(|logger, id| log_as(logger, id, "lamp on"));
}

#[test]
fn a_refused_id_in_a_key_value_does_not_fall_back_to_the_scope() {
    let scope = Scope::new("IDS_SCOPE").unwrap();
    nothing_is_made(|logger, id| scope.run(|| log_as(logger, id, "lamp on")));
}

#[test]
fn a_refused_id_in_the_context_is_reported_and_creates_nothing() {
    nothing_is_made(|logger, id| {
        let _in = log_mdc::insert_scoped("equipment_id", id);
        log(logger, Level::Error, "lamp on");
    });
}

#[test]
fn no_scope_has_a_refused_id() {
    for (id, why) in refused() {
        let err = Scope::new(&id).unwrap_err();
        assert!(err.is_invalid_id());
        assert_says(&[err.to_string()], &id, why);
    }
    assert_says(&[Scope::new("").unwrap_err().to_string()], "", "empty");
}

#[test]
fn names_near_the_refused_ones_are_ids() {
    for id in ["x.y", "x-", "_x", "0", "CONSOLE", "COM", "COM10", "nully", &"x".repeat(128)] {
        assert_eq!(EquipmentId::new(id).unwrap().as_str(), id);
    }
}

#[test]
fn the_second_spelling_of_an_id_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (first, _, errors) = logger(root.path());
    let made_before = Scope::new("IDS_EQ1").unwrap();
    Scope::new("ids_eq1").unwrap().run(|| log(&first, Level::Info, "first"));
    assert_eq!(*errors.lock().unwrap(), [""; 0]);

    type Way<'a> = &'a dyn Fn(&log4rs::Logger);
    let ways: [(&str, Way<'_>); 3] = [
        ("key-value", &|logger| log_as(logger, "IDS_EQ1", "second")),
        ("context", &|logger| {
            let _in = log_mdc::insert_scoped("equipment_id", "IDS_EQ1");
            log(logger, Level::Info, "second");
        }),
        ("scope", &|logger| made_before.run(|| log(logger, Level::Info, "second"))),
    ];
    for (way, log_second) in ways {
        // An appender for each: an error of one kind is returned once in ten seconds.
        let (logger, _, errors) = logger(root.path());
        log_second(&logger);
        let errors = errors.lock().unwrap();
        let [error] = &errors[..] else { panic!("{way}: {errors:?}") };
        assert!(error.contains("\"IDS_EQ1\" is refused: \"ids_eq1\" is in use"), "{way}: {error}");
    }
    assert!(Scope::new("IDS_EQ1").unwrap_err().is_invalid_id());

    assert_eq!(names_in(root.path()), ["ids_eq1"]);
    assert_eq!(crate::support::messages(&log_path(root.path(), "ids_eq1")), ["first"]);
}

/// Strings that try: pieces of paths, and anything else.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "..", ".", "/", "\\", "~", "-", "\0", ":", "C:", "CON", "%2e", "\u{2024}", "\u{2215}",
            "x",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[A-Za-z0-9._-]{0,130}",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// Whether `path` stands below `root` and every step to it is a plain name.
fn stands_below(path: &Path, root: &Path) -> bool {
    path.strip_prefix(root).is_ok_and(|below| {
        below.components().count() > 0
            && below.components().all(|part| matches!(part, Component::Normal(_)))
    })
}

proptest! {
    #[test]
    fn no_string_makes_a_path_outside_the_root(id in hostile(), tag in hostile()) {
        // A build for another system has that system's idea of what a path without a drive is.
        let root = std::path::absolute(env!("CARGO_MANIFEST_DIR")).unwrap().join("never-made");
        let by_id = EquipmentSink::builder(&root).build().unwrap();
        let by_tag =
            EquipmentSink::builder(&root).path("{equipment_id}/x{tag}/w.log").build().unwrap();
        if let Ok(scope) = Scope::new(&id) {
            let path = by_id.path(&scope).unwrap();
            prop_assert!(stands_below(&path, &root.join(&id)), "{}", path.display());
            prop_assert_eq!(path.components().count(), root.components().count() + 3);
        }
        let tagged = Scope::new("IDS_TAGGED").unwrap().tag("tag", &tag);
        if let Some(path) = by_tag.path(&tagged) {
            prop_assert!(stands_below(&path, &root.join("IDS_TAGGED")), "{}", path.display());
            prop_assert_eq!(path.components().count(), root.components().count() + 3);
        }
    }

    #[test]
    fn no_string_makes_a_file_outside_the_root(id in hostile()) {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("logs");
        let sink = EquipmentSink::builder(&root).build().unwrap();
        if let Ok(scope) = Scope::new(&id) {
            // Another case may have used the id in another spelling.
            let written = sink.write(&scope, Level::Info, b"x");
            prop_assert!(written.as_ref().map_or_else(|err| err.is_invalid_id(), |()| true));
            if written.is_ok() {
                prop_assert_eq!(names_in(&root), [id]);
            }
        }
        prop_assert!(names_in(parent.path()).iter().all(|name| name == "logs"));
    }
}
