//! [`Elders`]: the queues that were made before for the same files, and live yet.
//!
//! Imports nothing of ours. While a configuration is reloaded, the new sink and the old one have the
//! same files for a moment. The invariant: what was handed over to an older queue is written before
//! what a newer sink is given later. An older one never waits for a newer.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::shared::Shared;

/// Every queue that lives, with its files.
static LIVING: Mutex<Vec<(PathBuf, Weak<Shared>)>> = Mutex::new(Vec::new());

#[derive(Debug)]
pub(crate) struct Elders {
    /// Whether there are any: read at every record of a sink without a queue.
    any: AtomicBool,
    list: Mutex<Vec<Weak<Shared>>>,
}

impl Elders {
    /// The queues for the files that `pattern` stands for.
    pub(crate) fn of(pattern: &Path) -> Elders {
        let living = LIVING.lock().unwrap_or_else(PoisonError::into_inner);
        let same = living.iter().filter(|(files, _)| files == pattern);
        let list: Vec<_> = same.map(|(_, queue)| Weak::clone(queue)).collect();
        Elders { any: AtomicBool::new(!list.is_empty()), list: Mutex::new(list) }
    }

    /// Returns when what they were handed over is written.
    pub(crate) fn flush(&self) {
        if self.any.load(Ordering::Relaxed) {
            self.flush_each();
        }
    }

    #[cold]
    fn flush_each(&self) {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // One that has no writer any more writes nothing any more.
        let live = list.iter().filter_map(Weak::upgrade).filter(|queue| queue.flush().is_ok());
        if live.count() == 0 {
            self.any.store(false, Ordering::Relaxed);
        }
    }
}

/// Makes a queue an elder of those to come.
pub(super) fn add(pattern: &Path, queue: &Arc<Shared>) {
    let mut living = LIVING.lock().unwrap_or_else(PoisonError::into_inner);
    living.retain(|(_, queue)| queue.strong_count() > 0);
    living.push((pattern.to_owned(), Arc::downgrade(queue)));
}
