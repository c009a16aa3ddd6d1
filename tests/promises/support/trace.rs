//! strace's output, read back: which system call began and ended when.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One system call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) thread: u32,
    pub(crate) name: String,
    /// As strace prints them, without the parentheses.
    pub(crate) args: String,
    /// What stands behind the equals sign.
    pub(crate) result: String,
    /// The place in the trace at which the call was seen to begin: it began after that.
    pub(crate) began: usize,
    /// The place at which it was seen to end: it had ended by then.
    pub(crate) ended: usize,
}

impl Call {
    pub(crate) fn succeeded(&self) -> bool {
        !self.result.starts_with('-') && !self.result.starts_with('?')
    }

    /// The descriptor in the first argument.
    pub(crate) fn descriptor(&self) -> Option<u32> {
        let digits = self.args.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    }

    /// The descriptor that the call returned.
    pub(crate) fn opened(&self) -> Option<u32> {
        let digits = self.result.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    }

    /// The path of the descriptor in the first argument.
    pub(crate) fn path(&self) -> Option<&Path> {
        let (_, rest) = self.args.split_once('<')?;
        rest.split_once('>').map(|(path, _)| Path::new(path))
    }
}

/// Which of the process's descriptors a call was made on: the number and how often it had been
/// closed before.
pub(crate) fn generations(calls: &[Call]) -> Vec<(u32, usize)> {
    let mut closed = BTreeMap::<u32, usize>::new();
    let mut generations = Vec::new();
    for call in calls {
        let descriptor = call.descriptor().unwrap_or(u32::MAX);
        let count = closed.entry(descriptor).or_default();
        generations.push((descriptor, *count));
        if call.name == "close" {
            *count += 1;
        }
    }
    generations
}

/// `child`, to be run by strace with these options, its trace written to `out`.
///
/// Without `--seccomp-bpf`, which is faster: with it, strace 6.1 injects no signals.
pub(crate) fn traced(options: &[&str], out: &Path, child: &Command) -> Command {
    let common = ["strace", "-f", "-y", "-s", "4096", "-o"];
    let outer = common
        .iter()
        .map(OsString::from)
        .chain([out.into()])
        .chain(options.iter().map(OsString::from));
    super::under(outer, child)
}

/// Every call in the trace at `path`, in the order in which they began.
pub(crate) fn read(path: &Path) -> Vec<Call> {
    let bytes = fs::read(path).unwrap();
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for (place, line) in trace.lines().enumerate() {
        let Some((thread, event)) = line.split_once(' ') else { continue };
        let (Ok(thread), event) = (thread.parse(), event.trim_start()) else { continue };
        if let Some(resumed) = event.strip_prefix("<... ") {
            let Some((_, rest)) = resumed.split_once(" resumed>") else { continue };
            let open = calls
                .iter_mut()
                .rev()
                .find(|call| call.thread == thread && call.ended == usize::MAX);
            if let (Some(call), Some((args, result))) = (open, split_result(rest)) {
                call.args.push_str(args);
                call.result = result.to_owned();
                call.ended = place;
            }
        } else if let Some((name, rest)) = event.split_once('(') {
            let (args, result, ended) = match split_result(rest) {
                Some((args, result)) => (args, result, place),
                None => (rest.strip_suffix(" <unfinished ...>").unwrap_or(rest), "?", usize::MAX),
            };
            let (name, args, result) = (name.to_owned(), args.to_owned(), result.to_owned());
            calls.push(Call { thread, name, args, result, began: place, ended });
        }
    }
    calls
}

/// The arguments, and what stands behind `) = `.
fn split_result(text: &str) -> Option<(&str, &str)> {
    let (args, result) = text.rsplit_once(" = ")?;
    Some((args.trim_end().strip_suffix(')')?, result.trim()))
}
