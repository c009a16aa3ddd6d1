//! Which equipment a record belongs to: [`Scope`], the scopes that each thread has entered, and [`RecordContext`].
//!
//! - `scope`: the value that a program makes, with its tags;
//! - `thread`: the only thread-local of this module: entered scopes, and the record that is being formatted;
//! - `stack`: entering and leaving; `future`: the same around every poll;
//! - `key_values`: a record's own key-values, rendered once as text;
//! - `record`: what is known of a record, and which equipment it belongs to by rules 1 to 3;
//! - `handover`: how these facts are left to the code that formats the same record.
//!
//! The invariants: the equipment of a record is decided on the thread that logs the record. A scope is left on the
//! thread that entered it; scopes may be left in any order. Each value of a record is rendered once, so that the
//! record's line, path and tags agree.

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
pub(crate) use key_values::is_plain;
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
