//! [`compress`]: a rotated file becomes a gzip file.
//!
//! The invariant: the plain file is removed only when the whole of it is in the compressed one, on disk. Until then the
//! plain file counts, and what is in its `….gz` is made again from the begin.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::Compression;

use super::folder::folder_of;
use super::names::RotatedName;
use crate::file::answer::{answer, attempt, Answer, Call};
use crate::file::root::RootDir;
use crate::file::sys::{self, Purpose};
use crate::process::upkeep;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Compresses a rotated file. `false` where others have it open: it is to be tried later.
pub(super) fn compress(root: &RootDir, relative: &Path, plain: RotatedName) -> io::Result<bool> {
    let Some(lock) = root.lock_rotated(relative, plain)? else { return Ok(false) };
    let compressed = plain.compressed();
    // What a crash left.
    if !root.remove_rotated(relative, compressed)? {
        return Ok(false);
    }
    let made = write(root, relative, lock.file(), compressed);
    if let Err(err) = made {
        // Half a file, on a full disk: it would only be in the way.
        let _ = root.remove_rotated(relative, compressed);
        return Err(err);
    }
    root.remove_rotated(relative, plain)
}

fn write(
    root: &RootDir,
    relative: &Path,
    mut plain: &std::fs::File,
    compressed: RotatedName,
) -> io::Result<()> {
    let path = compressed.beside(relative);
    let (target, _) = root.below()?.open(&path, Purpose::Create)?;
    let mut encoder = GzEncoder::new(target, Compression::default());
    let mut chunk = vec![0; CHUNK];
    loop {
        match plain.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => encoder.write_all(&chunk[..read])?,
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
    match attempt(Call::SyncFile, || target.sync_data()) {
        Err(err) if answer(Call::SyncFile, &err) == Answer::NotSupported => {}
        synced => synced?,
    }
    root.sync_folder(&root.path().join(folder_of(relative)))
}
