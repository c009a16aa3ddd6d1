//! The working directory and this machine's name, which are the same for the life of the process.
//!
//! A later `chdir` or a renamed machine would move the logs of a program that reads its configuration again.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

// A relative `local_root` must mean the same folder for the life of the process.
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

// A second name of the machine would begin a second log.
static HOST: OnceLock<String> = OnceLock::new();

/// The working directory when a sink was built for the first time, or the present one before that.
pub(crate) fn working_directory() -> io::Result<PathBuf> {
    match DIRECTORY.get() {
        Some(directory) => Ok(directory.clone()),
        None => std::env::current_dir(),
    }
}

/// Keeps the working directory for all sinks to come, when one is built. A directory that cannot be read is not kept:
/// this sink's root was absolute.
pub(crate) fn keep_working_directory() {
    if DIRECTORY.get().is_none() {
        let _ = std::env::current_dir().map(|now| DIRECTORY.get_or_init(|| now));
    }
}

/// This machine's name as the system reports it. It is empty if the machine has none.
pub(crate) fn host() -> &'static str {
    HOST.get_or_init(|| hostname::get().unwrap_or_default().to_string_lossy().into_owned())
}
