//! The queue's state step by step and without its threads: which log is written next, who is woken, and what is held.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use super::failed::Failed;
use super::held::Held;
use super::inbox::{Done, Inbox, Wakes};
use super::slots::PendingBatch;
use super::tests::{failure, FakeLog};
use super::writers::{Standby, WriterState, Writers, FIRST_WRITER, MOST_STALLED};
use super::*;

fn push(inbox: &mut Inbox<FakeLog>, log: &Arc<FakeLog>, text: &str) {
    assert!(inbox.push(log, text.as_bytes(), Time::now(), false, None).is_none());
}

fn push_durable(inbox: &mut Inbox<FakeLog>, log: &Arc<FakeLog>) {
    let completion = completion::CompletionWaiter::new().completion();
    assert!(inbox.push(log, b"durable\n", Time::now(), true, Some(completion)).is_none());
}

/// A writer that is inside a log with the records that it took.
struct Inside {
    number: usize,
    at: usize,
    taken: PendingBatch,
}

fn enter(inbox: &mut Inbox<FakeLog>, number: usize) -> (Arc<FakeLog>, Inside) {
    let at = inbox.next_ready().unwrap();
    let mut taken = PendingBatch::default();
    let (log, _) = inbox.take(at, &mut taken).unwrap();
    (log, Inside { number, at, taken })
}

fn leave(inbox: &mut Inbox<FakeLog>, Inside { number, at, taken }: Inside) -> Wakes {
    let (records, held) = (taken.batch.len() as u64, taken.held());
    inbox.finish(number, at, Done { records, held, failed: None })
}

fn logs<const N: usize>() -> [Arc<FakeLog>; N] {
    std::array::from_fn(|_| FakeLog::new())
}

/// Between two logs of one kind, one of the other kind is written.
#[test]
fn the_logs_of_a_round_and_those_that_a_call_waits_for_are_written_in_turn() {
    let mut inbox = Inbox::new(8 << 20);
    let all = logs::<5>();
    let [a, b, durable, also_durable, late] = &all;
    for log in [a, b] {
        push(&mut inbox, log, "1\n");
    }
    assert!(inbox.begin_round());
    push(&mut inbox, late, "1\n");
    for log in [durable, also_durable] {
        push_durable(&mut inbox, log);
        push_durable(&mut inbox, log);
    }
    let mut written = Vec::new();
    while let Some(at) = inbox.next_ready() {
        let mut taken = PendingBatch::default();
        let (log, _) = inbox.take(at, &mut taken).unwrap();
        written.push(all.iter().position(|it| Arc::ptr_eq(it, &log)).unwrap());
        leave(&mut inbox, Inside { number: FIRST_WRITER, at, taken });
    }
    assert_eq!(written, [2, 0, 3, 1]);
    // The one that came later is of the next round.
    assert!(inbox.has_ready() && inbox.begin_round());
    assert!(Arc::ptr_eq(&enter(&mut inbox, FIRST_WRITER).0, late));
    assert!(inbox.next_ready().is_none());
    assert!(!inbox.begin_round());
}

#[test]
fn records_that_come_while_their_log_is_written_are_written_next_and_first_if_a_call_waits() {
    let mut inbox = Inbox::new(8 << 20);
    let [log, durable, other] = logs();
    for log in [&log, &durable, &other] {
        push(&mut inbox, log, "1\n");
    }
    inbox.begin_round();
    let (_, inside) = enter(&mut inbox, FIRST_WRITER);
    let (_, inside_durable) = enter(&mut inbox, FIRST_WRITER);
    push(&mut inbox, &log, "2\n");
    push_durable(&mut inbox, &durable);
    leave(&mut inbox, inside);
    leave(&mut inbox, inside_durable);
    assert!(Arc::ptr_eq(&enter(&mut inbox, FIRST_WRITER).0, &durable));
    assert!(Arc::ptr_eq(&enter(&mut inbox, FIRST_WRITER).0, &other));
    assert!(inbox.next_ready().is_none());
    assert!(inbox.begin_round());
    assert!(Arc::ptr_eq(&enter(&mut inbox, FIRST_WRITER).0, &log));
}

#[test]
fn who_waits_for_a_log_is_woken_by_it_and_by_no_other() {
    let mut inbox = Inbox::new(8 << 20);
    let [log, other] = logs();
    for log in [&log, &other] {
        push(&mut inbox, log, "1\n");
    }
    let mut watermark = inbox.watermark(Some(&*log));
    push(&mut inbox, &log, "later\n");
    let awaited = inbox.first_below(&mut watermark).unwrap();
    let awaited = inbox.await_log(awaited);
    inbox.begin_round();
    let (_, inside) = enter(&mut inbox, FIRST_WRITER);
    let (_, inside_other) = enter(&mut inbox, FIRST_WRITER);
    assert!(!leave(&mut inbox, inside_other).written);
    assert!(inbox.first_below(&mut watermark).is_some());
    assert!(leave(&mut inbox, inside).written);
    assert!(inbox.first_below(&mut watermark).is_none());
    inbox.no_longer_await(awaited);
    push(&mut inbox, &log, "2\n");
    inbox.begin_round();
    let (_, inside) = enter(&mut inbox, FIRST_WRITER);
    assert!(!leave(&mut inbox, inside).written);
    assert!(inbox.first_below(&mut inbox.watermark(None)).is_none());
}

/// The records that wait decide, not the time.
#[test]
fn a_writer_that_lingers_is_woken_once_when_an_eighth_of_the_limit_waits() {
    let mut inbox = Inbox::new(8 * 100);
    let log = FakeLog::new();
    inbox.writers.state = WriterState::Lingering;
    push(&mut inbox, &log, &"x".repeat(99));
    assert!(!inbox.must_hurry() && !inbox.should_wake());
    push(&mut inbox, &log, "x");
    assert!(inbox.must_hurry() && inbox.should_wake());
    assert!(!inbox.should_wake(), "another call has woken it");
}

#[test]
fn a_call_that_waits_lets_no_writer_linger_until_a_round_has_begun() {
    let mut inbox = Inbox::new(8 << 20);
    let log = FakeLog::new();
    inbox.writers.state = WriterState::Lingering;
    push(&mut inbox, &log, "1\n");
    assert!(!inbox.must_hurry() && !inbox.should_wake());
    assert!(inbox.hurry() && !inbox.hurry());
    assert!(inbox.must_hurry());
    inbox.begin_round();
    assert!(!inbox.must_hurry());
    inbox.writers.state = WriterState::Lingering;
    push_durable(&mut inbox, &log);
    push(&mut inbox, &log, "2\n");
    assert!(inbox.must_hurry() && inbox.should_wake());

    let mut inbox = Inbox::<FakeLog>::new(8 << 20);
    inbox.writers.state = WriterState::Parked;
    assert!(!inbox.hurry(), "nothing is ready");
    inbox.begin_round();
    inbox.is_closing = true;
    assert!(inbox.must_hurry());
}

#[test]
fn a_writer_lingers_longer_the_more_logs_it_wrote() {
    let mut inbox = Inbox::new(8 << 20);
    let all = logs::<100>();
    assert_eq!(inbox.linger(), Duration::from_millis(1));
    all.iter().for_each(|log| push(&mut inbox, log, "1\n"));
    inbox.begin_round();
    for _ in &all {
        let (_, inside) = enter(&mut inbox, FIRST_WRITER);
        leave(&mut inbox, inside);
    }
    assert_eq!(inbox.linger(), Duration::from_micros(1100));
    inbox.begin_round();
    assert_eq!(inbox.linger(), Duration::from_millis(1));
}

#[test]
fn the_memory_of_a_log_that_hangs_counts_again_when_it_has_been_left() {
    let mut inbox = Inbox::new(1000);
    let [bad, good] = logs();
    let text = "x".repeat(200);
    (0..2).for_each(|_| push(&mut inbox, &bad, &text));
    inbox.begin_round();
    let (_, inside) = enter(&mut inbox, FIRST_WRITER);
    push(&mut inbox, &good, &text);
    let steps = inbox.writers.steps();
    let number = inbox.relieve_if_late(steps).unwrap();
    assert_eq!(number, FIRST_WRITER + 1);
    assert!(inbox.writers.is_active(number) && !inbox.writers.is_active(FIRST_WRITER));
    // 200 bytes of `good` count, and 400 of `bad` against its own half.
    push(&mut inbox, &bad, &text);
    assert!(!inbox.has_room(&bad) && inbox.has_room(&good));
    (0..2).for_each(|_| push(&mut inbox, &good, &text));
    assert!(!inbox.has_room(&good));
    inbox.begin_round();
    let (_, inside_good) = enter(&mut inbox, number);
    leave(&mut inbox, inside_good);
    assert!(inbox.has_room(&good));
    // What was written of `bad` is gone, and 200 bytes of it count as those of any log.
    leave(&mut inbox, inside);
    assert!(inbox.has_room(&bad) && inbox.has_room(&good));
    let other = FakeLog::new();
    push(&mut inbox, &other, &"x".repeat(799));
    assert!(inbox.has_room(&good));
    push(&mut inbox, &other, "x");
    assert!(!inbox.has_room(&good) && !inbox.has_room(&bad));
}

#[test]
fn a_writer_is_late_only_if_it_took_no_step_and_something_else_is_to_be_done() {
    let late = |room_waiters: usize, is_ready: bool, is_parked: bool, has_stepped: bool| {
        let mut inbox = Inbox::new(8 << 20);
        let [log, other] = logs();
        push(&mut inbox, &log, "1\n");
        inbox.begin_round();
        let (_, inside) = enter(&mut inbox, FIRST_WRITER);
        if is_ready {
            push(&mut inbox, &other, "1\n");
        }
        let steps = inbox.writers.steps();
        inbox.room_waiters = room_waiters;
        if is_parked {
            inbox.writers.state = WriterState::Parked;
        }
        if has_stepped {
            // It is inside the next log by now.
            leave(&mut inbox, inside);
            push(&mut inbox, &log, "2\n");
            inbox.begin_round();
            enter(&mut inbox, FIRST_WRITER);
        }
        inbox.relieve_if_late(steps).is_some()
    };
    assert!(late(0, true, false, false) && late(1, false, false, false));
    assert!(!late(0, false, false, false));
    assert!(!late(1, true, true, false) && !late(1, true, false, true));
}

#[test]
fn a_writer_that_was_relieved_stands_by_only_if_no_other_thread_does() {
    let mut writers = Writers::new();
    assert!(writers.needs_standby());
    for number in 1..=MOST_STALLED {
        let steps = writers.steps();
        assert!(writers.is_late(steps));
        writers.enter(7);
        assert!(!writers.is_late(steps));
        writers.standby = Some(Standby::Watching);
        assert!(!writers.needs_standby());
        assert_eq!(writers.relieve(), (number, Some(7)));
        assert_eq!((writers.state, writers.standby), (WriterState::Running, None));
        assert_eq!(writers.needs_standby(), number < MOST_STALLED);
    }
    assert!(!writers.is_late(writers.steps()), "there are no more threads");
    // A relieved writer that leaves its log is no step of the active one.
    let steps = writers.steps();
    writers.leave(FIRST_WRITER);
    assert!(writers.steps() == steps && writers.come_back());
    assert_eq!(writers.standby, Some(Standby::Watching));
    assert!(!writers.come_back() && writers.is_late(steps));
    writers.leave(MOST_STALLED);
    assert!(!writers.is_late(steps));
}

#[test]
fn a_thread_that_has_ended_is_forgotten_and_the_others_are_known() {
    let mut writers = Writers::new();
    assert!(writers.are_gone() && !writers.is_one_of_them());
    (0..2).for_each(|_| writers.starts());
    writers.has_started();
    std::thread::scope(|threads| {
        let other = threads.spawn(|| {
            assert!(!writers.is_one_of_them());
            writers.has_started();
            assert!(writers.is_one_of_them());
            writers.has_ended();
            assert!(!writers.is_one_of_them());
        });
        other.join().unwrap();
    });
    assert!(writers.is_one_of_them() && writers.alive() == 1 && !writers.are_gone());
    writers.has_ended();
    assert!(writers.are_gone());
}

#[test]
fn a_drained_queue_wakes_its_writer_so_that_it_ends() {
    let mut inbox = Inbox::new(8 << 20);
    let [log, other] = logs();
    for log in [&log, &other] {
        push(&mut inbox, log, "1\n");
    }
    inbox.begin_round();
    let (_, inside) = enter(&mut inbox, FIRST_WRITER);
    let (_, inside_other) = enter(&mut inbox, FIRST_WRITER);
    inbox.is_closing = true;
    inbox.writers.state = WriterState::Parked;
    assert!(!leave(&mut inbox, inside).work && !inbox.is_drained());
    let unwritten = inbox.unwritten();
    assert!(unwritten.len() == 1 && Arc::ptr_eq(&unwritten[0].log, &other));
    assert_eq!(unwritten[0].records, 1);
    assert!(leave(&mut inbox, inside_other).work && inbox.is_drained());
    assert!(inbox.unwritten().is_empty() && inbox.is_closed());
}

#[test]
fn a_copy_of_the_process_counts_what_waits_as_lost_and_accepts_nothing() {
    let mut inbox = Inbox::new(8 << 20);
    let [log, failed] = logs();
    (0..3).for_each(|_| push(&mut inbox, &log, "1\n"));
    inbox.keep_failed(&failed, Box::new(Failed { records: 1, why: failure() }));
    assert!(!inbox.is_closed());
    inbox.abandon(&failure());
    assert!(inbox.is_closed() && inbox.unwritten().is_empty());
    assert_eq!((log.lost(), failed.lost()), (3, 0));
    inbox.is_closing = true;
    assert!(inbox.is_closed());
}

#[test]
fn a_dropped_record_is_told_to_its_log_at_once_unless_others_wait_before_it() {
    let mut inbox = Inbox::new(8 << 20);
    let [log, waiting] = logs();
    inbox.keep_failed(&log, Box::new(Failed { records: 1, why: failure() }));
    inbox.drop_record(&log, Time::now());
    assert_eq!((log.lines(), log.lost()), (vec!["<1>".to_owned()], 1));
    push(&mut inbox, &waiting, "1\n");
    inbox.drop_record(&waiting, Time::now());
    assert_eq!((waiting.lines(), waiting.lost()), (Vec::new(), 1));
}

#[test]
fn a_slot_is_kept_as_long_as_its_log_is_owed_something() {
    let mut inbox = Inbox::new(8 << 20);
    let [failed, log] = logs();
    push(&mut inbox, &failed, "1\n");
    push(&mut inbox, &log, "1\n");
    inbox.begin_round();
    let (_, inside_failed) = enter(&mut inbox, FIRST_WRITER);
    let (_, inside) = enter(&mut inbox, FIRST_WRITER);
    inbox.keep_failed(&failed, Box::new(Failed { records: 1, why: failure() }));
    leave(&mut inbox, inside_failed);
    inbox.slots.take_back(1);
    assert_eq!((inbox.slots.len(), inbox.slots.in_use()), (2, 2));
    leave(&mut inbox, inside);
    assert_eq!((inbox.slots.len(), inbox.slots.in_use()), (2, 1));
    let errors = inbox.take_failed();
    assert!(errors.len() == 1 && Arc::ptr_eq(&errors[0].0, &failed));
    assert_eq!(inbox.slots.in_use(), 0);
    assert_eq!((Arc::strong_count(&log), Arc::strong_count(&failed)), (1, 2));
}

/// Takes five records from a log, of which the second and the fourth are waited for.
fn take_five(texts: [&str; 5]) -> PendingBatch {
    let mut inbox = Inbox::new(8 << 20);
    let log = FakeLog::new();
    for (n, text) in texts.iter().enumerate() {
        let waits = n % 2 == 1;
        let completion = waits.then(|| completion::CompletionWaiter::new().completion());
        inbox.push(&log, text.as_bytes(), Time::now(), waits, completion);
    }
    inbox.begin_round();
    enter(&mut inbox, FIRST_WRITER).1.taken
}

#[test]
fn each_record_that_failed_is_told_to_its_call_or_else_to_the_next() {
    let log = FakeLog::new();
    log.set(|disk| disk.bad = Some("bad"));
    for (texts, told, kept) in [
        (["good"; 5], [false, false], None),
        (["bad", "bad", "good", "good", "bad"], [true, false], Some(2)),
        (["good", "good", "bad", "bad", "good"], [false, true], Some(1)),
        (["good", "bad", "good", "bad", "good"], [true, true], None),
        (["bad"; 5], [true, true], Some(3)),
    ] {
        let mut taken = take_five(texts);
        let done = writer::write(&*log, &mut taken);
        assert_eq!((done.records, done.held), (5, taken.held()));
        assert_eq!(done.failed.map(|failed| failed.records), kept, "{texts:?}");
        let results: Vec<_> = taken.completions.iter().map(|it| it.result.is_err()).collect();
        assert_eq!(results, told, "{texts:?}");
    }
    log.set(|disk| disk.rotation_fails = true);
    let done = writer::write(&*log, &mut take_five(["good"; 5]));
    assert_eq!(done.failed.map(|failed| failed.records), Some(0));
}

#[test]
fn a_log_that_panics_has_lost_every_record_and_the_next_call_is_told_of_those_without_a_call() {
    let log = FakeLog::new();
    log.set(|disk| disk.panics = true);
    let mut taken = take_five(["good"; 5]);
    let done = writer::write(&*log, &mut taken);
    assert_eq!(done.failed.map(|failed| failed.records), Some(3));
    assert!(taken.completions.is_empty());
    assert_eq!((done.records, log.lost(), log.lines()), (5, 5, Vec::new()));
}

#[test]
fn failures_are_added_up_and_a_lost_record_is_reported_rather_than_a_rotation() {
    let text = |counts: &[u64]| {
        let mut kept = None;
        for records in counts {
            Box::new(Failed { records: *records, why: failure() }).keep_in(&mut kept);
        }
        let records = kept.as_ref().unwrap().records;
        (records, kept.unwrap().into_error().is_earlier_record())
    };
    assert_eq!(text(&[0, 0]), (0, false));
    assert_eq!(text(&[0, 2, 3]), (5, true));
    assert_eq!(text(&[2, 0, 1]), (3, true));
}

/// Slots are given up by halves, as long as one half is more than was needed and more than is always kept.
#[test]
fn slots_are_given_up_when_few_are_in_use_and_a_call_that_waits_is_not_confused() {
    let mut inbox = Inbox::new(64 << 10);
    let write_all = |inbox: &mut Inbox<FakeLog>, many: &[Arc<FakeLog>]| {
        many.iter().for_each(|log| push(inbox, log, "1\n"));
        inbox.begin_round();
        let mut awaited = Vec::new();
        for _ in many {
            let (_, inside) = enter(inbox, FIRST_WRITER);
            awaited.push(inbox.await_log(inside.at));
            leave(inbox, inside);
        }
        awaited.into_iter().for_each(|awaited| inbox.no_longer_await(awaited));
    };
    let many = logs::<1024>();
    write_all(&mut inbox, &many);
    assert_eq!(inbox.slots.len(), 1024);
    assert_eq!(inbox.slots.share(), 64);
    for (in_use, left) in
        [(512, 512), (257, 512), (64, 256), (64, 128), (65, 128), (64, 64), (1, 64)]
    {
        write_all(&mut inbox, &many[..in_use]);
        assert_eq!(inbox.slots.len(), left, "{in_use} in use");
        assert!(inbox.slots.iter().all(|slot| slot.awaited == 0 && slot.finished > 0));
    }
    // New slots begin where those that were given up ended: a watermark from before is reached.
    write_all(&mut inbox, &many[..65]);
    assert!(inbox.slots.get(64).unwrap().finished > 1);
}

#[test]
fn a_queue_holds_its_limit_of_text_and_as_much_beside_it() {
    let record = |is_first| Held::of_record(100, is_first);
    let mut batch = Held::default();
    batch += record(true);
    (0..9).for_each(|_| batch += record(false));
    assert_eq!(batch, Held::of_batch(1000, 10));
    assert_eq!(batch, Held { bytes: 1000, overhead: 512 + 10 * 32 });
    assert_eq!(batch.half(), Held { bytes: 500, overhead: 416 });
    for _ in 0..9 {
        batch -= record(false);
    }
    batch -= record(true);
    assert_eq!(batch, Held::default());
    let limit = Held::at_most(1000);
    assert_eq!(limit, Held { bytes: 1000, overhead: 64 << 10 });
    assert_eq!(Held::at_most(1 << 20), Held { bytes: 1 << 20, overhead: 1 << 20 });
    assert!(Held { bytes: 999, overhead: 65_535 }.is_below(limit));
    assert!(!Held { bytes: 1000, overhead: 0 }.is_below(limit));
    assert!(!Held { bytes: 0, overhead: 65_536 }.is_below(limit));
    assert!(Held::default().is_below(Held::at_most(0)), "a record of any size has its turn");
}
