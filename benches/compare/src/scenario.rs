//! What is asked of every subject.

use crate::subjects::Entry;

#[derive(Clone, Copy)]
pub enum Files {
    One,
    /// As many as threads, each thread its own; its scope is entered for each record, as by a program that polls.
    OneEach,
    /// Another file for every record, around and around.
    InTurn(usize),
}

#[derive(Clone, Copy)]
pub struct Scenario {
    pub threads: usize,
    pub files: Files,
    pub records_per_thread: u64,
    pub level: log::Level,
    /// Whether single calls are timed too.
    pub calls: bool,
    /// Whether each record carries two numbers, for those that write them.
    pub numbers: bool,
}

/// The thread number of the records that open each file before the time is taken; those that count are 1, 2, …
pub const WARM_UP: usize = 0;

impl Scenario {
    const fn infos(threads: usize, files: Files, calls: bool) -> Self {
        Self {
            threads,
            files,
            records_per_thread: 40_000,
            level: log::Level::Info,
            calls,
            numbers: false,
        }
    }

    const fn errors(threads: usize, records_per_thread: u64) -> Self {
        Self {
            threads,
            files: Files::One,
            records_per_thread,
            level: log::Level::Error,
            calls: false,
            numbers: false,
        }
    }

    /// As many records in all, however many threads log them.
    const fn scaled(threads: usize, files: Files) -> Self {
        Self { records_per_thread: 160_000 / threads as u64, ..Self::infos(threads, files, false) }
    }

    pub fn name(&self) -> String {
        let threads =
            if self.threads == 1 { "1 thread".into() } else { format!("{} threads", self.threads) };
        match self.file_count() {
            _ if self.durable() => format!("{threads} of ERRORs"),
            1 if self.numbers => format!("{threads}, 1 file, two key-values"),
            1 => format!("{threads}, 1 file"),
            files => format!("{threads}, {files} files"),
        }
    }

    pub fn durable(&self) -> bool {
        self.level == log::Level::Error
    }

    pub fn takes(&self, entry: &Entry) -> bool {
        self.file_count() <= entry.max_files
            && (entry.durable || !self.durable())
            && (entry.numbers || !self.numbers)
    }

    pub fn file_count(&self) -> usize {
        match self.files {
            Files::One => 1,
            Files::OneEach => self.threads,
            Files::InTurn(files) => files,
        }
    }

    pub fn records(&self) -> u64 {
        self.threads as u64 * self.records_per_thread
    }

    /// The equipment that a thread's record is about; the check of what arrived asks it again.
    pub fn equipment(&self, thread: usize, sequence: u64) -> usize {
        match self.files {
            _ if thread == WARM_UP => sequence as usize,
            Files::One => 0,
            Files::OneEach => thread - 1,
            Files::InTurn(files) => (sequence % files as u64) as usize,
        }
    }

    /// Few records and files, to see that everything works; the figures mean nothing then.
    pub fn quick(self) -> Self {
        let files = match self.files {
            Files::InTurn(files) => Files::InTurn(files.min(500)),
            files => files,
        };
        Self { files, records_per_thread: (self.records_per_thread / 20).max(2), ..self }
    }
}

pub const ONE_THREAD: Scenario = Scenario::infos(1, Files::One, true);
pub const TWO_THREADS: Scenario = Scenario::infos(2, Files::One, true);
pub const NUMBERS: Scenario = Scenario { numbers: true, ..ONE_THREAD };
pub const TWO_TO_TWO: Scenario = Scenario::infos(2, Files::OneEach, false);
pub const MANY_FILES: Scenario = Scenario::infos(1, Files::InTurn(100), false);
/// Longer than the others: the file system's own work comes in waves.
pub const VERY_MANY_FILES: Scenario =
    Scenario { records_per_thread: 100_000, ..Scenario::infos(1, Files::InTurn(10_000), false) };
pub const ERRORS_16: Scenario = Scenario::errors(16, 50);
pub const ERRORS_64: Scenario = Scenario::errors(64, 25);

/// How many threads the scaling is measured with.
pub const THREADS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// The scenarios of the scaling, with ever more threads.
pub fn scaling(files: Files) -> Vec<Scenario> {
    THREADS.map(|threads| Scenario::scaled(threads, files)).into()
}

pub const ALL: [Scenario; 8] = [
    ONE_THREAD,
    TWO_THREADS,
    TWO_TO_TWO,
    MANY_FILES,
    VERY_MANY_FILES,
    NUMBERS,
    ERRORS_16,
    ERRORS_64,
];
