//! What could not be read: named on standard error at once, and counted for the exit code.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The troubles of one run. Its threads share it.
pub(crate) struct Troubles {
    /// None: they are counted alone.
    program: Option<&'static str>,
    count: AtomicU64,
}

impl Troubles {
    pub(crate) fn new(program: &'static str) -> Troubles {
        Troubles { program: Some(program), count: AtomicU64::new(0) }
    }

    /// Troubles that were reported before.
    pub(crate) fn silent() -> Troubles {
        Troubles { program: None, count: AtomicU64::new(0) }
    }

    /// Names a file and why not all of it was read.
    pub(crate) fn report(&self, path: &Path, why: impl Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(program) = self.program {
            eprintln!("{program}: {}: {why}", path.display());
        }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
