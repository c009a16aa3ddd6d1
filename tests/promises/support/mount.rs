//! File systems that a test mounts for itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::run;

/// Something mounted, until this is dropped.
pub(crate) struct Mount {
    at: PathBuf,
}

impl Mount {
    /// A tmpfs of `size` at a folder, which is made if need be.
    pub(crate) fn tmpfs(at: &Path, size: &str) -> Mount {
        Mount::new(at, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }

    /// A tmpfs that can have this many files and folders, its own included.
    pub(crate) fn tmpfs_of_inodes(at: &Path, inodes: usize) -> Mount {
        Mount::new(at, &["-t", "tmpfs", "-o", &format!("size=1m,nr_inodes={inodes}"), "tmpfs"])
    }

    /// The file system in the file `image`.
    pub(crate) fn image(image: &Path, at: &Path) -> Mount {
        Mount::new(at, &["-o", "loop", image.to_str().unwrap()])
    }

    /// A folder of a file system once more, at another place.
    pub(crate) fn bind(folder: &Path, at: &Path) -> Mount {
        Mount::new(at, &["--bind", folder.to_str().unwrap()])
    }

    fn new(at: &Path, args: &[&str]) -> Mount {
        fs::create_dir_all(at).unwrap();
        run(Command::new("mount").args(args).arg(at));
        Mount { at: at.to_owned() }
    }

    /// Gives a tmpfs so much more room than is in use.
    pub(crate) fn leave_room(&self, bytes: u64) {
        let now = rustix::fs::statvfs(&self.at).unwrap();
        let size = (now.f_blocks - now.f_bfree) * now.f_frsize + bytes;
        self.remount(&format!("size={size}"));
    }

    /// Mounts it again with another option, such as `ro`.
    pub(crate) fn remount(&self, how: &str) {
        let option = format!("remount,{how}");
        run_when_not_busy(Command::new("mount").args(["-o", &option]).arg(&self.at));
    }

    pub(crate) fn unmount(self) {
        run_when_not_busy(Command::new("umount").arg(&self.at));
        std::mem::forget(self);
    }
}

/// Runs a program that fails where a file is still open in the file system: for good, or for the moment between a
/// fork and the exec of another test's child.
fn run_when_not_busy(command: &mut Command) {
    let begun = Instant::now();
    loop {
        let out = command.output().unwrap();
        if out.status.success() {
            return;
        }
        let why = String::from_utf8_lossy(&out.stderr);
        let again = why.contains("busy") && begun.elapsed() < Duration::from_secs(60);
        assert!(again, "{why}");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// Makes a file system in a sparse file, with a command such as `mkfs.ext4 -q`.
pub(crate) fn image(mkfs: &str, megabytes: u64, path: &Path) {
    fs::File::create(path).unwrap().set_len(megabytes << 20).unwrap();
    let mut words = mkfs.split(' ');
    run(Command::new(words.next().unwrap()).args(words).arg(path));
}
