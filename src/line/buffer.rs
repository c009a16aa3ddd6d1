//! The thread's buffers, in which records are formatted outside of every lock.
//!
//! Imports nothing of ours.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

/// Appends a message to a buffer. A `Display` that returns an error leaves what it wrote: to
/// `io::Write` that would be a reason to panic.
#[cfg_attr(
    not(any(feature = "log4rs", feature = "fern")),
    allow(dead_code, reason = "only the adapters have messages")
)]
pub(crate) fn push_message(out: &mut Vec<u8>, message: fmt::Arguments<'_>) {
    struct Text<'a>(&'a mut Vec<u8>);

    impl fmt::Write for Text<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }

    let _ = Text(out).write_fmt(message);
}

/// Lends one of this thread's buffers to `f`, empty.
///
/// The buffer is taken, not borrowed: a `Display` that logs gets another one, and one that panics
/// takes its half record with it.
#[inline(always)]
pub(crate) fn with_buffer<T>(f: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    /// A buffer that a long record has made larger than this is not kept, in bytes.
    const KEPT: usize = 64 * 1024;
    /// A format inside an output inside a `Display` that logs needs as many.
    const BUFFERS: usize = 4;
    thread_local! {
        static BUFFERS_OF_THREAD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }
    let taken = BUFFERS_OF_THREAD.try_with(|kept| kept.borrow_mut().pop());
    let mut buffer = taken.ok().flatten().unwrap_or_default();
    buffer.clear();
    let result = f(&mut buffer);
    if buffer.capacity() <= KEPT {
        let _ = BUFFERS_OF_THREAD.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < BUFFERS {
                kept.push(buffer);
            }
        });
    }
    result
}
