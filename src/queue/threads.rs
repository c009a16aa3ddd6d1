//! Starts the queue's threads. A model of the queue starts its own.

use std::sync::Arc;

use super::log::QueuedLog;
use super::shared::Shared;
use super::writer::{run, Role};
use crate::locks::LockExt as _;
use crate::process;

/// Starts a thread, which is counted already.
pub(super) fn start<L: QueuedLog>(shared: &Arc<Shared<L>>, role: Role) -> std::io::Result<()> {
    let theirs = Arc::clone(shared);
    let thread = process::threads::spawn(move || run(&theirs, role))?;
    let mut all = shared.threads.lock_any();
    all.retain(|thread| !thread.is_finished());
    all.push(thread);
    Ok(())
}
