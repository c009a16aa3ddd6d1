//! Shared syncs, in whatever order the threads take their steps: the file is compiled here a second time, on the
//! locks of the model checker loom. Linux only: loom changes stacks, on which Wine cannot unwind.

#![allow(
    clippy::duplicate_mod,
    clippy::unwrap_used,
    reason = "the real code; a test says what it expects by failing"
)]

#[path = "shared_sync.rs"]
mod shared_sync;

mod locks {
    pub(super) use loom::sync::{Condvar, Mutex};
}

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::Arc;
use loom::thread;

use shared_sync::SharedSync;

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
    crate::locks::model(move || {
        let shared = Arc::new((Disk::default(), SharedSync::<()>::new()));
        let write_durably = move |record: usize, (disk, shared): &(Disk, SharedSync<()>)| {
            disk.write(record);
            let result = shared.sync(|| sync(disk, disk.syncs.fetch_add(1, Ordering::SeqCst)));
            assert!(result.is_ok() || shared.has_failed());
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
fn a_caller_that_is_told_ok_has_a_durable_record_and_every_caller_is_told() {
    use std::sync::atomic::AtomicBool;

    /// Whether a caller has shared another's sync, in any order of the steps.
    static IS_SHARED: AtomicBool = AtomicBool::new(false);
    three_writers(
        |disk, _| {
            disk.sync();
            Ok(())
        },
        |disk, record, result| {
            let has_synced = result.unwrap();
            IS_SHARED.fetch_or(!has_synced, Ordering::Relaxed);
            assert!(disk.is_durable(record));
        },
    );
    assert!(IS_SHARED.load(Ordering::Relaxed));
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
