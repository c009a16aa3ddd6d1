//! [`Shared`]: what the logging threads and the writer have in common, and the way of a record from
//! the one to the other.
//!
//! Imports `config`, `scope` and `file`. The invariant: a call that may wait has seen before that the
//! writer runs, in this process, and is not the caller.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use super::bell::{nudge, Bell};
use super::piles::{Durable, Entry, Piles};
use super::progress::{Ended, Progress};
use super::reply;
use crate::config::{QueueSettings, WhenDurable, WhenFull};
use crate::context::Scope;
use crate::error::{Error, Kind};
use crate::file::LogFile;

/// After so many records on one pile a log call looks whether it is in a copy of the process: that
/// costs a system call.
const RECORDS_PER_LOOK: usize = 128;

thread_local! {
    /// Whose writer this thread is, if it is one: it cannot wait for itself.
    static WRITER_OF: Cell<Option<*const Shared>> = const { Cell::new(None) };
}

/// What the logging threads and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: QueueSettings,
    pub(super) bell: Bell,
    pub(super) progress: Progress,
    pub(super) piles: Piles,
    /// The logs that had a record, by their numbers, each with the scope that its gaps are said with.
    pub(super) logs: Mutex<Vec<(Arc<LogFile>, Scope)>>,
    /// The process that the writer is in.
    process: u32,
}

impl Shared {
    pub(super) fn new(settings: QueueSettings) -> Shared {
        Shared {
            settings,
            bell: Bell::new(nudge(1, settings.limit)),
            progress: Progress::new(),
            piles: Piles::new(),
            logs: Mutex::default(),
            process: std::process::id(),
        }
    }

    /// By the writer's thread, first of all.
    pub(super) fn is_written_by_this_thread(&self) {
        let _ = WRITER_OF.try_with(|of| of.set(Some(std::ptr::from_ref(self))));
    }

    /// Puts one record on a pile. Returns what the caller must wait for.
    pub(super) fn hand_over(
        &self,
        scope: &Scope,
        file: &LogFile,
        record: &[u8],
        durable: bool,
    ) -> Result<Option<reply::Awaited>, Error> {
        let waits = durable && self.settings.durable == WhenDurable::Wait;
        if waits {
            self.check_can_wait()?;
        }
        if self.is_full() && !self.make_room(waits)? {
            file.drop_record();
            return Ok(None);
        }
        let log = match file.queued.number.get() {
            Some(number) => *number,
            None => self.number_of(scope, file)?,
        };
        let (durable, awaited) = match (durable, waits) {
            (false, _) => (Durable::No, None),
            (true, false) => (Durable::Sync, None),
            (true, true) => {
                let (reply, awaited) = reply::ask();
                (Durable::Reply(reply), Some(awaited))
            }
        };
        let urgent = !matches!(durable, Durable::No);
        let up_to = self.push(file, record, log, durable)?;
        if self.bell.rings(up_to, urgent) {
            if self.is_copy() {
                return Err(self.forked());
            }
            // One that has died meanwhile counts what it finds on the piles, and gives the replies.
            self.bell.wake();
        }
        Ok(awaited)
    }

    fn push(
        &self,
        file: &LogFile,
        record: &[u8],
        log: u32,
        durable: Durable,
    ) -> Result<u64, Error> {
        let mut pile = match self.piles.try_own() {
            Some(pile) => pile,
            None => {
                // Whoever has it may be in the process of which this is a copy.
                self.check_writer()?;
                self.piles.own()
            }
        };
        if pile.entries.len() % RECORDS_PER_LOOK == 0 {
            self.check_writer()?;
        }
        // Under the lock: a writer that dies looks at every pile after it has said so.
        self.check_not_ended()?;
        let bytes = record.len();
        let gap = file.queued.take_dropped().map(Box::new);
        let ticket = self.bell.hand_over(bytes as u64);
        pile.bytes.extend_from_slice(record);
        pile.entries.push(Entry { ticket, log, bytes, durable, gap });
        Ok(ticket + bytes as u64)
    }

    /// A record is taken in while fewer bytes wait than the limit, so that one that is larger than
    /// the limit has its turn, too.
    fn is_full(&self) -> bool {
        self.bell.handed().saturating_sub(self.progress.written()) >= self.settings.limit
    }

    /// Waits for room, if that is asked for. `false`: the record is to be dropped.
    fn make_room(&self, waits: bool) -> Result<bool, Error> {
        if self.settings.when_full == WhenFull::Drop && !waits {
            return Ok(false);
        }
        self.check_can_wait()?;
        self.wake_for(self.bell.handed());
        self.progress.wait(|_| !self.is_full());
        self.check_not_ended()?;
        Ok(true)
    }

    pub(super) fn flush(&self) -> Result<(), Error> {
        self.check_writer()?;
        let handed = self.bell.handed();
        if self.progress.written() >= handed {
            return Ok(());
        }
        self.check_can_wait()?;
        self.wake_for(handed);
        self.progress.wait(|written| written >= handed);
        self.check_not_ended()
    }

    fn wake_for(&self, up_to: u64) {
        if self.bell.rings(up_to, true) {
            self.bell.wake();
        }
    }

    /// The log's place in the list.
    fn number_of(&self, scope: &Scope, file: &LogFile) -> Result<u32, Error> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = file.queued.number.get() {
            return Ok(*number);
        }
        // Neither can be: it is in use, and as many logs as that do not fit into memory.
        let number = u32::try_from(logs.len()).ok();
        let (Some(file), Some(number)) = (file.shared(), number) else {
            return Err(no_writer("it cannot have one log more"));
        };
        logs.push((Arc::clone(&file), scope.without_tags()));
        Ok(*file.queued.number.get_or_init(|| number))
    }

    /// A writer that logs, say in a panic hook, must not wait for itself.
    fn check_can_wait(&self) -> Result<(), Error> {
        self.check_writer()?;
        if WRITER_OF.try_with(Cell::get).is_ok_and(|of| of == Some(std::ptr::from_ref(self))) {
            return Err(no_writer("its writer thread cannot wait for itself"));
        }
        Ok(())
    }

    /// Whether the writer is there, by a system call.
    pub(super) fn check_writer(&self) -> Result<(), Error> {
        if self.is_copy() {
            return Err(self.forked());
        }
        self.check_not_ended()
    }

    pub(super) fn is_copy(&self) -> bool {
        std::process::id() != self.process
    }

    fn check_not_ended(&self) -> Result<(), Error> {
        match self.progress.ended() {
            None => Ok(()),
            Some(Ended::Died) => Err(no_writer(reply::DIED)),
            Some(Ended::Forked) => Err(self.forked()),
        }
    }

    /// Remembered, so that the next call need not look.
    fn forked(&self) -> Error {
        self.progress.fork();
        no_writer("the queue's writer thread is in the process that this one was forked from")
    }
}

pub(super) fn no_writer(why: &'static str) -> Error {
    Error::from(Kind::NoWriter { why })
}
