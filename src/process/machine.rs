//! The working directory and this machine's name, which are read once for the life of the process.
//!
//! A later `chdir` or a renamed machine would move the logs of a program that reads its configuration again.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

// A relative `local_root` must mean the same folder for the life of the process.
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

// A second name of the machine would begin a second log.
static HOST: OnceLock<String> = OnceLock::new();

/// The working directory when a sink was built for the first time.
pub(crate) fn working_directory() -> io::Result<PathBuf> {
    match DIRECTORY.get() {
        Some(directory) => Ok(directory.clone()),
        None => std::env::current_dir().map(|now| DIRECTORY.get_or_init(|| now).clone()),
    }
}

/// This machine's name as the system reports it. It is empty if the machine has none.
pub(crate) fn host() -> &'static str {
    HOST.get_or_init(|| hostname::get().unwrap_or_default().to_string_lossy().into_owned())
}
