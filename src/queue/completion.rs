//! [`Completion`]: what became of a record whose log call waits until it is on disk.
//!
//! The invariant: every completion is given once, also where it is dropped, and to the call that asked for it alone.

use std::sync::Arc;

use super::sync::{self, Condvar, Mutex};
use crate::error::{Error, Kind};

/// Where one call waits at a time. It is used again: a durable record allocates nothing.
#[derive(Debug)]
struct ResultCell {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Debug)]
struct State {
    /// Which of the calls that have waited here waits now.
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

    /// The other end, for the next call. What an earlier call's end has to tell comes too late.
    pub(super) fn completion(&self) -> Completion {
        let mut state = sync::lock(&self.0.state);
        state.call += 1;
        state.result = None;
        Completion { cell: Arc::clone(&self.0), call: state.call }
    }

    pub(super) fn wait(&self) -> Result<(), Error> {
        let mut state = sync::lock(&self.0.state);
        loop {
            match state.result.take() {
                Some(result) => return result,
                None => state = sync::wait(&self.0.given, &self.0.state, state, None).0,
            }
        }
    }
}

impl Completion {
    pub(super) fn complete(mut self, result: Result<(), Error>) {
        self.complete_once(result);
    }

    fn complete_once(&mut self, result: Result<(), Error>) {
        let mut state = sync::lock(&self.cell.state);
        if state.call == self.call {
            // Nothing comes behind it.
            self.call = 0;
            state.result = Some(result);
            self.cell.given.notify_one();
        }
    }
}

impl Drop for Completion {
    /// Nobody will write the record: a mistake of ours.
    fn drop(&mut self) {
        if self.call != 0 {
            self.complete_once(Err(Error::from(Kind::NoWriter { why: super::WRITER_FAILED })));
        }
    }
}
