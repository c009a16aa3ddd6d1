//! The folder that all subjects of a scenario write to, one after the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub const HOST: &str = "labpc-04";
pub const PROJECT: &str = "PROJ-0042";

/// A file is kept from round to round while it is smaller: making ten thousand anew takes longer than everything that
/// is measured. What is larger goes, so that neither the disk nor the page cache fills up.
const KEPT_BELOW_BYTES: u64 = 100_000;

pub struct Site {
    folder: TempDir,
    ids: Vec<String>,
    pub level: log::Level,
}

impl Site {
    pub fn new(dir: &Path, files: usize, level: log::Level) -> io::Result<Self> {
        let ids = (0..files).map(|i| format!("STAGE_{i:05}")).collect();
        Ok(Self { folder: tempfile::tempdir_in(dir)?, ids, level })
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The same files for every subject: how inodes are spread over the disk is not what we compare.
    pub fn files(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let path =
            |id| self.root().join(id).join(".exlab-wizard").join(format!("wizard.{HOST}.log"));
        self.ids.iter().map(move |id| (id.as_str(), path(id)))
    }

    /// The files, with their folders made, for a subject that makes none itself.
    pub fn files_in_folders(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.files().inspect(|(_, path)| {
            let folder = path.parent().expect("a path below the root");
            fs::create_dir_all(folder).expect("a folder for the log");
        })
    }

    /// Removes what has grown large, and returns each file's length, from which on the next round's records stand.
    pub fn clean_up(&self) -> io::Result<Vec<u64>> {
        self.files().map(|(_, path)| remove_if_large(&path)).collect()
    }
}

fn remove_if_large(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(file) if file.len() < KEPT_BELOW_BYTES => Ok(file.len()),
        Ok(_) => fs::remove_file(path).map(|()| 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
