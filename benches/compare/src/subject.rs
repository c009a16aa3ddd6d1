//! What is measured, seen from a thread that logs.

use log::kv::ToValue;

use crate::site::{HOST, PROJECT};

/// Something that puts a record's line into the file of the equipment it is about.
pub trait Subject: Sync {
    /// Runs `work` with the current thread working on this equipment, for those that route by what a thread does.
    fn on(&self, _equipment: usize, work: &mut dyn FnMut()) {
        work();
    }

    /// Logs one record for this equipment.
    fn log(&self, equipment: usize, step: &Step);

    /// Returns when everything logged before is in the kernel, where that can be asked for.
    fn flush(&self) {}

    /// Returns when everything logged is in the kernel; nothing is logged after it.
    fn finish(&self) {
        self.flush();
    }

    /// How many records were written, and how many syncs they took, for those that count them.
    fn records_and_syncs(&self) -> Option<(u64, u64)> {
        None
    }
}

/// One record, told apart from every other of its round by its number.
pub struct Step {
    number: u64,
    /// The whole line for whoever wants it ready; the number is counted up in place, which costs a nanosecond where
    /// formatting it would cost twenty.
    line: Vec<u8>,
    /// Whether it carries two numbers as key-values.
    pub numbers: bool,
}

/// More records than a thread ever logs in a round: the number is `thread * PER_THREAD + sequence`.
pub const PER_THREAD: u64 = 100_000_000;
const DIGITS: usize = 10;

impl Step {
    pub fn first(thread: usize, id: &str, numbers: bool) -> Self {
        let number = thread as u64 * PER_THREAD;
        let tags = if numbers { "[position_um:12.5] [speed:3] " } else { "" };
        let line = format!(
            "2026-04-17T14:31:55Z [INFO ] [host:{HOST}] [equip:{id}] [proj:{PROJECT}] {tags}\
             axis Z homed at 12.5 um, step {number:0DIGITS$}\n"
        );
        Self { number, line: line.into_bytes(), numbers }
    }

    pub fn next(&mut self) {
        self.number += 1;
        for digit in self.line.iter_mut().rev().skip(1).take(DIGITS) {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn line(&self) -> &[u8] {
        &self.line
    }
}

/// The same call for every logger behind the `log` facade: what `log::info!` expands to, less the global.
pub fn log_to(logger: &dyn log::Log, level: log::Level, target: &str, step: &Step) {
    let numbers = [("position_um", 12.5.to_value()), ("speed", 3.to_value())];
    let numbers: &[(&str, log::kv::Value<'_>)] = if step.numbers { &numbers } else { &[] };
    logger.log(
        &log::Record::builder()
            .key_values(&numbers)
            .args(format_args!("axis Z homed at 12.5 um, step {}", step.number()))
            .level(level)
            .target(target)
            .module_path_static(Some(module_path!()))
            .file_static(Some(file!()))
            .line(Some(line!()))
            .build(),
    );
}
