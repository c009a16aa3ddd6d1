//! Other processes: this program once more, in a role or with one test alone, by itself or below strace.
//!
//! A module whose tests need a second process has a test called `child_plays_its_role`, which does nothing by
//! itself: [`child!`] runs it in a new process with a role to play.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const ROLE: &str = "EQUIPMENT_LOG_TEST_ROLE";

/// The test that this process is alone for.
const ALONE: &str = "EQUIPMENT_LOG_TEST_ALONE";

/// Runs a program to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) {
    let out = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// This program once more, to play `role` in the test `child_plays_its_role` of the module that asks.
macro_rules! child {
    ($role:expr, $root:expr) => {
        $crate::support::child_of(module_path!(), $role, $root)
    };
}
pub(crate) use child;

/// Runs the test that begins with it in a process of its own, so that no other test's thread, descriptor,
/// variable or logger is in it. In the parent the test ends with what became of the child.
macro_rules! alone {
    () => {{
        fn here() {}
        if !$crate::support::is_alone(std::any::type_name_of_val(&here)) {
            return;
        }
    }};
}
pub(crate) use alone;

/// See [`child!`].
pub(crate) fn child_of(module: &str, role: &str, root: &Path) -> Command {
    let mut command = only(&format!("{module}::child_plays_its_role"));
    command.arg("--quiet").env(ROLE, role).env("LOG_ROOT", root);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// See [`alone!`]: whether this is the child. In the parent the child has been run, and has passed.
pub(crate) fn is_alone(here: &str) -> bool {
    let test = here.strip_suffix("::here").unwrap();
    if env::var(ALONE).is_ok_and(|alone| alone == test) {
        return true;
    }
    let out = only(test).env(ALONE, test).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&out.stdout), text(&out.stderr));
    assert!(out.status.success() && said.contains("1 passed"), "{}: {said}", out.status);
    false
}

/// This program with one test alone, by its path with the crate's name.
fn only(test: &str) -> Command {
    let (_, test) = test.split_once("::").unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
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

    /// The next line that the child tells; none when it has ended. Panics where it tells nothing for so long.
    pub(crate) fn told_within(&mut self, limit: Duration) -> Option<String> {
        match self.told.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the child hangs"),
        }
    }

    /// What it has told by now.
    pub(crate) fn told_so_far(&mut self) -> Vec<String> {
        self.told.try_iter().collect()
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
