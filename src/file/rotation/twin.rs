//! [`Twin`]: the compressed file beside a plain rotated file, and what it has of the plain file.
//!
//! This crate gives a compressed file its name when the file is complete, and then removes the plain file. So both
//! exist after a crash between these two steps, and while another program packs or unpacks the file. The invariant:
//! a pair is read only when it is [settled](super::pairs), and the result holds only if the pair did not change
//! meanwhile.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::names::RotatedName;
use super::pairs::Pair;
use crate::file::root::RootDir;
use crate::file::sys::{self, Purpose};
use crate::process::upkeep;

const CHUNK: usize = 64 << 10;

/// What the compressed file has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Twin {
    /// There is none.
    None,
    /// The plain file's whole content, and it reads to its end.
    Same(sys::Identity),
    /// Only a part of the plain file's content, more than it, or something else. A part is another program's, since
    /// this crate names a compressed file when it is complete. It stays: a gzip that was stopped for hours removes the
    /// plain file when it continues, and what it has written when it is ended by a signal.
    Other,
    /// Another process has it open in a way that keeps it from being read, or may still be at work on one of the two.
    InUse,
}

/// Looks at the compressed file of a rotated file. `plain` is the open plain file. `settled` is the pair of the two,
/// if it is settled.
pub(super) fn inspect(
    root: &RootDir,
    relative: &Path,
    name: RotatedName,
    plain: &File,
    settled: Option<Pair>,
) -> io::Result<Twin> {
    let compressed = name.compressed();
    match root.below()?.metadata(&compressed.beside(relative)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Twin::None),
        Err(err) => return Err(err),
        Ok(metadata) if !metadata.is_file() => return Ok(Twin::Other),
        Ok(_) => {}
    }
    let is_settled =
        || io::Result::Ok(settled.is_some() && Pair::of(root, relative, name)? == settled);
    if !is_settled()? {
        return Ok(Twin::InUse);
    }
    let file = match root.below()?.open(&compressed.beside(relative), Purpose::Replace) {
        Ok((file, _)) => file,
        Err(err) if sys::is_in_use(&err) => return Ok(Twin::InUse),
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Twin::None),
        Err(err) => return Err(err),
    };
    // By the path: on Windows the identity of an open file keeps the file open as it is.
    let identity = sys::identity_at(&root.path().join(compressed.beside(relative)))?;
    if identity != sys::identity(&file)? {
        return Ok(Twin::InUse);
    }
    rewind(plain)?;
    let unpacked = MultiGzDecoder::new(BufReader::new(file));
    let is_same = is_same(unpacked, BufReader::with_capacity(CHUNK, plain))?;
    Ok(match is_settled()? {
        false => Twin::InUse,
        true if is_same => Twin::Same(identity),
        true => Twin::Other,
    })
}

/// Lets the file be read from its beginning.
pub(super) fn rewind(mut file: &File) -> io::Result<()> {
    file.rewind()
}

/// An error of the gzip format is a difference. An error of the disk is returned.
fn is_same(mut unpacked: impl Read, mut plain: impl Read) -> io::Result<bool> {
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        upkeep::step();
        let read = match unpacked.read(&mut theirs) {
            Ok(read) => read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) if err.raw_os_error().is_some() => return Err(err),
            Err(_) => return Ok(false),
        };
        if read == 0 {
            return Ok(plain.read(&mut ours[..1])? == 0);
        }
        match plain.read_exact(&mut ours[..read]) {
            Ok(()) if ours[..read] == theirs[..read] => {}
            Ok(()) => return Ok(false),
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(err) => return Err(err),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_file_is_compared_with_the_plain_one() {
        let whole = packed(b"one\ntwo\n");
        let mut wrong_sum = whole.clone();
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 1;
        let mut with_more = whole.clone();
        with_more.extend(packed(b"three\n"));
        for (compressed, plain, expected) in [
            (&whole[..], "one\ntwo\n", true),
            (&whole[..whole.len() - 1], "one\ntwo\n", false),
            (&wrong_sum, "one\ntwo\n", false),
            (b"\x1f\x8b\x08 half", "one\ntwo\n", false),
            (b"", "one\ntwo\n", false),
            (&whole, "one\ntwo\nthree\n", false),
            (&with_more, "one\ntwo\nthree\n", true),
            // Another program is unpacking it.
            (&whole, "one\n", false),
            (&whole, "", false),
            (&whole[..whole.len() - 1], "one\n", false),
            (&whole, "one\ntwO\n", false),
        ] {
            let found = is_same(MultiGzDecoder::new(compressed), plain.as_bytes()).unwrap();
            assert_eq!(found, expected, "{compressed:?} {plain:?}");
        }
    }
}
