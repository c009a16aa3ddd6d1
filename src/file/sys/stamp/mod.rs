//! What a file was like at one moment, and the one place that picks a platform's.
//!
//! Each platform's file exports the same items:
//!
//! - `Stamp`, `stamp(&Metadata) -> Stamp`: two stamps of one path MUST differ if the file was replaced, written or given
//!   another time between the two looks, as far as the file system tells. A stamp MUST NOT hold the file open.
//! - `is_as_before(file: &Metadata, other: &Metadata) -> bool`: whether the file was neither made nor changed since the
//!   other file was made. It MUST be false if the file system or the platform cannot tell.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub(crate) use platform::{is_as_before, stamp, Stamp};
