//! [`Watch`]: a configuration file that is read again while the program runs.
//!
//! A watch has a thread of its own, which runs as long as the program.
//!
//! ```text
//!            content differs from `seen`        the same again: take it, or report what is wrong
//!   Settled ----------------------------> Changed ---------------------------------------> Settled
//!      ^                                     |  ^__ differs again
//!      |_________ as `seen` again ___________|
//! ```

use std::path::Path;
use std::time::Duration;

use super::kinds::catch_panic;
use super::plan::{in_file, ConfigFile, Kept, Plan};
use crate::clock::Time;
use crate::error::Error;
use crate::file::read_config;
use crate::process::threads;
use crate::sink::{drain, EquipmentSink};

/// The longest time between the two looks that find an edit.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// The file as one look found it. Snapshots are compared by content: neither a time nor an inode tells an edit.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FileSnapshot {
    Text(String),
    /// The file is gone, a folder is in its place, or it cannot be read: the reason.
    Unreadable(String),
}

impl FileSnapshot {
    pub(super) fn at(path: &Path) -> FileSnapshot {
        match read_config(path) {
            Ok(text) => FileSnapshot::Text(text),
            Err(err) => FileSnapshot::Unreadable(err.to_string()),
        }
    }
}

/// Decides which snapshot is an edit: one that two looks in a row have found.
#[derive(Debug)]
pub(super) struct EditDetector {
    /// The snapshot that was last installed or reported.
    seen: FileSnapshot,
    /// A snapshot that differs from `seen` and was found by one look so far.
    changed: Option<FileSnapshot>,
}

impl EditDetector {
    pub(super) fn new(seen: FileSnapshot) -> EditDetector {
        EditDetector { seen, changed: None }
    }

    /// Returns the snapshot if it is an edit: it differs from `seen`, and the look before found it too.
    pub(super) fn next(&mut self, snapshot: FileSnapshot) -> Option<&FileSnapshot> {
        if snapshot == self.seen {
            self.changed = None;
            return None;
        }
        if self.changed.as_ref() != Some(&snapshot) {
            self.changed = Some(snapshot);
            return None;
        }
        self.changed = None;
        self.seen = snapshot;
        Some(&self.seen)
    }

    /// Whether the next look decides.
    fn is_undecided(&self) -> bool {
        self.changed.is_some()
    }
}

/// The file, and what of it is installed.
pub(super) struct Watch {
    pub(super) file: ConfigFile,
    pub(super) kept: Kept,
    /// The text of the configuration that is installed.
    pub(super) installed: String,
    pub(super) refresh_rate: Duration,
}

impl Watch {
    /// Looks at the file for ever.
    pub(super) fn run(mut self, log4rs: &::log4rs::Handle) {
        let mut detector = EditDetector::new(FileSnapshot::Text(self.installed.clone()));
        loop {
            let undecided = detector.is_undecided();
            std::thread::sleep(match undecided {
                true => self.refresh_rate.min(SECOND_LOOK),
                false => self.refresh_rate,
            });
            let edit = match detector.next(FileSnapshot::at(&self.file.path)) {
                None => continue,
                Some(FileSnapshot::Unreadable(why)) => Err(in_file(&self.file.path, why)),
                // An edit that took a mistake back.
                Some(FileSnapshot::Text(text)) if *text == self.installed => Ok(()),
                Some(FileSnapshot::Text(text)) => {
                    let text = text.clone();
                    self.take_or_report_panic(text, log4rs)
                }
            };
            if let Err(err) = edit {
                let why = format!("{err}; the configuration before this edit stays");
                let error = Error::config("the configuration is not taken", why);
                self.file.reporter.event(error, Time::now());
            }
        }
    }

    /// Does what `take` does. A panic in the code of another crate, such as the drop of one of its appenders, is an
    /// error: without this thread no later edit would be taken, or refused.
    fn take_or_report_panic(
        &mut self,
        text: String,
        log4rs: &::log4rs::Handle,
    ) -> Result<(), Error> {
        let path = self.file.path.clone();
        catch_panic(|| self.take(text, log4rs))
            .unwrap_or_else(|why| Err(in_file(&path, format!("a panic: {why}"))))
    }

    /// Installs an edit, or leaves everything as it was.
    fn take(&mut self, text: String, log4rs: &::log4rs::Handle) -> Result<(), Error> {
        let plan = Plan::read(&self.file.path, &text, &self.file.kinds)?;
        let Some(refresh_rate) = plan.refresh_rate else {
            let why = "refresh_rate: it is missing, and the file would not be read again";
            return Err(in_file(&self.file.path, why));
        };
        let warnings = plan.warnings.clone();
        let (config, kept) = plan.build(&self.file, &self.kept)?;
        // The earlier sinks are held until here, so that no logging thread drops the last of one.
        let earlier = std::mem::replace(&mut self.kept, kept);
        log4rs.set_config(config);
        self.installed = text;
        self.refresh_rate = refresh_rate;
        self.end(earlier.into_values().map(|(_, sink)| sink).collect());
        report_warnings(&self.file, warnings);
        Ok(())
    }

    /// Drops the earlier sinks. A sink that is no longer used writes its queued records and closes its files. This
    /// may hang, so each such sink has a thread for it.
    fn end(&self, earlier: Vec<EquipmentSink>) {
        let is_gone = |sink: &EquipmentSink| !self.kept.values().any(|(_, it)| it.is_same_as(sink));
        for sink in earlier.into_iter().filter(is_gone) {
            let reporter = self.file.reporter.clone();
            // Where the system has no thread left, the sink is dropped here.
            let _ = threads::spawn(move || {
                let sinks = [sink];
                drain(&sinks, &reporter);
                let [sink] = sinks;
                // A thread that is inside a log call has a reference of its own.
                while !sink.is_last() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    }
}

/// Reports each warning once.
pub(super) fn report_warnings(file: &ConfigFile, warnings: Vec<String>) {
    for warning in warnings {
        let error = in_file(&file.path, format!("warning: {warning}"));
        file.reporter.event(error, Time::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> FileSnapshot {
        FileSnapshot::Text(text.to_owned())
    }

    #[test]
    fn an_edit_is_what_two_looks_agree_on() {
        let mut detector = EditDetector::new(text("a"));
        assert_eq!(detector.next(text("a")), None);
        assert_eq!(detector.next(text("b")), None);
        assert_eq!(detector.next(text("b")), Some(&text("b")));
        // Once.
        assert_eq!(detector.next(text("b")), None);
    }

    #[test]
    fn half_a_file_that_is_whole_at_the_next_look_is_no_edit_of_its_own() {
        let mut detector = EditDetector::new(text("a"));
        assert_eq!(detector.next(text("half")), None);
        assert_eq!(detector.next(text("whole")), None);
        assert_eq!(detector.next(text("whole")), Some(&text("whole")));
    }

    #[test]
    fn a_file_that_is_gone_for_a_moment_is_no_edit() {
        let mut detector = EditDetector::new(text("a"));
        assert_eq!(detector.next(FileSnapshot::Unreadable("gone".to_owned())), None);
        assert_eq!(detector.next(text("a")), None);
        assert!(!detector.is_undecided());
    }

    #[test]
    fn a_file_that_is_gone_for_long_is_one() {
        let gone = FileSnapshot::Unreadable("gone".to_owned());
        let mut detector = EditDetector::new(text("a"));
        assert_eq!(detector.next(gone.clone()), None);
        assert_eq!(detector.next(gone.clone()), Some(&gone));
        assert_eq!(detector.next(gone.clone()), None);
        assert_eq!(detector.next(text("a")), None);
        assert_eq!(detector.next(text("a")), Some(&text("a")));
    }
}
