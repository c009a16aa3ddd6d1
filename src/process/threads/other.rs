//! Platforms without signal masks.

/// Nothing to restore.
pub(super) struct Blocked;

pub(super) fn block_signals() -> Blocked {
    Blocked
}
