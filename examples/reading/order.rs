//! The order of a log's files, and which of them are too old.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::head::{Head, DAY};
use super::names::Part;
use super::source::{open_regular, Reading, Source};
use super::tree::LogFile;

/// The first record of a file is looked for in this many bytes.
const BEGINNING: usize = 1 << 20;

/// The last records of a file are looked for in this many bytes.
const END: i64 = 64 * 1024;

/// The files in the order of their writing, the live one last. Where the names are of several kinds, the files are
/// merged by their first records; of the same time is the file first whose period ends first.
pub(crate) fn in_order(files: BTreeMap<Part, LogFile>) -> VecDeque<LogFile> {
    let mut kinds = BTreeMap::<usize, VecDeque<LogFile>>::new();
    for (part, file) in files {
        kinds.entry(part.kind()).or_default().push_back(file);
    }
    let live = kinds.remove(&Part::Live.kind()).unwrap_or_default();
    let mut kinds: Vec<_> = kinds.into_values().collect();
    let mut ordered = match kinds.len() {
        0 | 1 => kinds.pop().unwrap_or_default(),
        _ => merged(kinds),
    };
    ordered.extend(live);
    ordered
}

fn merged(kinds: Vec<VecDeque<LogFile>>) -> VecDeque<LogFile> {
    // A file without a record keeps its place behind the one before.
    let place = |file: &LogFile| (first_time(file), file.part.period());
    let mut kinds: Vec<_> = kinds.into_iter().map(|kind| (kind.front().map(place), kind)).collect();
    let mut ordered = VecDeque::new();
    while let Some((next, kind)) =
        kinds.iter_mut().filter(|(_, kind)| !kind.is_empty()).min_by_key(|(next, _)| *next)
    {
        ordered.extend(kind.pop_front());
        *next = kind.front().map(place);
    }
    ordered
}

/// The time of the first record. None: there is none near the beginning, or the file cannot be read.
fn first_time(file: &LogFile) -> Option<i64> {
    let reading = Reading { keep_open: true, buffer: 8 * 1024 };
    let mut source = Source::open(&file.path, file.compressed, reading).ok()?;
    let (mut piece, mut read) = (Vec::new(), 0);
    while read < BEGINNING {
        piece.clear();
        source.read_piece(&mut piece).ok()?;
        if let Some(head) = Head::parse(&piece) {
            return Some(head.time);
        }
        if piece.is_empty() {
            break;
        }
        read += piece.len();
    }
    None
}

/// Whether a rotated file needs not be read for the records from `since` on. Its name, the time of its last change
/// and, where it is not compressed, its last records must say so: the computer's clock may have been set.
pub(crate) fn is_too_old(file: &LogFile, since: i64) -> bool {
    let is_before = |time: Option<i64>| time.is_some_and(|time| time < since);
    is_before(file.part.period().map(|(end, _)| end + DAY))
        && is_before(modified(&file.path))
        && (file.compressed || is_before(last_time(&file.path)))
}

fn modified(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let micros = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    i64::try_from(micros).ok()
}

/// The latest of the last records' times. None: there is no record near the end, or the file cannot be read.
fn last_time(path: &Path) -> Option<i64> {
    let (mut file, metadata) = open_regular(path).ok()?;
    let length = i64::try_from(metadata.len()).ok()?;
    file.seek(SeekFrom::End(-length.min(END))).ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    end.split(|byte| *byte == b'\n').filter_map(Head::parse).map(|head| head.time).max()
}
