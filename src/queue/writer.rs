//! [`Writer`]: the thread that takes the piles and appends to the files.
//!
//! Imports `line` and `file`. The invariant: everything before a ticket is in the kernel, or counted
//! as lost, when the progress says so; every reply is given.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::bell::nudge;
use super::elders::Elders;
use super::piles::{clear, Durable, Pile, PILES};
use super::reply::{self, Reply};
use super::shared::{no_writer, Shared};
use crate::clock::Time;
use crate::error::Error;
use crate::file::{Batch, LogFile};

/// How long records may wait at most though nobody asks for them: at least, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// The largest write, in bytes, unless one record is larger. Others that append to the file wait as
/// long as it takes.
const LARGEST_WRITE: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    elders: Elders,
    /// Up to where everything is written.
    written: u64,
    /// What was taken from each pile.
    taken: [Pile; PILES],
    /// The records that were taken, in the order of their tickets.
    order: Vec<Piece>,
    /// The logs' numbers, in the order of their first records.
    touched: Vec<usize>,
    /// By the logs' numbers.
    logs: Vec<Log>,
    batch: Batch,
    /// Those of the batch that must be synced, by their places in it.
    durable: Vec<(usize, Asks)>,
}

/// Who asks what became of a durable record.
#[derive(Debug)]
enum Asks {
    Nobody,
    Reply(Reply),
    Told,
}

/// Where a record is, and the next one of the same log.
#[derive(Clone, Copy, Debug)]
struct Piece {
    pile: usize,
    entry: usize,
    start: usize,
    next: Option<usize>,
}

#[derive(Debug)]
struct Log {
    file: Arc<LogFile>,
    /// The first and the last of its records.
    pieces: Option<(usize, usize)>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, elders: Elders) -> Writer {
        Writer {
            shared,
            elders,
            written: 0,
            taken: std::array::from_fn(|_| Pile::new()),
            order: Vec::new(),
            touched: Vec::new(),
            logs: Vec::new(),
            batch: Batch::default(),
            durable: Vec::new(),
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Writes until the queue is dropped and nothing is left.
    pub(super) fn run(mut self) {
        loop {
            // Looked at first: nothing is handed over after it.
            let last = self.shared.bell.is_stopped();
            let began = Instant::now();
            let took_any = self.write_all();
            if last {
                return;
            }
            let (least, most) = REST;
            // Half of the time at most, where each record is another file's.
            self.shared.bell.sleep(took_any.then(|| began.elapsed().clamp(least, most)));
        }
    }

    /// Writes everything that was handed over before this call; `false` where there was nothing.
    fn write_all(&mut self) -> bool {
        let until = self.shared.bell.take();
        if until == self.written {
            return false;
        }
        for (number, taken) in self.taken.iter_mut().enumerate() {
            taken.take_from(&mut self.shared.piles.lock(number), until);
        }
        self.put_in_order();
        self.elders.flush();
        for at in 0..self.touched.len() {
            self.write_log(self.touched[at]);
        }
        let files = self.touched.len() as u64;
        clear(&mut self.touched, 0);
        clear(&mut self.order, 0);
        self.taken.iter_mut().for_each(Pile::clear);
        self.written = until;
        self.shared.bell.rest_until(nudge(files, self.shared.settings.limit));
        self.shared.progress.advance(until);
        true
    }

    /// Merges the piles by their tickets, and links the records of each log.
    fn put_in_order(&mut self) {
        /// How far a pile has been gone through.
        #[derive(Clone, Copy, Default)]
        struct Place {
            entry: usize,
            start: usize,
        }
        let mut places = [Place::default(); PILES];
        loop {
            // The pile with the lowest ticket goes on until another has the lowest.
            let (mut lowest, mut second) = ((u64::MAX, 0), u64::MAX);
            for (pile, place) in places.iter().enumerate() {
                let Some(entry) = self.taken[pile].entries.get(place.entry) else { continue };
                if entry.ticket < lowest.0 {
                    second = lowest.0;
                    lowest = (entry.ticket, pile);
                } else {
                    second = second.min(entry.ticket);
                }
            }
            let (ticket, pile) = lowest;
            if ticket == u64::MAX {
                return;
            }
            let Place { mut entry, mut start } = places[pile];
            while let Some(next) = self.taken[pile].entries.get(entry) {
                if next.ticket >= second {
                    break;
                }
                let (log, bytes) = (next.log as usize, next.bytes);
                self.link(log, Piece { pile, entry, start, next: None });
                entry += 1;
                start += bytes;
            }
            places[pile] = Place { entry, start };
        }
    }

    fn link(&mut self, log: usize, piece: Piece) {
        if log >= self.logs.len() {
            self.learn_logs();
        }
        let at = self.order.len();
        self.order.push(piece);
        let pieces = &mut self.logs[log].pieces;
        match pieces {
            Some((_, last)) => {
                self.order[*last].next = Some(at);
                *last = at;
            }
            None => {
                *pieces = Some((at, at));
                self.touched.push(log);
            }
        }
    }

    fn learn_logs(&mut self) {
        let logs = self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let new = logs[self.logs.len()..].iter();
        self.logs.extend(new.map(|(file, _)| Log { file: Arc::clone(file), pieces: None }));
    }

    fn write_log(&mut self, log: usize) {
        let mut next = self.logs[log].pieces.take().map(|(first, _)| first);
        while let Some(Piece { pile, entry, start, next: after }) = next.map(|at| self.order[at]) {
            next = after;
            if let Some(gap) = self.taken[pile].entries[entry].gap.take() {
                self.send(log);
                self.logs[log].file.adopt_gap(*gap);
            }
            let Pile { bytes, entries } = &mut self.taken[pile];
            let entry = &mut entries[entry];
            let is_durable = !matches!(entry.durable, Durable::No);
            self.batch.push(&bytes[start..start + entry.bytes], Time::now(), is_durable);
            match std::mem::take(&mut entry.durable) {
                Durable::No => {}
                Durable::Sync => self.durable.push((self.batch.len() - 1, Asks::Nobody)),
                Durable::Reply(reply) => {
                    self.durable.push((self.batch.len() - 1, Asks::Reply(reply)));
                }
            }
            if self.batch.bytes() >= LARGEST_WRITE {
                self.send(log);
            }
        }
        self.send(log);
    }

    /// Appends the batch, and tells what became of it.
    fn send(&mut self, log: usize) {
        let Writer { batch, durable, logs, .. } = self;
        if batch.len() == 0 {
            return;
        }
        let Log { file, .. } = &logs[log];
        let outcome = file.append_batch(batch);
        outcome.failed.iter().for_each(|(record, err)| tell(durable, file, *record, Err(err)));
        if let Some(err) = &outcome.rotation_error {
            file.queued.fail(1, err);
        }
        let durables: Vec<usize> = durable.iter().map(|(record, _)| *record).collect();
        durables.into_iter().for_each(|record| tell(durable, file, record, Ok(())));
        batch.clear();
        durable.clear();
    }
}

/// Tells what became of a record: its log call, if that waits, or the next one.
fn tell(durable: &mut [(usize, Asks)], file: &LogFile, record: usize, result: Result<(), &Error>) {
    let asks = match durable.binary_search_by_key(&record, |(at, _)| *at) {
        Ok(at) => std::mem::replace(&mut durable[at].1, Asks::Told),
        Err(_) => Asks::Nobody,
    };
    match (asks, result) {
        (Asks::Reply(reply), result) => reply.give(result.map_err(Clone::clone)),
        (_, Err(err)) => file.queued.fail(1, err),
        (_, Ok(())) => {}
    }
}

impl Drop for Writer {
    /// After a panic: nothing may wait for this thread any more, and nothing is written.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.shared.progress.die();
        let err = no_writer(reply::DIED);
        let logs = self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..PILES {
            let mut left = Pile::new();
            left.take_from(&mut self.shared.piles.lock(number), u64::MAX);
            for entry in &left.entries {
                if let Some((file, _)) = logs.get(entry.log as usize) {
                    file.record_loss(1, &err, Time::now());
                }
            }
        }
    }
}
