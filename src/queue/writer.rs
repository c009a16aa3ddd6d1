//! The queue's threads: the active writer and the standby thread.
//!
//! The invariants: no lock is held while a writer is inside a log. The records that a writer took are counted,
//! completed and finished, also if the log panics.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use super::inbox::{Done, Inbox};
use super::locks::MutexGuard;
use super::log::QueuedLog;
use super::shared::Shared;
use super::slots::PendingBatch;
use super::threads;
use super::writers::{Standby, WriterState};
use crate::clock::Time;
use crate::error::{Error, Kind};

/// The time between two looks at the active writer. A writer that was inside one log from one look to the next hangs.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// If the active writer is parked for this long, the standby thread ends.
const REST: Duration = Duration::from_secs(10);

/// What a thread of the queue does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the active writer, as long as this is its number.
    Write(usize),
    StandBy,
}

/// A thread of the queue, from its beginning to its end.
pub(super) fn run<L: QueuedLog>(shared: &Arc<Shared<L>>, first: Role) {
    shared.lock().writers.has_started();
    let mut role = Some(first);
    while let Some(now) = role {
        role = match now {
            Role::Write(number) => write_until_relieved(shared, number),
            Role::StandBy => stand_by(shared),
        };
    }
    shared.lock().writers.has_ended();
    shared.written.notify_all();
}

/// Writes until another thread has relieved this one, or nothing is left. Returns what this thread does next.
fn write_until_relieved<L: QueuedLog>(shared: &Arc<Shared<L>>, number: usize) -> Option<Role> {
    let mut taken = PendingBatch::default();
    // The log that was written last. This may be the last reference to the log: dropping it closes the file.
    let mut last = None;
    let mut inbox = with_standby(shared, shared.lock());
    loop {
        let Some(at) = inbox.next_ready() else {
            if last.is_some() {
                drop(inbox);
                last = None;
                inbox = shared.lock();
                continue;
            }
            inbox = rest(shared, inbox, number)?;
            if !inbox.writers.is_active(number) {
                return come_back(inbox);
            }
            continue;
        };
        let Some((log, kept_bytes)) = inbox.take(at, &mut taken) else { continue };
        drop(inbox);
        let log = last.insert(log);
        let done = write(&**log, &mut taken);
        inbox = shared.lock();
        let wakes = inbox.finish(number, at, done);
        // After `finish` has kept the failures: as soon as a waiting call returns, its thread may make the call that
        // returns them.
        taken.complete();
        taken.clear(kept_bytes);
        if wakes.written {
            shared.written.notify_all();
        }
        if inbox.room_waiters > 0 {
            shared.room.notify_all();
        }
        if !inbox.writers.is_active(number) {
            if wakes.work {
                shared.work.notify_one();
            }
            return come_back(inbox);
        }
    }
}

fn come_back<L: QueuedLog>(mut inbox: MutexGuard<'_, Inbox<L>>) -> Option<Role> {
    inbox.writers.come_back().then_some(Role::StandBy)
}

/// Waits between two rounds of the active writer. None: there will be no more rounds.
fn rest<'a, L: QueuedLog>(
    shared: &'a Arc<Shared<L>>,
    mut inbox: MutexGuard<'a, Inbox<L>>,
    number: usize,
) -> Option<MutexGuard<'a, Inbox<L>>> {
    if !inbox.must_hurry() {
        inbox.writers.state = WriterState::Lingering;
        let linger = inbox.linger();
        inbox = shared.wait(&shared.work, inbox, Some(linger)).0;
    }
    while inbox.writers.is_active(number) {
        inbox.writers.state = WriterState::Running;
        if inbox.begin_round() {
            return Some(with_standby(shared, inbox));
        }
        if inbox.is_drained() {
            shared.standby.notify_all();
            return None;
        }
        inbox.writers.state = WriterState::Parked;
        while inbox.writers.state == WriterState::Parked && inbox.writers.is_active(number) {
            inbox = shared.wait(&shared.work, inbox, None).0;
        }
    }
    Some(inbox)
}

/// Makes sure that a standby thread watches the active writer, which is about to write.
fn with_standby<'a, L: QueuedLog>(
    shared: &'a Arc<Shared<L>>,
    mut inbox: MutexGuard<'a, Inbox<L>>,
) -> MutexGuard<'a, Inbox<L>> {
    if inbox.writers.standby == Some(Standby::Resting) {
        inbox.writers.standby = Some(Standby::Watching);
        shared.standby.notify_all();
    }
    if !inbox.writers.needs_standby() {
        return inbox;
    }
    inbox.writers.standby = Some(Standby::Watching);
    inbox.writers.starts();
    drop(inbox);
    let started = threads::start(shared, Role::StandBy);
    let mut inbox = shared.lock();
    if started.is_err() {
        // Until there is a standby thread, a log that hangs holds up the others.
        inbox.writers.has_ended();
        inbox.writers.standby = None;
    }
    inbox
}

/// The standby thread. None: it is not needed any more.
fn stand_by<L: QueuedLog>(shared: &Arc<Shared<L>>) -> Option<Role> {
    let mut inbox = shared.lock();
    loop {
        if inbox.is_drained() {
            inbox.writers.standby = None;
            return None;
        }
        let steps = inbox.writers.steps();
        let rests = inbox.writers.state == WriterState::Parked;
        if rests {
            inbox.writers.standby = Some(Standby::Resting);
        }
        let timeout = if rests { REST } else { BETWEEN_LOOKS };
        let (guard, is_over) = shared.wait(&shared.standby, inbox, Some(timeout));
        inbox = guard;
        if is_over && rests && inbox.writers.state == WriterState::Parked {
            inbox.writers.standby = None;
            return None;
        }
        inbox.writers.standby = Some(Standby::Watching);
        if is_over && !rests {
            if let Some(number) = inbox.relieve_if_late(steps) {
                // The memory of the log that hangs no longer counts against the others: calls that wait for room try
                // again.
                shared.room.notify_all();
                return Some(Role::Write(number));
            }
        }
    }
}

/// Writes the records that were taken from a log, and notes the result for each call that waits.
pub(super) fn write<L: QueuedLog>(log: &L, taken: &mut PendingBatch) -> Done {
    if let Some(gap) = taken.gap.take() {
        log.adopt_gap(*gap);
    }
    let records = taken.batch.len() as u64;
    let mut done = Done { records, held: taken.held(), failed: None };
    let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| log.append_batch(&taken.batch))) else {
        // A panic of the log is a bug of this crate. The writer continues with the other logs.
        let why = Error::from(Kind::NoWriter { why: super::WRITER_FAILED });
        log.record_loss(records, &why, Time::now());
        let failed = records - taken.completions.len() as u64;
        taken.completions.clear();
        if failed > 0 {
            done.fail(failed, why);
        }
        return done;
    };
    let mut not_on_disk = outcome.failed;
    not_on_disk.sort_unstable_by_key(|(record, _)| *record);
    let mut not_on_disk = not_on_disk.into_iter().peekable();
    for awaited in &mut taken.completions {
        while let Some((_, why)) = not_on_disk.next_if(|(failed, _)| *failed < awaited.record) {
            done.fail(1, why);
        }
        let own = not_on_disk.next_if(|(failed, _)| *failed == awaited.record);
        awaited.result = own.map_or(Ok(()), |(_, why)| Err(why));
    }
    not_on_disk.for_each(|(_, why)| done.fail(1, why));
    if let Some(why) = outcome.rotation_error {
        done.fail(0, why);
    }
    done
}
