//! One opaque [`Error`]: what was being done, to which path or key, and the OS's own words.
//!
//! `Display` is one complete line, since log4rs prints only the `Display` of an error.

mod display;
mod failures;
mod mistakes;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use failures::Failures;
use mistakes::Mistake;
pub(crate) use mistakes::Mistakes;

/// An error holds the reason why something was refused or failed.
///
/// `Display` is one line that names the operation, the path or the key, and the operating system's
/// own reason. The predicates tell the kinds of errors apart. The text is for people and may change.
///
/// # Examples
///
/// ```
/// let err = equipment_log::EquipmentId::new("../etc").unwrap_err();
/// assert!(err.is_invalid_id());
/// assert!(err.to_string().contains("../etc"));
/// ```
#[derive(Clone)]
pub struct Error(Box<Kind>);

/// One kind for each operation. The boxed size keeps `Result<(), Error>` in a register.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A name that may not become part of a path.
    Name { what: &'static str, value: String, why: &'static str },
    /// A name or path that differs from one in use by letter case only.
    CaseConflict { value: String, used: String },
    /// Configuration keys with values that are invalid.
    Config(Vec<Mistake>),
    /// The operating system refused an operation on a path.
    Io { operation: Operation, path: PathBuf, source: Arc<io::Error> },
    /// A record of which only a part fitted.
    Short { path: PathBuf, written: usize, length: usize },
    /// Something other than a regular file stands at the path.
    NotRegular { path: PathBuf, found: &'static str },
    /// A link below the root leads out of it.
    Outside { path: PathBuf, root: PathBuf },
    /// A queue whose writer thread does not run, and why.
    NoWriter { why: &'static str },
    /// A text that is not a structured line.
    Line { why: &'static str },
    /// Records that were queued before, and could not be written.
    Earlier { records: u64, source: Error },
    /// An encoder of another crate could not format the record.
    Encode { why: String },
    /// Queued records that are not written at the end of a sink, or of the program.
    NotDrained { waited: Duration, records: Vec<(String, u64)> },
    /// A failure with the record that it is about, and how many of its kind were not reported.
    Reported { about: String, since: Failures, source: Error },
    /// Failures that no report has counted, by equipment, at the end of what reports them.
    Unreported(Vec<(String, Failures)>),
    /// Queued records that failed, and no later call of their log returned the error.
    Unreturned { records: u64, source: Error },
    /// Reports for which the reporting thread had no room, while it was held up.
    ReportsDropped { reports: u64 },
}

/// The operation that failed, in the words of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateFolder,
    Open,
    Inspect,
    Write,
    Sync,
    SyncFolder,
    Rotate,
    ReadConfig,
}

impl Operation {
    fn words(self) -> &'static str {
        match self {
            Operation::CreateFolder => "create the folder",
            Operation::Open => "open the log file",
            Operation::Inspect => "inspect the log file",
            Operation::Write => "append a record to",
            Operation::Sync => "sync the log file",
            Operation::SyncFolder => "sync the folder",
            Operation::Rotate => "rotate the log file",
            Operation::ReadConfig => "read the configuration file",
        }
    }
}

impl Error {
    pub(crate) fn name(what: &'static str, value: &str, why: &'static str) -> Error {
        Error::from(Kind::Name { what, value: value.to_owned(), why })
    }

    pub(crate) fn config(key: impl Into<String>, why: impl Into<String>) -> Error {
        Error::from(Kind::Config(vec![Mistake { key: key.into(), why: why.into() }]))
    }

    pub(crate) fn io(operation: Operation, path: &Path, source: io::Error) -> Error {
        Error::from(Kind::Io { operation, path: path.to_owned(), source: Arc::new(source) })
    }

    /// What failed, without the record that it is about.
    fn kind(&self) -> &Kind {
        match &*self.0 {
            Kind::Reported { source, .. } => source.kind(),
            kind => kind,
        }
    }

    /// Returns whether the record of this call is in no file. If the record was written or queued, and something else
    /// failed (a sync, a rotation, or an earlier record of a queue), this is `false`. Use this only for an error of a
    /// log call or of `write`: other errors are not about a record.
    pub fn record_is_lost(&self) -> bool {
        match self.kind() {
            Kind::Name { .. }
            | Kind::CaseConflict { .. }
            | Kind::Short { .. }
            | Kind::NotRegular { .. }
            | Kind::Outside { .. }
            | Kind::NoWriter { .. }
            | Kind::Encode { .. } => true,
            Kind::Io { operation, .. } => {
                matches!(
                    operation,
                    Operation::CreateFolder
                        | Operation::Open
                        | Operation::Inspect
                        | Operation::Write
                )
            }
            Kind::Config(_)
            | Kind::Line { .. }
            | Kind::Earlier { .. }
            | Kind::NotDrained { .. }
            | Kind::Unreported(_)
            | Kind::Unreturned { .. }
            | Kind::ReportsDropped { .. }
            | Kind::Reported { .. } => false,
        }
    }

    /// Returns whether an id or a path is refused. The id, or the value of a tag in `path`, is not valid. Or a name in
    /// the path is too long, or is a device name on Windows. Or the id or the path differs from one in use only by
    /// upper and lower case. An invalid `hostname` is an [`is_config`](Error::is_config) error.
    pub fn is_invalid_id(&self) -> bool {
        matches!(self.kind(), Kind::Name { .. } | Kind::CaseConflict { .. })
    }

    /// Returns whether the configuration is wrong: a key is unknown, missing, or has an invalid value, or the file
    /// could not be read. Also if a thread could not be started, or the program has a logger already.
    pub fn is_config(&self) -> bool {
        matches!(self.kind(), Kind::Config(_) | Kind::Io { operation: Operation::ReadConfig, .. })
    }

    /// Returns whether the path must not be written: it leads to something that is not a regular file, or a link leads
    /// out of `local_root`.
    pub fn is_refused_path(&self) -> bool {
        matches!(self.kind(), Kind::NotRegular { .. } | Kind::Outside { .. })
    }

    /// Returns whether the file could not be opened, or its folder could not be created. If the error is about a
    /// record, the record is lost.
    pub fn is_open(&self) -> bool {
        matches!(
            self.kind(),
            Kind::Io {
                operation: Operation::CreateFolder | Operation::Open | Operation::Inspect,
                ..
            }
        )
    }

    /// Returns whether the record was not written, or only a part of it. The record is lost.
    pub fn is_write(&self) -> bool {
        matches!(self.kind(), Kind::Short { .. } | Kind::Io { operation: Operation::Write, .. })
    }

    /// Returns whether the file or one of its folders could not be synced. The record was written, but is perhaps not
    /// on disk.
    pub fn is_sync(&self) -> bool {
        matches!(self.kind(), Kind::Io { operation: Operation::Sync | Operation::SyncFolder, .. })
    }

    /// Returns whether the file could not be rotated. The record is written into the old file. With a queue, the error
    /// is about earlier records of the log, and the record of this call is queued.
    pub fn is_rotation(&self) -> bool {
        matches!(self.kind(), Kind::Io { operation: Operation::Rotate, .. })
    }

    /// Returns whether a text could not be read as a line of this crate.
    pub fn is_line(&self) -> bool {
        matches!(*self.0, Kind::Line { .. })
    }

    /// Returns whether no writer thread of the queue writes the records: this process is a child by fork(2), or the log
    /// call runs on the writer thread itself and would have to wait for it, or the writer thread panicked. If the error
    /// is about a record, the record is lost.
    pub fn is_queue(&self) -> bool {
        matches!(self.kind(), Kind::NoWriter { .. })
    }

    /// Returns whether records of the same log that were queued earlier are lost or, with
    /// [`WhenDurable::Continue`](crate::WhenDurable::Continue), could not be synced. Their log calls had returned
    /// before the failure, so a later call returns the error. The record of this later call was queued.
    pub fn is_earlier_record(&self) -> bool {
        matches!(self.kind(), Kind::Earlier { .. })
    }

    /// The file could not be synced, or was moved with its folder meanwhile: a second descriptor may
    /// mend that.
    pub(crate) fn may_be_synced_elsewhere(&self) -> bool {
        match self.kind() {
            Kind::Io { operation: Operation::Sync, .. } => true,
            Kind::Io { operation: Operation::SyncFolder, .. } => self.is_not_found(),
            _ => false,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.io_error().is_some_and(|err| err.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the operating system's error, if there was one.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self.kind() {
            Kind::Io { source, .. } => Some(source),
            Kind::Earlier { source, .. } | Kind::Unreturned { source, .. } => source.io_error(),
            _ => None,
        }
    }

    /// How many records this is about.
    pub(crate) fn failures(&self) -> u64 {
        match self.kind() {
            Kind::Earlier { records, .. } => *records,
            _ => 1,
        }
    }

    /// The reason alone, for the line that reports missing records.
    pub(crate) fn reason(&self) -> String {
        match &*self.0 {
            Kind::Io { source, .. } => source.to_string(),
            Kind::Short { written, length, .. } => {
                format!("only {written} of {length} bytes fitted")
            }
            Kind::NotRegular { found, .. } => format!("{found} stood at the path"),
            Kind::Outside { .. } => "a link led out of local_root".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error(Box::new(kind))
    }
}

/// `source()` is none: the message contains the cause, and a report that walks the chain would
/// print it twice.
impl std::error::Error for Error {}
