//! What all sinks of one process share, and why.
//!
//! Every process-wide `static` of the crate is declared here or in a file below this module. If the type of a static
//! belongs to a module above, this module declares a trait with the functions that it needs of that type.
//!
//! Lock order: none of these locks is held while another is taken, unless its own comment says so.

pub(crate) mod closers;
pub(crate) mod descriptors;
pub(crate) mod end;
pub(crate) mod gaps;
pub(crate) mod idle;
pub(crate) mod machine;
pub(crate) mod made_folders;
mod places;
pub(crate) mod pools;
pub(crate) mod reports;
pub(crate) mod threads;
pub(crate) mod upkeep;

/// The locks under the state machines of this folder: `loom_tests` puts a model checker's in their place.
mod locks {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
}

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

/// The spelling of each known equipment id, by the id's lower-case form.
///
/// `EQ1` and `eq1` are one folder on Windows and macOS, and two on Linux. The second spelling is refused
/// everywhere while the first is known, so that a tree can be copied between them. All sinks share this, since
/// they may share a folder.
pub(crate) static SPELLINGS: Mutex<BTreeMap<String, Spelling>> = Mutex::new(BTreeMap::new());

/// One spelling, and the number of registries that know a log of it.
#[derive(Debug)]
pub(crate) struct Spelling {
    pub(crate) id: String,
    pub(crate) registries: usize,
}

/// Held while a thread takes from a sink, at its end, what could not be written, and gives it to the reporting thread. Two
/// threads may do so for one sink: what the second does not find has been reported then, and the program may end. Taken
/// before the lock of a queue, and before those of the reports.
pub(crate) static REPORTING_THE_END: Mutex<()> = Mutex::new(());

/// This many logs may hang at once, and hold up no other log: where one thread would hang with a log, there are this
/// many more threads.
pub(crate) const HANGING_LOGS: usize = 8;

/// Returns a number that no other sink of the process has. A sink's address would not do: a scope outlives the sink
/// that it remembers.
pub(crate) fn next_sink_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

#[cfg(all(test, target_os = "linux"))]
mod loom_tests;
