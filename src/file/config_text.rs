//! The text of a configuration file.
//!
//! It is read here, since only this room opens files.

use std::io;
use std::path::Path;

use crate::error::{Error, Operation};

/// The text of the file. It is UTF-8; the mark that some editors put before it is no part of it.
pub(crate) fn read_config(path: &Path) -> Result<String, Error> {
    let is_file = std::fs::metadata(path).map(|file| file.is_file());
    let bytes = is_file.and_then(|is_file| match is_file {
        true => std::fs::read(path),
        // A pipe would be waited for.
        false => Err(io::Error::other("it is no regular file")),
    });
    let text = bytes.and_then(|bytes| decode(bytes).map_err(io::Error::other));
    text.map_err(|err| Error::io(Operation::ReadConfig, path, err))
}

fn decode(bytes: Vec<u8>) -> Result<String, String> {
    let is_utf_16 = match bytes[..] {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        // Without the mark, one half of the first character is nothing.
        [first, second, ..] => (first == 0) != (second == 0),
        _ => false,
    };
    if is_utf_16 {
        return Err("it is UTF-16: save it as UTF-8".to_owned());
    }
    let mut text = String::from_utf8(bytes).map_err(|err| {
        let before = &err.as_bytes()[..err.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("a character in line {line} is not UTF-8: save it as UTF-8")
    })?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    Ok(text)
}
