//! [`Spellings`]: the letter case in which each known path is written.
//!
//! The invariant: no two known paths, and no two folders on their ways, differ by letter case only.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Kind};

/// The spelling of each known path and of each folder on its way, by its lower case, with the number of logs
/// that use it.
#[derive(Debug, Default)]
pub(super) struct Spellings(HashMap<Box<str>, (Box<str>, usize)>);

impl Spellings {
    pub(super) fn claim(&mut self, path: &str) -> Result<(), Error> {
        for part in parts(path) {
            if let Some((used, _)) = self.0.get(&*part.to_ascii_lowercase()) {
                if **used != *part {
                    let (value, used) = (part.to_owned(), used.to_string());
                    return Err(Error::from(Kind::CaseConflict { value, used }));
                }
            }
        }
        for part in parts(path) {
            let lower = part.to_ascii_lowercase().into_boxed_str();
            self.0.entry(lower).or_insert_with(|| (part.into(), 0)).1 += 1;
        }
        Ok(())
    }

    pub(super) fn release(&mut self, path: &Path) {
        for part in parts(&path.to_string_lossy()) {
            let lower = part.to_ascii_lowercase();
            let Some((_, logs)) = self.0.get_mut(&*lower) else { continue };
            *logs -= 1;
            if *logs == 0 {
                self.0.remove(&*lower);
            }
        }
    }
}

/// The path and each folder on its way.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| at).chain([path.len()]).map(|end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_refused_while_the_other_is_known() {
        let mut spellings = Spellings::default();
        spellings.claim("EQ/Run/x.log").unwrap();
        spellings.claim("EQ/Run/y.log").unwrap();
        assert!(spellings.claim("EQ/run/z.log").unwrap_err().is_invalid_id());
        spellings.release(Path::new("EQ/Run/x.log"));
        assert!(spellings.claim("EQ/run/z.log").is_err());
        spellings.release(Path::new("EQ/Run/y.log"));
        spellings.claim("EQ/run/z.log").unwrap();
        assert_eq!(spellings.0.len(), 3);
        spellings.release(Path::new("EQ/run/z.log"));
        assert!(spellings.0.is_empty());
    }
}
