//! What a file was like at one moment, and the one place that picks a platform's.
//!
//! Each platform's file exports the same items:
//!
//! - `Stamp`, `stamp(&Metadata) -> Stamp`: two stamps of one path MUST differ if the file was replaced, written or given
//!   another time between the two looks, as far as the file system tells. A stamp MUST NOT hold the file open.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub(crate) use platform::{stamp, Stamp};
