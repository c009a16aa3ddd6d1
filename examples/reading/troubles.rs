//! What could not be read: named on standard error at once, and counted for the exit code.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The texts that are kept, of the first.
const KEPT: usize = 100;

/// The troubles of one run. Its threads share it.
pub(crate) struct Troubles {
    /// None: they are counted alone.
    program: Option<&'static str>,
    count: AtomicU64,
    texts: Mutex<Vec<String>>,
}

impl Troubles {
    pub(crate) fn new(program: &'static str) -> Troubles {
        Troubles { program: Some(program), count: AtomicU64::new(0), texts: Mutex::default() }
    }

    /// Troubles that were reported before.
    pub(crate) fn silent() -> Troubles {
        Troubles { program: None, count: AtomicU64::new(0), texts: Mutex::default() }
    }

    /// Names a file and why not all of it was read.
    pub(crate) fn report(&self, path: &Path, why: impl Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("{}: {why}", path.display());
        if let Some(program) = self.program {
            eprintln!("{program}: {text}");
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() < KEPT {
            texts.push(text);
        }
    }

    /// The first of them.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
