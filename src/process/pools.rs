//! The descriptor pools of the process, and the calls that wait for a descriptor.
//!
//! The sinks without `max_open_files` share one pool. Its limit is half of the process's descriptors, less the limits
//! of the sinks that have one. The other half belongs to the application.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::descriptors::Pool;
use crate::locks::LockExt as _;

struct Pools {
    shared: Weak<Pool>,
    own: Vec<Weak<Pool>>,
}

/// All pools, since they share the descriptors of the process.
static POOLS: Mutex<Pools> = Mutex::new(Pools { shared: Weak::new(), own: Vec::new() });

/// The pool of a new sink. The shared limit is set whenever a sink is made.
pub(super) fn pool(limit: Option<usize>, of_process: usize) -> Arc<Pool> {
    let mut pools = POOLS.lock_any();
    let shared = pools.shared.upgrade();
    let pool = match (limit, &shared) {
        (None, Some(shared)) => Arc::clone(shared),
        (None, None) => Arc::new(Pool::new(of_process)),
        (Some(limit), _) => Arc::new(Pool::new(limit)),
    };
    pools.own.retain(|own| own.strong_count() > 0);
    match limit {
        None => pools.shared = Arc::downgrade(&pool),
        Some(_) => pools.own.push(Arc::downgrade(&pool)),
    }
    let own = pools.own.iter().filter_map(Weak::upgrade);
    let taken: usize = own.map(|own| own.limit()).fold(0, usize::saturating_add);
    if let Some(shared) = pools.shared.upgrade() {
        shared.set_limit(of_process.saturating_sub(taken).max(1));
    }
    pool
}

/// The pool of a sink whose limit has changed. The caller MUST release the sink's files in the earlier pool.
pub(super) fn change(earlier: &Arc<Pool>, limit: Option<usize>, of_process: usize) -> Arc<Pool> {
    let shared = POOLS.lock_any().shared.upgrade();
    if !shared.is_some_and(|shared| Arc::ptr_eq(&shared, earlier)) {
        // The earlier pool takes nothing from the shared limit any more.
        earlier.set_limit(0);
    }
    pool(limit, of_process)
}

/// Every pool that is in use.
pub(super) fn pools() -> Vec<Arc<Pool>> {
    let pools = POOLS.lock_any();
    pools.own.iter().chain([&pools.shared]).filter_map(Weak::upgrade).collect()
}

/// How often a descriptor came free, or could be released, while a call waited for one.
static FREED: Mutex<u64> = Mutex::new(0);
/// Wakes the calls that wait, when [`FREED`] has changed.
static CAME_FREE: Condvar = Condvar::new();
/// How many calls wait: read at every opening and closing, without a lock.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Notes that a descriptor was closed, or can be released from now on.
pub(super) fn descriptor_came_free() {
    if WAITING.load(Ordering::Relaxed) > 0 {
        *FREED.lock_any() += 1;
        CAME_FREE.notify_all();
    }
}

/// The wait of a call that found no descriptor left.
#[derive(Debug)]
pub(crate) struct DescriptorWait {
    freed: u64,
    gives_up: Instant,
}

impl DescriptorWait {
    /// How long a call waits while no log's descriptor comes free: all other descriptors belong to the application.
    const WITHOUT_PROGRESS: Duration = Duration::from_secs(1);

    /// The call tries again after this time, since the folders that are opened on the way to a file are not counted.
    const LOOK_AGAIN: Duration = Duration::from_millis(5);

    pub(crate) fn new() -> DescriptorWait {
        WAITING.fetch_add(1, Ordering::Relaxed);
        DescriptorWait {
            freed: *FREED.lock_any(),
            gives_up: Instant::now() + DescriptorWait::WITHOUT_PROGRESS,
        }
    }

    /// Returns when it is time for another attempt. `false`: the call has waited long enough, and must fail.
    pub(crate) fn wait(&mut self) -> bool {
        let mut freed = FREED.lock_any();
        if *freed == self.freed {
            freed = match CAME_FREE.wait_timeout(freed, DescriptorWait::LOOK_AGAIN) {
                Ok((freed, _)) => freed,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        if *freed != self.freed {
            self.freed = *freed;
            self.gives_up = Instant::now() + DescriptorWait::WITHOUT_PROGRESS;
        }
        Instant::now() < self.gives_up
    }
}

impl Drop for DescriptorWait {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}
