//! What is left to do when the program ends.
//!
//! Nothing of log4rs is dropped at the end of a program, since its logger is a static; so what is queued would be lost
//! where nobody kept a handle. The one thing that is run then without `unsafe` is a thread-local's destructor of the
//! thread that calls exit(3), which is the one that returns from `main`. Windows ends all other threads before it, so
//! nothing can be waited for there.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::{reports, threads};

/// How long the end of a program waits for its last reports: standard error may be a pipe that nobody reads.
pub(crate) const LAST_REPORTS: Duration = Duration::from_secs(1);

/// What is to be done at the end.
pub(crate) trait AtEnd {
    /// Waits for what is on its way, and not for ever.
    fn end(&self);

    /// False: it is forgotten.
    fn is_needed(&self) -> bool;
}

struct Ends(RefCell<Vec<Arc<dyn AtEnd>>>);

thread_local! {
    // exit(3) runs the destructors of the thread that calls it: see above.
    static ENDS: Ends = const { Ends(RefCell::new(Vec::new())) };
}

/// Does it when this thread ends, or calls exit(3).
pub(crate) fn at_end(end: Arc<dyn AtEnd>) {
    if !threads::EXIT_WAITS_FOR_THREADS {
        return;
    }
    // Where this thread is ending already, nobody waits.
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
