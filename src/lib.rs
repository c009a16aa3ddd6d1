//! One log file for each piece of equipment that a program drives.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod cache;
mod config;
mod equipment_id;
mod error;
mod file;
mod layout;
mod line;
mod scope;
mod sink;
mod stats;

#[cfg(feature = "fern")]
pub mod fern;
#[cfg(feature = "log4rs")]
pub mod log4rs;

pub use crate::config::{Encoder, SinkConfig};
pub use crate::equipment_id::EquipmentId;
pub use crate::error::Error;
#[cfg(feature = "fern")]
pub use crate::fern::EquipmentScopedOutput;
pub use crate::line::{parse_line, ControlCharacters, Line, Precision};
#[cfg(feature = "log4rs")]
pub use crate::log4rs::EquipmentScopedAppender;
pub use crate::scope::{InScope, Scope, ScopeFutureExt, ScopeGuard};
pub use crate::sink::{EquipmentSink, EquipmentSinkBuilder};
pub use crate::stats::{Counts, Stats};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
