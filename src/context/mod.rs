//! What a record belongs to: [`Scope`], the scopes that each thread has entered, and [`RecordContext`].
//!
//! - `scope`: the value that a program makes, with its tags;
//! - `thread`: the one thread-local of this room: entered scopes, and the record that is being formatted;
//! - `stack`: entering and leaving; `future`: the same around every poll;
//! - `key_values`: a record's own key-values, rendered once as text;
//! - `record`: what is known of a record, and which equipment it belongs to by rules 1 to 3;
//! - `handover`: how that is left to the code that formats the same record.
//!
//! Invariants: what a record belongs to is decided on the thread that logs it; a scope that was entered is left
//! on the same thread, in any order; a value of a record is rendered once, so that its line, its path and its
//! tags agree.

mod future;
mod handover;
mod key_values;
mod number;
mod record;
mod scope;
mod stack;
mod thread;

pub use future::{InScope, ScopeFutureExt};
pub(crate) use handover::Handover;
pub(crate) use record::{tagless_scope, FrameworkLookup, RecordContext, RecordFacts, ScopeOf};
pub(crate) use scope::CachedLog;
pub use scope::Scope;
pub use stack::ScopeGuard;

/// The key under which a record, or a framework's own context, names its equipment.
pub(crate) use crate::layout::EQUIPMENT_ID;

/// Whether a key is never a tag: the line has its own `host` and `equip`, and `equipment_id` decides the file.
fn is_reserved(key: &str) -> bool {
    matches!(key, EQUIPMENT_ID | "host" | "equip")
}
