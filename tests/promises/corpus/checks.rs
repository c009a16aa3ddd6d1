//! What must hold for any text, whoever made it: run by `cargo fuzz` (tests/fuzz) and over the corpus by `cargo test`.

use equipment_log::{parse_line, EquipmentScopedOutput, EquipmentSink, Scope};

/// A line that is read is written the same again. Only its message may hold a line feed, with `control_characters:
/// keep`.
pub(crate) fn line(text: &str) {
    let Some(mut line) = parse_line(text) else { return };
    let first = text.split('\n').next().unwrap_or_default();
    assert!(parse_line(first).is_some(), "two lines: {text:?}");
    let written = line.to_string();
    let again = parse_line(&written).unwrap_or_else(|| panic!("{text:?} became {written:?}"));
    // A time is written to the millisecond.
    let lost = line.time.duration_since(again.time).unwrap_or_default();
    assert!(lost < std::time::Duration::from_millis(1), "{text:?} became {written:?}");
    line.time = again.time;
    assert_eq!(again, line, "{text:?} became {written:?}");
}

/// A configuration is taken, or refused with one line; neither makes a file.
pub(crate) fn yaml(text: &str) {
    let Err(err) = EquipmentScopedOutput::from_yaml_str(text) else { return };
    let message = err.to_string();
    assert!(!message.contains('\n') && !message.is_empty(), "{text:?}: {message:?}");
}

/// A template that is taken never leads out of the root.
pub(crate) fn path(text: &str) {
    let root = std::env::temp_dir().join("equipment-log-corpus");
    let Ok(sink) = EquipmentSink::builder(&root).hostname("h").path(text).build() else { return };
    let scope = Scope::new("EQ").map(|scope| scope.tag("run", "R7").tag("proj", "P"));
    let Ok(scope) = scope else { return };
    if let Some(path) = sink.path(&scope) {
        let below = path.strip_prefix(&root).unwrap_or_else(|_| panic!("{text:?}: {path:?}"));
        let is_name = |part| matches!(part, std::path::Component::Normal(_));
        assert!(below.components().all(is_name), "{text:?}: {path:?}");
        assert!(path.to_string_lossy().contains("EQ"), "{text:?}: {path:?}");
    }
}
