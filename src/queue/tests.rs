//! The queue on logs without a disk, which hang, fail and panic when they are told to.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::sync::atomic::AtomicU64;
use std::sync::{mpsc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::*;
use crate::config::{WhenDurable, WhenFull};
use crate::error::Operation;
use crate::file::{Batch, BatchOutcome, Gap};
use crate::locks::LockExt as _;

/// Longer than anything here takes, where nothing hangs.
const NOT_HUNG: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(super) struct Disk {
    /// The records, and the gaps as `<records>`.
    lines: Vec<String>,
    lost: u64,
    /// How many batches may be appended; none: any number.
    allowed: Option<usize>,
    /// How many batches have begun.
    begun: usize,
    /// Records with this text fail.
    pub(super) bad: Option<&'static str>,
    pub(super) rotation_fails: bool,
    pub(super) panics: bool,
    /// Called inside a batch, as a panic hook is that logs.
    calls: Option<Box<dyn FnOnce() + Send>>,
}

/// A log without a file.
pub(super) struct FakeLog {
    slot: AtomicU64,
    disk: Mutex<Disk>,
    changed: Condvar,
}

impl FakeLog {
    pub(super) fn new() -> Arc<FakeLog> {
        Arc::new(FakeLog {
            slot: AtomicU64::new(0),
            disk: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Disk)) {
        change(&mut self.disk.lock_any());
        self.changed.notify_all();
    }

    /// Every batch hangs until `thaw`.
    fn hang(&self) {
        self.set(|disk| disk.allowed = Some(0));
    }

    fn thaw(&self) {
        self.set(|disk| disk.allowed = None);
    }

    /// Waits until the disk is so.
    fn wait_until(&self, is_so: impl Fn(&Disk) -> bool) {
        let disk = self.disk.lock_any();
        let waited = self.changed.wait_timeout_while(disk, NOT_HUNG, |disk| !is_so(disk));
        assert!(!waited.unwrap().1.timed_out(), "it hangs");
    }

    fn wait_until_hung(&self) {
        self.wait_until(|disk| disk.begun > 0);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.disk.lock_any().lines.clone()
    }

    pub(super) fn lost(&self) -> u64 {
        self.disk.lock_any().lost
    }
}

pub(super) fn failure() -> Error {
    Error::io(Operation::Write, std::path::Path::new("x"), std::io::ErrorKind::StorageFull.into())
}

impl QueuedLog for FakeLog {
    fn queue_slot(&self) -> &AtomicU64 {
        &self.slot
    }

    fn append_batch(&self, batch: &Batch) -> BatchOutcome {
        let mut disk = self.disk.lock_any();
        disk.begun += 1;
        self.changed.notify_all();
        if let Some(call) = disk.calls.take() {
            drop(disk);
            call();
            disk = self.disk.lock_any();
        }
        while disk.allowed == Some(0) {
            disk = self.changed.wait(disk).unwrap();
        }
        disk.allowed = disk.allowed.map(|batches| batches - 1);
        assert!(!disk.panics, "as if by a mistake of ours");
        let mut outcome = BatchOutcome::default();
        for record in 0..batch.len() {
            let text = String::from_utf8_lossy(batch.record(record)).trim_end().to_owned();
            if disk.bad == Some(&text) {
                outcome.failed.push((record, failure()));
                disk.lost += 1;
            } else {
                disk.lines.push(text);
            }
        }
        if disk.rotation_fails {
            let err = std::io::ErrorKind::PermissionDenied.into();
            let err = Error::io(Operation::Rotate, std::path::Path::new("x"), err);
            outcome.rotation_error = Some(err);
        }
        self.changed.notify_all();
        outcome
    }

    fn record_loss(&self, records: u64, _: &Error, _: Time) {
        self.set(|disk| disk.lost += records);
    }

    fn count_dropped(&self) {
        self.set(|disk| disk.lost += 1);
    }

    fn adopt_gap(&self, gap: Gap) {
        self.set(|disk| disk.lines.push(format!("<{}>", gap.records)));
    }
}

fn settings(limit: u64) -> QueueSettings {
    QueueSettings {
        limit,
        when_full: WhenFull::Block,
        durable: WhenDurable::Wait,
        drain_timeout: NOT_HUNG,
    }
}

fn queue(limit: u64) -> Queue<FakeLog> {
    Queue::start(settings(limit)).unwrap()
}

fn dropping(limit: u64) -> Queue<FakeLog> {
    Queue::start(QueueSettings { when_full: WhenFull::Drop, ..settings(limit) }).unwrap()
}

impl Queue<FakeLog> {
    fn log(&self, log: &Arc<FakeLog>, text: &str) -> Result<(), Error> {
        self.enqueue(log, format!("{text}\n").as_bytes(), Time::now(), false)
    }

    fn log_durably(&self, log: &Arc<FakeLog>, text: &str) -> Result<(), Error> {
        self.enqueue(log, format!("{text}\n").as_bytes(), Time::now(), true)
    }

    /// Waits until so many calls wait for room, and so many for records to be written.
    fn wait_for_waiters(&self, room: usize, flushing: usize) {
        let waiters = || {
            let inbox = self.shared.lock();
            (inbox.room_waiters, inbox.slots.iter().map(|slot| slot.awaited).sum())
        };
        while waiters() != (room, flushing) {
            thread::yield_now();
        }
    }
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn each_threads_order_is_kept_and_nothing_is_lost_where_the_queue_is_full() {
    const RECORDS: usize = 5000;
    for limit in [1, 100, 8 << 20] {
        let queue = queue(limit);
        let logs = [FakeLog::new(), FakeLog::new()];
        thread::scope(|threads| {
            for thread in 0..3 {
                let (queue, logs) = (&queue, &logs);
                threads.spawn(move || {
                    for n in 0..RECORDS {
                        queue.log(&logs[n % 2], &format!("{thread} {n}")).unwrap();
                    }
                });
            }
        });
        queue.flush().unwrap();
        for (half, log) in logs.iter().enumerate() {
            for thread in 0..3 {
                let lines = log.lines();
                let theirs = lines.iter().filter_map(|line| {
                    let (from, number) = line.split_once(' ').unwrap();
                    (from == thread.to_string()).then(|| number.parse::<usize>().unwrap())
                });
                assert!(theirs.eq((half..RECORDS).step_by(2)));
            }
        }
    }
}

/// As a share that hangs for minutes: eight of them at once.
#[test]
fn logs_that_hang_hold_up_no_other_log() {
    for hanging in [1, writers::MOST_STALLED] {
        let queue = queue(8 << 20);
        let bad: Vec<_> = (0..hanging).map(|_| FakeLog::new()).collect();
        let good = [FakeLog::new(), FakeLog::new()];
        for log in &bad {
            log.hang();
            (0..2).for_each(|n| queue.log(log, &n.to_string()).unwrap());
        }
        for n in 0..10 {
            good.iter().for_each(|log| queue.log(log, &n.to_string()).unwrap());
        }
        queue.log_durably(&good[0], "10").unwrap();
        assert_eq!(good[0].lines(), numbered(0..11));
        good[1].wait_until(|disk| disk.lines.len() == 10);
        bad.iter().for_each(|log| log.wait_until_hung());
        for log in &bad {
            assert!(log.lines().is_empty());
            (2..5).for_each(|n| queue.log(log, &n.to_string()).unwrap());
        }
        bad.iter().for_each(|log| log.thaw());
        queue.flush().unwrap();
        bad.iter().for_each(|log| assert_eq!(log.lines(), numbered(0..5)));
        // Two threads are enough again.
        while queue.shared.lock().writers.alive() > 2 {
            thread::yield_now();
        }
        // All of them can hang a second time.
        for log in &bad {
            log.hang();
            log.set(|disk| disk.begun = 0);
            queue.log(log, "5").unwrap();
        }
        bad.iter().for_each(|log| log.wait_until_hung());
        queue.log_durably(&good[0], "11").unwrap();
        bad.iter().for_each(|log| log.thaw());
    }
}

#[test]
fn a_log_that_hangs_fills_its_half_and_then_waits_alone() {
    let queue = queue(1000);
    let (bad, good) = ([FakeLog::new(), FakeLog::new()], FakeLog::new());
    for log in &bad {
        log.hang();
        // Of 500 bytes the last that is accepted begins below the half.
        (0..5).for_each(|n| queue.log(log, &format!("{n:099}")).unwrap());
        log.wait_until_hung();
        // Another log is ready, so that this one is seen to hang.
        queue.log_durably(&good, "meanwhile").unwrap();
    }
    thread::scope(|threads| {
        for log in &bad {
            threads.spawn(|| queue.log(log, &format!("{:099}", 5)).unwrap());
        }
        queue.wait_for_waiters(2, 0);
        // Many times the limit.
        (0..100).for_each(|n| queue.log(&good, &format!("{n:099}")).unwrap());
        queue.log_durably(&good, "last").unwrap();
        queue.wait_for_waiters(2, 0);
        bad.iter().for_each(|log| log.thaw());
    });
    queue.flush().unwrap();
    for log in &bad {
        assert_eq!(log.lines(), (0..6).map(|n| format!("{n:099}")).collect::<Vec<_>>());
    }
    assert_eq!(good.lines().len(), 103);
}

#[test]
fn a_record_above_the_limit_that_hangs_leaves_room_for_others() {
    let queue = queue(1000);
    let (bad, good) = (FakeLog::new(), FakeLog::new());
    bad.hang();
    queue.log(&bad, &"x".repeat(2000)).unwrap();
    queue.log(&good, "1").unwrap();
    queue.log_durably(&good, "2").unwrap();
    assert_eq!(good.lines(), ["1", "2"]);
    bad.thaw();
    queue.flush().unwrap();
    assert_eq!(bad.lines().len(), 1);
}

#[test]
fn what_a_full_queue_drops_is_counted_and_reported_where_it_is_missing() {
    let queue = dropping(1000);
    let log = FakeLog::new();
    log.hang();
    queue.log(&log, "first").unwrap();
    log.wait_until_hung();
    let record = "x".repeat(98);
    // 494 bytes are left, and a record may begin in the last of them.
    (0..8).for_each(|_| queue.log(&log, &record).unwrap());
    assert_eq!(log.lost(), 3);
    // The first is written, and there is room for one more behind the gap; then the next gap.
    log.set(|disk| disk.allowed = Some(1));
    log.wait_until(|disk| disk.begun == 2);
    queue.log(&log, "after").unwrap();
    (0..2).for_each(|_| queue.log(&log, &record).unwrap());
    log.thaw();
    queue.flush().unwrap();
    let mut expected = vec!["first".to_owned()];
    expected.extend(vec![record; 5]);
    expected.extend(["<3>", "after", "<2>"].map(str::to_owned));
    assert_eq!((log.lines(), log.lost()), (expected, 5));
    assert_eq!(queue.shared.lock().slots.in_use(), 0);
}

#[test]
fn written_records_leave_their_whole_room_to_others() {
    let queue = dropping(100);
    let log = FakeLog::new();
    // Many times the memory that the queue may hold beside the text.
    for n in 0..2000 {
        queue.log(&log, &n.to_string()).unwrap();
        queue.log(&log, "second of a batch").unwrap();
        queue.flush().unwrap();
    }
    assert_eq!((log.lines().len(), log.lost()), (4000, 0));
}

#[test]
fn a_record_that_its_call_waits_for_is_not_dropped() {
    let queue = dropping(1);
    let log = FakeLog::new();
    for n in 0..50 {
        queue.log(&log, "maybe").unwrap();
        queue.log_durably(&log, &n.to_string()).unwrap();
    }
    let durable = log.lines().into_iter().filter(|line| line.parse::<usize>().is_ok());
    assert!(durable.eq(numbered(0..50)));
}

#[test]
fn each_waiting_call_gets_its_own_records_result() {
    let queue = queue(8 << 20);
    let log = FakeLog::new();
    log.set(|disk| {
        disk.allowed = Some(0);
        disk.bad = Some("bad");
    });
    thread::scope(|threads| {
        let calls = ["good", "bad", "good", "bad", "fine"];
        let (queue, log) = (&queue, &log);
        let call = |text| threads.spawn(move || (text, queue.log_durably(log, text)));
        let calls = calls.map(call);
        while queue.shared.lock().unwritten_records() < 5 {
            thread::yield_now();
        }
        log.thaw();
        for call in calls {
            let (text, result) = call.join().unwrap();
            assert_eq!(result.is_err_and(|err| err.is_write()), text == "bad");
        }
    });
    // They were told: nothing is left for the next call.
    queue.log(&log, "next").unwrap();
}

#[test]
fn a_failure_is_returned_by_the_next_call_of_that_log_once() {
    let queue = queue(8 << 20);
    let (log, other) = (FakeLog::new(), FakeLog::new());
    log.set(|disk| disk.bad = Some("bad"));
    (0..3).for_each(|_| queue.log(&log, "bad").unwrap());
    queue.flush().unwrap();
    queue.log(&other, "fine").unwrap();
    let err = queue.log(&log, "written").unwrap_err();
    assert!(err.is_earlier_record() && err.to_string().starts_with("3 records"), "{err}");
    queue.log(&log, "written").unwrap();

    // One that waits returns its own failure, and leaves that of the others to the next.
    queue.log(&log, "bad").unwrap();
    queue.flush().unwrap();
    assert!(queue.log_durably(&log, "bad").unwrap_err().is_write());
    assert!(queue.log_durably(&log, "written").unwrap_err().is_earlier_record());
    queue.log_durably(&log, "written").unwrap();

    // A rotation that failed lost nothing, and a loss is told rather than it.
    log.set(|disk| disk.rotation_fails = true);
    queue.log(&log, "written").unwrap();
    queue.flush().unwrap();
    assert!(queue.log(&log, "bad").unwrap_err().is_rotation());
    queue.flush().unwrap();
    log.set(|disk| disk.rotation_fails = false);
    assert!(queue.log(&log, "written").unwrap_err().is_earlier_record());
    queue.log(&log, "written").unwrap();
    queue.flush().unwrap();
    assert_eq!(log.lines(), vec!["written"; 7]);
    assert_eq!(queue.shared.lock().slots.in_use(), 0);
}

#[test]
fn a_record_that_was_lost_after_a_rotation_failed_is_what_the_next_call_returns() {
    let queue = queue(8 << 20);
    let log = FakeLog::new();
    log.set(|disk| (disk.bad, disk.rotation_fails) = (Some("bad"), true));
    log.hang();
    queue.log(&log, "written").unwrap();
    log.wait_until_hung();
    queue.log(&log, "bad").unwrap();
    log.thaw();
    queue.flush().unwrap();
    let err = queue.log(&log, "next").unwrap_err();
    assert!(err.is_earlier_record() && err.to_string().ends_with(&failure().to_string()), "{err}");
}

#[test]
fn a_flush_waits_for_what_was_enqueued_before_it() {
    let queue = queue(8 << 20);
    let (log, other) = (FakeLog::new(), FakeLog::new());
    log.hang();
    queue.log(&log, "before").unwrap();
    log.wait_until_hung();
    assert!(!queue.flush_timeout(Duration::ZERO));
    queue.log(&other, "other").unwrap();
    assert!(!queue.flush_timeout(Duration::from_millis(1)));
    thread::scope(|threads| {
        let flush = threads.spawn(|| queue.flush());
        queue.wait_for_waiters(0, 1);
        queue.log(&log, "after").unwrap();
        // The batch that was under way, and no other.
        log.set(|disk| disk.allowed = Some(1));
        flush.join().unwrap().unwrap();
        assert_eq!(log.lines(), ["before"]);
        assert_eq!(other.lines(), ["other"]);
        log.thaw();
    });
    assert!(queue.flush_timeout(NOT_HUNG));
    assert_eq!(log.lines(), ["before", "after"]);
}

#[test]
fn a_close_is_bounded_and_tells_what_is_not_written_which_is_written_later() {
    let (log, other) = (FakeLog::new(), FakeLog::new());
    let mut closed = queue(8 << 20);
    let shared = Arc::clone(&closed.shared);
    log.hang();
    (0..3).for_each(|n| closed.log(&log, &n.to_string()).unwrap());
    log.wait_until_hung();
    closed.log(&other, "0").unwrap();
    let unwritten = loop {
        let unwritten = closed.close(Duration::ZERO);
        if unwritten.len() == 1 {
            break unwritten;
        }
        // The other log is taken over.
        thread::yield_now();
    };
    assert!(Arc::ptr_eq(&unwritten[0].log, &log));
    assert_eq!(unwritten[0].records, 3);
    drop(closed);
    log.thaw();
    log.wait_until(|disk| disk.lines.len() == 3);
    while !shared.lock().writers.are_gone() {
        thread::yield_now();
    }

    let mut closed = queue(8 << 20);
    (0..3).for_each(|n| closed.log(&other, &n.to_string()).unwrap());
    assert!(closed.close(NOT_HUNG).is_empty());
    assert_eq!(other.lines().len(), 4);
    assert!(closed.shared.lock().writers.are_gone());
    assert!(closed.log(&other, "late").unwrap_err().is_queue());
}

/// Nobody waits for a thread that is gone, and the other logs go on.
#[test]
fn a_log_that_panics_is_an_error_to_those_who_wait_for_it_and_no_hang() {
    let queue = queue(8 << 20);
    let (log, other) = (FakeLog::new(), FakeLog::new());
    log.set(|disk| disk.panics = true);
    assert!(queue.log_durably(&log, "lost").unwrap_err().is_queue());
    queue.log(&log, "lost").unwrap();
    queue.flush().unwrap();
    queue.log_durably(&other, "written").unwrap();
    log.set(|disk| disk.panics = false);
    assert!(queue.log_durably(&log, "written").unwrap_err().is_earlier_record());
    assert_eq!((log.lines(), log.lost()), (vec!["written".to_owned()], 2));
}

/// As in a panic hook that logs, with a full queue, too.
#[test]
fn a_writer_that_logs_does_not_wait_for_itself() {
    let queue = Arc::new(queue(8));
    let (log, other) = (FakeLog::new(), FakeLog::new());
    let (tell, told) = mpsc::channel();
    let (theirs, target) = (Arc::clone(&queue), Arc::clone(&other));
    log.set(|disk| {
        disk.calls = Some(Box::new(move || {
            tell.send(theirs.log(&target, "fits")).unwrap();
            tell.send(theirs.log(&target, "full")).unwrap();
            tell.send(theirs.log_durably(&target, "durable")).unwrap();
            tell.send(theirs.flush()).unwrap();
        }));
    });
    queue.log(&log, "1").unwrap();
    let next = || told.recv_timeout(NOT_HUNG).unwrap();
    assert!(next().is_ok());
    (0..3).for_each(|_| assert!(next().unwrap_err().is_queue()));
    queue.flush().unwrap();
    assert_eq!((other.lines(), other.lost()), (vec!["fits".to_owned()], 2));
}

#[test]
fn slots_and_memory_are_those_of_the_logs_that_are_owed_something() {
    let queue = queue(8 << 20);
    let log = FakeLog::new();
    // One after the other, as runs are.
    for _ in 0..100 {
        let run = FakeLog::new();
        queue.log_durably(&run, "record").unwrap();
        queue.flush().unwrap();
        while Arc::strong_count(&run) > 1 {
            thread::yield_now();
        }
    }
    assert_eq!(queue.shared.lock().slots.len(), 1);
    // Many at once.
    log.hang();
    queue.log(&log, "record").unwrap();
    let many: Vec<_> = (0..1000).map(|_| FakeLog::new()).collect();
    many.iter().for_each(|log| log.hang());
    many.iter().for_each(|log| queue.log(log, "record").unwrap());
    assert_eq!(queue.shared.lock().slots.in_use(), 1001);
    log.thaw();
    many.iter().for_each(|log| log.thaw());
    queue.flush().unwrap();
    drop(many);
    // Half of those that are not needed go each time that none is in use, also while a call waits.
    for _ in 0..10 {
        queue.log(&log, "record").unwrap();
        queue.flush().unwrap();
    }
    assert!(queue.shared.lock().slots.len() <= 128);
    // A long record's memory goes with it.
    let long = "x".repeat(64 << 20);
    queue.log(&log, &long).unwrap();
    queue.flush().unwrap();
    let kept: usize =
        queue.shared.lock().slots.iter().map(|slot| slot.pending.batch.capacity()).sum();
    assert!(kept <= 8 << 20, "{kept} bytes");
}
