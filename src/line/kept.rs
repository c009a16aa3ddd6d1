//! [`with_line`]: the thread's own line, of which what stands before the message is kept.
//!
//! Imports the line and `scope`. The invariant: while a line is in use it is nobody else's: a
//! `Display` that logs gets another one, and one that panics takes its half record with it.

use std::cell::Cell;
use std::fmt::{self, Write as _};

use super::{LineFormat, Precision};
use crate::context::Scope;

#[derive(Default)]
struct Kept {
    text: String,
    /// How much of the text stands before the message, in bytes.
    head: usize,
    /// What that was made from, if the next record may have the same.
    of: Option<Head>,
    /// The last scope's address: one that comes twice in a row is worth keeping.
    last_scope: usize,
}

struct Head {
    format: u64,
    second: u64,
    level: log::Level,
    scope: Option<Scope>,
}

thread_local! {
    static KEPT: Cell<Option<Box<Kept>>> = const { Cell::new(None) };
}

impl LineFormat {
    /// Calls `f` with the line of this record, without its end.
    #[inline(always)]
    pub(crate) fn with_line<T>(
        &self,
        scope: Option<&Scope>,
        level: log::Level,
        message: fmt::Arguments<'_>,
        f: impl FnOnce(&mut String) -> T,
    ) -> T {
        /// A line that a long record has made larger than this is not kept, in bytes.
        const KEPT_BYTES: usize = 64 * 1024;
        let mut line = KEPT.try_with(Cell::take).ok().flatten().unwrap_or_default();
        line.begin(self, scope, level);
        // A `Display` that fails leaves what it wrote.
        let _ = line.text.write_fmt(message);
        self.escape_message(&mut line.text, line.head);
        let result = f(&mut line.text);
        if line.text.capacity() <= KEPT_BYTES {
            let _ = KEPT.try_with(|kept| kept.set(Some(line)));
        }
        result
    }
}

impl Kept {
    fn begin(&mut self, format: &LineFormat, scope: Option<&Scope>, level: log::Level) {
        let now = format.now();
        let second = now.as_secs();
        let is_the_same = |of: &Head| {
            (of.format, of.second, of.level) == (format.number, second, level)
                && of.scope.as_ref().map(Scope::address) == scope.map(Scope::address)
        };
        if self.of.as_ref().is_some_and(is_the_same) && format.precision == Precision::Seconds {
            self.text.truncate(self.head);
            return;
        }
        self.text.clear();
        format.push_head(&mut self.text, now, scope, level);
        self.head = self.text.len();
        let address = scope.map_or(0, Scope::address);
        let again = std::mem::replace(&mut self.last_scope, address) == address;
        self.of =
            again.then(|| Head { format: format.number, second, level, scope: scope.cloned() });
    }
}
