//! Several logs, in the order of time. Each log's own order is kept.

use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::collections::BTreeSet;

use super::source::Reading;
use super::stream::{Options, Stream};
use super::tree::Log;
use super::troubles::Troubles;

/// More logs than this are read with one open file in all, which costs three system calls a buffer.
const MOST_OPEN: usize = 60;

/// All buffers together, in bytes; a compressed file has two.
const BUFFERS: usize = 12 << 20;

/// Records of several logs, by time.
pub(crate) struct Merge<'a> {
    pub(crate) streams: Vec<Stream<'a>>,
    /// The streams with a record in hand, the earliest first; of the same time the first stream.
    next: BinaryHeap<Reverse<(i64, usize)>>,
    /// Those without.
    waiting: Vec<usize>,
    /// Whether the record in hand of the first of `next` was passed on.
    passed: bool,
    options: Options,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(
        logs: &'a BTreeSet<Log>,
        since: Option<i64>,
        follow: bool,
        troubles: &'a Troubles,
    ) -> Merge<'a> {
        let count = logs.len().max(1);
        let buffer = (BUFFERS / count / 2).clamp(8 * 1024, 64 * 1024);
        let reading = Reading { keep_open: count <= MOST_OPEN, buffer };
        let options = Options { reading, follow, since };
        let streams: Vec<_> =
            logs.iter().map(|log| Stream::of_log(log, options, troubles)).collect();
        let waiting = (0..streams.len()).collect();
        Merge { streams, next: BinaryHeap::new(), waiting, passed: false, options }
    }

    /// One more log, whose records come from now on.
    pub(crate) fn add(&mut self, log: &'a Log, troubles: &'a Troubles) {
        // Its file is closed between two reads: there may be many.
        self.options.reading.keep_open &= self.streams.len() < MOST_OPEN;
        self.waiting.push(self.streams.len());
        self.streams.push(Stream::of_log(log, self.options, troubles));
    }

    /// Looks for records where there was none, or none yet. Before the first [`Merge::next`], and to follow.
    pub(crate) fn poll(&mut self) {
        for at in std::mem::take(&mut self.waiting) {
            if self.streams[at].advance() {
                self.next.push(Reverse((self.streams[at].time, at)));
            } else {
                self.waiting.push(at);
            }
        }
    }

    /// The stream whose record in hand is the next; none: there is none, or none yet.
    pub(crate) fn next(&mut self) -> Option<&mut Stream<'a>> {
        if std::mem::take(&mut self.passed) {
            self.replace_first();
        }
        let Reverse((_, at)) = *self.next.peek()?;
        self.passed = true;
        Some(&mut self.streams[at])
    }

    /// The record in hand of the first stream gives way to the next one of that stream.
    fn replace_first(&mut self) {
        let Some(mut first) = self.next.peek_mut() else { return };
        let Reverse((time, at)) = *first;
        let stream = &mut self.streams[at];
        if !stream.advance() {
            PeekMut::pop(first);
            self.waiting.push(at);
        } else if stream.time != time && !stream.record.continues {
            // The parts of a record stay together: they do not take a new place.
            *first = Reverse((stream.time, at));
        }
    }
}
