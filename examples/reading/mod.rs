//! What `merge` and `report` share: the equipment logs of a tree, read back in the order of time.
//!
//! - [`tree`] finds the logs below a folder; [`names`] knows what a log's files are called, and
//!   [`order`] in which order they were written.
//! - [`source`] reads one file, plain or compressed; [`stream`] reads all files of one log as records.
//! - [`merge`] puts several logs in the order of time; [`filter`] chooses records, by [`when`] and more.
//!
//! The memory does not grow with the logs: each log has one file in hand, and one record. What cannot be read
//! is reported to [`troubles`], and the reading continues.

#![allow(dead_code, reason = "each program uses its part")]

pub(crate) mod filter;
pub(crate) mod head;
pub(crate) mod merge;
pub(crate) mod names;
pub(crate) mod order;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod tree;
pub(crate) mod troubles;
pub(crate) mod when;
