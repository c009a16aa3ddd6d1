//! [`compress`]: a rotated file becomes a gzip file.
//!
//! The invariant: the plain file is removed only when its whole content is on disk in the compressed file. Until then
//! the plain file counts, and its `….gz` is written again from the beginning.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::Compression;

use super::folder::folder_of;
use super::names::RotatedName;
use crate::file::answer::{attempt_sync, Call};
use crate::file::root::RootDir;
use crate::file::sys::{self, Purpose};
use crate::process::upkeep;

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;

/// Compresses a rotated file. `false`: another process has the file open, and a later pass tries again.
pub(super) fn compress(root: &RootDir, relative: &Path, plain: RotatedName) -> io::Result<bool> {
    let Some(lock) = root.lock_rotated(relative, plain)? else { return Ok(false) };
    let compressed = plain.compressed();
    // A crash may have left a part of the compressed file.
    if !root.remove_rotated(relative, compressed)? {
        return Ok(false);
    }
    let made = write(root, relative, lock.file(), compressed);
    if let Err(err) = made {
        // On a full disk a part of the compressed file would only use space.
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
    attempt_sync(Call::SyncFile, || target.sync_data())?;
    root.sync_folder(&root.path().join(folder_of(relative)))
}
