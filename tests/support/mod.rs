//! What the fault tests share: children of the test binary, mounts, and strace's output read back.
//!
//! A test file whose tests need other processes has a test called `child_plays_its_role`, which does nothing by
//! itself: [`child`] runs it in a new process with a role to play.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod trace;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use equipment_log::{EquipmentSink, EquipmentSinkBuilder};

const ROLE: &str = "EQUIPMENT_LOG_TEST_ROLE";

/// What a test cannot do without.
#[derive(Clone, Copy)]
pub(crate) enum Need<'a> {
    /// To be root, and allowed to mount.
    Root,
    /// To be allowed to trace a child with strace.
    Strace,
    /// Another program.
    Tool(&'a str),
    /// A module of this Python interpreter.
    PythonModule(&'a str, &'a str),
}

impl Need<'_> {
    fn is_met(self) -> bool {
        let works = |program: &str, args: &[&str]| {
            Command::new(program).args(args).output().is_ok_and(|out| out.status.success())
        };
        match self {
            Need::Root => works("unshare", &["--mount", "true"]),
            Need::Strace => works("strace", &["-f", "-o", "/dev/null", "true"]),
            Need::Tool(name) => works("sh", &["-c", &format!("command -v {name}")]),
            Need::PythonModule(python, module) => {
                works(python, &["-c", &format!("import {module}")])
            }
        }
    }

    fn words(self) -> String {
        match self {
            Need::Root => "root, with the right to mount".to_owned(),
            Need::Strace => "strace, with the right to trace".to_owned(),
            Need::Tool(name) => name.to_owned(),
            Need::PythonModule(python, module) => format!("the module {module} of {python}"),
        }
    }
}

/// Whether the test must be left out; says why. On CI nothing may be left out.
pub(crate) fn lacks(needs: &[Need<'_>]) -> bool {
    let lacking: Vec<_> =
        needs.iter().filter(|need| !need.is_met()).map(|need| need.words()).collect();
    if lacking.is_empty() {
        return false;
    }
    let lacking = lacking.join(", ");
    assert!(env::var("CI").as_deref() != Ok("true"), "this machine lacks: {lacking}");
    eprintln!("left out: this machine lacks: {lacking}");
    true
}

/// A sink as all tests build it.
pub(crate) fn sink(root: &Path) -> EquipmentSinkBuilder {
    EquipmentSink::builder(root).hostname("h")
}

/// Where [`sink`] puts the log of one piece of equipment.
pub(crate) fn log_of(root: &Path, id: &str) -> PathBuf {
    root.join(id).join(".exlab-wizard/wizard.h.log")
}

/// The file's lines, as bytes; the last must have its end.
pub(crate) fn lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let unended = lines.pop().unwrap_or_default();
    assert!(unended.is_empty(), "{} ends within a line: {}", path.display(), shown(&unended));
    lines
}

/// The beginning of a line, for a message.
pub(crate) fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(120)]);
    format!("{text:?} ({} bytes)", line.len())
}

/// How many records a gap line says are missing; none for any other line, and for a gap line that
/// was torn: it lacks its full stop.
pub(crate) fn missing(line: &[u8]) -> Option<u64> {
    let line = equipment_log::parse_line(std::str::from_utf8(line).ok()?)?;
    let (count, rest) = line.message.split_once(' ')?;
    let says =
        rest.starts_with("records are missing here") || rest.starts_with("record is missing here");
    (says && rest.ends_with('.') && line.level == log::Level::Warn).then(|| count.parse().ok())?
}

/// Runs `f` on a thread of its own; panics where it takes longer.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (send, receive) = mpsc::channel();
    let worker = thread::spawn(move || drop(send.send(f())));
    match receive.recv_timeout(limit) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it took longer than {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the sender is gone only after a panic"),
        },
    }
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// This test binary once more, to play `role` in its test `child_plays_its_role`.
pub(crate) fn child(role: &str, root: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["child_plays_its_role", "--exact", "--nocapture", "--quiet", "--test-threads=1"])
        .env(ROLE, role)
        .env("LOG_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// In a child: the role, and the root of the logs. None where this is no child.
pub(crate) fn role() -> Option<(String, PathBuf)> {
    Some((env::var(ROLE).ok()?, env::var_os("LOG_ROOT")?.into()))
}

/// A number that the parent gave in the environment.
pub(crate) fn number(name: &str) -> u64 {
    env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{name} is not set"))
}

/// `inner`, run by `outer`: `strace …` or `prlimit …`.
pub(crate) fn under<S: AsRef<OsStr>>(
    outer: impl IntoIterator<Item = S>,
    inner: &Command,
) -> Command {
    let mut outer = outer.into_iter();
    let mut command = Command::new(outer.next().unwrap());
    command.args(outer).arg(inner.get_program()).args(inner.get_args());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    for (key, value) in inner.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command
}

/// `inner`, run by a shell that has done `first`.
pub(crate) fn after(first: &str, inner: &Command) -> Command {
    under(["sh", "-c", &format!("{first}; exec \"$0\" \"$@\"")], inner)
}

/// In a child: tells the parent one line, in one write.
pub(crate) fn tell(line: impl std::fmt::Display) {
    // The parent may be gone: then there is nobody to tell.
    let _ = std::io::stdout().write_all(format!("told {line}\n").as_bytes());
}

/// In a child: the lines that the parent says.
pub(crate) fn told() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

/// A child that is running; it is killed when this is dropped.
pub(crate) struct Running {
    pub(crate) process: Child,
    told: mpsc::Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut process = command.spawn().unwrap_or_else(|err| panic!("{command:?}: {err}"));
        let out = BufReader::new(process.stdout.take().unwrap());
        let (send, told) = mpsc::channel();
        // Read all the time, so that a child never waits until somebody listens.
        thread::spawn(move || {
            // libtest's own words may stand before ours, on the same line.
            let lines = out.lines().map_while(Result::ok);
            let told = lines.filter_map(|line| Some(line.split_once("told ")?.1.to_owned()));
            told.take_while(|line| send.send(line.clone()).is_ok()).for_each(drop);
        });
        Running { process, told }
    }

    /// Tells the child one line.
    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line that the child tells; none when it has ended.
    pub(crate) fn told(&mut self) -> Option<String> {
        self.told.recv().ok()
    }

    /// What it has told by now.
    pub(crate) fn told_so_far(&mut self) -> Vec<String> {
        self.told.try_iter().collect()
    }

    /// Its ear, and a thread that hears everything it tells until it ends.
    pub(crate) fn listen(mut self) -> (ChildStdin, JoinHandle<Vec<String>>) {
        let stdin = self.process.stdin.take().unwrap();
        (stdin, thread::spawn(|| self.finish()))
    }

    /// Everything that it still tells; it must end well.
    pub(crate) fn finish(mut self) -> Vec<String> {
        drop(self.process.stdin.take());
        let told = self.told.iter().collect();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the child ended with {status}");
        told
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Something mounted, until this is dropped.
pub(crate) struct Mount {
    at: PathBuf,
}

impl Mount {
    /// A tmpfs of `size` at a folder, which is made if need be.
    pub(crate) fn tmpfs(at: &Path, size: &str) -> Mount {
        Mount::new(at, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }

    /// The file system in the file `image`.
    pub(crate) fn image(image: &Path, at: &Path) -> Mount {
        Mount::new(at, &["-o", "loop", image.to_str().unwrap()])
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
        run(Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.at));
    }

    /// Unmounts, which fails where a file is still open there: for good, or for the moment between a
    /// fork and the exec of another test's child.
    pub(crate) fn unmount(self) {
        let begun = Instant::now();
        loop {
            let out = Command::new("umount").arg(&self.at).output().unwrap();
            if out.status.success() {
                return std::mem::forget(self);
            }
            let why = String::from_utf8_lossy(&out.stderr);
            let again = why.contains("busy") && begun.elapsed() < Duration::from_secs(10);
            assert!(again, "{why}");
            thread::sleep(Duration::from_millis(10));
        }
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
