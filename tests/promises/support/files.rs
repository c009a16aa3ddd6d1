//! Where a log is, and what is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use equipment_log::{EquipmentSink, EquipmentSinkBuilder};

/// Every test's host.
pub(crate) const HOST: &str = "labpc-04";

/// Where an equipment's log stands by default.
pub(crate) fn log_path(root: &Path, id: &str) -> PathBuf {
    root.join(id).join(format!(".exlab-wizard/wizard.{HOST}.log"))
}

/// The lines of a log as they stand in it, parsed.
pub(crate) fn parsed_lines(path: &Path) -> Vec<equipment_log::Line> {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    assert!(text.ends_with('\n'), "{} ends in the middle of a line", path.display());
    let parse = |line| equipment_log::parse_line(line).unwrap_or_else(|| panic!("{line}"));
    text.lines().map(parse).collect()
}

pub(crate) fn messages(path: &Path) -> Vec<String> {
    parsed_lines(path).into_iter().map(|line| line.message).collect()
}

/// Puts a file in the place of another: whoever reads the path sees the old one or the new one whole.
pub(crate) fn put_in_place(path: &Path, text: &str) {
    /// Longer than anybody reads.
    const READ: Duration = Duration::from_secs(60);
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    let start = Instant::now();
    // Windows may refuse it while somebody has the old one open; Wine does.
    while let Err(err) = std::fs::rename(&new, path) {
        assert!(cfg!(windows) && start.elapsed() < READ, "{}: {err}", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A log4rs configuration that is read again every 20 ms, with one appender: ours, with further keys, each in a line
/// of its own that is indented by four spaces.
pub(crate) fn log4rs_yaml(root: &Path, keys: &str, level: &str) -> String {
    format!(
        "refresh_rate: 20 ms
appenders:
  equipment:
    kind: equipment_scoped
    local_root: {root:?}
    hostname: {}
{keys}
root:
  level: {level}
  appenders: [equipment]
",
        super::HOST
    )
}

/// The same at `info`, with an appender of log4rs's own beside ours. Its file has a record when the configuration is in
/// use and something was logged.
pub(crate) fn log4rs_yaml_with_central(root: &Path, keys: &str, central: &Path) -> String {
    let central = format!("  central:\n    kind: file\n    path: {central:?}\nroot:\n");
    let yaml = log4rs_yaml(root, keys, "info");
    yaml.replace("root:\n", &central).replace("[equipment]", "[equipment, central]")
}

/// The names of what is in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A sink as all tests build it.
pub(crate) fn sink(root: &Path) -> EquipmentSinkBuilder {
    EquipmentSink::builder(root).hostname("h")
}

/// Where [`sink`] puts the log of one piece of equipment.
pub(crate) fn log_of(root: &Path, id: &str) -> PathBuf {
    root.join(id).join(".exlab-wizard/wizard.h.log")
}

/// The file's lines, as bytes; the last must have its end.
pub(crate) fn lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let unended = lines.pop().unwrap_or_default();
    assert!(unended.is_empty(), "{} ends within a line: {}", path.display(), shown(&unended));
    lines
}

/// The beginning of a line, for a message.
pub(crate) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(120)]);
    format!("{text:?} ({} bytes)", line.len())
}

/// How many records a gap line says are missing; none for any other line, and for a gap line that
/// was torn: it lacks its full stop.
pub(crate) fn missing(line: &[u8]) -> Option<u64> {
    let line = equipment_log::parse_line(std::str::from_utf8(line).ok()?)?;
    let (count, rest) = line.message.split_once(' ')?;
    let says =
        rest.starts_with("records are missing here") || rest.starts_with("record is missing here");
    (says && rest.ends_with('.') && line.level == log::Level::Warn).then(|| count.parse().ok())?
}
