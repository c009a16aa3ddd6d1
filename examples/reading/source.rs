//! Reads one file, plain or compressed, in pieces that are lines, or parts of long ones.
//!
//! A file can be closed between two reads, so that more logs than descriptors can be read. It is found again by
//! what it is, not by its name: it may have been rotated or compressed since.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// A longer line is passed on in pieces of this many bytes, so that a file without line ends does
/// not fill the memory.
pub(crate) const LONGEST_PIECE: usize = 256 * 1024;

/// By this many of its first bytes a file is known that was compressed: the first record has a time.
const BEGINNING: usize = 512;

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Whether a file stays open between two reads.
    pub(crate) keep_open: bool,
    /// Bytes that are read at once.
    pub(crate) buffer: usize,
}

/// What tells a file from every other, whatever its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// Device and inode, where there are such.
    number: Option<(u64, u64)>,
    /// The first bytes that were read of it, uncompressed.
    beginning: Vec<u8>,
}

impl Identity {
    /// Whether a file at a path is this one, or this one compressed.
    pub(crate) fn is_at(&self, path: &Path, compressed: bool) -> io::Result<bool> {
        let (file, metadata) = open_regular(path)?;
        if let (false, Some(number)) = (compressed, self.number) {
            return Ok(Some(number) == file_number(&metadata));
        }
        // Nothing was read of it: to read it as another file doubles nothing.
        if self.beginning.is_empty() {
            return Ok(!compressed && metadata.len() == 0);
        }
        let mut beginning = Vec::new();
        let take = self.beginning.len() as u64;
        if compressed {
            MultiGzDecoder::new(BufReader::new(file)).take(take).read_to_end(&mut beginning)?;
        } else {
            file.take(take).read_to_end(&mut beginning)?;
        }
        Ok(beginning == self.beginning)
    }
}

#[cfg(unix)]
fn file_number(file: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((file.dev(), file.ino()))
}

/// std tells it on Windows in unstable Rust alone: the beginning must do.
#[cfg(not(unix))]
fn file_number(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Opens a regular file. Anything else may be named like a log: to open a FIFO would wait for a writer, and to open a
/// device may act on it. So the file is looked at before it is opened, and once more after that.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    refuse_special(&std::fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A FIFO that took the file's place meanwhile is opened at once. Regular files ignore the flag: open(2).
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    refuse_special(&metadata)?;
    Ok((file, metadata))
}

/// Whether a compressed file has something that the plain file beside it lacks. A compression that did not finish
/// leaves the beginning of the plain file.
pub(crate) fn has_more(compressed: &Path, plain: &Path) -> io::Result<bool> {
    let mut compressed = MultiGzDecoder::new(BufReader::new(open_regular(compressed)?.0));
    let mut plain = BufReader::new(open_regular(plain)?.0);
    let mut chunk = vec![0; LONGEST_PIECE / 16];
    let mut same = chunk.clone();
    loop {
        let read = match compressed.read(&mut chunk) {
            Ok(0) | Err(_) => return Ok(false),
            Ok(read) => read,
        };
        let is_there = plain.read_exact(&mut same[..read]).is_ok();
        if !is_there || same[..read] != chunk[..read] {
            return Ok(true);
        }
    }
}

fn refuse_special(file: &Metadata) -> io::Result<()> {
    if file.is_file() {
        return Ok(());
    }
    Err(io::Error::other("is no regular file"))
}

/// One file's bytes as they are on the disk.
struct Raw {
    path: PathBuf,
    compressed: bool,
    keep_open: bool,
    file: Option<File>,
    offset: u64,
    identity: Identity,
    /// Takes over where the plain file was compressed while it was closed.
    compressed_since: Option<Box<MultiGzDecoder<BufReader<Raw>>>>,
}

impl Raw {
    fn open(path: &Path, compressed: bool, reading: Reading) -> io::Result<Raw> {
        let (file, metadata) = open_regular(path)?;
        let identity = Identity { number: file_number(&metadata), beginning: Vec::new() };
        Ok(Raw {
            path: path.to_owned(),
            compressed,
            keep_open: reading.keep_open,
            file: reading.keep_open.then_some(file),
            offset: 0,
            identity,
            compressed_since: None,
        })
    }

    /// Opens the file again, wherever it is now.
    fn find_again(&mut self) -> io::Result<()> {
        let missing = || io::Error::other("is gone: it was deleted while it was read");
        // A compressed file keeps its name.
        let here = self.compressed || self.identity.is_at(&self.path, false).unwrap_or(false);
        if !here && self.offset > 0 {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut candidates = Vec::new();
            for entry in folder.read_dir()? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(&name) {
                    candidates.push(entry.path());
                }
            }
            let is_gz = |path: &Path| path.extension().is_some_and(|end| end == "gz");
            let same = |path: &&PathBuf| self.identity.is_at(path, is_gz(path)).unwrap_or(false);
            let found = candidates.iter().find(same).ok_or_else(missing)?.clone();
            if is_gz(&found) && !self.compressed {
                let reading = Reading { keep_open: self.keep_open, buffer: LONGEST_PIECE / 16 };
                let raw = Raw::open(&found, true, reading)?;
                let mut decoder = MultiGzDecoder::new(BufReader::new(raw));
                io::copy(&mut decoder.by_ref().take(self.offset), &mut io::sink())?;
                self.compressed_since = Some(Box::new(decoder));
                return Ok(());
            }
            self.path = found;
        }
        let (mut file, _) = open_regular(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        self.file = Some(file);
        Ok(())
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.file.is_none() && self.compressed_since.is_none() {
            self.find_again()?;
        }
        let read = match (&mut self.compressed_since, &mut self.file) {
            (Some(decoder), _) => return decoder.read(buffer),
            (None, Some(file)) => file.read(buffer)?,
            (None, None) => 0,
        };
        self.offset += read as u64;
        if !self.keep_open {
            self.file = None;
        }
        Ok(read)
    }
}

enum Bytes {
    Plain(BufReader<Raw>),
    Compressed(Box<BufReader<MultiGzDecoder<BufReader<Raw>>>>),
}

/// One file's lines.
pub(crate) struct Source {
    bytes: Bytes,
    /// Of the uncompressed file.
    beginning: Vec<u8>,
    at_start: bool,
}

impl Source {
    pub(crate) fn open(path: &Path, compressed: bool, reading: Reading) -> io::Result<Source> {
        let raw = Raw::open(path, compressed, reading)?;
        let raw = BufReader::with_capacity(reading.buffer, raw);
        let bytes = if compressed {
            let decoder = MultiGzDecoder::new(raw);
            Bytes::Compressed(Box::new(BufReader::with_capacity(reading.buffer, decoder)))
        } else {
            Bytes::Plain(raw)
        };
        Ok(Source { bytes, beginning: Vec::new(), at_start: true })
    }

    /// What tells this file from every other.
    pub(crate) fn identity(&self) -> Identity {
        let raw = match &self.bytes {
            Bytes::Plain(plain) => plain.get_ref(),
            Bytes::Compressed(compressed) => compressed.get_ref().get_ref().get_ref(),
        };
        Identity { number: raw.identity.number, beginning: self.beginning.clone() }
    }

    /// Whether the file is shorter than what was read of it.
    pub(crate) fn is_cut(&self) -> bool {
        let Bytes::Plain(plain) = &self.bytes else { return false };
        let raw = plain.get_ref();
        std::fs::metadata(&raw.path).is_ok_and(|now| now.len() < raw.offset)
    }

    /// Appends a line, or what fits of one, or what there is at the end of the file.
    pub(crate) fn read_piece(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        let start = piece.len();
        let room = LONGEST_PIECE.saturating_sub(start) as u64;
        let result = match &mut self.bytes {
            Bytes::Plain(plain) => plain.take(room).read_until(b'\n', piece),
            Bytes::Compressed(compressed) => compressed.take(room).read_until(b'\n', piece),
        };
        if self.beginning.len() < BEGINNING {
            let new = &piece[start..];
            self.beginning.extend(&new[..new.len().min(BEGINNING - self.beginning.len())]);
            if let Bytes::Plain(plain) = &mut self.bytes {
                plain.get_mut().identity.beginning.clone_from(&self.beginning);
            }
        }
        if self.at_start && piece.len() > start {
            self.at_start = false;
            drop_byte_order_mark(piece, start)?;
        }
        // Line ends as Windows's editors write them.
        if piece.ends_with(b"\r\n") {
            piece.truncate(piece.len() - 2);
            piece.push(b'\n');
        }
        result.map(drop)
    }
}

fn drop_byte_order_mark(piece: &mut Vec<u8>, start: usize) -> io::Result<()> {
    if piece[start..].starts_with(b"\xef\xbb\xbf") {
        piece.drain(start..start + 3);
    } else if piece[start..].starts_with(b"\xff\xfe") || piece[start..].starts_with(b"\xfe\xff") {
        return Err(io::Error::other("is UTF-16: save it as UTF-8"));
    }
    Ok(())
}
