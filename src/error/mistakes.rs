//! [`Mistakes`]: the mistakes of a configuration, collected so that all of them are reported at once.

use super::{Error, Kind};

/// A configuration key that is invalid, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) key: String,
    pub(crate) why: String,
}

/// All mistakes of a configuration, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(crate) fn add(&mut self, key: impl Into<String>, why: impl Into<String>) {
        self.0.push(Mistake { key: key.into(), why: why.into() });
    }

    /// Adds that a required key is missing, unless its value was invalid.
    pub(crate) fn missing(&mut self, key: &str) {
        if !self.is_at(key) {
            self.add(key, "it is required, and missing or empty");
        }
    }

    /// Whether there is a mistake at this key.
    pub(crate) fn is_at(&self, key: &str) -> bool {
        self.0.iter().any(|mistake| mistake.key == key)
    }

    /// The value of a result. An error is recorded as a mistake.
    pub(crate) fn ok_or_record<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result.map_err(|err| *err.0) {
            Ok(value) => return Some(value),
            Err(Kind::Config(mistakes)) => self.0.extend(mistakes),
            Err(kind) => self.add("configuration", Error::from(kind).to_string()),
        }
        None
    }

    /// Adds the mistakes of another part of the same configuration.
    pub(crate) fn append(&mut self, mut others: Mistakes) {
        self.0.append(&mut others.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value if there are no mistakes, and otherwise one error with all of them.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Error> {
        match self.is_empty() {
            true => Ok(value),
            false => Err(Error::from(Kind::Config(self.0))),
        }
    }
}
