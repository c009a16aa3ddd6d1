//! A log's rotated files, as they are found from outside.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use equipment_log::{Keep, RotationConfig};

/// Rotation by size alone, with this many rotated files.
pub(crate) fn by_size(limit: u64, files: u32) -> RotationConfig {
    RotationConfig::new().limit(limit).keep(Keep::Files(files))
}

/// What is behind the log's name in those of its rotated files, the oldest first; of `.2026-04-17.1.gz` that is
/// `2026-04-17.1.gz`.
pub(crate) fn rotated_suffixes(log: &Path) -> Vec<String> {
    let start = format!("{}.", log.file_name().unwrap().to_str().unwrap());
    let Ok(entries) = log.parent().unwrap().read_dir() else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let suffixes = names.filter_map(|name| name.strip_prefix(&start).map(str::to_owned));
    // On Windows the lock of a rotation, and a file that has its own name when it is complete.
    let is_rotated = |suffix: &String| suffix != "lock" && !suffix.ends_with("tmp");
    let mut suffixes: Vec<_> = suffixes.filter(is_rotated).collect();
    suffixes.sort_by_key(|suffix| place(suffix));
    suffixes
}

/// Where a rotated file is among those of its log: by period, then by number.
fn place(suffix: &str) -> (String, u64, bool) {
    let plain = suffix.strip_suffix(".gz").unwrap_or(suffix);
    let (period, number) = plain.split_once('.').unwrap_or((plain, "0"));
    (period.to_owned(), number.parse().unwrap(), plain != suffix)
}

pub(crate) fn beside(log: &Path, suffix: &str) -> PathBuf {
    format!("{}.{suffix}", log.display()).into()
}

/// The rotated files of a log, the oldest first. One that is there plain and compressed is the plain one.
pub(crate) fn rotated(log: &Path) -> Vec<PathBuf> {
    let suffixes = rotated_suffixes(log);
    let counts = |suffix: &&String| {
        suffix.strip_suffix(".gz").is_none_or(|plain| !suffixes.iter().any(|other| other == plain))
    };
    suffixes.iter().filter(counts).map(|suffix| beside(log, suffix)).collect()
}

/// The text of a rotated file, compressed or not.
pub(crate) fn text_of(file: &Path) -> String {
    String::from_utf8(bytes_of(file)).unwrap()
}

/// What is in a rotated file, compressed or not.
pub(crate) fn bytes_of(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    unpacked(file, bytes)
}

fn unpacked(file: &Path, bytes: Vec<u8>) -> Vec<u8> {
    if file.extension().is_none_or(|end| end != "gz") {
        return bytes;
    }
    let mut text = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(&*bytes).read_to_end(&mut text);
    read.unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    text
}

/// Every line of a log and its rotated files, the oldest first. Looked at once more where one was compressed or
/// deleted meanwhile.
pub(crate) fn all_lines(log: &Path) -> Vec<String> {
    loop {
        let live = log.exists().then(|| log.to_owned());
        let files: Vec<PathBuf> = rotated(log).into_iter().chain(live).collect();
        if let Some(lines) = lines_of(&files) {
            return lines;
        }
    }
}

/// The lines of files; none where one is not there any more.
fn lines_of(files: &[PathBuf]) -> Option<Vec<String>> {
    let mut text = String::new();
    for file in files {
        match fs::read(file) {
            Ok(bytes) => text.push_str(&String::from_utf8(unpacked(file, bytes)).unwrap()),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return None,
            Err(err) => panic!("{}: {err}", file.display()),
        }
    }
    Some(text.lines().map(str::to_owned).collect())
}

/// A rotated file of `id`, as an earlier process left it: its text.
pub(crate) fn leave_rotated(root: &Path, id: &str, suffix: &str, bytes: usize) -> String {
    let path = beside(&super::log_of(root, id), suffix);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let line = |n: usize| format!("{suffix} {n:06} {:x}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let text: String = (0..bytes / 40).map(line).collect();
    fs::write(path, &text).unwrap();
    text
}
