//! [`Twin`]: the compressed file beside a plain rotated file, and what it has of the plain file.
//!
//! This crate gives a compressed file its name when the file is complete, and then removes the plain file. So both
//! exist after a crash between these two steps, and while another program packs or unpacks the file. The invariant:
//! whatever a compressed file has that the plain file does not have stays.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::read::MultiGzDecoder;

use super::names::RotatedName;
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
    /// Only a part of the plain file's content, from its beginning on.
    Part(sys::Identity),
    /// Something else, or more.
    Other,
    /// Another process has it open in a way that keeps it from being read, or may still write to one of the two.
    InUse,
}

/// Looks at the compressed file of a rotated file. `plain` is the open plain file.
pub(super) fn inspect(
    root: &RootDir,
    relative: &Path,
    name: RotatedName,
    plain: &File,
) -> io::Result<Twin> {
    let compressed = name.compressed();
    match root.below()?.metadata(&compressed.beside(relative)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Twin::None),
        Err(err) => return Err(err),
        Ok(metadata) if !metadata.is_file() => return Ok(Twin::Other),
        Ok(_) => {}
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
    let modified = file.metadata()?.modified();
    let bytes = plain.metadata()?.len();
    rewind(plain)?;
    let unpacked = MultiGzDecoder::new(BufReader::new(file));
    Ok(match compare(unpacked, BufReader::with_capacity(CHUNK, plain))? {
        // A program that has just unpacked the file removes the compressed file as its last step.
        Content::Same if has_grown(plain, bytes)? || is_recent(plain.metadata()?.created()) => {
            Twin::InUse
        }
        Content::Same => Twin::Same(identity),
        // A program that packs the file may be writing to it.
        Content::Part if is_recent(modified) => Twin::InUse,
        Content::Part => Twin::Part(identity),
        Content::Other => Twin::Other,
    })
}

fn has_grown(plain: &File, bytes: u64) -> io::Result<bool> {
    Ok(plain.metadata()?.len() != bytes)
}

/// Whether another program may still be at work. Not every file system knows when a file was made.
fn is_recent(time: io::Result<SystemTime>) -> bool {
    const AT_WORK: Duration = Duration::from_secs(2);
    time.is_ok_and(|time| time.elapsed().is_ok_and(|since| since < AT_WORK))
}

/// Lets the file be read from its beginning.
pub(super) fn rewind(mut file: &File) -> io::Result<()> {
    file.rewind()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Same,
    Part,
    Other,
}

/// An error of the gzip format ends what is unpacked. An error of the disk is returned.
fn compare(mut unpacked: impl Read, mut plain: impl Read) -> io::Result<Content> {
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        upkeep::step();
        let read = match unpacked.read(&mut theirs) {
            Ok(read) => read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) if err.raw_os_error().is_some() => return Err(err),
            Err(_) => return Ok(Content::Part),
        };
        if read == 0 {
            let is_end = plain.read(&mut ours[..1])? == 0;
            return Ok(if is_end { Content::Same } else { Content::Part });
        }
        match plain.read_exact(&mut ours[..read]) {
            Ok(()) if ours[..read] == theirs[..read] => {}
            Ok(()) => return Ok(Content::Other),
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(Content::Other),
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
        for (compressed, plain, content) in [
            (&whole[..], "one\ntwo\n", Content::Same),
            (&whole[..whole.len() - 1], "one\ntwo\n", Content::Part),
            (&wrong_sum, "one\ntwo\n", Content::Part),
            (b"\x1f\x8b\x08 half", "one\ntwo\n", Content::Part),
            (b"", "one\ntwo\n", Content::Part),
            (&whole, "one\ntwo\nthree\n", Content::Part),
            (&with_more, "one\ntwo\nthree\n", Content::Same),
            // Another program is unpacking it.
            (&whole, "one\n", Content::Other),
            (&whole, "", Content::Other),
            (&whole[..whole.len() - 1], "one\n", Content::Other),
            (&whole, "one\ntwO\n", Content::Other),
        ] {
            let found = compare(MultiGzDecoder::new(compressed), plain.as_bytes()).unwrap();
            assert_eq!(found, content, "{compressed:?} {plain:?}");
        }
    }
}
