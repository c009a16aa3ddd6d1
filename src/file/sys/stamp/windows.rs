//! Windows. Relies on the time of the last write, which a write sets, and which programs that unpack a file set to an
//! old time in the end. std does not give the time of the last change (`FILE_BASIC_INFO`).

use std::fs::Metadata;
use std::os::windows::fs::MetadataExt as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    made: u64,
    written: u64,
    bytes: u64,
}

pub(crate) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        made: metadata.creation_time(),
        written: metadata.last_write_time(),
        bytes: metadata.file_size(),
    }
}

/// Not known: a file gets the time at which another of its name was made, if that one was removed within the last 15
/// seconds (file system tunneling).
pub(crate) fn is_as_before(_: &Metadata, _: &Metadata) -> bool {
    false
}
