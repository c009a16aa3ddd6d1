//! [`OpenFiles`]: how many descriptors the logs have open, and which of them is released for the next one.
//!
//! The sinks without a limit of their own share one [`Pool`], since they share the descriptors of the process. The
//! invariant: a descriptor is counted from before its opening until after its closing.
//!
//! ```text
//! Opening --opened--> Open --evicted, idle, retired--> RetiredInUse --last user gone--> Closing
//! ```
//!
//! Lock order: the lock of a pool is held while [`Evictable::release`] takes the lock of one log's list of
//! descriptors. `POOLS` is never held together with it. Nothing that may block is called under either.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::locks::{Condvar, Mutex, MutexGuard};
use super::places::{Place, Places, Released, State};
use super::pools;
use crate::clock::Time;

/// A holder of a descriptor, which can be asked to release it.
pub(crate) trait Evictable: Send + Sync {
    /// The time of the last use. It grows with each use.
    fn last_used(&self) -> i64;

    /// Retires the descriptor and returns it. The descriptor is closed when the returned value is dropped and the
    /// last writer has finished. Called under the pool's lock: it MUST NOT block, and MUST NOT drop the descriptor.
    fn release(&self, reason: CloseReason) -> Option<Arc<dyn Send + Sync>>;
}

/// Why a descriptor is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Another file needs it.
    Evicted,
    /// Its file was not used for a while.
    Idle,
}

/// The open files of one sink.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    /// The pool in which the next descriptor is counted.
    pool: Mutex<Limited>,
    /// How many files are in use. The counter also tells this sink's files from the other files of the pool.
    open: Arc<AtomicUsize>,
}

/// A limit of a sink's own, if it has one, and the pool that keeps to it.
#[derive(Debug)]
struct Limited {
    limit: Option<usize>,
    pool: Arc<Pool>,
}

/// Descriptors with one limit.
pub(crate) struct Pool {
    limit: AtomicUsize,
    places: Mutex<Places>,
    /// A place became free.
    freed: Condvar,
}

/// The permission to hold one descriptor, which has a place in a pool. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct DescriptorPermit {
    pool: Arc<Pool>,
    place: usize,
}

impl Pool {
    pub(super) fn new(limit: usize) -> Pool {
        let (limit, places) = (AtomicUsize::new(limit), Mutex::new(Places::default()));
        Pool { limit, places, freed: Condvar::new() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// If more files are open than the new limit allows, the next opening closes them.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place. If the pool is full, it releases other files, and waits for descriptors that are being closed,
    /// unless they hang.
    fn take_place(&self, new: Place) -> usize {
        // Declared before the guard, so that it is dropped after the guard.
        let mut released = Released::default();
        let mut places = self.places();
        while places.taken() >= self.limit() {
            let closing = places.patience(Instant::now()).count();
            let over = (places.taken() + 1).saturating_sub(closing + self.limit());
            let batch = if over > 0 { over.max(self.limit() / 64) } else { 0 };
            if places.evict(batch, &mut released) > 0 {
                drop(places);
                released = Released::default();
                places = self.places();
                continue;
            }
            let Some(patience) = places.patience(Instant::now()).max() else { break };
            places = match self.freed.wait_timeout(places, patience) {
                Ok((places, _)) => places,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        places.in_use += 1;
        match places.free.pop() {
            Some(number) => {
                places.places[number] = Some(new);
                number
            }
            None => {
                places.places.push(Some(new));
                places.places.len() - 1
            }
        }
    }

    /// Releases some of the least recently used descriptors, when the system has none left. `false`: there is none to
    /// release.
    fn evict_some(&self) -> bool {
        /// One in this many is released, since each of the next openings would need a descriptor too.
        const SHARE: usize = 16;
        let mut released = Released::default();
        let mut places = self.places();
        let count = 1 + places.taken() / SHARE;
        let evicted = places.evict(count, &mut released) > 0;
        drop(places);
        evicted
    }
}

impl Pool {
    /// Releases each file of the sink that counts with `open` and was not used for this long.
    fn release_unused(
        &self,
        open: &Arc<AtomicUsize>,
        timeout: Duration,
        now: Instant,
        reason: CloseReason,
    ) {
        let age = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        let before = Time::now().nanos().saturating_sub(age);
        let mut released = Released::default();
        let mut places = self.places();
        let mut unused = Vec::new();
        for (number, place) in places.places.iter_mut().enumerate() {
            let Some(place) = place else { continue };
            if place.state != State::Open || !Arc::ptr_eq(&place.open, open) {
                continue;
            }
            let Some(holder) = place.holder.upgrade() else { continue };
            let used = holder.last_used();
            released.holders.push(holder);
            let since = match place.seen {
                (seen, Some(since)) if seen == used => since,
                _ => now,
            };
            place.seen = (used, Some(since));
            if used < before || now.duration_since(since) >= timeout {
                unused.push(number);
            }
        }
        for number in unused {
            places.release(number, reason, &mut released);
        }
        drop(places);
        drop(released);
    }
}

impl OpenFiles {
    /// The open files of a new sink. With `limit`, the sink has a pool of its own. Without, it shares a pool of
    /// `of_process` descriptors, less those of the sinks with a limit.
    pub(crate) fn new(limit: Option<usize>, of_process: usize) -> Arc<OpenFiles> {
        let pool = pools::pool(limit, of_process);
        Arc::new(OpenFiles { pool: Mutex::new(Limited { limit, pool }), open: Arc::default() })
    }

    /// Changes the limit of a sink. The sink's open files are closed, and opened again at their next record, so that
    /// each is counted in the new pool.
    pub(crate) fn set_limit(&self, limit: Option<usize>, of_process: usize) {
        let mut limited = self.limited();
        if limited.limit == limit {
            return;
        }
        let pool = pools::change(&limited.pool, limit, of_process);
        let old = std::mem::replace(&mut *limited, Limited { limit, pool }).pool;
        drop(limited);
        let (now, every) = (Instant::now(), Duration::ZERO);
        old.release_unused(&self.open, every, now, CloseReason::Evicted);
    }

    fn limited(&self) -> MutexGuard<'_, Limited> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.limited().pool)
    }

    /// Counts a descriptor that is about to be opened, and makes room for it if necessary.
    pub(crate) fn register(&self, holder: Weak<dyn Evictable>) -> DescriptorPermit {
        let open = Arc::clone(&self.open);
        let new = Place { holder, open, state: State::Opening, seen: (i64::MIN, None) };
        let pool = self.pool();
        DescriptorPermit { place: pool.take_place(new), pool }
    }

    /// Releases the least recently used files of this pool, or else of another. `false`: there is none to release.
    pub(crate) fn evict_some(&self) -> bool {
        self.pool().evict_some() || pools::pools().iter().any(|pool| pool.evict_some())
    }

    /// Releases every file of this sink that was not used for this long, by the times of its records. If the clock
    /// was set back, a file counts as not used when two calls have seen the same last use.
    pub(crate) fn close_idle(&self, timeout: Duration) {
        let now = Instant::now();
        // Some may have been opened while the limit changed.
        for pool in pools::pools() {
            pool.release_unused(&self.open, timeout, now, CloseReason::Idle);
        }
    }

    /// How many files are in use.
    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl DescriptorPermit {
    /// Notes that the descriptor is open, and can be released from now on. It may be released at once, if several
    /// were opened at the same moment and none of them could make room for the others.
    pub(crate) fn opened(&self) {
        let pool = &self.pool;
        let mut released = Released::default();
        let mut places = pool.places();
        match places.places[self.place].as_mut() {
            // Another thread may have retired the descriptor already, since the log could be used before this call.
            Some(place) if place.state == State::Opening => {
                place.state = State::Open;
                place.open.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        let over = places.in_use.saturating_sub(pool.limit());
        places.evict(over, &mut released);
        drop(places);
        pools::descriptor_came_free();
    }

    /// Notes that no new writer uses the descriptor any more.
    pub(crate) fn out_of_use(&self) {
        self.pool.places().leave_use(self.place);
    }

    /// Notes that the last writer has finished, and that the descriptor is being closed.
    pub(crate) fn closing(&self) {
        let mut places = self.pool.places();
        places.leave_use(self.place);
        if let Some(place) = places.places[self.place].as_mut() {
            place.state = State::Closing;
        }
        places.closing.push((self.place, Instant::now()));
    }
}

impl Drop for DescriptorPermit {
    fn drop(&mut self) {
        let pool = &self.pool;
        let mut places = pool.places();
        places.leave_use(self.place);
        let place = places.places[self.place].take();
        places.free.push(self.place);
        places.closing.retain(|(number, _)| *number != self.place);
        drop(places);
        drop(place);
        pool.freed.notify_all();
        pools::descriptor_came_free();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.places().taken();
        f.debug_struct("Pool").field("limit", &self.limit()).field("taken", &taken).finish()
    }
}
