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
