//! [`InScope`]: a future that takes its scope along.
//!
//! The scope is entered around each poll and left before it returns, so that no other task of the thread is inside it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::stack::enter;
use super::Scope;

/// Runs futures inside a scope, on any runtime.
pub trait ScopeFutureExt: Future + Sized {
    /// Enters `scope` around every poll of this future, and around its drop.
    ///
    /// A stream is not a future. Use this for the future that reads the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::{Scope, ScopeFutureExt};
    ///
    /// async fn acquire() { log::info!("first frame") }
    ///
    /// let task = acquire().in_scope(Scope::new("CONFOCAL_01")?);
    /// # drop(task);
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    fn in_scope(self, scope: Scope) -> InScope<Self> {
        InScope { future: Some(self), scope: Some(scope) }
    }

    /// Enters the scope that is current now around every poll of this future, and around its drop. If no scope is
    /// current now, the future runs in no scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::{Scope, ScopeFutureExt};
    /// # let runtime = tokio::runtime::Runtime::new().unwrap();
    ///
    /// async fn acquire() -> Option<Scope> { Scope::current() }
    ///
    /// let scope = Scope::new("CONFOCAL_01")?;
    /// let task = scope.run(|| runtime.spawn(acquire().in_current_scope()));
    /// assert_eq!(runtime.block_on(task).unwrap(), Some(scope));
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    fn in_current_scope(self) -> InScope<Self> {
        InScope { future: Some(self), scope: Scope::current() }
    }
}

impl<F: Future> ScopeFutureExt for F {}

pin_project_lite::pin_project! {
    /// This future runs inside a scope. [`ScopeFutureExt::in_scope`] returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::{InScope, Scope, ScopeFutureExt};
    ///
    /// let idle: InScope<std::future::Ready<()>> = std::future::ready(()).in_scope(Scope::new("STAGE_02")?);
    /// # drop(idle);
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct InScope<F> {
        // None only while it is being dropped.
        #[pin]
        future: Option<F>,
        // None: in no scope.
        scope: Option<Scope>,
    }

    impl<F> PinnedDrop for InScope<F> {
        // A future's destructor may log too.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _in = enter(this.scope.as_ref());
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _in = enter(this.scope.as_ref());
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}
