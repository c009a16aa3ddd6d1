//! [`OpenFiles`]: how many descriptors the logs have open, and which is given up for the next.
//!
//! Imports `pools` and `clock`. The sinks without a limit of their own share one
//! [`Pool`], since they share the descriptors of the process. The invariant: a descriptor is counted from before it
//! is opened until it is closed.
//!
//! ```text
//! Opening --opened--> Open --evicted, idle, retired--> InHand --last user gone--> Closing
//! ```
//!
//! Lock order: the lock of a pool is held while [`Evictable::release`] takes the lock of one log's list of
//! descriptors. `POOLS` is never held together with it. Nothing that may block is called under either.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::pools;
use super::sync::{Condvar, Mutex, MutexGuard};
use crate::clock::Time;

/// Something that holds a descriptor and can be asked to release it.
pub(crate) trait Evictable: Send + Sync {
    /// Grows with each use.
    fn last_used(&self) -> i64;

    /// Takes the descriptor out of use. It is closed when what this returns is dropped and the last writer is
    /// through. Called under the pool's lock: it MUST NOT block, and MUST NOT drop the descriptor.
    fn release(&self, reason: CloseReason) -> Option<Arc<dyn Send + Sync>>;
}

/// Why a descriptor is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Another file needs it.
    Evicted,
    /// Its file was not used for a while.
    Idle,
}

/// How long an opening waits for a descriptor that is being closed. One that takes longer hangs: from then on it
/// is not waited for, and other files are closed to make room.
const PATIENCE: Duration = Duration::from_millis(500);

/// The open files of one sink.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    pool: Arc<Pool>,
    /// How many are in use. Tells this sink's files from others of the pool, too.
    open: Arc<AtomicUsize>,
}

/// Descriptors with one limit.
pub(crate) struct Pool {
    limit: AtomicUsize,
    places: Mutex<Places>,
    /// A place became free.
    freed: Condvar,
}

/// A slab: a place keeps its number until it is free.
#[derive(Default)]
struct Places {
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    /// How many are [`State::Opening`] or [`State::Open`].
    in_use: usize,
    /// Those that are being closed, and since when.
    closing: Vec<(usize, Instant)>,
}

struct Place {
    holder: Weak<dyn Evictable>,
    /// The sink's number of files in use.
    open: Arc<AtomicUsize>,
    state: State,
    /// The use that was seen last, and since when there was no other.
    seen: (i64, Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is nothing to release yet.
    Opening,
    Open,
    /// Out of use, and some thread is still writing through it.
    InHand,
    Closing,
}

/// What was released, and what was looked at. Dropped when the lock is not held: it may be the last reference.
#[derive(Default)]
struct Released {
    descriptors: Vec<Arc<dyn Send + Sync>>,
    holders: Vec<Arc<dyn Evictable>>,
}

/// One descriptor's place in a pool, until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    files: Arc<OpenFiles>,
    place: usize,
}

impl Places {
    fn taken(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How long each descriptor that is being closed will be waited for yet.
    fn patience(&self, now: Instant) -> impl Iterator<Item = Duration> + '_ {
        let left = move |since: Instant| PATIENCE.checked_sub(now.duration_since(since));
        self.closing
            .iter()
            .filter_map(move |(_, since)| left(*since))
            .filter(|left| !left.is_zero())
    }

    /// Releases the `count` least recently used. One pass serves a whole batch, so that a large limit does not
    /// make each eviction cost as much as the limit.
    fn evict(&mut self, count: usize, released: &mut Released) -> usize {
        if count == 0 {
            return 0;
        }
        let mut by_use: Vec<(i64, usize)> = Vec::new();
        for (number, place) in self.places.iter().enumerate() {
            let Some(place) = place.as_ref().filter(|place| place.state == State::Open) else {
                continue;
            };
            let Some(holder) = place.holder.upgrade() else { continue };
            by_use.push((holder.last_used(), number));
            released.holders.push(holder);
        }
        let count = count.min(by_use.len());
        if count == 0 {
            return 0;
        }
        by_use.select_nth_unstable(count - 1);
        for (_, number) in &by_use[..count] {
            self.release(*number, CloseReason::Evicted, released);
        }
        count
    }

    fn release(&mut self, number: usize, reason: CloseReason, released: &mut Released) {
        self.leave_use(number);
        let place = self.places[number].as_ref();
        let Some(holder) = place.and_then(|place| place.holder.upgrade()) else { return };
        released.descriptors.extend(holder.release(reason));
        released.holders.push(holder);
    }

    /// `Opening` and `Open` become `InHand`.
    fn leave_use(&mut self, number: usize) {
        let Some(place) = self.places[number].as_mut() else { return };
        let before = std::mem::replace(&mut place.state, State::InHand);
        match before {
            State::Open => {
                place.open.fetch_sub(1, Ordering::Relaxed);
                self.in_use -= 1;
            }
            State::Opening => self.in_use -= 1,
            State::InHand | State::Closing => place.state = before,
        }
    }
}

impl Pool {
    pub(super) fn new(limit: usize) -> Pool {
        let (limit, places) = (AtomicUsize::new(limit), Mutex::new(Places::default()));
        Pool { limit, places, freed: Condvar::new() }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Files that are open beyond it are closed by the next that is opened.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, and makes room for it: it waits for descriptors that are being closed, unless they hang.
    fn take_place(&self, new: Place) -> usize {
        // Declared before the guard, so that it is dropped after it.
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

    /// Releases some of the least recently used, where the system has no descriptor left. `false` where there is none.
    fn evict_some(&self) -> bool {
        /// One of this many: each of the next openings would need one, too.
        const SHARE: usize = 16;
        let mut released = Released::default();
        let mut places = self.places();
        let count = 1 + places.taken() / SHARE;
        let evicted = places.evict(count, &mut released) > 0;
        drop(places);
        evicted
    }
}

impl OpenFiles {
    /// The open files of a new sink, with a limit of its own, or where it has none as one of those that share
    /// `of_process`, less what the others with a limit take.
    pub(crate) fn new(limit: Option<usize>, of_process: usize) -> Arc<OpenFiles> {
        let pool = pools::pool(limit, of_process);
        Arc::new(OpenFiles { pool, open: Arc::default() })
    }

    /// Makes room, and counts a descriptor that is about to be opened.
    pub(crate) fn register(self: &Arc<Self>, holder: Weak<dyn Evictable>) -> Slot {
        let open = Arc::clone(&self.open);
        let new = Place { holder, open, state: State::Opening, seen: (i64::MIN, None) };
        Slot { place: self.pool.take_place(new), files: Arc::clone(self) }
    }

    /// Releases least recently used files, of this pool or of any other. `false` where there is none.
    pub(crate) fn evict_some(&self) -> bool {
        self.pool.evict_some() || pools::pools().iter().any(|pool| pool.evict_some())
    }

    /// Releases every file of this sink that was not used for this long: by the times of its records, and where the
    /// clock was set back, as seen from one call to the next.
    pub(crate) fn close_idle(&self, timeout: Duration) {
        let now = Instant::now();
        let age = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        let before = Time::now().nanos().saturating_sub(age);
        let mut released = Released::default();
        let mut places = self.pool.places();
        let mut idle = Vec::new();
        for (number, place) in places.places.iter_mut().enumerate() {
            let Some(place) = place else { continue };
            if place.state != State::Open || !Arc::ptr_eq(&place.open, &self.open) {
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
                idle.push(number);
            }
        }
        for number in idle {
            places.release(number, CloseReason::Idle, &mut released);
        }
        drop(places);
        drop(released);
    }

    /// How many are in use.
    pub(crate) fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Slot {
    /// The descriptor is open. From now on it can be released: at once, where several were opened at the same moment
    /// and none of them could make room for another.
    pub(crate) fn opened(&self) {
        let pool = &self.files.pool;
        let mut released = Released::default();
        let mut places = pool.places();
        if let Some(place) = places.places[self.place].as_mut() {
            place.state = State::Open;
            place.open.fetch_add(1, Ordering::Relaxed);
        }
        let over = places.in_use.saturating_sub(pool.limit());
        places.evict(over, &mut released);
        drop(places);
        pools::descriptor_came_free();
    }

    /// No new writer uses the descriptor any more.
    pub(crate) fn out_of_use(&self) {
        self.files.pool.places().leave_use(self.place);
    }

    /// The last writer is through: the descriptor is being closed.
    pub(crate) fn closing(&self) {
        let mut places = self.files.pool.places();
        places.leave_use(self.place);
        if let Some(place) = places.places[self.place].as_mut() {
            place.state = State::Closing;
        }
        places.closing.push((self.place, Instant::now()));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let pool = &self.files.pool;
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
