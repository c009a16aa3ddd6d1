//! [`SinkConfig`]: the keys of the YAML as they are written, and what they mean.
//!
//! Imports `error`, `layout` and the settings' own types. Values stay text until
//! [`SinkConfig::check`], so that every mistake can name its key.

mod queue;
mod rotation;
mod setters;
#[cfg(feature = "serde")]
mod value;

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
pub(crate) use queue::QueueSettings;
pub use queue::{QueueConfig, WhenDurable, WhenFull};
pub use rotation::{Compress, Every, Keep, RotationConfig};
pub(crate) use setters::setters;

use crate::error::Error;
use crate::file::{sys, Access};
use crate::layout::{Layout, DEFAULT_PATH};
use crate::line::ControlCharacters;
#[cfg(feature = "serde")]
use value::{quoted, scalar, section};

/// The keys that both adapters share, one field for each, as they are written in YAML.
///
/// `None` stands for the default. Nothing is checked until a builder's `build`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "yaml")] {
/// let config: equipment_log::SinkConfig = serde_yaml::from_str("
/// local_root: /data
/// fsync_level: warn
/// ")?;
/// assert_eq!(config.fsync_level.as_deref(), Some("warn"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct SinkConfig {
    /// The folder that holds the equipment folders. Required; `$ENV{NAME}` expands.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub local_root: Option<String>,
    /// The host's part of the file's name; `$ENV{NAME}` expands. Default: this machine's.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub hostname: Option<String>,
    /// Where below `local_root`. Default: `{equipment_id}/.exlab-wizard/wizard.{hostname}.log`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub path: Option<String>,
    /// log4rs only: any registered encoder. Default: `kind: equipment_line`.
    pub encoder: Option<Encoder>,
    /// Records at this level or worse are on disk when the log call returns; `off`. Default: `error`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub fsync_level: Option<String>,
    /// `escape` or `keep`. Default: `escape`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub control_characters: Option<String>,
    /// Whether an equipment folder may be a link out of `local_root`. Default: `false`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub follow_links: Option<String>,
    /// Unix: the mode of a new file, octal, less the umask. Default: `"0644"`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "quoted"))]
    pub file_mode: Option<String>,
    /// Unix: the mode of a new folder, octal, less the umask. Default: `"0755"`.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "quoted"))]
    pub dir_mode: Option<String>,
    /// The least recently used files of this appender are closed beyond this number. Default: half of
    /// the soft limit of descriptors; several appenders share a process's limit.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub max_open_files: Option<String>,
    /// A file without a record for so long is closed, such as `30 minutes`. Default: none is.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "scalar"))]
    pub idle_timeout: Option<String>,
    /// When a log is rotated. Default: never.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "section"))]
    pub rotation: Option<RotationConfig>,
    /// A thread that writes, and what waits for it. Default: none, the logging thread writes.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "section"))]
    pub queue: Option<QueueConfig>,
}

/// An encoder's configuration, kept as it is for the framework that has encoders.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "yaml")] {
/// let encoder: equipment_log::Encoder = serde_yaml::from_str("kind: json")?;
/// assert_eq!(encoder, serde_yaml::from_str("{ kind: json }")?);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(transparent))]
pub struct Encoder(
    #[cfg(feature = "serde")] pub(crate) serde_value::Value,
    #[cfg(not(feature = "serde"))] (),
);

/// What the keys mean.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    pub(crate) hostname: String,
    pub(crate) fsync_level: LevelFilter,
    pub(crate) control: ControlCharacters,
    pub(crate) access: Access,
    pub(crate) max_open_files: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) queue: Option<QueueSettings>,
}

impl SinkConfig {
    /// The configuration with a root and nothing else.
    pub fn new(local_root: impl Into<String>) -> SinkConfig {
        SinkConfig { local_root: Some(local_root.into()), ..SinkConfig::default() }
    }

    pub(crate) fn check(&self) -> Result<Settings, Error> {
        if self.encoder.is_some() {
            return Err(Error::config("encoder", "only log4rs has encoders"));
        }
        let Some(root) = &self.local_root else {
            return Err(Error::config("local_root", "it is required, and missing"));
        };
        let root = expand_env("local_root", root)?;
        if root.is_empty() {
            return Err(Error::config("local_root", "it is empty"));
        }
        if root.starts_with('~') {
            return Err(Error::config(
                "local_root",
                format!("{root:?} begins with ~, which only a shell expands; $ENV{{HOME}} is the home folder here"),
            ));
        }
        let root = std::path::absolute(&root).map_err(|err| {
            Error::config("local_root", format!("cannot make {root:?} absolute: {err}"))
        })?;
        let hostname = self.check_hostname()?;
        let layout = Layout::new(root, self.path.as_deref().unwrap_or(DEFAULT_PATH), &hostname)?;
        let mut mistakes = Vec::new();
        let rotation = self.rotation.as_ref().and_then(|rotation| rotation.check(&mut mistakes));
        if !mistakes.is_empty() {
            return Err(mistakes.swap_remove(0));
        }
        if rotation.is_some() {
            layout.leaves_room_for_rotated_names()?;
        }
        Ok(Settings {
            layout,
            hostname,
            fsync_level: parse("fsync_level", &self.fsync_level, LevelFilter::Error, |text| {
                text.parse().map_err(|_| "one of off, error, warn, info, debug, trace".to_owned())
            })?,
            control: parse(
                "control_characters",
                &self.control_characters,
                ControlCharacters::Escape,
                |text| match text {
                    "escape" => Ok(ControlCharacters::Escape),
                    "keep" => Ok(ControlCharacters::Keep),
                    _ => Err("escape or keep".to_owned()),
                },
            )?,
            access: Access {
                follow_links: parse("follow_links", &self.follow_links, false, |text| {
                    text.parse().map_err(|_| "true or false".to_owned())
                })?,
                file_mode: parse("file_mode", &self.file_mode, 0o644, parse_mode)?,
                dir_mode: parse("dir_mode", &self.dir_mode, 0o755, parse_mode)?,
                rotation,
            },
            max_open_files: parse(
                "max_open_files",
                &self.max_open_files,
                default_open_files(),
                |text| match text.parse() {
                    Ok(0) | Err(_) => Err("a whole number from 1 on".to_owned()),
                    Ok(limit) => Ok(limit),
                },
            )?,
            idle_timeout: parse("idle_timeout", &self.idle_timeout, None, |text| {
                match humantime::parse_duration(text) {
                    Ok(timeout) if !timeout.is_zero() => Ok(Some(timeout)),
                    _ => Err("a time above zero, such as 30 minutes".to_owned()),
                }
            })?,
            queue: self.queue.as_ref().map(QueueConfig::check).transpose()?,
        })
    }

    fn check_hostname(&self) -> Result<String, Error> {
        match &self.hostname {
            Some(name) => expand_env("hostname", name),
            None => this_host(),
        }
    }
}

/// This machine's name.
pub(crate) fn this_host() -> Result<String, Error> {
    let name = hostname::get().map_err(|err| {
        Error::config("hostname", format!("this machine's name cannot be read: {err}"))
    })?;
    name.into_string().map_err(|name| {
        Error::config("hostname", format!("this machine's name {name:?} is not Unicode"))
    })
}

/// Half of what the process may have: the other half is the application's.
fn default_open_files() -> usize {
    (sys::descriptor_limit() / 2).max(1)
}

/// The value of a key, or its default; `read` says what would have been right.
fn parse<T>(
    key: &str,
    text: &Option<String>,
    default: T,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Error> {
    match text {
        None => Ok(default),
        Some(text) => {
            read(text).map_err(|expected| Error::config(key, format!("{text:?} is not {expected}")))
        }
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let octal = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o7777 => Ok(mode),
        _ => Err("an octal mode such as \"0644\", in quotes".to_owned()),
    }
}

/// Replaces each `$ENV{NAME}` by the variable's value.
fn expand_env(key: &str, text: &str) -> Result<String, Error> {
    const OPEN: &str = "$ENV{";
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        expanded.push_str(&rest[..at]);
        let name = &rest[at + OPEN.len()..];
        let Some(end) = name.find('}') else {
            return Err(Error::config(
                key,
                format!("{text:?} has a $ENV{{ without its closing brace"),
            ));
        };
        let (name, after) = (&name[..end], &name[end + 1..]);
        if name.is_empty() {
            return Err(Error::config(
                key,
                format!("{text:?} has a $ENV{{}} that names no variable"),
            ));
        }
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => expanded.push_str(&value),
            Ok(_) => {
                return Err(Error::config(key, format!("the environment variable {name} is empty")))
            }
            Err(err) => {
                let why = match err {
                    std::env::VarError::NotPresent => "is not set",
                    std::env::VarError::NotUnicode(_) => "is not Unicode",
                };
                return Err(Error::config(key, format!("the environment variable {name} {why}")));
            }
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The configuration's root, from a path; a path that is not Unicode cannot be said in YAML either.
pub(crate) fn root_text(root: PathBuf) -> Result<String, Error> {
    root.into_os_string()
        .into_string()
        .map_err(|root| Error::config("local_root", format!("{root:?} is not Unicode")))
}
