//! One round of one subject in one scenario.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::arrived;
use crate::scenario::{Files, Scenario, WARM_UP};
use crate::site::Site;
use crate::subject::{Step, Subject};
use crate::subjects::Entry;

pub struct Round {
    /// From the first call to the last byte in the kernel, shared out to the records.
    pub ns_per_record: f64,
    /// What all threads of this process ran meanwhile. Other processes on the machine hardly touch it.
    pub cpu_ns_per_record: f64,
    pub records_per_sync: Option<f64>,
    /// Each call's nanoseconds, where calls were timed; the clock itself costs each of them the same.
    pub calls: Vec<u32>,
}

pub fn round(
    entry: &Entry,
    scenario: &Scenario,
    site: &Site,
    time_calls: bool,
) -> Result<Round, String> {
    let lengths = site.clean_up().map_err(|e| e.to_string())?;
    let subject = (entry.build)(site);
    open_all(&*subject, site, scenario.numbers);
    let synced_before = subject.records_and_syncs();

    let cpu_before = cpu_time();
    let (elapsed, calls) = run(&*subject, scenario, site, time_calls);
    let cpu = cpu_time() - cpu_before;

    let records_per_sync = synced_before
        .zip(subject.records_and_syncs())
        .map(|(before, after)| (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64);
    drop(subject);
    arrived::check(scenario, site, &lengths)?;
    let per_record = |time: Duration| time.as_nanos() as f64 / scenario.records() as f64;
    Ok(Round {
        ns_per_record: per_record(elapsed),
        cpu_ns_per_record: per_record(cpu),
        records_per_sync,
        calls,
    })
}

fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Opening a file is not what a record costs.
fn open_all(subject: &dyn Subject, site: &Site, numbers: bool) {
    let mut step = Step::first(WARM_UP, &site.ids()[0], numbers);
    for equipment in 0..site.ids().len() {
        subject.on(equipment, &mut || subject.log(equipment, &step));
        step.next();
    }
    subject.flush();
}

fn run(
    subject: &dyn Subject,
    scenario: &Scenario,
    site: &Site,
    time_calls: bool,
) -> (Duration, Vec<u32>) {
    let (start, end) = (Barrier::new(scenario.threads), Barrier::new(scenario.threads + 1));
    std::thread::scope(|scope| {
        let worker = |thread| {
            let (start, end) = (&start, &end);
            scope.spawn(move || {
                let mut watch = Watch::new(time_calls, scenario.records_per_thread);
                start.wait();
                let started = Instant::now();
                log_all(subject, scenario, site, thread, &mut watch);
                end.wait();
                (started, watch.calls)
            })
        };
        let workers: Vec<_> = (1..=scenario.threads).map(worker).collect();
        end.wait();
        subject.finish();
        let ended = Instant::now();

        let (starts, calls): (Vec<_>, Vec<_>) =
            workers.into_iter().map(|w| w.join().expect("a thread that logs")).unzip();
        let started = starts.into_iter().min().expect("a thread");
        (ended - started, calls.concat())
    })
}

fn log_all(
    subject: &dyn Subject,
    scenario: &Scenario,
    site: &Site,
    thread: usize,
    watch: &mut Watch,
) {
    let first = &site.ids()[scenario.equipment(thread, 0)];
    let mut step = Step::first(thread, first, scenario.numbers);
    if let Files::InTurn(_) | Files::OneEach = scenario.files {
        for sequence in 0..scenario.records_per_thread {
            let equipment = scenario.equipment(thread, sequence);
            watch.time(|| subject.on(equipment, &mut || subject.log(equipment, &step)));
            step.next();
        }
        return;
    }
    let equipment = scenario.equipment(thread, 0);
    subject.on(equipment, &mut || {
        for _ in 0..scenario.records_per_thread {
            watch.time(|| subject.log(equipment, &step));
            step.next();
        }
    });
}

struct Watch {
    on: bool,
    calls: Vec<u32>,
}

impl Watch {
    fn new(on: bool, calls: u64) -> Self {
        Self { on, calls: Vec::with_capacity(if on { calls as usize } else { 0 }) }
    }

    fn time(&mut self, call: impl FnOnce()) {
        if !self.on {
            return call();
        }
        let start = Instant::now();
        call();
        self.calls.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
}
