//! [`Thread`]: what this module keeps for each thread, in its only thread-local.
//!
//! The invariants: on a thread that is destroying its thread-locals, every access gives `None`, and nothing panics.
//! No code of the application runs while the cell is borrowed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::handover::Handover;
use super::key_values::KeyValues;
use super::Scope;

thread_local! {
    /// One thread-local, so that a record looks up its scope, its handover and its buffer at once.
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread::NEW) };
}

pub(super) struct Thread {
    pub(super) last_token: u64,
    /// The scopes that were entered, the innermost last.
    pub(super) entries: Vec<Entry>,
    /// What is left to the records that are being formatted, the innermost last.
    pub(super) handovers: Vec<Handover>,
    /// The tagless scopes of ids, so that an id in a key-value costs no allocation.
    pub(super) named: BTreeMap<Box<str>, Scope>,
    /// Buffers for the key-values of records.
    pub(super) spare: Vec<Rc<KeyValues>>,
}

pub(super) struct Entry {
    pub(super) token: u64,
    /// Lent to every record of the thread: counted without the counter that other threads share. `None` hides
    /// the scopes below.
    pub(super) scope: Option<Rc<Scope>>,
}

impl Thread {
    const NEW: Thread = Thread {
        last_token: 0,
        entries: Vec::new(),
        handovers: Vec::new(),
        named: BTreeMap::new(),
        spare: Vec::new(),
    };

    pub(super) fn innermost(&self) -> Option<Rc<Scope>> {
        self.entries.last()?.scope.clone()
    }
}

/// What this thread keeps, unless the thread is destroying its thread-locals.
pub(super) fn with<T>(f: impl FnOnce(&mut Thread) -> T) -> Option<T> {
    THREAD.try_with(|thread| thread.try_borrow_mut().ok().map(|mut thread| f(&mut thread))).ok()?
}
