//! The promises of the crate, a module for each, in one program: it links once, and its tests run side by side.
//!
//! A test that needs the process for itself (the global logger, the environment, its descriptors or threads) begins
//! with [`alone!`](support::alone): it then runs in a child process. One that needs a second process to do something
//! starts this program again with a role: [`child!`](support::child).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what it expects by failing"
)]

mod support;

mod allocations;
mod architecture;
mod bad_config;
mod book;
mod collectors;
mod containment;
mod corpus;
mod descriptors;
mod display;
mod durable;
mod edited_rules;
mod edits;
mod encoders;
mod ends;
mod examples;
mod faults;
mod fern;
mod forgotten;
mod full_disk;
mod hanging_close;
mod hanging_share;
mod idle;
mod ids;
mod install;
mod kernel_answers;
mod key_values;
mod levels;
mod line;
mod lnav;
mod logrotate;
mod lost_records_across_sinks;
mod lru;
mod many_logs;
mod mdc;
mod memcheck;
mod memory;
mod merge;
mod merge_files;
mod merge_follow;
mod merge_json;
mod merge_memory;
mod merge_special_files;
mod moved;
mod never_panics;
mod oracle;
mod own_kinds;
mod power_cut;
mod programs;
mod queries;
mod queue;
mod queue_process;
mod reading_pages;
mod reload;
mod reload_often;
mod report;
mod reports;
mod rotation;
mod rotation_crash;
mod rotation_periods;
mod rotation_shared;
mod rotation_upkeep;
mod routing;
mod samples;
mod schema;
mod scope;
mod stalled;
mod stalled_queue;
mod stopped_mount;
mod warnings;
mod whole_records;
mod windows;
mod wrong_edits;
