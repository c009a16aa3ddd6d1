//! What must be done when the program ends.
//!
//! The loggers of log4rs and fern are statics, and are not dropped at the end of a program. Queued records would be
//! lost if nobody kept a handle. The only code that runs then without `unsafe` is the destructor of a thread-local,
//! on the thread that calls exit(3) or returns from `main`. Windows ends all other threads before that, so nothing
//! can be waited for there.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::{reports, threads};

/// How long the end of a program waits for its last reports: standard error may be a pipe that nobody reads.
pub(crate) const LAST_REPORTS: Duration = Duration::from_secs(1);

/// An action for the end of the program.
pub(crate) trait AtEnd {
    /// Does the action. It MUST NOT wait for ever.
    fn end(&self);

    /// Whether the action is still needed. False: it is forgotten.
    fn is_needed(&self) -> bool;
}

struct Ends(RefCell<Vec<Arc<dyn AtEnd>>>);

thread_local! {
    // exit(3) runs the destructors of the thread that calls it: see above.
    static ENDS: Ends = const { Ends(RefCell::new(Vec::new())) };
}

/// Does the action when the calling thread ends, or calls exit(3).
pub(crate) fn at_end(end: Arc<dyn AtEnd>) {
    if !threads::EXIT_WAITS_FOR_THREADS {
        return;
    }
    // If this thread is ending already, the action is not done.
    let _ = ENDS.try_with(|ends| {
        let mut ends = ends.0.borrow_mut();
        ends.retain(|end| end.is_needed());
        ends.push(end);
    });
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.take().iter().for_each(|end| end.end());
        reports::flush(LAST_REPORTS);
    }
}
