//! [`Failed`]: records that failed after their calls had returned, until a later call of their log returns the error.

use crate::error::{Error, Kind};

/// Records that failed after their calls had returned.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    /// 0: a rotation failed, and no record is lost.
    pub(super) records: u64,
    /// Why the first record failed.
    pub(super) why: Error,
}

impl Failed {
    /// Adds these failures to the kept ones, if there are any.
    pub(super) fn keep_in(self: Box<Failed>, kept: &mut Option<Box<Failed>>) {
        match kept {
            Some(earlier) => earlier.merge(*self),
            None => *kept = Some(self),
        }
    }

    /// Adds later failures. A lost record is reported rather than a failed rotation.
    fn merge(&mut self, later: Failed) {
        if self.records == 0 && later.records > 0 {
            *self = later;
        } else {
            self.records += later.records;
        }
    }

    /// The error that the next call of the log returns; that call's own record is queued.
    pub(super) fn into_error(self) -> Error {
        match self.records {
            0 => self.why,
            records => Error::from(Kind::Earlier { records, source: self.why }),
        }
    }

    /// The error that is reported if no later call of the log returns it.
    pub(super) fn into_last_error(self) -> Error {
        match self.records {
            0 => self.why,
            records => Error::from(Kind::Unreturned { records, source: self.why }),
        }
    }
}
