//! Entering a scope, and [`ScopeGuard`], which leaves it.
//!
//! The invariant: a guard removes its own entry, at whatever place of the stack the entry is.

use std::marker::PhantomData;
use std::rc::Rc;

use super::thread::{self, Entry};
use super::Scope;

impl Scope {
    /// Returns the innermost scope that this thread has entered.
    ///
    /// [`Scope::wrap`] gives this scope to a closure, and
    /// [`in_current_scope`](super::ScopeFutureExt::in_current_scope) gives it to a future.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::Scope;
    ///
    /// Scope::new("STAGE_02")?.tag("run", "R7").run(|| {
    ///     let widened = Scope::current().unwrap().tag("step", 1);
    ///     widened.run(|| log::info!("this record has run and step"));
    /// });
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    pub fn current() -> Option<Scope> {
        thread::with(|thread| thread.innermost())?.map(|scope| Scope::clone(&scope))
    }

    /// Makes this the innermost scope of this thread until the guard is dropped.
    ///
    /// After that, the scope from before is the innermost again, also after a panic. The guards may be dropped in any
    /// order. A thread that is destroying its thread-locals has no scopes any more, so nothing is entered there.
    ///
    /// # Traps
    ///
    /// `let _ = scope.enter();` drops the guard at once: the next record is in no scope. Bind it to a name:
    ///
    /// ```
    /// # use equipment_log::Scope;
    /// # let scope = Scope::new("CONFOCAL_01")?;
    /// let _ = scope.enter();
    /// assert_eq!(Scope::current(), None);
    ///
    /// let _in = scope.enter();
    /// assert_eq!(Scope::current(), Some(scope));
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    ///
    /// Never hold the guard across an `.await`: tasks that the thread runs meanwhile would be in this scope. The
    /// compiler refuses this if the future must be `Send`, but not elsewhere (a `LocalSet`, a `block_on`). For a
    /// future, use [`in_scope`](super::ScopeFutureExt::in_scope).
    ///
    /// A scope belongs to the thread that entered it. `block_on` of a runtime runs its own future on this thread, in
    /// the scope. But a task that this future spawns can run on a different thread, outside the scope. This is also
    /// true for the closures of rayon and of thread pools. Use [`Scope::wrap`] for a closure, and
    /// [`in_current_scope`](super::ScopeFutureExt::in_current_scope) for a future:
    ///
    /// ```
    /// # use equipment_log::{Scope, ScopeFutureExt};
    /// # let runtime = tokio::runtime::Runtime::new().unwrap();
    /// let scope = Scope::new("CONFOCAL_01")?;
    /// let _in = scope.enter();
    /// runtime.block_on(async {
    ///     let lost = tokio::spawn(async { Scope::current() });
    ///     assert_eq!(lost.await.unwrap(), None);
    ///
    ///     let brought = tokio::spawn(async { Scope::current() }.in_current_scope());
    ///     assert_eq!(brought.await.unwrap(), Some(scope.clone()));
    /// });
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    pub fn enter(&self) -> ScopeGuard {
        enter(Some(self))
    }

    /// Runs a closure inside this scope.
    ///
    /// # Traps
    ///
    /// If the closure only creates a future, the future runs later, outside this scope. Use
    /// [`in_scope`](super::ScopeFutureExt::in_scope):
    ///
    /// ```
    /// # use equipment_log::{Scope, ScopeFutureExt};
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let scope = Scope::new("CONFOCAL_01").unwrap();
    /// let lost = scope.run(|| async { Scope::current() });
    /// assert_eq!(lost.await, None);
    ///
    /// let kept = async { Scope::current() }.in_scope(scope.clone());
    /// assert_eq!(kept.await, Some(scope));
    /// # });
    /// ```
    ///
    /// If the closure returns an iterator or a stream, its steps also run later, where the values are read. Collect the
    /// values inside the closure.
    ///
    /// ```
    /// # use equipment_log::Scope;
    /// let scope = Scope::new("CONFOCAL_01")?;
    /// let mut lost = scope.run(|| (0..3).map(|_| Scope::current()));
    /// assert_eq!(lost.next(), Some(None));
    ///
    /// let kept: Vec<_> = scope.run(|| (0..3).map(|_| Scope::current()).collect());
    /// assert_eq!(kept[0], Some(scope));
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        let _in = self.enter();
        f()
    }

    /// Returns a closure that runs `f` in the scope that is current now. If no scope is current now, `f` runs in no
    /// scope.
    ///
    /// Use it for a thread, a thread pool (rayon's `spawn`, tokio's `spawn_blocking`) or a callback. A parallel
    /// iterator runs its closure many times: clone the scope, and use [`Scope::run`] in the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::Scope;
    ///
    /// let scope = Scope::new("STAGE_02")?;
    /// scope.run(|| {
    ///     let lost = std::thread::spawn(Scope::current);
    ///     assert_eq!(lost.join().unwrap(), None);
    ///
    ///     let brought = std::thread::spawn(Scope::wrap(Scope::current));
    ///     assert_eq!(brought.join().unwrap(), Some(scope.clone()));
    /// });
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    pub fn wrap<F, T>(f: F) -> impl FnOnce() -> T
    where
        F: FnOnce() -> T,
    {
        let here = Scope::current();
        move || {
            let _in = enter(here.as_ref());
            f()
        }
    }
}

/// Enters a scope, or none: then the scopes below are hidden.
pub(super) fn enter(scope: Option<&Scope>) -> ScopeGuard {
    let entered = thread::with(|thread| {
        thread.last_token += 1;
        let scope = scope.map(|scope| Rc::new(scope.clone()));
        thread.entries.push(Entry { token: thread.last_token, scope });
        thread.last_token
    });
    ScopeGuard { token: entered.unwrap_or_default(), not_send: PhantomData }
}

/// This guard leaves its scope when it is dropped. It is not `Send`, because it belongs to the thread that entered the
/// scope.
///
/// ```compile_fail,E0277
/// fn assert_send<T: Send>(_: T) {}
/// assert_send(equipment_log::Scope::new("CONFOCAL_01").unwrap().enter());
/// ```
#[must_use = "the scope is left when the guard is dropped: bind it, as in `let _in = scope.enter();`"]
#[derive(Debug)]
pub struct ScopeGuard {
    token: u64,
    not_send: PhantomData<*const ()>,
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        let left = thread::with(|thread| {
            if thread.entries.last()?.token == self.token {
                return thread.entries.pop();
            }
            let at = thread.entries.iter().rposition(|entry| entry.token == self.token)?;
            Some(thread.entries.remove(at))
        });
        // Outside of the borrow: the last of a scope may close files. `into_inner` leaves no call to drop the `Rc`.
        drop(left.flatten().and_then(|entry| entry.scope).and_then(Rc::into_inner));
    }
}
