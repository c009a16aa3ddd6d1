//! [`Writers`]: the state of the queue's threads, under the queue's lock.
//!
//! The invariants: exactly one writer is active, and only the active writer begins to write a log. A writer that was
//! relieved finishes the log that it is inside, and begins no other.

use super::locks::{self, ThreadId};

/// While at most this many logs hang, another writer takes over the other logs.
pub(super) const MOST_STALLED: usize = crate::process::HANGING_LOGS;

/// The number of the writer that is active first.
pub(super) const FIRST_WRITER: usize = 0;

/// What the active writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterState {
    /// It writes, and checks for new records before it sleeps.
    Running,
    /// It checks for new records after a short wait. It is woken if the records must not wait for that.
    Lingering,
    /// It is woken by the next record.
    Parked,
}

/// What the standby thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standby {
    /// It checks now and then whether the active writer hangs.
    Watching,
    /// The active writer is parked. The standby thread is woken together with it, or ends.
    Resting,
}

#[derive(Debug)]
pub(super) struct Writers {
    pub(super) state: WriterState,
    pub(super) standby: Option<Standby>,
    /// The number of the active writer.
    active: usize,
    /// The log that the active writer is inside.
    inside: Option<usize>,
    /// Grows with each log that the active writer enters or leaves. A writer that hangs takes no step.
    steps: u64,
    /// How many writers were relieved and are still inside a log.
    stalled: usize,
    /// The threads that run; `alive` also counts those that have not begun.
    threads: Vec<ThreadId>,
    alive: usize,
}

impl Writers {
    pub(super) fn new() -> Writers {
        Writers {
            state: WriterState::Running,
            standby: None,
            active: FIRST_WRITER,
            inside: None,
            steps: 0,
            stalled: 0,
            threads: Vec::new(),
            alive: 0,
        }
    }

    pub(super) fn is_active(&self, number: usize) -> bool {
        self.active == number
    }

    /// Whether the caller must wake the active writer; `true` for one caller each time.
    ///
    /// `is_much`: the writer must not linger any longer.
    #[inline]
    pub(super) fn should_wake(&mut self, is_much: bool) -> bool {
        let wakes = match self.state {
            WriterState::Running => false,
            WriterState::Lingering => is_much,
            WriterState::Parked => true,
        };
        if wakes {
            self.state = WriterState::Running;
        }
        wakes
    }

    /// Called by the active writer.
    pub(super) fn enter(&mut self, log: usize) {
        self.inside = Some(log);
        self.steps += 1;
    }

    /// Called by a writer that was inside a log. A writer that was relieved is not the active one.
    pub(super) fn leave(&mut self, number: usize) {
        if self.is_active(number) {
            self.inside = None;
            self.steps += 1;
        }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether the active writer has taken no step since there were `steps`, and another thread may relieve it.
    pub(super) fn is_late(&self, steps: u64) -> bool {
        self.state == WriterState::Running && self.steps == steps && self.stalled < MOST_STALLED
    }

    /// Called by the standby thread, which becomes the active writer. Returns its number, and the log that the
    /// relieved writer is inside.
    pub(super) fn relieve(&mut self) -> (usize, Option<usize>) {
        self.active += 1;
        self.steps += 1;
        self.stalled += 1;
        self.standby = None;
        self.state = WriterState::Running;
        (self.active, self.inside.take())
    }

    /// Called by a relieved writer that has left its log. `true`: it is the standby thread from now on.
    pub(super) fn come_back(&mut self) -> bool {
        self.stalled -= 1;
        let stands_by = self.standby.is_none();
        if stands_by {
            self.standby = Some(Standby::Watching);
        }
        stands_by
    }

    pub(super) fn needs_standby(&self) -> bool {
        self.standby.is_none() && self.stalled < MOST_STALLED
    }

    /// Called before a thread is started.
    pub(super) fn starts(&mut self) {
        self.alive += 1;
    }

    /// Called by the thread itself.
    pub(super) fn has_started(&mut self) {
        self.threads.push(locks::current().id());
    }

    /// Called by the thread itself, or if the thread could not be started.
    pub(super) fn has_ended(&mut self) {
        let this = locks::current().id();
        self.threads.retain(|thread| *thread != this);
        self.alive -= 1;
    }

    #[cfg(test)]
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    pub(super) fn are_gone(&self) -> bool {
        self.alive == 0
    }

    /// Whether the calling thread is one of the queue's threads. Such a thread must not wait for the queue.
    pub(super) fn is_one_of_them(&self) -> bool {
        self.threads.contains(&locks::current().id())
    }
}
