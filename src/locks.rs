//! [`LockExt`]: takes a lock also if an earlier holder has panicked.
//!
//! Nothing in this crate panics while it holds a lock. A panic of the application's code (a `Display`, a callback) must
//! not stop the log of any equipment.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes locks without asking whether an earlier holder panicked.
pub(crate) trait LockExt<T> {
    /// The lock's guard, also if the lock is poisoned.
    fn lock_any(&self) -> MutexGuard<'_, T>;
}

impl<T> LockExt<T> for Mutex<T> {
    #[inline]
    fn lock_any(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries every order of a model's threads in which none is interrupted more than twice: any more take hours, and
/// bugs that need more are rare (Musuvathi and Qadeer, PLDI 2007).
///
/// On Linux alone: loom changes stacks, on which Wine cannot unwind. The code is the same there.
#[cfg(test)]
pub(crate) fn model(run: impl Fn() + Sync + Send + 'static) {
    if std::env::consts::OS != "linux" {
        return;
    }
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(run);
}
