//! One log file for each piece of equipment that a program drives.
//!
//! Laboratory and plant software runs several instruments from one process. This crate gives each of them its own
//! log, in the folder where its data is, to programs that already log through [`log`](mod@log):
//!
//! ```text
//! <local_root>/<equipment_id>/.exlab-wizard/wizard.<hostname>.log
//! ```
//!
//! - with log4rs: declare `kind: equipment_scoped` in YAML and call [`log4rs::init_file`], or build an
//!   [`EquipmentScopedAppender`];
//! - with fern: chain an [`EquipmentScopedOutput`] into a dispatch;
//! - with neither: give an [`EquipmentSink`] ready lines.
//!
//! The application enters a [`Scope`] where it works with a piece of equipment, and logs as usual:
//!
//! ```
//! # let root = tempfile::tempdir()?;
//! use equipment_log::{EquipmentScopedOutput, Scope};
//!
//! let output = EquipmentScopedOutput::builder(root.path()).hostname("labpc-04").build()?;
//! fern::Dispatch::new().format(output.line_format()).chain(output).apply()?;
//!
//! let scope = Scope::new("CONFOCAL_01")?.tag("proj", "PROJ-0042");
//! scope.run(|| log::info!(position_um = 12.5; "stage homed"));
//! log::info!("of no equipment: in no equipment's log");
//!
//! let log = root.path().join("CONFOCAL_01/.exlab-wizard/wizard.labpc-04.log");
//! assert!(std::fs::read_to_string(log)?.ends_with("[proj:PROJ-0042] [position_um:12.5] stage homed\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The [`book`] explains each topic on one page. [`book::first_steps`] is the place to begin.
//! [`book::architecture`] shows how the crate is built.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Each adapter uses a part of the core, and both together use all of it.
#![cfg_attr(not(all(feature = "log4rs", feature = "fern")), allow(dead_code, unused_imports))]

pub mod book;
mod clock;
mod config;
mod context;
mod equipment_id;
mod error;
mod file;
mod layout;
mod line;
mod locks;
mod process;
mod queue;
mod registry;
mod report;
mod sink;
mod stats;

#[cfg(feature = "fern")]
pub mod fern;
#[cfg(feature = "log4rs")]
pub mod log4rs;

pub use crate::config::{
    Compress, Every, Keep, QueueConfig, RotationConfig, SinkConfig, WhenDurable, WhenFull,
};
pub use crate::context::{InScope, Scope, ScopeFutureExt, ScopeGuard};
pub use crate::equipment_id::EquipmentId;
pub use crate::error::Error;
#[cfg(feature = "fern")]
pub use crate::fern::EquipmentScopedOutput;
pub use crate::line::{parse_line, ControlCharacters, Line, Precision};
#[cfg(feature = "log4rs")]
pub use crate::log4rs::EquipmentScopedAppender;
pub use crate::sink::{EquipmentSink, EquipmentSinkBuilder};
pub use crate::stats::{Counts, Stats};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
