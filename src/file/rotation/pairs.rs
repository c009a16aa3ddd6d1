//! [`Pairs`]: the rotated files of a log that exist both plain and compressed, and since when neither was changed.
//!
//! gzip(1) and gunzip(1) remove the file that they have read as their last step. While such a program is at work,
//! removing the other file would lose the content. No call tells whether a program is at work, so time has to tell.
//! The time is measured by watching the files, not by comparing their times with the clock: a share has its server's
//! clock, and a program that unpacks a file gives it an old time in the end.
//!
//! What a crash of this crate has left needs no watching: gzip(1) is not at work if the compressed file has this
//! crate's [mark](super::gzip::is_marked), and gunzip(1) is not if the plain file is as before the compressed file.
//!
//! The invariant: any other pair that this process has not watched for [`SETTLED_AFTER`] is left as it is, unless both
//! files are to be deleted. Not covered is a program that is stopped for longer than this between its last write and its
//! removal.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::names::RotatedName;
use crate::file::root::RootDir;
use crate::file::sys;
use crate::locks::LockExt as _;

/// How long both files must be unchanged before one of them is removed. A program that packs or unpacks writes
/// again within seconds, also on a slow share, and removes its file right after its last write. Nothing waits for
/// this: the plain file is complete meanwhile.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(60);

/// A plain file and its compressed file as they were at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    plain: sys::Stamp,
    compressed: sys::Stamp,
    /// Whether the plain file is as it was when the compressed file was made: nobody has unpacked it. `false`: that is
    /// not known.
    pub(super) plain_is_older: bool,
}

impl Pair {
    /// None: one of the two does not exist, or is not a regular file.
    pub(super) fn of(
        root: &RootDir,
        relative: &Path,
        plain: RotatedName,
    ) -> io::Result<Option<Pair>> {
        let Some(compressed) = root.rotated_metadata(relative, plain.compressed())? else {
            return Ok(None);
        };
        Ok(root.rotated_metadata(relative, plain)?.map(|plain| Pair {
            plain: sys::stamp(&plain),
            compressed: sys::stamp(&compressed),
            plain_is_older: sys::is_as_before(&plain, &compressed),
        }))
    }
}

/// The pairs of a log. The lock is held for a look at the map, and over no call.
#[derive(Debug, Default)]
pub(super) struct Pairs(Mutex<BTreeMap<RotatedName, Watched>>);

#[derive(Debug)]
struct Watched {
    pair: Pair,
    since: Instant,
}

impl Pairs {
    /// Whether both files of a pair have been as they are now for [`SETTLED_AFTER`]. `now` is read after the pair.
    pub(super) fn is_settled(&self, plain: RotatedName, pair: Pair, now: Instant) -> bool {
        let mut watched = self.0.lock_any();
        let first = watched.entry(plain).or_insert(Watched { pair, since: now });
        if first.pair != pair {
            *first = Watched { pair, since: now };
        }
        now.saturating_duration_since(first.since) >= SETTLED_AFTER
    }

    /// Forgets the pairs of which `is_pair` is false: one of the two files is gone.
    pub(super) fn retain(&self, is_pair: impl Fn(RotatedName) -> bool) {
        self.0.lock_any().retain(|plain, _| is_pair(*plain));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::fs;

    use super::*;
    use crate::file::Access;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pair_is_settled_when_neither_file_has_changed_for_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let access =
            Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: None };
        let root = RootDir::new(dir.path().to_owned(), access);
        let name = RotatedName::parse("w.log", "w.log.2026-04-17").unwrap();
        let pair = || Pair::of(&root, Path::new("w.log"), name).unwrap();
        let (plain, compressed) =
            (dir.path().join("w.log.2026-04-17"), dir.path().join("w.log.2026-04-17.gz"));
        fs::write(&compressed, "packed").unwrap();
        assert_eq!(pair(), None);
        fs::write(&plain, "half").unwrap();

        let pairs = Pairs::default();
        let mut now = Instant::now();
        let mut is_settled_after = |time: Duration| {
            now += time;
            pairs.is_settled(name, pair().unwrap(), now)
        };
        assert!(!is_settled_after(Duration::ZERO));
        assert!(!is_settled_after(SETTLED_AFTER - SECOND));
        assert!(is_settled_after(SECOND));
        // gunzip continues after a pause.
        fs::write(&plain, "whole").unwrap();
        assert!(!is_settled_after(SECOND));
        assert!(is_settled_after(SETTLED_AFTER));
        // In the end gunzip gives the file an old time.
        let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::File::options().append(true).open(&plain).unwrap().set_times(old).unwrap();
        assert!(!is_settled_after(SETTLED_AFTER));
        assert!(is_settled_after(SETTLED_AFTER));
        fs::write(&compressed, "packed anew").unwrap();
        assert!(!is_settled_after(SETTLED_AFTER));
        assert!(is_settled_after(SETTLED_AFTER));
        // The next pair of this name is another one.
        pairs.retain(|_| false);
        assert!(!pairs.is_settled(name, pair().unwrap(), now));
    }
}
