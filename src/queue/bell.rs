//! [`Bell`]: how much was handed over, when the writer sleeps, and who wakes it.
//!
//! Imports atomics and threads alone, through `super::sync`, so that a model checker can put its own
//! in their place. The invariant: what was handed over is taken without another call, and what
//! somebody waits for at once; yet few records wake anyone.

use std::sync::OnceLock;
use std::time::Duration;

use super::sync::{self, AtomicBool, AtomicU32, AtomicU64, Ordering, Thread};

/// The writer will look again by itself before it sleeps.
const AWAKE: u32 = 0;
/// It looks again after a moment; it is woken where that would be too late.
const RESTING: u32 = 1;
/// It is woken for whatever comes.
const ASLEEP: u32 = 2;

/// How many bytes end a rest. For many files it is more, so that a write is worth its while.
const NUDGE: u64 = 256 << 10;
const NUDGE_PER_FILE: u64 = 8 << 10;

/// As many bytes must wait before the writer is woken, when the last were for `files` files.
pub(super) fn nudge(files: u64, limit: u64) -> u64 {
    NUDGE.max(files * NUDGE_PER_FILE).min(limit / 2).max(1)
}

/// A cache line of its own: two, since processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug)]
pub(crate) struct Bell {
    /// In bytes since the beginning. Each record's place in the order is what this was before it.
    handed: Line<AtomicU64>,
    /// Up to where the writer has taken them.
    taken: AtomicU64,
    /// Up to where somebody waits.
    wanted: AtomicU64,
    /// As many bytes end a rest.
    nudge: AtomicU64,
    mood: AtomicU32,
    stop: AtomicBool,
    writer: OnceLock<Thread>,
}

impl Bell {
    pub(crate) fn new(nudge: u64) -> Bell {
        Bell {
            handed: Line(AtomicU64::new(0)),
            taken: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            nudge: AtomicU64::new(nudge),
            mood: AtomicU32::new(AWAKE),
            stop: AtomicBool::new(false),
            writer: OnceLock::new(),
        }
    }

    /// Whom to wake: said before anything is handed over.
    pub(crate) fn belongs_to(&self, writer: Thread) {
        let _ = self.writer.set(writer);
    }

    pub(crate) fn handed(&self) -> u64 {
        self.handed.0.load(Ordering::Acquire)
    }

    /// The record's place in the order. Called under the lock of the pile that it is put on.
    pub(crate) fn hand_over(&self, bytes: u64) -> u64 {
        self.handed.0.fetch_add(bytes, Ordering::AcqRel)
    }

    /// Whether the writer must be woken for what was handed over up to here; `true` for one caller.
    ///
    /// `wanted`: somebody waits for it.
    pub(crate) fn rings(&self, up_to: u64, wanted: bool) -> bool {
        if wanted {
            self.wanted.fetch_max(up_to, Ordering::AcqRel);
        }
        let wakes = match self.mood.load(Ordering::Acquire) {
            AWAKE => false,
            RESTING => wanted || self.is_much(up_to),
            _ => true,
        };
        wakes && self.mood.swap(AWAKE, Ordering::AcqRel) != AWAKE
    }

    fn is_much(&self, handed: u64) -> bool {
        let waits = handed.saturating_sub(self.taken.load(Ordering::Relaxed));
        waits >= self.nudge.load(Ordering::Relaxed)
    }

    /// Wakes the writer, or lets it look once more before it sleeps.
    pub(crate) fn wake(&self) {
        self.writer.get().into_iter().for_each(Thread::unpark);
    }

    /// Asks the writer to end when there is nothing left.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// By the writer: up to where it takes now.
    pub(crate) fn take(&self) -> u64 {
        let handed = self.handed();
        self.taken.store(handed, Ordering::Release);
        handed
    }

    /// By the writer: how much ends its next rest.
    pub(crate) fn rest_until(&self, bytes: u64) {
        self.nudge.store(bytes, Ordering::Relaxed);
    }

    /// By the writer: a rest of that length, or until something comes.
    pub(crate) fn sleep(&self, rest: Option<Duration>) {
        let mood = if rest.is_some() { RESTING } else { ASLEEP };
        self.mood.store(mood, Ordering::Release);
        // Looked at after that was said: whoever did not see it has handed over before.
        if !self.must_look(mood) {
            match rest {
                Some(rest) => sync::park_timeout(rest),
                None => sync::park(),
            }
        }
        self.mood.store(AWAKE, Ordering::Release);
    }

    fn must_look(&self, mood: u32) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        // Read and written back: whoever counts up after this sees the mood that was said before.
        let handed = self.handed.0.fetch_add(0, Ordering::AcqRel);
        let wanted = self.wanted.fetch_max(0, Ordering::AcqRel);
        self.is_stopped()
            || wanted > taken
            || if mood == RESTING { self.is_much(handed) } else { handed > taken }
    }
}
