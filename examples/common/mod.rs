//! What the examples share: a folder for the logs, and a look at what they left in it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder that `LAB_ROOT` names; where it is not set, a temporary one, which is kept.
///
/// Call it before any thread is started: it may set the variable.
pub(crate) fn lab_root() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(root) = std::env::var_os("LAB_ROOT") {
        return Ok(root.into());
    }
    let root = tempfile::Builder::new().prefix("lab-root-").tempdir()?.keep();
    eprintln!("LAB_ROOT is not set: the logs go to {}", root.display());
    std::env::set_var("LAB_ROOT", &root);
    Ok(root)
}

#[allow(dead_code, reason = "the replay prints a table instead")]
/// Prints the files below `root`, each with its last lines.
pub(crate) fn print_tree(root: &Path) -> Result<(), Box<dyn Error>> {
    for file in files(root)? {
        println!("\n{}", file.display());
        let text = fs::read_to_string(&file)?;
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(3)..] {
            println!("    {line}");
        }
    }
    Ok(())
}

/// Every file below `folder`, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
