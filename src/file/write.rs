//! How a record gets into an open file whole: one write, and what stands before it and after it where
//! an earlier one did not.
//!
//! Imports `error`. The invariant: nothing is appended to a fragment but a line end, and what is missing
//! is said in the write that comes next.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::PoisonError;

use super::open::{OpenFile, Wrote};
use super::{LogFile, SayGap};
use crate::error::{Doing, Error, Kind};

impl LogFile {
    /// One write, and after a short one a second of the whole record, on a line of its own: either
    /// it fits by now, or the OS says why it does not.
    #[inline(always)]
    pub(super) fn write(
        &self,
        open: &OpenFile,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> Result<(), Error> {
        match self.write_once(open, record, say_gap) {
            Ok(Wrote::Whole) => Ok(()),
            first => self.write_second(open, record, say_gap, first),
        }
    }

    #[cold]
    fn write_second(
        &self,
        open: &OpenFile,
        record: &[u8],
        say_gap: SayGap<'_>,
        first: io::Result<Wrote>,
    ) -> Result<(), Error> {
        match first {
            Ok(_) => {
                self.tally.write_failures.add(1);
                self.write_last(open, record, say_gap)
            }
            Err(err) => Err(self.failed(err)),
        }
        .inspect_err(|_| {
            // The reason may be another's fragment's too.
            open.end_unsure.store(true, Ordering::Release);
        })
    }

    /// The same for a record of which a first write left a part.
    pub(super) fn write_again(
        &self,
        open: &OpenFile,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> Result<(), Error> {
        self.write_last(open, record, say_gap).inspect_err(|_| {
            open.end_unsure.store(true, Ordering::Release);
        })
    }

    /// The second write of a record.
    fn write_last(&self, open: &OpenFile, record: &[u8], say_gap: SayGap<'_>) -> Result<(), Error> {
        let Wrote::Part(written) =
            self.write_once(open, record, say_gap).map_err(|err| self.failed(err))?
        else {
            return Ok(());
        };
        Err(Error::from(Kind::Short {
            path: self.path.to_path_buf(),
            written,
            length: record.len(),
        }))
    }

    pub(super) fn failed(&self, err: io::Error) -> Error {
        self.tally.write_failures.add(1);
        Error::io(Doing::Write, &self.path, err)
    }

    #[inline(always)]
    fn write_once(&self, open: &OpenFile, record: &[u8], say_gap: SayGap<'_>) -> io::Result<Wrote> {
        if open.end_unsure.load(Ordering::Acquire) || self.gaps.due() {
            return self.write_after_trouble(open, record, say_gap);
        }
        let wrote = open.write(record)?;
        if let Wrote::Part(written) = wrote {
            self.seal(open, &record[..written]);
        }
        Ok(wrote)
    }

    /// Writes what must stand before the record, and the record, in one write: a line end where the
    /// file ends in a fragment, and the line that says what is missing.
    #[cold]
    fn write_after_trouble(
        &self,
        open: &OpenFile,
        record: &[u8],
        say_gap: SayGap<'_>,
    ) -> io::Result<Wrote> {
        let _mending = open.mending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        if open.end_unsure.load(Ordering::Acquire) && open.is_torn() {
            bytes.push(b'\n');
        }
        self.gaps.take_over(&self.path);
        let gap = self.gaps.take();
        if let Some(gap) = &gap {
            say_gap(gap, &mut bytes);
        }
        let said_at = bytes.len();
        bytes.extend_from_slice(record);

        let wrote = open.write(&bytes);
        let written = match &wrote {
            Ok(Wrote::Whole) => bytes.len(),
            Ok(Wrote::Part(written)) => *written,
            Err(_) => 0,
        };
        if written > 0 {
            open.end_unsure.store(false, Ordering::Release);
        }
        if written < said_at {
            gap.into_iter().for_each(|gap| self.gaps.put_back(gap));
        }
        if let Ok(Wrote::Part(written)) = wrote {
            self.seal(open, &bytes[..written]);
        }
        wrote
    }

    #[cold]
    pub(super) fn seal(&self, open: &OpenFile, fragment: &[u8]) {
        if !open.seal(fragment, || self.root.open_to_overwrite(self.relative())) {
            open.end_unsure.store(true, Ordering::Release);
        }
    }
}
