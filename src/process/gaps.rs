//! The lost records that a closed log could not report. The next log of this process at the same path reports them: a
//! reload may replace a sink while its disk is full.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::clock::Time;
use crate::locks::LockExt as _;

/// Records that are missing at one place of a log.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    pub(crate) records: u64,
    /// When the first of these records was lost.
    pub(crate) since: Time,
    /// The operating system's reason for the first loss.
    pub(crate) reason: String,
}

/// The gaps by the log's path, since the log itself is gone.
static LEFT: Mutex<BTreeMap<PathBuf, Gap>> = Mutex::new(BTreeMap::new());

/// Leaves a gap to the next log at that path.
pub(crate) fn leave(path: &Path, gap: Gap) {
    let mut left = LEFT.lock_any();
    match left.get_mut(path) {
        Some(earlier) => earlier.records += gap.records,
        None => drop(left.insert(path.to_owned(), gap)),
    }
}

/// Takes what earlier logs at that path left.
pub(crate) fn take(path: &Path) -> Option<Gap> {
    LEFT.lock_any().remove(path)
}
