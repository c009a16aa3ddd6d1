//! [`OpenFiles`]: how many descriptors are open, and which is given up for the next.
//!
//! Imports the lock alone, through `super::sync`. The invariant: a file is listed from before it is
//! opened until it is let go, so that the number of descriptors never passes the limit by more than
//! those in the hands of threads that are writing at that moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Weak;

use super::sync::{Mutex, PoisonError};

/// Something that holds a descriptor and can be asked to let it go.
pub(crate) trait Evictable {
    /// Grows with each use.
    fn last_used(&self) -> i64;

    /// What closes the descriptor when it is dropped, now or when the last that is writing through
    /// it has done so.
    type Held;

    /// Takes the descriptor out of use. Called under the list's lock: it must not block.
    fn release(&self, why: CloseReason) -> Option<Self::Held>;
}

/// CloseReason a descriptor is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Another file needs it.
    Evicted,
    /// Its file was not used for a while.
    Idle,
}

#[derive(Debug)]
pub(crate) struct OpenFiles<T> {
    limit: usize,
    listed: Mutex<Vec<Listed<T>>>,
}

/// Names one opening of one file. What happens to a later one of the same file does not concern it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Listed<T> {
    ticket: Ticket,
    holder: Weak<T>,
    /// Not while it is still being opened: there is nothing to let go yet.
    open: bool,
}

impl<T: Evictable> OpenFiles<T> {
    pub(crate) fn new(limit: usize) -> OpenFiles<T> {
        OpenFiles { limit, listed: Mutex::new(Vec::new()) }
    }

    fn listed(&self) -> impl std::ops::DerefMut<Target = Vec<Listed<T>>> + '_ {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room, and lists `holder` as being opened.
    pub(crate) fn register(&self, holder: &Weak<T>) -> Ticket {
        static TICKETS: AtomicU64 = AtomicU64::new(0);
        let ticket = Ticket(TICKETS.fetch_add(1, Ordering::Relaxed));
        let mut listed = self.listed();
        let over = (listed.len() + 1).saturating_sub(self.limit);
        let batch = if over > 0 { over.max(self.limit / 64) } else { 0 };
        let evicted = evict(&mut listed, batch);
        listed.push(Listed { ticket, holder: holder.clone(), open: false });
        drop(listed);
        // Closing may block, on a network file system: not under the lock.
        drop(evicted);
        ticket
    }

    /// From now on it can be let go: at once, where several were opened at the same moment and none
    /// of them could make room for another.
    pub(crate) fn opened(&self, ticket: Ticket) {
        let mut listed = self.listed();
        // From the end: it was listed a moment ago.
        if let Some(entry) = listed.iter_mut().rev().find(|entry| entry.ticket == ticket) {
            entry.open = true;
        }
        let over = listed.len().saturating_sub(self.limit);
        let evicted = evict(&mut listed, over);
        drop(listed);
        drop(evicted);
    }

    /// There is no descriptor of this opening any more.
    pub(crate) fn remove(&self, ticket: Ticket) {
        let mut listed = self.listed();
        if let Some(at) = listed.iter().rposition(|entry| entry.ticket == ticket) {
            listed.swap_remove(at);
        }
    }

    /// Lets the least recently used file go. `false` where there is none.
    pub(crate) fn evict_one(&self) -> bool {
        let mut listed = self.listed();
        let before = listed.len();
        let evicted = evict(&mut listed, 1);
        let found = listed.len() < before;
        drop(listed);
        drop(evicted);
        found
    }

    /// Lets every file go that was last used before `stamp`.
    pub(crate) fn close_idle(&self, stamp: i64) {
        let mut idle = Vec::new();
        let mut listed = self.listed();
        listed.retain(|entry| {
            let holder = entry.holder.upgrade();
            let Some(holder) = holder.filter(|it| entry.open && it.last_used() < stamp) else {
                return true;
            };
            idle.extend(holder.release(CloseReason::Idle));
            false
        });
        drop(listed);
        drop(idle);
    }

    pub(crate) fn len(&self) -> usize {
        self.listed().len()
    }
}

/// Takes the `count` least recently used from the list. One pass serves a whole batch, so that a
/// large limit does not make each eviction cost as much as the limit.
fn evict<T: Evictable>(listed: &mut Vec<Listed<T>>, count: usize) -> Vec<T::Held> {
    if count == 0 {
        return Vec::new();
    }
    let mut by_use: Vec<(i64, usize)> = listed
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.open)
        .map(|(at, entry)| (entry.holder.upgrade().map_or(0, |holder| holder.last_used()), at))
        .collect();
    let count = count.min(by_use.len());
    if count == 0 {
        return Vec::new();
    }
    by_use.select_nth_unstable(count - 1);
    let mut places: Vec<usize> = by_use[..count].iter().map(|(_, at)| *at).collect();
    // From the highest place down, `swap_remove` moves none that is still to go.
    places.sort_unstable_by(|a, b| b.cmp(a));
    places
        .into_iter()
        .filter_map(|at| listed.swap_remove(at).holder.upgrade())
        .filter_map(|holder| holder.release(CloseReason::Evicted))
        .collect()
}
