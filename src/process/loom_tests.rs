//! Evictions, in whatever order the threads take their steps: the file is compiled here a second time, on the
//! locks of the model checker loom. Linux only: loom changes stacks, on which Wine cannot unwind.

#![allow(
    clippy::duplicate_mod,
    clippy::unwrap_used,
    dead_code,
    reason = "the real code, of which a model calls a part; a test says what it expects by failing"
)]

#[path = "descriptors.rs"]
mod descriptors;
#[path = "places.rs"]
mod places;

mod locks {
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// A model has one pool, and nobody waits for a descriptor of the system.
mod pools {
    use std::sync::Arc;

    use super::descriptors::Pool;

    pub(super) fn pool(limit: Option<usize>, of_process: usize) -> Arc<Pool> {
        Arc::new(Pool::new(limit.unwrap_or(of_process)))
    }

    pub(super) fn change(_: &Arc<Pool>, limit: Option<usize>, of_process: usize) -> Arc<Pool> {
        pool(limit, of_process)
    }

    pub(super) fn pools() -> Vec<Arc<Pool>> {
        Vec::new()
    }

    pub(super) fn descriptor_came_free() {}
}

use std::sync::{Arc, Weak};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::Mutex;
use loom::thread;

use descriptors::{CloseReason, DescriptorPermit, Evictable, OpenFiles};

/// A log as `LogFile` is one, less the file: a descriptor that is opened under a lock, taken out by the
/// eviction, and held by the thread that writes.
struct Log {
    me: Weak<Log>,
    open: Mutex<Option<Arc<Descriptor>>>,
    opening: Mutex<()>,
    records: AtomicUsize,
    open_files: Arc<OpenFiles>,
    descriptors: Arc<AtomicUsize>,
}

struct Descriptor {
    descriptors: Arc<AtomicUsize>,
    permit: DescriptorPermit,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.permit.closing();
        self.descriptors.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Evictable for Log {
    fn last_used(&self) -> i64 {
        0
    }

    fn release(&self, _: CloseReason) -> Option<Arc<dyn Send + Sync>> {
        let open = self.open.lock().unwrap().take()?;
        Some(open)
    }
}

impl Log {
    fn append(&self) {
        let open = self.open.lock().unwrap().clone();
        let open = open.unwrap_or_else(|| self.open_again());
        // Held while it is written through, whatever is evicted meanwhile.
        assert!(open.descriptors.load(Ordering::SeqCst) > 0);
        self.records.fetch_add(1, Ordering::SeqCst);
    }

    /// A record after which the descriptor is retired, as where its sync fails.
    fn append_and_retire(&self) {
        self.append();
        let retired = self.open.lock().unwrap().take();
        retired.iter().for_each(|open| open.permit.out_of_use());
    }

    fn open_again(&self) -> Arc<Descriptor> {
        let _opening = self.opening.lock().unwrap();
        let open = self.open.lock().unwrap().clone();
        if let Some(open) = open {
            return open;
        }
        let me: Weak<dyn Evictable> = Weak::<Log>::clone(&self.me);
        let permit = self.open_files.register(me);
        self.descriptors.fetch_add(1, Ordering::SeqCst);
        let open = Arc::new(Descriptor { descriptors: Arc::clone(&self.descriptors), permit });
        *self.open.lock().unwrap() = Some(Arc::clone(&open));
        open.permit.opened();
        open
    }
}

fn logs(number: usize, open_files: &Arc<OpenFiles>) -> Vec<Arc<Log>> {
    let descriptors = Arc::new(AtomicUsize::new(0));
    let log = |_| {
        Arc::new_cyclic(|me| Log {
            me: me.clone(),
            open: Mutex::new(None),
            opening: Mutex::new(()),
            records: AtomicUsize::new(0),
            open_files: Arc::clone(open_files),
            descriptors: Arc::clone(&descriptors),
        })
    };
    (0..number).map(log).collect()
}

/// The thread that opened a file may not have noted it yet.
#[test]
fn a_descriptor_that_is_retired_at_once_leaves_the_count_true() {
    crate::locks::model(|| {
        let open_files = OpenFiles::new(Some(2), 2);
        let log = logs(1, &open_files).remove(0);
        let same = Arc::clone(&log);
        let other = thread::spawn(move || same.append_and_retire());
        log.append();
        other.join().unwrap();

        let open = usize::from(log.open.lock().unwrap().is_some());
        assert_eq!(open, log.descriptors.load(Ordering::SeqCst));
        assert_eq!(open, open_files.len(), "the count and the descriptors disagree");
    });
}

#[test]
fn an_eviction_loses_no_record_and_leaves_the_count_true() {
    crate::locks::model(|| {
        let open_files = OpenFiles::new(Some(1), 1);
        let logs = logs(2, &open_files);
        let descriptors = Arc::clone(&logs[0].descriptors);
        let theirs = logs.clone();
        let other = thread::spawn(move || {
            theirs[1].append();
            theirs[0].append();
        });
        logs[0].append();
        logs[1].append();
        other.join().unwrap();

        let records: usize = logs.iter().map(|log| log.records.load(Ordering::SeqCst)).sum();
        assert_eq!(records, 4);
        let open = logs.iter().filter(|log| log.open.lock().unwrap().is_some()).count();
        assert_eq!(open, descriptors.load(Ordering::SeqCst), "a descriptor that nobody can reach");
        assert_eq!(open, open_files.len(), "the count and the descriptors disagree");
        // Two that were opened at the same moment could once both stay open, over the limit.
        assert!(open <= 1, "{open} stay open where one may");
    });
}
