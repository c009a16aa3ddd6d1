//! The locks under the queue: those of std here, and those of the model checker in `loom.rs`.
//!
//! A lock whose holder has panicked is taken as well.

use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
pub(super) use std::thread::{current, ThreadId};

#[inline]
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// None: another thread has the lock.
#[inline]
pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The pauses between the tries of [`try_lock_again`], in `spin_loop` hints of the processor: a few microseconds together.
const PAUSES: [u32; 4] = [32, 64, 128, 256];

/// Tries to take a lock that another thread has, without sleeping. None: the other thread has it for longer.
///
/// Between two tries nothing is read. So the other thread adds several records, while it has the lock and the memory
/// of the log in its cache. On processors that exchange cache lines slowly, two threads add a record in 4/5 of the time
/// that they need if they sleep at once.
pub(super) fn try_lock_again<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    PAUSES.into_iter().find_map(|pauses| {
        (0..pauses).for_each(|_| std::hint::spin_loop());
        try_lock(mutex)
    })
}

/// Waits until `condvar` is notified, or the time is over: `true`.
pub(super) fn wait<'a, T>(
    condvar: &Condvar,
    _mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    timeout: Option<Duration>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(timeout) = timeout else {
        return (condvar.wait(guard).unwrap_or_else(PoisonError::into_inner), false);
    };
    let waited = condvar.wait_timeout(guard, timeout);
    let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
    (guard, result.timed_out())
}
