//! [`LineBuffer`] and [`ByteBuffer`]: the thread's buffers, in which records are formatted outside of every lock.
//!
//! The invariant: a buffer that is in use belongs to one record. A `Display` that logs gets another buffer. When a
//! `Display` panics, the buffer with its half record is dropped.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, UNIX_EPOCH};

use super::Precision;
use crate::clock::Time;

/// The largest buffer that is kept, in bytes: a long record can make a buffer larger.
const KEPT_BYTES: usize = 64 * 1024;

/// How many buffers are kept: a format inside an output inside a `Display` that logs needs this many.
const BUFFERS: usize = 4;

thread_local! {
    /// Buffers that are not in use, and the last second as text: most records are of the same second.
    static BUFFERS_OF_THREAD: RefCell<Buffers> = const { RefCell::new(Buffers::NEW) };
}

struct Buffers {
    spare: Vec<String>,
    second: Second,
}

/// `2026-04-17T14:31:55`, without what follows the second.
struct Second {
    number: i64,
    text: String,
}

impl Buffers {
    const NEW: Buffers =
        Buffers { spare: Vec::new(), second: Second { number: i64::MIN, text: String::new() } };

    fn take(&mut self) -> String {
        self.spare.pop().unwrap_or_default()
    }
}

fn give_back(mut buffer: String) {
    if buffer.capacity() > KEPT_BYTES {
        return;
    }
    buffer.clear();
    let _ = BUFFERS_OF_THREAD.try_with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        if buffers.spare.len() < BUFFERS {
            buffers.spare.push(buffer);
        }
    });
}

impl Second {
    fn text_of(&mut self, number: i64) -> &str {
        if self.number != number {
            self.text.clear();
            push_second(&mut self.text, number);
            self.number = number;
        }
        &self.text
    }
}

/// Appends the second of a time. RFC 3339 can write years up to 9999, and humantime none before 1970.
fn push_second(out: &mut String, number: i64) {
    const LAST: u64 = 253_402_300_799;
    let number = u64::try_from(number).unwrap_or(0).min(LAST);
    let time = UNIX_EPOCH + Duration::from_secs(number);
    let _ = write!(out, "{}", humantime::format_rfc3339_seconds(time));
    // The Z follows the milliseconds.
    out.pop();
}

/// One line, in a buffer of the thread's.
pub(crate) struct LineBuffer(String);

impl LineBuffer {
    /// A buffer with the time up to the second, and with its milliseconds where they are wanted.
    pub(super) fn begin(time: Time, precision: Precision) -> LineBuffer {
        let begun = BUFFERS_OF_THREAD.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            let mut line = buffers.take();
            line.push_str(buffers.second.text_of(time.seconds()));
            line
        });
        let mut line = begun.unwrap_or_else(|_| {
            let mut line = String::new();
            push_second(&mut line, time.seconds());
            line
        });
        if precision == Precision::Millis {
            let _ = write!(line, ".{:03}", time.subsec_millis());
        }
        LineBuffer(line)
    }

    /// A message as it is.
    pub(crate) fn of_message(message: fmt::Arguments<'_>) -> LineBuffer {
        let taken = BUFFERS_OF_THREAD.try_with(|buffers| buffers.borrow_mut().take());
        let mut text = taken.unwrap_or_default();
        // A `Display` that fails leaves what it wrote.
        let _ = text.write_fmt(message);
        LineBuffer(text)
    }

    /// The whole text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The line without its end.
    pub(crate) fn without_end(&self) -> &str {
        self.0.strip_suffix('\n').unwrap_or(&self.0)
    }

    pub(super) fn text(&mut self) -> &mut String {
        &mut self.0
    }
}

impl Deref for LineBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.0));
    }
}

/// Bytes of any kind, in a buffer of the thread's.
pub(crate) struct ByteBuffer(Vec<u8>);

impl ByteBuffer {
    /// An empty buffer.
    pub(crate) fn take() -> ByteBuffer {
        let taken = BUFFERS_OF_THREAD.try_with(|buffers| buffers.borrow_mut().take());
        ByteBuffer(taken.unwrap_or_default().into_bytes())
    }

    /// Appends a message. A `Display` that returns an error leaves what it wrote: to `io::Write` that would be a
    /// reason to panic.
    pub(crate) fn push_message(&mut self, message: fmt::Arguments<'_>) {
        struct Text<'a>(&'a mut Vec<u8>);

        impl fmt::Write for Text<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }

        let _ = Text(&mut self.0).write_fmt(message);
    }
}

impl Deref for ByteBuffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for ByteBuffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for ByteBuffer {
    fn drop(&mut self) {
        self.0.clear();
        // Empty, and so UTF-8.
        give_back(String::from_utf8(std::mem::take(&mut self.0)).unwrap_or_default());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_text_of_a_second_is_not_used_for_another() {
        for second in [0, 1, 1, 0, 1_776_436_315] {
            let time = Time::from(UNIX_EPOCH + Duration::from_secs(second));
            let line = LineBuffer::begin(time, Precision::Seconds);
            let text = format!("{}Z", line.without_end());
            assert_eq!(SystemTime::from(time), humantime::parse_rfc3339(&text).unwrap());
        }
    }

    #[test]
    fn a_time_that_cannot_be_written_is_the_nearest_that_can() {
        let text = |number| {
            let mut text = String::new();
            push_second(&mut text, number);
            text
        };
        assert_eq!(text(-1), "1970-01-01T00:00:00");
        assert_eq!(text(i64::MAX), "9999-12-31T23:59:59");
    }

    #[test]
    fn a_buffer_in_use_is_nobody_elses() {
        let mut first = ByteBuffer::take();
        first.extend_from_slice(b"first");
        let mut second = ByteBuffer::take();
        assert_eq!(second.len(), 0);
        second.extend_from_slice(b"second");
        drop(second);
        assert_eq!(**first, b"first"[..]);
        drop(first);
        assert_eq!(ByteBuffer::take().len(), 0);
    }

    #[test]
    fn the_buffer_of_a_long_record_is_kept_and_that_of_a_huge_one_is_freed() {
        for (length, is_kept) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
            let mut buffer = ByteBuffer::take();
            buffer.reserve_exact(length);
            drop(buffer);
            assert_eq!(ByteBuffer::take().capacity() >= length, is_kept, "{length}");
        }
    }

    #[test]
    fn a_thread_keeps_a_few_buffers() {
        let many: Vec<ByteBuffer> = (0..10).map(|_| ByteBuffer::take()).collect();
        drop(many);
        assert_eq!(BUFFERS_OF_THREAD.with_borrow(|buffers| buffers.spare.len()), 4);
    }
}
