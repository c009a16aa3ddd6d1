//! How a record is written whole to an open file: in one write, with a repair before it if an earlier write left a
//! fragment.
//!
//! The invariants: only a line end is ever appended to a fragment. The next write reports the records that are
//! missing.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::answer::{answer, Answer, Call};
use super::gap::write_gap_line;
use super::open::{OpenFile, Wrote};
use super::{sys, LogFile};
use crate::clock::Time;
use crate::error::{Error, Kind, Operation};
use crate::locks::LockExt as _;

impl LogFile {
    /// Makes one write. If only a part of the record fitted, the whole record is written a second time, on a line of
    /// its own: either it fits now, or the operating system reports the reason.
    #[inline]
    pub(super) fn write(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> Result<(), Error> {
        match self.write_once(open, record, time) {
            Ok(Wrote::Whole) => Ok(()),
            Ok(Wrote::Part(_)) => self.write_again(open, record, time),
            Err(err) => Err(self.write_failed(open, err)),
        }
    }

    /// Counts the first write of a record, which left a part of it, as failed, and makes the second.
    #[cold]
    pub(super) fn write_again(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> Result<(), Error> {
        self.counters.write_failures.add(1);
        match self.write_once(open, record, time) {
            Ok(Wrote::Whole) => Ok(()),
            Ok(Wrote::Part(written)) => {
                open.tail_unverified.store(true, Ordering::Release);
                let (path, length) = (self.path.to_path_buf(), record.len());
                Err(Error::from(Kind::Short { path, written, length }))
            }
            Err(err) => Err(self.write_failed(open, err)),
        }
    }

    /// Counts a failed write. If the descriptor can no longer be used, it is retired, and the next record opens the
    /// path again.
    #[cold]
    pub(super) fn write_failed(&self, open: &Arc<OpenFile>, err: io::Error) -> Error {
        self.counters.write_failures.add(1);
        // The fragment of another process may have caused the failure.
        open.tail_unverified.store(true, Ordering::Release);
        if answer(Call::Write, &err) == Answer::Release && self.retire(open) {
            self.folder_entries.made();
            self.counters.reopened.add(1);
        }
        Error::io(Operation::Write, &self.path, err)
    }

    /// Whether a line end, or the line that reports a gap, must be written before the next record.
    #[inline]
    pub(super) fn needs_repair(&self, open: &OpenFile) -> bool {
        open.tail_unverified.load(Ordering::Acquire) || self.pending_gap.is_some()
    }

    #[inline]
    fn write_once(&self, open: &Arc<OpenFile>, record: &[u8], time: Time) -> io::Result<Wrote> {
        if self.needs_repair(open) {
            return self.write_with_repair(open, record, time);
        }
        let wrote = open.write(record)?;
        if let Wrote::Part(written) = wrote {
            self.terminate_fragment(open, &record[..written]);
        }
        Ok(wrote)
    }

    /// Writes the record, and before it in the same write a line end if the file ends in a fragment, and the line
    /// that reports missing records.
    #[cold]
    fn write_with_repair(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> io::Result<Wrote> {
        let _repairing = open.repairing.lock_any();
        let mut bytes = Vec::new();
        if open.tail_unverified.load(Ordering::Acquire) && open.is_torn() {
            bytes.push(b'\n');
        }
        self.pending_gap.adopt(&self.path);
        let gap = self.pending_gap.take();
        if let Some(gap) = &gap {
            write_gap_line(&mut bytes, &self.gap_head, gap, time);
        }
        let reported_at = bytes.len();
        bytes.extend_from_slice(record);

        let wrote = open.write(&bytes);
        let written = match &wrote {
            Ok(Wrote::Whole) => bytes.len(),
            Ok(Wrote::Part(written)) => *written,
            Err(_) => 0,
        };
        if written > 0 {
            open.tail_unverified.store(false, Ordering::Release);
        }
        if written < reported_at {
            gap.into_iter().for_each(|gap| self.pending_gap.put_back(gap));
        }
        if let Ok(Wrote::Part(written)) = wrote {
            self.terminate_fragment(open, &bytes[..written]);
        }
        wrote
    }

    /// Replaces the last byte of our own fragment by a line end. This needs no space on the disk, and is right
    /// whatever other processes have appended behind the fragment meanwhile. If it is not possible, the next write
    /// checks the end of the file.
    #[cold]
    pub(super) fn terminate_fragment(&self, open: &OpenFile, fragment: &[u8]) {
        let is_terminated = matches!(fragment.last(), None | Some(b'\n'));
        if !is_terminated && self.try_to_terminate(open, fragment).is_none() {
            open.tail_unverified.store(true, Ordering::Release);
        }
    }

    fn try_to_terminate(&self, open: &OpenFile, fragment: &[u8]) -> Option<()> {
        let end = sys::end_of_own_write(open.file().ok()?)?;
        let start = end.checked_sub(fragment.len() as u64)?;
        // `pwrite` on a descriptor with `O_APPEND` appends (pwrite(2), BUGS), so the path is opened without it.
        let file = self.root.open_to_overwrite(self.relative()).ok()?;
        let mut found = vec![0; fragment.len()];
        sys::read_at(&file, &mut found, start).ok()?;
        let is_ours = sys::identity(&file).ok()? == open.identity && found == fragment;
        is_ours.then(|| sys::overwrite(&file, b'\n', end - 1).ok())?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;
    use std::path::PathBuf;

    use super::super::{open_files, Access, PathCheck, RootDir};
    use super::*;

    /// A log with one record, and its file.
    fn begun() -> (tempfile::TempDir, PathBuf, Arc<LogFile>, Arc<OpenFile>) {
        let dir = tempfile::tempdir().unwrap();
        let access =
            Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: None };
        let root = Arc::new(RootDir::new(dir.path().to_owned(), access));
        let log = LogFile::new(&root, "w.log".as_ref(), " [WARN ] ", &open_files(Some(4)));
        log.append(b"1\n", Time::now()).unwrap();
        let open = log.current(Time::now(), PathCheck::IfDue).unwrap();
        let path = dir.path().join("w.log");
        (dir, path, log, open)
    }

    fn is_unverified(open: &OpenFile) -> bool {
        open.tail_unverified.load(Ordering::Acquire)
    }

    #[test]
    #[cfg_attr(windows, ignore = "where an own write ended is not known there")]
    fn a_fragment_gets_its_line_end_in_place_also_behind_it_another_process_has_written() {
        let (_dir, path, log, open) = begun();
        assert!(matches!(open.write(b"torn").unwrap(), Wrote::Whole));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"theirs\n").unwrap();
        log.terminate_fragment(&open, b"torn");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\ntor\ntheirs\n");
        assert!(!is_unverified(&open) && !log.needs_repair(&open));
    }

    #[test]
    fn nothing_is_overwritten_that_is_not_the_own_fragment() {
        // Another file is at the path, of the same text.
        let (_dir, path, log, open) = begun();
        open.write(b"torn").unwrap();
        fs::rename(&path, path.with_extension("old")).unwrap();
        fs::write(&path, "1\ntorn").unwrap();
        log.terminate_fragment(&open, b"torn");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\ntorn");
        assert!(is_unverified(&open));
        // The file holds other text at the place.
        let (_dir, path, log, open) = begun();
        open.write(b"torn").unwrap();
        log.terminate_fragment(&open, b"rent");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\ntorn");
        assert!(is_unverified(&open));
        // Nothing is to be done.
        let (_dir, path, log, open) = begun();
        log.terminate_fragment(&open, b"");
        log.terminate_fragment(&open, b"1\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        assert!(!is_unverified(&open));
    }

    #[test]
    fn a_descriptor_is_let_go_only_if_it_is_of_no_more_use() {
        let (_dir, _path, log, open) = begun();
        let err = log.write_failed(&open, io::ErrorKind::StorageFull.into());
        assert!(err.is_write() && log.uses(&open) && is_unverified(&open));
        assert_eq!((log.counters.write_failures.get(), log.counters.reopened.get()), (1, 0));
    }

    #[test]
    fn the_write_after_a_loss_ends_the_fragment_and_reports_what_is_missing_before_its_record() {
        let (_dir, path, log, open) = begun();
        open.write(b"torn").unwrap();
        open.tail_unverified.store(true, Ordering::Release);
        let full = Error::io(Operation::Write, &path, io::ErrorKind::StorageFull.into());
        log.record_loss(2, &full, Time::now());
        assert!(log.needs_repair(&open));
        (2..4).for_each(|n| log.append(format!("{n}\n").as_bytes(), Time::now()).unwrap());
        assert!(!log.needs_repair(&open));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        assert_eq!([lines[0], lines[1], lines[3], lines[4]], ["1\n", "torn\n", "2\n", "3\n"]);
        assert!(lines[2].contains(" 2 records are missing here since ") && lines.len() == 5);
        assert_eq!((log.counters.written.get(), log.counters.lost.get()), (3, 2));
    }
}
