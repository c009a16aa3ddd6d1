//! File systems that a test mounts for itself.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use super::{run, until};

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

/// A folder whose file system hangs while its daemon is stopped.
pub(crate) struct Fuse {
    daemon: Child,
    at: PathBuf,
}

impl Fuse {
    pub(crate) fn mount(source: &Path, at: &Path) -> Fuse {
        fs::create_dir_all(source).unwrap();
        fs::create_dir_all(at).unwrap();
        let device = || fs::metadata(at).map(|folder| folder.dev()).ok();
        let before = device();
        // Nothing is answered from a cache, and a file has the inode number of the source's.
        let options =
            "cache.attr=0,cache.entry=0,minfreespace=0,category.create=ff,inodecalc=passthrough";
        let mut command = Command::new("mergerfs");
        let daemon = command.args(["-f", "-o", options]).args([source, at]).spawn().unwrap();
        let fuse = Fuse { daemon, at: at.to_owned() };
        until("the mount", || device().is_some_and(|now| Some(now) != before));
        fuse
    }

    pub(crate) fn signal(&self, signal: &str) {
        run(Command::new("kill").args([signal, &self.daemon.id().to_string()]));
    }

    pub(crate) fn stop(&self) {
        self.signal("-STOP");
        let status = format!("/proc/{}/status", self.daemon.id());
        until("the daemon stops", || fs::read_to_string(&status).unwrap().contains("State:\tT"));
    }
}

impl Drop for Fuse {
    /// Who waits for the daemon is given an error.
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
