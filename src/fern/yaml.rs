//! An output from YAML.
//!
//! Every mistake is reported with its key, and all mistakes are reported at once.

use std::path::Path;

use super::{EquipmentScopedOutput, EquipmentScopedOutputBuilder};
use crate::config::value::Keys;
use crate::config::{yaml_text, SinkConfig};
use crate::error::{Error, Mistakes};
use crate::file::read_config;

/// Keys of log4rs that a user of log4rs may write, and what to use with fern instead.
const OF_LOG4RS: [(&str, &str); 7] = [
    ("kind", "fern's YAML has the keys of one output alone, `local_root` first"),
    ("appenders", "fern's YAML has the keys of one output alone, `local_root` first"),
    ("root", "under fern `level` and the dispatch decide what is written"),
    ("loggers", "under fern `level`, `levels` and the dispatch decide what is written"),
    ("filters", "under fern `level`, `levels` and the dispatch decide what is written"),
    ("refresh_rate", "fern's YAML is read once, when the output is built"),
    ("encoder", "under fern the dispatch formats, with `.format(output.line_format())`"),
];

impl EquipmentScopedOutput {
    /// Builds an output from YAML with the keys of [`SinkConfig`].
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: a value is wrong. The error names the key and what would be right.
    ///
    /// # Examples
    ///
    /// ```
    /// # let root = tempfile::tempdir()?;
    /// let yaml = format!("local_root: {:?}\nfsync_level: warn", root.path());
    /// let output = equipment_log::EquipmentScopedOutput::from_yaml_str(&yaml)?;
    /// # drop(output);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_yaml_str(yaml: &str) -> Result<EquipmentScopedOutput, Error> {
        let mut keys = keys_of(yaml).map_err(|why| Error::config("YAML", why))?;
        let mut mistakes = Mistakes::default();
        for (key, instead) in OF_LOG4RS {
            let is_of_log4rs = |value: &serde_value::Value| {
                // A folder with this name was meant as `local_root`.
                key != "root" || matches!(value, serde_value::Value::Map(_))
            };
            let at = keys.0.iter().position(|(name, value)| name == key && is_of_log4rs(value));
            if let Some(at) = at {
                keys.0.remove(at);
                mistakes.add(key, format!("it is a key of log4rs; {instead}"));
            }
        }
        let config = SinkConfig::read_with_all_mistakes(keys, &[], &mut mistakes);
        EquipmentScopedOutputBuilder {
            sink: mistakes.into_result(config)?.into_builder(),
            on_error: None,
        }
        .build()
    }

    /// Builds an output from a YAML file with the keys of [`SinkConfig`].
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: the file cannot be read, or a value is wrong. The error names the file, the key, and what
    /// would be right.
    pub fn from_yaml_file(path: impl AsRef<Path>) -> Result<EquipmentScopedOutput, Error> {
        let path = path.as_ref();
        let yaml = read_config(path)?;
        EquipmentScopedOutput::from_yaml_str(&yaml)
            .map_err(|err| Error::config(path.display().to_string(), err.to_string()))
    }
}

fn keys_of(yaml: &str) -> Result<Keys, String> {
    yaml_text::check(yaml)?;
    let answer = |err: serde_yaml::Error| yaml_text::answer(&err.to_string());
    // Of a key that was written twice, the parser's own error names the line, also below another key.
    let whole = serde_yaml::from_str::<serde_yaml::Value>(yaml);
    if let Some(err) = whole.err().filter(|err| err.to_string().contains("duplicate")) {
        return Err(answer(err));
    }
    serde_yaml::from_str(yaml).map_err(answer)
}
