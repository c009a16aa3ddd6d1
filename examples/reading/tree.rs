//! Finds the equipment logs below a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::names::{self, Part};
use super::troubles::Troubles;

/// The folder in the equipment's that the default path puts its logs into.
const LOGS: &str = ".exlab-wizard";

/// Folders of the system at the root of a disk. Nobody may look into them, and no equipment is called so.
const OF_THE_SYSTEM: [&str; 2] = ["lost+found", "System Volume Information"];

/// What a compression is just making, the lock of a rotation on Windows, or what an editor leaves.
const UNFINISHED: [&str; 5] = [".tmp", ".part", ".lock", ".swp", "~"];

/// One log: the live file and what was rotated, of one piece of equipment and one host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Log {
    pub(crate) folder: PathBuf,
    /// The live file's name.
    pub(crate) name: String,
    /// The files that were named on the command line. They are read without the others of their log.
    pub(crate) only: Option<BTreeSet<String>>,
    /// The folder's canonical path.
    place: PathBuf,
}

/// A file of a log.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) part: Part,
    pub(crate) compressed: bool,
    /// The same file compressed, beside a plain one.
    pub(crate) twin: Option<PathBuf>,
}

/// What tells a log from every other, in whatever way it was named.
pub(crate) type LogKey = (PathBuf, String);

impl Log {
    pub(crate) fn key(&self) -> LogKey {
        (self.place.clone(), self.name.clone())
    }

    /// The equipment: the folder that holds the hidden one, or the folder itself.
    pub(crate) fn equipment(&self) -> String {
        let folder = match self.place.file_name() {
            Some(name) if name == OsStr::new(LOGS) => self.place.parent().unwrap_or(&self.place),
            _ => &self.place,
        };
        folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The host, as the file's name has it.
    pub(crate) fn host(&self) -> &str {
        names::host(&self.name).unwrap_or_default()
    }

    /// Whether the live log is one of the log's files.
    pub(crate) fn has_live(&self) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&self.name))
    }

    /// The log's files by their place in it. Where a file exists plain and compressed, the plain one counts:
    /// the other was not finished.
    pub(crate) fn files(&self) -> io::Result<BTreeMap<Part, LogFile>> {
        let mut files = BTreeMap::<Part, LogFile>::new();
        let mut add = |path: PathBuf, part: Part, compressed: bool| {
            let mut file = LogFile { path, part: part.clone(), compressed, twin: None };
            match files.get_mut(&part) {
                Some(plain) if compressed => plain.twin = Some(file.path),
                other => {
                    file.twin = other.map(|compressed| compressed.path.clone());
                    files.insert(part, file);
                }
            }
        };
        if let Some(only) = &self.only {
            for name in only {
                let (_, part, compressed) = names::split_any(name);
                add(self.folder.join(name), part, compressed);
            }
            return Ok(files);
        }
        for entry in self.folder.read_dir()? {
            let entry = entry?;
            let file_name = entry.file_name();
            // Cheaper than to take the name apart: a folder may hold the logs of many hosts.
            let Some(name) = file_name.to_str().filter(|name| name.starts_with(&self.name)) else {
                continue;
            };
            let Some((log, part, compressed)) = names::split(name) else { continue };
            if log == self.name {
                add(entry.path(), part, compressed);
            }
        }
        Ok(files)
    }
}

/// The logs at these paths: `local_root`, an equipment's folder, the hidden folder in it, or a file. What is named in
/// two ways is found once.
///
/// A file in a log's folder that looks like a part of a log and cannot be read is reported.
pub(crate) fn find_logs(paths: &[PathBuf], troubles: &Troubles) -> BTreeSet<Log> {
    let (folders, files): (Vec<&PathBuf>, Vec<_>) = paths.iter().partition(|path| path.is_dir());
    let mut search = Search::new(troubles);
    for root in folders {
        match search.find_in_root(root) {
            Ok(0) => troubles.report(
                root,
                "holds no wizard.<host>.log: name the files themselves if their names are others",
            ),
            Ok(_) => {}
            Err(err) => troubles.report(root, err),
        }
    }
    search.add_links();
    for file in files.into_iter().filter(|file| !is_unfinished(file)) {
        search.add_named(file).unwrap_or_else(|err| troubles.report(file, err));
    }
    search.found.into_values().collect()
}

/// What was found so far.
struct Search<'a> {
    troubles: &'a Troubles,
    found: BTreeMap<LogKey, Log>,
    /// The folders that were looked at, by their canonical paths, and how many files of logs each holds.
    folders: BTreeMap<PathBuf, usize>,
    /// Live logs that are links: the folder, its canonical path and the name.
    links: Vec<(PathBuf, PathBuf, String)>,
    /// The canonical paths of links and of named files.
    files: BTreeSet<PathBuf>,
}

impl<'a> Search<'a> {
    fn new(troubles: &'a Troubles) -> Search<'a> {
        let (found, folders) = (BTreeMap::new(), BTreeMap::new());
        Search { troubles, found, folders, links: Vec::new(), files: BTreeSet::new() }
    }

    /// Looks no deeper than the logs are: an equipment's folder may hold a million images. Returns how many files of
    /// logs there are.
    fn find_in_root(&mut self, root: &Path) -> io::Result<usize> {
        let mut count = self.find_in_folder(root)?;
        for entry in root.read_dir()? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name() == OsStr::new(LOGS) {
                count += self.find_in_logs(&path);
            } else if may_be_equipment(&entry) {
                count += self.find_in_logs(&path.join(LOGS));
            }
        }
        Ok(count)
    }

    /// The same for a folder that may be missing.
    fn find_in_logs(&mut self, folder: &Path) -> usize {
        let is_missing =
            |err: &io::Error| err.kind() == io::ErrorKind::NotFound && !folder.is_symlink();
        match self.find_in_folder(folder) {
            Ok(count) => count,
            Err(err) if is_missing(&err) || folder.is_file() => 0,
            Err(err) => {
                self.troubles.report(folder, err);
                0
            }
        }
    }

    fn find_in_folder(&mut self, folder: &Path) -> io::Result<usize> {
        let place = folder.canonicalize()?;
        if let Some(count) = self.folders.get(&place) {
            return Ok(*count);
        }
        let mut count = 0;
        for entry in folder.read_dir()? {
            let entry = entry?;
            let file_name = entry.file_name();
            let name = file_name.to_string_lossy();
            if !name.starts_with("wizard.") {
                continue;
            }
            match names::split(&name).filter(|_| file_name.to_str().is_some()) {
                Some((log, part, _)) => {
                    count += 1;
                    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                    if is_link && part == Part::Live {
                        self.links.push((folder.to_owned(), place.clone(), log.to_owned()));
                    } else {
                        self.add(folder, &place, log);
                    }
                }
                None if UNFINISHED.iter().any(|end| name.ends_with(end)) => {}
                None if names::looks_like_log(&name) => self.troubles.report(
                    &entry.path(),
                    "is not read: its name is no rotated log's, plain or .gz",
                ),
                None => {}
            }
        }
        self.folders.insert(place, count);
        Ok(count)
    }

    /// A log with all its files.
    fn add(&mut self, folder: &Path, place: &Path, name: &str) {
        let (place, name) = (place.to_owned(), name.to_owned());
        self.found.entry((place.clone(), name.clone())).or_insert_with(|| Log {
            folder: folder.to_owned(),
            name,
            only: None,
            place,
        });
    }

    /// Whether a file is one of a log that is read with all its files.
    fn has_file(&self, canonical: &Path) -> bool {
        let name = canonical.file_name().and_then(OsStr::to_str).and_then(names::split);
        let (Some(folder), Some((log, ..))) = (canonical.parent(), name) else { return false };
        let log = self.found.get(&(folder.to_owned(), log.to_owned()));
        log.is_some_and(|log| log.only.is_none())
    }

    /// A link to a log that is read anyway is none of its own.
    fn add_links(&mut self) {
        for (folder, place, name) in std::mem::take(&mut self.links) {
            let link = place.join(&name);
            // The log may be missing for a moment, since it is rotated.
            let file = link.canonicalize().or_else(|_| link.read_link().map(|to| place.join(to)));
            let is_other = file.map_or(true, |file| self.is_new(file));
            if is_other {
                self.add(&folder, &place, &name);
            }
        }
    }

    /// A file that was named, if it was not found yet.
    fn add_named(&mut self, path: &Path) -> io::Result<()> {
        let compressed = with_gz(path);
        let (path, file) = match path.canonicalize() {
            // It was compressed since a pattern of the shell was read.
            Err(_) if is_rotated(path) && compressed.exists() => {
                (&*compressed, compressed.canonicalize()?)
            }
            file => (path, file?),
        };
        if self.is_new(file) {
            self.add_file(path)?;
        }
        Ok(())
    }

    fn is_new(&mut self, file: PathBuf) -> bool {
        !self.has_file(&file) && self.files.insert(file)
    }

    /// One more file of its log, or the first.
    fn add_file(&mut self, path: &Path) -> io::Result<()> {
        let only = path.file_name().and_then(OsStr::to_str);
        let only = only.ok_or_else(|| io::Error::other("has a name that is no UTF-8"))?;
        let (name, ..) = names::split_any(only);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let place = folder.canonicalize()?;
        let key = (place.clone(), name.to_owned());
        let log = self.found.entry(key).or_insert_with(|| Log {
            folder: folder.to_owned(),
            name: name.to_owned(),
            only: Some(BTreeSet::new()),
            place,
        });
        if let Some(files) = &mut log.only {
            files.insert(only.to_owned());
        }
        Ok(())
    }
}

fn may_be_equipment(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let is_folder =
        |kind: fs::FileType| kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
    OF_THE_SYSTEM.iter().all(|system| name != *system) && entry.file_type().is_ok_and(is_folder)
}

/// Whether a file is what a compression is just making, or has made since: a pattern of the shell names it, too.
fn is_unfinished(path: &Path) -> bool {
    let plain = path.with_extension("");
    let is_unfinished = path.extension().is_some_and(|end| end == "tmp") && is_rotated(&plain);
    is_unfinished && (plain.exists() || with_gz(&plain).exists())
}

fn is_rotated(plain: &Path) -> bool {
    let name = plain.file_name().and_then(OsStr::to_str).map(names::split_any);
    matches!(name, Some((_, Part::Period(..), false)))
}

fn with_gz(plain: &Path) -> PathBuf {
    let mut path = plain.to_owned().into_os_string();
    path.push(".gz");
    path.into()
}
