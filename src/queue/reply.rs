//! [`Reply`]: what became of a record whose log call waits until it is on disk.
//!
//! Imports `error`. The invariant: every reply is given once, also where the writer panics.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::{Error, Kind};

/// What a writer that ended leaves to those who wait.
pub(super) const DIED: &str = "the queue's writer thread has ended";

/// Where one thread waits; it waits for one record at a time.
#[derive(Debug, Default)]
struct Place {
    result: Mutex<Option<Result<(), Error>>>,
    given: Condvar,
}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Reply(Option<Arc<Place>>);

/// The log call's end.
#[must_use = "the record is durable when this has been waited for"]
pub(super) struct Awaited(Arc<Place>);

/// A question and its answer to be. A thread uses one place for all its records.
pub(super) fn ask() -> (Reply, Awaited) {
    thread_local! {
        static PLACE: Arc<Place> = Arc::default();
    }
    // A thread that is destroying its thread-locals makes a new one.
    let place = PLACE.try_with(Arc::clone).unwrap_or_default();
    // A record that could not be queued has left its reply here, and nobody has waited for it.
    *place.result.lock().unwrap_or_else(PoisonError::into_inner) = None;
    (Reply(Some(Arc::clone(&place))), Awaited(place))
}

impl Reply {
    pub(super) fn give(mut self, result: Result<(), Error>) {
        self.give_once(result);
    }

    fn give_once(&mut self, result: Result<(), Error>) {
        let Some(place) = self.0.take() else { return };
        *place.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        place.given.notify_one();
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.give_once(Err(Error::from(Kind::NoWriter { why: DIED })));
    }
}

impl Awaited {
    pub(super) fn wait(self) -> Result<(), Error> {
        let mut result = self.0.result.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match result.take() {
                Some(result) => return result,
                None => result = self.0.given.wait(result).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_dropped_is_an_error_to_its_own_call_alone() {
        let (reply, awaited) = ask();
        drop(reply);
        assert!(awaited.wait().unwrap_err().is_queue());

        let (reply, awaited) = ask();
        drop((reply, awaited));
        let (reply, awaited) = ask();
        assert!(awaited.0.result.lock().unwrap().is_none(), "another call's reply");
        reply.give(Ok(()));
        awaited.wait().unwrap();
    }
}
