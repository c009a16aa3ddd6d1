//! Finds the equipment logs below a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::{self, Part};
use super::troubles::Troubles;

/// The folder in the equipment's that the default path puts its logs into.
const LOGS: &str = ".exlab-wizard";

/// One log: the live file and what was rotated, of one piece of equipment and one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Log {
    pub(crate) folder: PathBuf,
    /// The live file's name.
    pub(crate) name: String,
    /// A file that was named on the command line, and is read without the others of its log.
    pub(crate) only: Option<String>,
}

/// A file of a log.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) part: Part,
    pub(crate) compressed: bool,
}

impl Log {
    /// The equipment: the folder that holds the hidden one, or the folder itself.
    pub(crate) fn equipment(&self) -> String {
        let folder = self.folder.canonicalize();
        let folder = folder.as_deref().unwrap_or(&self.folder);
        let folder = match folder.file_name() {
            Some(name) if name == OsStr::new(LOGS) => folder.parent().unwrap_or(folder),
            _ => folder,
        };
        folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The host, as the file's name has it.
    pub(crate) fn host(&self) -> &str {
        names::host(&self.name).unwrap_or_default()
    }

    /// The log's files by their place in it. Where a file exists plain and compressed, the plain one counts:
    /// the other was not finished.
    pub(crate) fn files(&self) -> io::Result<BTreeMap<Part, LogFile>> {
        if let Some(only) = &self.only {
            let (_, part, compressed) =
                names::split(only).unwrap_or((only, Part::Live, only.ends_with(".gz")));
            let file = LogFile { path: self.folder.join(only), part: part.clone(), compressed };
            return Ok([(part, file)].into());
        }
        let mut files = BTreeMap::<Part, LogFile>::new();
        for entry in self.folder.read_dir()? {
            let entry = entry?;
            let file_name = entry.file_name();
            // Cheaper than to take the name apart: a folder may hold the logs of many hosts.
            let Some(name) = file_name.to_str().filter(|name| name.starts_with(&self.name)) else {
                continue;
            };
            let Some((log, part, compressed)) = names::split(name) else { continue };
            let has_plain = files.get(&part).is_some_and(|file| !file.compressed);
            if log == self.name && !has_plain {
                let file = LogFile { path: entry.path(), part: part.clone(), compressed };
                files.insert(part, file);
            }
        }
        Ok(files)
    }
}

/// The logs at these paths: `local_root`, an equipment's folder, the hidden folder in it, or a file.
///
/// A file in a log's folder that looks like a part of a log and cannot be read is reported.
pub(crate) fn find_logs(paths: &[PathBuf], troubles: &Troubles) -> BTreeSet<Log> {
    let mut found = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            if let Err(err) = find_in_root(path, troubles, &mut found) {
                troubles.report(path, err);
            } else if found.len() == before {
                troubles.report(path, "holds no wizard.<host>.log");
            }
        } else if let Err(err) = fs::metadata(path) {
            troubles.report(path, err);
        } else if path.extension().is_some_and(|end| end == "gz")
            && paths.contains(&path.with_extension(""))
        {
            // Both are there where a compression was interrupted: the plain one counts, as in a folder.
        } else if let Some(name) = path.file_name() {
            let only = name.to_string_lossy().into_owned();
            let name = names::split(&only).map_or(&*only, |(log, ..)| log).to_owned();
            let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
            found.insert(Log { folder, name, only: Some(only) });
        }
    }
    found
}

/// Looks no deeper than the logs are: an equipment's folder may hold a million images.
fn find_in_root(root: &Path, troubles: &Troubles, found: &mut BTreeSet<Log>) -> io::Result<()> {
    find_in_folder(root, troubles, found)?;
    for entry in root.read_dir()? {
        let entry = entry?;
        let folder = entry.path();
        if entry.file_name() == OsStr::new(LOGS) {
            find_in_folder(&folder, troubles, found)?;
        } else if folder.join(LOGS).is_dir() {
            let folder = folder.join(LOGS);
            find_in_folder(&folder, troubles, found)
                .unwrap_or_else(|err| troubles.report(&folder, err));
        }
    }
    Ok(())
}

fn find_in_folder(folder: &Path, troubles: &Troubles, found: &mut BTreeSet<Log>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| name.starts_with("wizard.")) else {
            continue;
        };
        match names::split(name) {
            Some((log, ..)) => {
                found.insert(Log { folder: folder.to_owned(), name: log.to_owned(), only: None });
            }
            // What a compression is just making, or an editor.
            None if [".tmp", ".part", ".swp", "~"].iter().any(|end| name.ends_with(end)) => {}
            None if name.contains(".log.") => {
                troubles.report(
                    &entry.path(),
                    "is not read: its name is no rotated log's, plain or .gz",
                );
            }
            None => {}
        }
    }
    Ok(())
}
