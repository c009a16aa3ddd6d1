//! [`obstacle`]: what keeps a log from being opened, and its words.
//!
//! Looks only, by paths: nothing is opened here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sys;
use crate::error::{Error, Operation};

/// The folders of a path below the root, from the top.
pub(super) fn folders_of(relative: &Path) -> impl Iterator<Item = &Path> {
    let mut folders: Vec<&Path> =
        relative.ancestors().skip(1).filter(|f| !f.as_os_str().is_empty()).collect();
    folders.reverse();
    folders.into_iter()
}

/// What keeps a file below the root from being made, and stays whatever other processes do. It is a file or a link in the
/// place of a folder, or a link to nothing in the place of the file. Where a file is in the place of a folder, Windows
/// says that the path is not found.
pub(super) fn obstacle(root: &Path, relative: &Path) -> Option<PathBuf> {
    for folder in folders_of(relative).map(|folder| root.join(folder)) {
        let kind = fs::symlink_metadata(&folder).ok()?;
        if !kind.is_dir() && !fs::metadata(&folder).is_ok_and(|target| target.is_dir()) {
            return Some(folder);
        }
    }
    let file = root.join(relative);
    leads_nowhere(&file).then_some(file)
}

/// Whether a link stands there that leads to nothing.
fn leads_nowhere(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|err| err.kind() == io::ErrorKind::NotFound)
        && fs::symlink_metadata(path).is_ok_and(|kind| kind.is_symlink())
}

/// An error of an open, with what is in the way named, a link to nothing or what is no folder: the system says that
/// the file exists, or that it does not.
pub(super) fn open_failed(path: &Path, err: io::Error) -> Error {
    let mut folders = path.ancestors().skip(1);
    let err = if let Some(link) = path.ancestors().find(|at| leads_nowhere(at)) {
        io::Error::new(err.kind(), format!("the link {} leads to nothing", link.display()))
    } else if let Some(file) = folders.find(|at| fs::metadata(at).is_ok_and(|it| !it.is_dir())) {
        let words = format!("{} is no folder", file.display());
        io::Error::new(io::ErrorKind::NotADirectory, words)
    } else {
        err
    };
    Error::io(Operation::Open, path, err)
}

/// What stands at the path, if that is neither a file nor a link. For the words of an error only.
pub(super) fn other_than_file(path: &Path) -> Option<&'static str> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    (!kind.is_file() && !kind.is_symlink()).then(|| sys::kind_of(&kind))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_a_folder_is_in_the_way_and_named() {
        let root = tempfile::tempdir().unwrap();
        let (root, relative) = (root.path(), Path::new("EQ/run/w.log"));
        assert_eq!(obstacle(root, relative), None);
        fs::create_dir(root.join("EQ")).unwrap();
        assert_eq!(obstacle(root, relative), None);
        let file = root.join("EQ/run");
        fs::write(&file, "").unwrap();
        assert_eq!(obstacle(root, relative), Some(file.clone()));
        let err = open_failed(&root.join(relative), io::ErrorKind::NotFound.into());
        let words = format!("{} is no folder", file.display());
        assert!(err.to_string().ends_with(&words), "{err}");
    }

    #[test]
    fn only_what_is_neither_a_file_nor_a_link_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("w.log");
        assert_eq!(other_than_file(&file), None);
        fs::write(&file, "").unwrap();
        assert_eq!(other_than_file(&file), None);
        assert!(other_than_file(root.path()).is_some());
    }
}
