//! Rotation: which file a record belongs to by its time and by the file's size, what a rotated file is called,
//! which are kept, and in what form.

mod keep;
mod names;
mod period;
mod settings;

pub(crate) use names::{may_be_rotated, may_end_rotated};
pub(crate) use settings::{parse_size, Rotation};
pub use settings::{Compress, Every, Keep};
