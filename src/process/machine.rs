//! What is read once for the life of the process: the working directory and this machine's name.
//!
//! Imports `equipment_id` alone. A later `chdir` or a renamed machine would move the logs of a program that
//! reads its configuration again.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::equipment_id;

/// The working directory when a sink was built for the first time.
pub(crate) fn working_directory() -> io::Result<PathBuf> {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    match DIRECTORY.get() {
        Some(directory) => Ok(directory.clone()),
        None => std::env::current_dir().map(|now| DIRECTORY.get_or_init(|| now).clone()),
    }
}

/// This machine's name, as a part of a file name.
pub(crate) fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let name = hostname::get().unwrap_or_default();
        file_name_part(&name.to_string_lossy())
    })
}

/// The name with `_` for each character that may not be part of a file name; `localhost` for an empty one.
///
/// What is a valid part already is unchanged.
pub(crate) fn file_name_part(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut part: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    part.truncate(equipment_id::MAX_BYTES);
    if part.starts_with(['.', '-']) {
        part.replace_range(..1, "_");
    }
    if part.ends_with('.') {
        part.replace_range(part.len() - 1.., "_");
    }
    if part.is_empty() {
        return "localhost".to_owned();
    }
    if equipment_id::is_device_name(&part) {
        part.insert(0, '_');
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_machine_becomes_part_of_a_file_name() {
        let long = "x".repeat(200);
        for (name, part) in [
            ("labpc-04", "labpc-04"),
            ("(none)", "_none_"),
            ("Büro-PC", "B_ro-PC"),
            ("lab pc 4", "lab_pc_4"),
            ("", "localhost"),
            ("..", "__"),
            ("-x.", "_x_"),
            ("nul", "_nul"),
            ("a/b", "a_b"),
            (&long, &long[..128]),
        ] {
            assert_eq!(file_name_part(name), part);
            assert_eq!(equipment_id::check(part), Ok(()), "{name}");
        }
    }
}
