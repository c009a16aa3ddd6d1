//! Files and folders that this process made and whose entry in their folder is not known to be on
//! disk.
//!
//! Imports nothing of ours. One list for the process: after a reload another sink writes to what the
//! last one made. The invariant: whoever finds that a path exists, and wants it durable, finds it
//! here, from before it was made until its folder was synced.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Tells one making of a path from a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u64);

#[derive(Debug, Default)]
struct Entry {
    /// Threads that are trying to make it now.
    makers: u32,
    /// When it was last begun to be made, if that succeeded or may succeed yet.
    serial: u64,
    made: bool,
}

#[derive(Default)]
struct Fresh {
    entries: HashMap<Key, Entry>,
    serial: u64,
}

/// Stands for a path, of which there may be many thousands: a hash by the process's secret key. Two
/// paths that had the same would be taken for one, once in 10^10 runs with 10,000 logs.
type Key = u64;

fn key(path: &Path) -> Key {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::new).hash_one(path)
}

fn list() -> MutexGuard<'static, Fresh> {
    static FRESH: OnceLock<Mutex<Fresh>> = OnceLock::new();
    FRESH.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes `path` by `make`, and lists it if that succeeds. No lock is held over it.
pub(super) fn make<T>(path: &Path, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut fresh = list();
    fresh.serial += 1;
    let serial = fresh.serial;
    let key = key(path);
    let entry = fresh.entries.entry(key).or_default();
    entry.makers += 1;
    entry.serial = serial;
    drop(fresh);

    let result = make();

    let mut fresh = list();
    if let Some(entry) = fresh.entries.get_mut(&key) {
        entry.makers -= 1;
        entry.made |= result.is_ok();
        if entry.makers == 0 && !entry.made {
            fresh.entries.remove(&key);
        }
    }
    result
}

/// Whether `path` is, or may be just now, of our making.
pub(super) fn find(path: &Path) -> Option<Serial> {
    list().entries.get(&key(path)).map(|entry| Serial(entry.serial))
}

/// `path`'s folder was synced after `find` returned this.
pub(super) fn forget(path: &Path, Serial(serial): Serial) {
    let mut fresh = list();
    let key = key(path);
    if let Some(entry) = fresh.entries.get_mut(&key).filter(|entry| entry.serial == serial) {
        entry.made = false;
        if entry.makers == 0 {
            fresh.entries.remove(&key);
        }
    }
}
