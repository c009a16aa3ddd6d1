//! What all sinks of one process share, and why.
//!
//! Imports `error`, `equipment_id`, `stats`, `sync` and `clock` alone. Every process-wide `static` of the crate
//! is declared here or in a file below this module. Where the type of a static belongs to a room above, this
//! module declares a trait for what it needs of it.
//!
//! Lock order: none of these locks is held while another is taken, unless its own comment says so.

#[allow(dead_code, reason = "the rooms take it up one by one")]
pub(crate) mod threads;
