//! [`EquipmentSinkBuilder`]: the keys in code, checked in one place.

use super::EquipmentSink;
use crate::config::{self, SinkConfig};
use crate::error::Error;

/// Builds an [`EquipmentSink`]. The setters are named as the YAML keys.
///
/// # Examples
///
/// ```
/// use equipment_log::{EquipmentSink, EquipmentSinkBuilder};
///
/// let builder: EquipmentSinkBuilder = EquipmentSink::builder("/data/lab").hostname("labpc-04");
/// let sink = builder.build()?;
/// # drop(sink);
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct EquipmentSinkBuilder {
    pub(crate) config: SinkConfig,
}

impl SinkConfig {
    /// Returns a builder with these keys.
    pub fn into_builder(self) -> EquipmentSinkBuilder {
        EquipmentSinkBuilder { config: self }
    }
}

impl EquipmentSinkBuilder {
    config::setters!(config);

    /// Checks everything and builds the sink. No file or folder is created before the first record.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: a value is wrong. The error names the key and what would be right.
    pub fn build(self) -> Result<EquipmentSink, Error> {
        self.config.check().and_then(EquipmentSink::from_settings)
    }
}
