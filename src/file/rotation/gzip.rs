//! [`compress`]: a rotated file becomes a gzip file.
//!
//! The invariants: the plain file is removed only when its whole content is on disk in the compressed file, and only
//! if each of the two names still leads to the file that was read or written. A compressed file gets its name when it
//! is complete. A file that another program has put at that name is neither replaced nor removed.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

use super::folder::folder_of;
use super::names::RotatedName;
use super::pairs::Pair;
use super::twin::{self, Twin};
use crate::file::answer::{attempt_sync, Call};
use crate::file::root::RootDir;
use crate::file::sys::{self, Purpose};
use crate::process::upkeep;

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;

/// The comment in the header of each compressed file that this crate makes (RFC 1952, 2.3). gzip(1) writes none.
pub(super) const MARK: &str = "equipment-log";

/// Whether this crate has made the compressed file of a rotated file. Such a file is complete: gzip(1) is not writing
/// it.
pub(super) fn is_marked(root: &RootDir, relative: &Path, plain: RotatedName) -> io::Result<bool> {
    let file = match root.below()?.open(&plain.compressed().beside(relative), Purpose::Replace) {
        Err(err) if sys::is_in_use(&err) => return Ok(false),
        opened => opened?.0,
    };
    let unpacked = GzDecoder::new(file);
    let comment = unpacked.header().and_then(|header| header.comment());
    Ok(comment == Some(MARK.as_bytes()))
}

/// What became of a rotated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Another process has the file open, has changed it, or may be packing or unpacking it. A later pass tries again.
    InUse,
    /// The plain and the compressed file differ, and a person has to decide.
    LeftAlone,
}

/// Compresses a rotated file. `settled` is the pair of the file and its compressed file, if it is settled.
pub(super) fn compress(
    root: &RootDir,
    relative: &Path,
    plain: RotatedName,
    settled: Option<Pair>,
) -> io::Result<Outcome> {
    let Some(lock) = root.lock_rotated(relative, plain)? else { return Ok(Outcome::InUse) };
    let source = Source { root, relative, plain, file: lock.file() };
    match twin::inspect(root, relative, plain, source.file, settled)? {
        Twin::None => source.compress(),
        Twin::Same(compressed) => {
            // Another program may have made it, and not synced it.
            let path = plain.compressed().beside(relative);
            let (file, _) = root.below()?.open(&path, Purpose::Append)?;
            attempt_sync(Call::SyncFile, || file.sync_data())?;
            drop(file);
            root.sync_folder(&root.path().join(folder_of(relative)))?;
            if Pair::of(root, relative, plain)? != settled {
                return Ok(Outcome::InUse);
            }
            source.remove_plain(&compressed)
        }
        Twin::InUse => Ok(Outcome::InUse),
        Twin::Other => Ok(Outcome::LeftAlone),
    }
}

/// A rotated file that no process of this crate writes to.
struct Source<'a> {
    root: &'a RootDir,
    relative: &'a Path,
    plain: RotatedName,
    file: &'a File,
}

impl Source<'_> {
    fn compress(&self) -> io::Result<Outcome> {
        let unfinished = self.plain.unfinished_beside(self.relative);
        // A crash may have left it.
        if !self.root.remove_beside(&unfinished)? {
            return Ok(Outcome::InUse);
        }
        let published = self.write(&unfinished).and_then(|(compressed, bytes)| {
            Ok(if self.is_unchanged(bytes)? && self.publish(&unfinished)? {
                Some(compressed)
            } else {
                None
            })
        });
        match published {
            Ok(Some(compressed)) => self.remove_plain(&compressed),
            not_published => {
                // On a full disk the unfinished file would only use space.
                let removed = self.root.remove_beside(&unfinished);
                not_published.and(removed).map(|_| Outcome::InUse)
            }
        }
    }

    /// Writes the compressed file. Returns its identity, and how many bytes the plain file had.
    fn write(&self, unfinished: &Path) -> io::Result<(sys::Identity, u64)> {
        let (target, _) = self.root.below()?.open(unfinished, Purpose::Create)?;
        let identity = sys::identity(&target)?;
        let mut encoder = GzBuilder::new().comment(MARK).write(target, Compression::default());
        let (mut plain, mut chunk, mut bytes) = (self.file, vec![0; CHUNK], 0);
        twin::rewind(self.file)?;
        loop {
            match plain.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    encoder.write_all(&chunk[..read])?;
                    bytes += read as u64;
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
            upkeep::step();
        }
        let target = encoder.finish()?;
        let metadata = plain.metadata()?;
        let _ = sys::inherit(&metadata, &target);
        if let Ok(modified) = metadata.modified() {
            let _ = target.set_times(std::fs::FileTimes::new().set_modified(modified));
        }
        attempt_sync(Call::SyncFile, || target.sync_data())?;
        Ok((identity, bytes))
    }

    /// Whether the plain name still leads to the file that was read, and another program has not written to it.
    fn is_unchanged(&self, bytes: u64) -> io::Result<bool> {
        let path = self.root.path().join(self.plain.beside(self.relative));
        Ok(sys::identity_at(&path)? == sys::identity(self.file)?
            && self.file.metadata()?.len() == bytes)
    }

    /// Gives the compressed file its name. `false`: another program has used the name meanwhile.
    fn publish(&self, unfinished: &Path) -> io::Result<bool> {
        let compressed = self.plain.compressed().beside(self.relative);
        match self.root.below()?.rename_new(unfinished, &compressed) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            renamed => renamed?,
        }
        self.root.sync_folder(&self.root.path().join(folder_of(self.relative)))?;
        Ok(true)
    }

    /// Removes the plain file, if the compressed name still leads to the file that has its content.
    fn remove_plain(&self, compressed: &sys::Identity) -> io::Result<Outcome> {
        let bytes = self.file.metadata()?.len();
        let path = self.root.path().join(self.plain.compressed().beside(self.relative));
        if sys::identity_at(&path)? != *compressed || !self.is_unchanged(bytes)? {
            return Ok(Outcome::InUse);
        }
        let removed = self.root.remove_rotated(self.relative, self.plain)?;
        Ok(if removed { Outcome::Done } else { Outcome::InUse })
    }
}
