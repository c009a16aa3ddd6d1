//! The promise: shared syncs and evictions lose no record and no wake-up, in whatever order
//! the threads take their steps. Their state machines are compiled here a second time, on the locks
//! of a model checker, which tries the orders.
//!
//! Linux only: the model checker changes stacks, on which Wine cannot unwind; it is the same code there.
#![cfg(target_os = "linux")]
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "only what the models need is called; a test says what it expects by failing"
)]

#[path = "../src/file/group.rs"]
mod group;
#[path = "../src/file/open_files.rs"]
mod open_files;

mod sync {
    pub(super) use loom::sync::{Condvar, Mutex};
    pub(super) use std::sync::PoisonError;
}

use group::Group;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use open_files::{CloseReason, Evictable, OpenFiles};

/// Tries every order in which no thread is interrupted more than twice: any more take hours, and
/// bugs that need more are rare (Musuvathi and Qadeer, PLDI 2007).
fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(f);
}

/// A disk: what was written, as a set of bits, and what of that would survive a power cut.
#[derive(Default)]
struct Disk {
    written: AtomicUsize,
    durable: AtomicUsize,
    syncs: AtomicUsize,
}

impl Disk {
    fn write(&self, record: usize) {
        self.written.fetch_or(1 << record, Ordering::SeqCst);
    }

    /// As the kernel: what had been written when the call began is durable when it returns.
    fn sync(&self) {
        let begun_with = self.written.load(Ordering::SeqCst);
        self.durable.fetch_or(begun_with, Ordering::SeqCst);
    }

    fn is_durable(&self, record: usize) -> bool {
        self.durable.load(Ordering::SeqCst) & (1 << record) != 0
    }
}

/// Three threads that each write a record and sync it, as the disk's `sync` number says.
fn three_writers(
    sync: fn(&Disk, usize) -> Result<(), ()>,
    told: fn(&Disk, usize, Result<bool, ()>),
) {
    model(move || {
        let shared = Arc::new((Disk::default(), Group::<()>::new()));
        let write_durably = move |record: usize, (disk, group): &(Disk, Group<()>)| {
            disk.write(record);
            let result = group.sync(|| sync(disk, disk.syncs.fetch_add(1, Ordering::SeqCst)));
            told(disk, record, result);
        };
        let others: Vec<_> = (1..3)
            .map(|record| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || write_durably(record, &shared))
            })
            .collect();
        write_durably(0, &shared);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn whoever_is_told_ok_has_a_durable_record_and_everyone_is_told() {
    three_writers(
        |disk, _| {
            disk.sync();
            Ok(())
        },
        |disk, record, result| {
            result.unwrap();
            assert!(disk.is_durable(record));
        },
    );
}

#[test]
fn after_a_failed_sync_nobody_is_told_ok_and_nothing_is_synced_again() {
    three_writers(
        |disk, number| match number {
            0 => {
                disk.sync();
                Ok(())
            }
            1 => Err(()),
            // The kernel would say OK.
            _ => panic!("the descriptor was synced after it had failed"),
        },
        |disk, record, result| assert!(result.is_err() || disk.is_durable(record)),
    );
}

/// A log as `LogFile` is one, less the file: a descriptor that is opened under a lock, swapped out
/// by the eviction, and held by whoever writes.
struct Log {
    me: std::sync::Weak<Log>,
    open: Mutex<Option<Arc<Descriptor>>>,
    opening: Mutex<()>,
    records: AtomicUsize,
    open_files: std::sync::Arc<OpenFiles<Log>>,
    descriptors: Arc<AtomicUsize>,
}

struct Descriptor(Arc<AtomicUsize>);

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Evictable for Log {
    type Held = Arc<Descriptor>;

    fn last_used(&self) -> i64 {
        0
    }

    fn release(&self, _: CloseReason) -> Option<Arc<Descriptor>> {
        self.open.lock().unwrap().take()
    }
}

impl Log {
    fn append(&self) {
        let open = self.open.lock().unwrap().clone();
        let open = open.unwrap_or_else(|| self.open_again());
        // Held while it is written through, whatever is evicted meanwhile.
        assert!(open.0.load(Ordering::SeqCst) > 0);
        self.records.fetch_add(1, Ordering::SeqCst);
    }

    fn open_again(&self) -> Arc<Descriptor> {
        let _opening = self.opening.lock().unwrap();
        let open = self.open.lock().unwrap().clone();
        if let Some(open) = open {
            return open;
        }
        let ticket = self.open_files.register(&self.me);
        self.descriptors.fetch_add(1, Ordering::SeqCst);
        let open = Arc::new(Descriptor(Arc::clone(&self.descriptors)));
        *self.open.lock().unwrap() = Some(Arc::clone(&open));
        self.open_files.opened(ticket);
        open
    }
}

#[test]
fn an_eviction_loses_no_record_and_leaves_the_list_true() {
    model(|| {
        let open_files = std::sync::Arc::new(OpenFiles::<Log>::new(1));
        let descriptors = Arc::new(AtomicUsize::new(0));
        let logs: Vec<std::sync::Arc<Log>> = (0..2)
            .map(|_| {
                std::sync::Arc::new_cyclic(|me| Log {
                    me: me.clone(),
                    open: Mutex::new(None),
                    opening: Mutex::new(()),
                    records: AtomicUsize::new(0),
                    open_files: std::sync::Arc::clone(&open_files),
                    descriptors: Arc::clone(&descriptors),
                })
            })
            .collect();
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
        assert_eq!(open, open_files.len(), "the list and the descriptors disagree");
        // Two that were opened at the same moment could once both stay open, over the limit.
        assert!(open <= 1, "{open} stay open where one may");
    });
}
