//! [`Failures`]: a number of records that failed.

use std::fmt;

/// How many records failed, and the worst of their levels where one is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) number: u64,
    pub(crate) worst: Option<log::Level>,
}

impl std::ops::AddAssign for Failures {
    fn add_assign(&mut self, other: Failures) {
        self.number += other.number;
        // The most severe level is the least.
        self.worst = self.worst.into_iter().chain(other.worst).min();
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.worst {
            Some(level) => write!(f, ", the worst of level {level}"),
            None => Ok(()),
        }
    }
}

/// The failures of each piece of equipment, in one line.
pub(super) fn write_all(logs: &[(String, Failures)], f: &mut impl fmt::Write) -> fmt::Result {
    f.write_str("since the last report:")?;
    for (i, (equipment, failures)) in logs.iter().enumerate() {
        let gap = if i > 0 { ";" } else { "" };
        let of = if equipment.is_empty() { "other names" } else { equipment };
        let number = failures.number;
        let what = if number == 1 { "failure" } else { "failures" };
        write!(f, "{gap} {number} more {what} of {of}{failures}")?;
    }
    Ok(())
}
