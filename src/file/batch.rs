//! [`Batch`]: many records for one [`LogFile`], and how they are appended with few writes.
//!
//! The invariant: every record of a batch is counted once, as written where it is whole in the file and as lost where
//! it is not, and nothing is appended to a record that is torn. What is to be durable is known to be on disk, or is in
//! [`BatchOutcome::failed`].

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::open::{OpenFile, Wrote};
use super::rotation::FileFor;
use super::{LogFile, PathCheck};
use crate::clock::Time;
use crate::error::Error;

/// Records in order, each with its line end, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    records: Vec<Record>,
    has_durable: bool,
}

#[derive(Debug)]
struct Record {
    /// Where it ends in the batch's bytes.
    end: usize,
    time: Time,
    durable: bool,
}

/// What became of a batch: what is not listed is in the file, and on disk where it is durable.
#[derive(Debug, Default)]
pub(crate) struct BatchOutcome {
    /// The records that are not, by their places in the batch, and why. A place is listed once.
    pub(crate) failed: Vec<(usize, Error)>,
    /// Why a file could not be rotated: the records are in the file that is over its limit.
    pub(crate) rotation_error: Option<Error>,
}

impl Batch {
    /// Adds a record, which ends with `\n`.
    pub(crate) fn push(&mut self, record: &[u8], time: Time, durable: bool) {
        self.bytes.extend_from_slice(record);
        self.records.push(Record { end: self.bytes.len(), time, durable });
        self.has_durable |= durable;
    }

    /// Empties the batch. It keeps at most this many bytes of its memory: a quarter of them for what is known of each
    /// record, since records have some 100 bytes.
    pub(crate) fn clear(&mut self, kept_bytes: usize) {
        let beside_text = kept_bytes / 4;
        self.bytes.clear();
        self.bytes.shrink_to(kept_bytes - beside_text);
        self.records.clear();
        self.records.shrink_to(beside_text / size_of::<Record>());
        self.has_durable = false;
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many bytes of memory it holds for records.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.records.capacity() * size_of::<Record>()
    }

    /// How many bytes all records have together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn start_of(&self, record: usize) -> usize {
        record.checked_sub(1).map_or(0, |before| self.records[before].end)
    }

    /// The place behind the records from `first` on that have no more than this many bytes together.
    pub(super) fn fitting(&self, first: usize, bytes: u64) -> usize {
        let most = (self.start_of(first) as u64).saturating_add(bytes);
        first + self.records[first..].partition_point(|record| record.end as u64 <= most)
    }

    pub(crate) fn record(&self, record: usize) -> &[u8] {
        &self.bytes[self.start_of(record)..self.records[record].end]
    }

    pub(super) fn time(&self, record: usize) -> Time {
        self.records[record].time
    }
}

/// Durable records of a batch that are in one file, and not synced yet.
struct AwaitingSync {
    open: Arc<OpenFile>,
    records: Vec<usize>,
}

/// A batch on its way.
struct Append<'a> {
    log: &'a LogFile,
    batch: &'a Batch,
    outcome: BatchOutcome,
    /// At most one file: where the next record goes into another, this one is synced first.
    awaiting_sync: Option<AwaitingSync>,
}

impl LogFile {
    /// Appends the records, as many in one write as the file takes, and syncs every file that took a
    /// durable one.
    pub(crate) fn append_batch(&self, batch: &Batch) -> BatchOutcome {
        let outcome = BatchOutcome::default();
        let mut append = Append { log: self, batch, outcome, awaiting_sync: None };
        let mut next = 0;
        while next < batch.len() {
            next = append.append_run(next);
        }
        append.sync();
        append.outcome
    }
}

impl Append<'_> {
    /// Appends the records from `first` on that go into one file. The place of the next.
    fn append_run(&mut self, first: usize) -> usize {
        let (log, batch) = (self.log, self.batch);
        let check = if batch.has_durable { PathCheck::Now } else { PathCheck::IfDue };
        let (record, time) = (batch.record(first), batch.time(first));
        log.last_used.store(time.nanos(), Ordering::Relaxed);
        let open = match log.file_for(record, time, check) {
            Ok(FileFor { open, rotation_error }) => {
                self.rotation_failed(rotation_error);
                open
            }
            Err(err) => {
                (first..batch.len()).for_each(|record| self.lose(record, &err));
                return batch.len();
            }
        };
        let mut end = open.run_end(batch, first);
        let failed_before = self.outcome.failed.len();
        let mut next = first;
        while next < end {
            next = match log.needs_repair(&open) {
                true => self.append_single(&open, next),
                false => self.append_in_one_write(&open, next..end),
            };
            if !log.uses(&open) {
                // The next record opens the path again.
                end = next;
            }
        }
        let failed = self.outcome.failed[failed_before..].iter().map(|(record, _)| *record);
        let failed: Vec<usize> = failed.collect();
        let written = (first..end).filter(|record| failed.binary_search(record).is_err());
        log.counters.written.add((end - first - failed.len()) as u64);
        written.for_each(|record| self.record_written(&open, record));
        open.record_written(batch.time(end - 1));
        end
    }

    /// Appends one record. The place of the next.
    fn append_single(&mut self, open: &Arc<OpenFile>, record: usize) -> usize {
        let result = self.log.write(open, self.batch.record(record), self.batch.time(record));
        if let Err(err) = result {
            self.lose(record, &err);
        }
        record + 1
    }

    /// Appends several in one write. The first that did not fit is tried once more, by itself. The place
    /// of the next.
    fn append_in_one_write(&mut self, open: &Arc<OpenFile>, records: Range<usize>) -> usize {
        let (log, batch) = (self.log, self.batch);
        let (start, all) = (batch.start_of(records.start), batch.start_of(records.end));
        let end = match open.write_batch(&batch.bytes[start..all], records.len()) {
            None => return self.append_single(open, records.start),
            Some(Ok(Wrote::Whole)) => return records.end,
            Some(Ok(Wrote::Part(written))) => start + written,
            Some(Err(err)) => {
                let err = log.write_failed(open, err);
                self.lose(records.start, &err);
                return records.start + 1;
            }
        };
        let whole = batch.records[records.clone()].partition_point(|record| record.end <= end);
        let torn = records.start + whole;
        log.terminate_fragment(open, &batch.bytes[batch.start_of(torn)..end]);
        if let Err(err) = log.write_again(open, batch.record(torn), batch.time(torn)) {
            self.lose(torn, &err);
        }
        torn + 1
    }

    /// A record is in a file. Where it is durable, that file is to be synced.
    fn record_written(&mut self, open: &Arc<OpenFile>, record: usize) {
        if !self.batch.records[record].durable {
            return;
        }
        if self.awaiting_sync.as_ref().is_some_and(|other| !Arc::ptr_eq(&other.open, open)) {
            self.sync();
        }
        let new = || AwaitingSync { open: Arc::clone(open), records: Vec::new() };
        self.awaiting_sync.get_or_insert_with(new).records.push(record);
    }

    /// Syncs the file that took durable records. After a failed sync they are written once more, through
    /// a new descriptor, as one record is.
    fn sync(&mut self) {
        let Some(AwaitingSync { open, records }) = self.awaiting_sync.take() else { return };
        match self.log.sync_open(&open) {
            Ok(()) => {}
            Err(err) if err.may_be_synced_elsewhere() => self.sync_elsewhere(&records, &err),
            Err(err) => self.list_unsynced(&records, &err),
        }
    }

    fn sync_elsewhere(&mut self, records: &[usize], first_err: &Error) {
        // Not counted again: they are the same records.
        let mut files: Vec<AwaitingSync> = Vec::new();
        for record in records {
            let (bytes, time) = (self.batch.record(*record), self.batch.time(*record));
            match self.log.append_to_current(bytes, time, PathCheck::Now) {
                Ok(FileFor { open, .. }) => match files.last_mut() {
                    Some(file) if Arc::ptr_eq(&file.open, &open) => file.records.push(*record),
                    _ => files.push(AwaitingSync { open, records: vec![*record] }),
                },
                Err(_) => self.list_unsynced(&[*record], first_err),
            }
        }
        for AwaitingSync { open, records } in files {
            if let Err(err) = self.log.sync_open(&open) {
                self.list_unsynced(&records, &err);
            }
        }
    }

    /// Counts and lists a record that is not whole in a file.
    fn lose(&mut self, record: usize, err: &Error) {
        self.log.record_loss(1, err, self.batch.time(record));
        self.outcome.failed.push((record, err.clone()));
    }

    /// Lists records that are in a file, and not known to be on disk.
    fn list_unsynced(&mut self, records: &[usize], err: &Error) {
        self.outcome.failed.extend(records.iter().map(|record| (*record, err.clone())));
    }

    fn rotation_failed(&mut self, result: Result<(), Error>) {
        if let Err(err) = result {
            self.outcome.rotation_error.get_or_insert(err);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use super::super::{open_files, Access, RootDir};
    use super::*;

    fn log(root: &Path) -> Arc<LogFile> {
        let access =
            Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: None };
        let root = Arc::new(RootDir::new(root.to_owned(), access));
        LogFile::new(&root, Path::new("w.log"), " [WARN ] ", &open_files(Some(4)))
    }

    fn batch(records: &[&str]) -> Batch {
        let mut batch = Batch::default();
        records.iter().for_each(|record| batch.push(record.as_bytes(), Time::now(), false));
        batch
    }

    /// A process that was killed inside a large write leaves a fragment at any moment.
    #[test]
    fn a_fragment_that_another_process_left_is_ended_before_a_batch() {
        let root = tempfile::tempdir().unwrap();
        let (log, path) = (log(root.path()), root.path().join("w.log"));
        assert!(log.append_batch(&batch(&["a\n", "b\n"])).failed.is_empty());
        let mut other = fs::OpenOptions::new().append(true).open(&path).unwrap();
        other.write_all(b"torn").unwrap();
        assert!(log.append_batch(&batch(&["c\n", "d\n"])).failed.is_empty());
        assert!(log.append_batch(&batch(&["e\n", "f\n"])).failed.is_empty());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\ntorn\nc\nd\ne\nf\n");
        assert_eq!(log.counters.written.get(), 6);
    }

    /// A descriptor that cannot be written to, as that of a share that was gone: the path leads to a good file.
    #[test]
    #[cfg_attr(windows, ignore = "such a write is denied there, and the descriptor is kept")]
    fn a_batch_leaves_a_descriptor_that_is_of_no_more_use() {
        use crate::file::root::Opened;

        let root = tempfile::tempdir().unwrap();
        let (log, path) = (log(root.path()), root.path().join("w.log"));
        fs::write(&path, "a\n").unwrap();
        let file = fs::File::open(&path).unwrap();
        let permit = log.open_files.register(std::sync::Weak::<LogFile>::new());
        let opened = Opened { file, created: false, readable: true };
        let open = OpenFile::new(opened, permit, Time::now(), None).unwrap();
        log.open.store(Some(Arc::new(open)));
        let outcome = log.append_batch(&batch(&["b\n", "c\n", "d\n"]));
        let places: Vec<usize> = outcome.failed.iter().map(|(record, _)| *record).collect();
        assert_eq!(places, [0]);
        assert_eq!((log.counters.written.get(), log.counters.reopened.get()), (2, 1));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("a\n") && text.ends_with(".\nc\nd\n"), "{text}");
    }

    #[test]
    fn a_run_takes_every_record_that_fits_whole() {
        let batch = batch(&["a\n", "bb\n", "c\n"]);
        for (first, bytes, end) in
            [(0, 1, 0), (0, 2, 1), (0, 4, 1), (0, 5, 2), (0, u64::MAX, 3), (1, 5, 3), (2, 1, 2)]
        {
            assert_eq!(batch.fitting(first, bytes), end, "{bytes} bytes from {first} on");
        }
    }

    #[test]
    fn an_emptied_batch_keeps_no_more_memory_than_it_may() {
        for record in ["\n", &"x".repeat(10_000)] {
            let mut batch = batch(&[record; 1000]);
            let before = batch.capacity();
            batch.clear(usize::MAX);
            assert_eq!((batch.capacity(), batch.len(), batch.bytes()), (before, 0, 0));
            batch.clear(4096);
            assert!((1000..=4096).contains(&batch.capacity()), "{}", batch.capacity());
            batch.clear(0);
            assert_eq!(batch.capacity(), 0);
        }
    }

    #[test]
    fn a_batch_whose_file_cannot_be_opened_is_lost_and_counted_once() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("w.log")).unwrap();
        let log = log(root.path());
        let outcome = log.append_batch(&batch(&["a\n", "b\n"]));
        let places: Vec<usize> = outcome.failed.iter().map(|(record, _)| *record).collect();
        assert_eq!(places, [0, 1]);
        assert_eq!((log.counters.written.get(), log.counters.lost.get()), (0, 2));
        fs::remove_dir(root.path().join("w.log")).unwrap();
        assert!(log.append_batch(&batch(&["c\n"])).failed.is_empty());
        let text = fs::read_to_string(root.path().join("w.log")).unwrap();
        assert!(text.contains("2 records are missing here since "), "{text}");
        assert!(text.ends_with(".\nc\n"), "{text}");
    }
}
