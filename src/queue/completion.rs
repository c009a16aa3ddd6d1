//! [`Completion`]: the result of a record whose log call waits until the record is on disk.
//!
//! The invariant: every completion gives one result, also when it is dropped, and only to the call that it was made
//! for.

use std::sync::Arc;

use super::locks::{self, Condvar, Mutex};
use crate::error::{Error, Kind};

/// The result that one call at a time waits for. The cell is used again, so that a durable record allocates nothing.
#[derive(Debug)]
struct ResultCell {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Debug)]
struct State {
    /// The number of the call that waits now.
    call: u64,
    result: Option<Result<(), Error>>,
}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Completion {
    cell: Arc<ResultCell>,
    call: u64,
}

/// The log call's end.
#[derive(Debug)]
#[must_use = "the record is durable when this has been waited for"]
pub(super) struct CompletionWaiter(Arc<ResultCell>);

impl CompletionWaiter {
    pub(super) fn new() -> CompletionWaiter {
        let state = Mutex::new(State { call: 0, result: None });
        CompletionWaiter(Arc::new(ResultCell { state, given: Condvar::new() }))
    }

    /// Makes the writer's end for the next call. The result of an earlier call's completion is ignored from now on.
    pub(super) fn completion(&self) -> Completion {
        let mut state = locks::lock(&self.0.state);
        state.call += 1;
        state.result = None;
        Completion { cell: Arc::clone(&self.0), call: state.call }
    }

    pub(super) fn wait(&self) -> Result<(), Error> {
        let mut state = locks::lock(&self.0.state);
        loop {
            match state.result.take() {
                Some(result) => return result,
                None => state = locks::wait(&self.0.given, &self.0.state, state, None).0,
            }
        }
    }
}

impl Completion {
    pub(super) fn complete(mut self, result: Result<(), Error>) {
        self.complete_once(result);
    }

    fn complete_once(&mut self, result: Result<(), Error>) {
        let mut state = locks::lock(&self.cell.state);
        if state.call == self.call {
            // The result is given: the drop gives no other.
            self.call = 0;
            state.result = Some(result);
            self.cell.given.notify_one();
        }
    }
}

impl Drop for Completion {
    /// A completion that is dropped without a result is a bug of this crate: no writer will write the record.
    fn drop(&mut self) {
        if self.call != 0 {
            self.complete_once(Err(Error::from(Kind::NoWriter { why: super::WRITER_FAILED })));
        }
    }
}
