//! [`SinkConfig`]: the keys of the YAML, typed, and the [`Settings`] that they mean.
//!
//! Reading ([`SinkConfig::read`]) turns text into typed values; checking ([`SinkConfig::check`]) turns values into
//! settings. Both continue after a mistake, so that an error names all mistakes.

pub(crate) mod choice;
mod given;
mod queue;
mod read;
mod rotation;
mod setters;
pub(crate) mod spelling;
#[cfg(feature = "serde")]
pub(crate) mod suggest;
mod text;
#[cfg(feature = "serde")]
pub(crate) mod value;
mod variables;
#[cfg(any(feature = "log4rs", feature = "yaml"))]
pub(crate) mod yaml_text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;
pub(crate) use queue::QueueSettings;
pub use queue::{QueueConfig, WhenDurable, WhenFull};
#[cfg(feature = "serde")]
pub(crate) use read::{binary_size, level, time_above_zero, truth};
pub use rotation::{Compress, Every, Keep, RotationConfig};
pub(crate) use setters::setters;
#[cfg(any(feature = "log4rs", feature = "fern"))]
pub(crate) use text::this_host;

use crate::equipment_id::EquipmentId;
use crate::error::{Error, Mistakes};
use crate::file::Access;
use crate::layout::{Layout, DEFAULT_PATH};
use crate::line::{ControlCharacters, Precision};

/// A `SinkConfig` holds the keys that the appender of log4rs and the output of fern share. Each key has a setter of the
/// same name.
///
/// A key that is not set has its default. The values are checked by a builder's `build`. With the feature
/// `serde` it is read from YAML or another format; the error then names all mistakes.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "yaml")] {
/// use equipment_log::SinkConfig;
///
/// let config: SinkConfig = serde_yaml::from_str("
/// local_root: /data
/// fsync_level: warn
/// ")?;
/// assert_eq!(config, SinkConfig::new("/data").fsync_level(log::LevelFilter::Warn));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "it says how a sink is, and makes none"]
pub struct SinkConfig {
    pub(crate) local_root: Option<PathBuf>,
    pub(crate) hostname: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) targets: BTreeMap<String, EquipmentId>,
    pub(crate) unscoped: Option<EquipmentId>,
    pub(crate) level: Option<LevelFilter>,
    pub(crate) levels: BTreeMap<EquipmentId, LevelFilter>,
    pub(crate) precision: Option<Precision>,
    pub(crate) control_characters: Option<ControlCharacters>,
    pub(crate) fsync_level: Option<LevelFilter>,
    pub(crate) follow_links: Option<bool>,
    pub(crate) file_mode: Option<u32>,
    pub(crate) dir_mode: Option<u32>,
    pub(crate) max_open_files: Option<usize>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) rotation: Option<RotationConfig>,
    pub(crate) queue: Option<QueueConfig>,
}

/// What the keys mean: checked, and with the defaults in place.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    pub(crate) hostname: String,
    /// The path of all logs: `local_root` and `path`, with the host's name in its place.
    pub(crate) pattern: PathBuf,
    /// Whether the host's name is in the path.
    pub(crate) path_has_hostname: bool,
    /// The equipment of a log target and of the targets below it.
    pub(crate) targets: BTreeMap<String, EquipmentId>,
    pub(crate) unscoped: Option<EquipmentId>,
    pub(crate) level: LevelFilter,
    /// The levels of single pieces of equipment, which replace `level`.
    pub(crate) levels: BTreeMap<EquipmentId, LevelFilter>,
    pub(crate) precision: Precision,
    pub(crate) control: ControlCharacters,
    pub(crate) fsync_level: LevelFilter,
    pub(crate) access: Access,
    /// None: the sink shares the pool of all sinks without this key.
    pub(crate) max_open_files: Option<usize>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) queue: Option<QueueSettings>,
}

impl SinkConfig {
    /// Returns a configuration with `local_root`, and the defaults for all other keys.
    pub fn new(local_root: impl AsRef<Path>) -> SinkConfig {
        SinkConfig::default().local_root(local_root)
    }

    /// Sets the folder that holds the equipment folders. `$ENV{NAME}` and `$ENV{NAME:-default}` are replaced by an
    /// environment variable. A relative path starts at the working directory that the process had at its first build.
    pub fn local_root(mut self, local_root: impl AsRef<Path>) -> SinkConfig {
        self.local_root = Some(local_root.as_ref().to_owned());
        self
    }

    setters!();

    /// The settings that the keys mean, or an error with all mistakes.
    pub(crate) fn check(&self) -> Result<Settings, Error> {
        let mut mistakes = Mistakes::default();
        let settings = self.check_into(&mut mistakes);
        let none_without_a_mistake =
            || Error::config("local_root", "it is required, and missing or empty");
        mistakes.into_result(settings)?.ok_or_else(none_without_a_mistake)
    }

    /// The settings that the keys mean. None: a key is invalid, and each mistake is added to `mistakes`.
    pub(crate) fn check_into(&self, mistakes: &mut Mistakes) -> Option<Settings> {
        let root = match &self.local_root {
            Some(root) => mistakes.ok_or_record(text::local_root(root)),
            None => {
                mistakes.missing("local_root");
                None
            }
        };
        let hostname = match &self.hostname {
            Some(name) => mistakes.ok_or_record(text::hostname(name)),
            None => Some(text::this_host()),
        };
        let path = self.path.as_deref().unwrap_or(DEFAULT_PATH);
        // If the root or the host is invalid, the path's own mistakes are still found.
        let layout = mistakes.ok_or_record(text::check_path(path)).and_then(|()| {
            let root = root.clone().unwrap_or_default();
            mistakes.ok_or_record(Layout::new(
                root,
                path,
                hostname.as_deref().unwrap_or("localhost"),
            ))
        });
        let rotation = self.rotation.as_ref().map(|rotation| rotation.check(mistakes));
        let layout = match rotation {
            Some(_) => layout.and_then(|layout| mistakes.ok_or_record(layout.for_rotation())),
            None => layout,
        };
        self.check_values(mistakes);
        self.check_ids(mistakes);
        let queue = self.queue.as_ref().map(|queue| queue.check(mistakes));
        let (root, hostname) = (root?, hostname?);
        Some(Settings {
            layout: layout?,
            pattern: root.join(path.replace("{hostname}", &hostname)),
            hostname,
            path_has_hostname: path.contains("{hostname}"),
            targets: self.targets.clone(),
            unscoped: self.unscoped.clone(),
            level: self.level.unwrap_or(LevelFilter::Trace),
            levels: self.levels.clone(),
            precision: self.precision.unwrap_or_default(),
            control: self.control_characters.unwrap_or_default(),
            fsync_level: self.fsync_level.unwrap_or(LevelFilter::Error),
            access: Access {
                follow_links: self.follow_links.unwrap_or(false),
                file_mode: self.file_mode.unwrap_or(0o644),
                dir_mode: self.dir_mode.unwrap_or(0o755),
                rotation,
            },
            max_open_files: self.max_open_files,
            idle_timeout: self.idle_timeout,
            queue,
        })
    }

    /// Adds the mistakes in the keys whose values are used as they are.
    fn check_values(&self, mistakes: &mut Mistakes) {
        for target in self.targets.keys() {
            if let Some(why) = text::no_target(target) {
                let key = match target.is_empty() {
                    true => "targets".to_owned(),
                    false => spelling::target_key(target),
                };
                mistakes.add(key, why);
            }
        }
        for (key, mode, right) in
            [("file_mode", self.file_mode, "0644"), ("dir_mode", self.dir_mode, "0755")]
        {
            if let Some(mode) = mode.filter(|mode| *mode > 0o7777) {
                mistakes.add(key, format!("{mode:o} is not an octal mode such as \"{right}\""));
            }
        }
        if self.max_open_files == Some(0) {
            mistakes.add("max_open_files", "0 is not a whole number from 1 on");
        }
        if self.idle_timeout.is_some_and(|timeout| timeout.is_zero()) {
            mistakes.add("idle_timeout", "0s is not a time above zero, such as 30 minutes");
        }
    }
}
