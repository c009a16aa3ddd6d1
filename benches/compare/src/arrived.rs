//! Whether every record is in its file, whole, once, and each thread's in the order it logged them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::scenario::{Scenario, WARM_UP};
use crate::site::Site;
use crate::subject::PER_THREAD;

/// Looks at each file from the length on that it had before.
pub fn check(scenario: &Scenario, site: &Site, lengths: &[u64]) -> Result<(), String> {
    let mut total = 0;
    for (equipment, ((_, path), start)) in site.files().zip(lengths).enumerate() {
        total += read_from(&path, *start)
            .map_err(|e| e.to_string())
            .and_then(|text| count(scenario, equipment, &text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let expected = scenario.records() + scenario.file_count() as u64;
    if total == expected {
        Ok(())
    } else {
        Err(format!("{total} of {expected} records arrived"))
    }
}

fn read_from(path: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Returns how many records there are. With every thread's in rising order none can be there twice, so that their
/// number alone says whether one is missing.
fn count(scenario: &Scenario, equipment: usize, text: &str) -> Result<u64, String> {
    let mut next = vec![0; scenario.threads + 1];
    let mut records = 0;
    for line in text.lines() {
        let number = line.rsplit(' ').next().and_then(|digits| digits.parse::<u64>().ok());
        let Some(number) = number.filter(|_| line.starts_with("20")) else {
            return Err(format!("a torn line: {line:?}"));
        };
        let (thread, sequence) = ((number / PER_THREAD) as usize, number % PER_THREAD);
        if thread > scenario.threads || scenario.equipment(thread, sequence) != equipment {
            return Err(format!("another file's record: {line:?}"));
        }
        if sequence < next[thread] {
            return Err(format!("thread {thread}'s record {sequence} after {}", next[thread] - 1));
        }
        next[thread] = sequence + 1;
        records += 1;
    }
    match next[WARM_UP] {
        0 => Err("no record from before the time was taken".into()),
        _ => Ok(records),
    }
}
