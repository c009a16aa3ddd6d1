//! Whether a folder could be made and written at this moment, before anybody needs it.
//!
//! Nothing is left behind: a folder is made in the nearest one that exists, and removed.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::process::threads;

/// How long a file system has to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Why `root` cannot be made, or not written; none where it can.
pub(crate) fn cannot_be_made(root: &Path) -> Option<String> {
    let (tell, told) = mpsc::channel();
    let path = root.to_owned();
    // A share that hangs must not hold up the start of a program.
    threads::spawn(move || drop(tell.send(probe(&path)))).ok()?;
    match told.recv_timeout(ANSWER) {
        Ok(why) => why,
        Err(_) => Some(format!("its file system does not answer within {} s", ANSWER.as_secs())),
    }
}

fn probe(root: &Path) -> Option<String> {
    let nearest = root.ancestors().find(|folder| folder.symlink_metadata().is_ok())?;
    match std::fs::metadata(nearest) {
        Ok(it) if it.is_dir() => {}
        Ok(_) => return Some(format!("{} is no folder", nearest.display())),
        Err(err) => return Some(format!("{}: {err}", nearest.display())),
    }
    let trial = nearest.join(format!(".equipment-log-check-{}", std::process::id()));
    match std::fs::create_dir(&trial) {
        Ok(()) => std::fs::remove_dir(&trial).err().map(|err| err.to_string()),
        // Another check of this process.
        Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists => None,
        Err(err) => Some(format!("no folder can be made in {}: {err}", nearest.display())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_made_leaves_no_trace_of_the_question() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cannot_be_made(&folder.path().join("a/b")), None);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(cannot_be_made(&file).unwrap().contains("no folder"));
        assert!(cannot_be_made(&file.join("x")).unwrap().contains("no folder"));
    }
}
