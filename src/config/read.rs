//! Reads the keys of a [`SinkConfig`] from a mapping.
#![cfg(feature = "serde")]

use std::time::Duration;

use log::LevelFilter;

use super::choice::Choice;
use super::suggest::probably;
use super::value::{is_number, kind_of, scalar, shown, Keys, Section};
use super::{QueueConfig, RotationConfig, SinkConfig};
use crate::equipment_id::EquipmentId;
use crate::error::Mistakes;
use crate::line::{ControlCharacters, Precision};

impl SinkConfig {
    /// The typed keys. `elsewhere` are known keys that the adapter has taken already.
    pub(crate) fn read(
        keys: Keys,
        elsewhere: &[&'static str],
        mistakes: &mut Mistakes,
    ) -> SinkConfig {
        let mut section = Section::new("", keys, mistakes);
        if section.is_without_value("local_root") {
            section.mistake("local_root", NO_ROOT);
        }
        let config = SinkConfig {
            local_root: section.name("local_root", text).map(Into::into),
            hostname: section.name("hostname", text),
            path: section.name("path", text),
            targets: section
                .entries("targets", "a log target and an equipment id", |target, id| {
                    Ok((target.to_owned(), equipment(id)?))
                })
                .into_iter()
                .collect(),
            unscoped: section.name("unscoped", equipment),
            level: section.read("level", level),
            levels: section
                .entries("levels", "an equipment id and a level", |id, text| {
                    Ok((equipment(id)?, level(text)?))
                })
                .into_iter()
                .collect(),
            precision: section.read("precision", Precision::from_word),
            control_characters: section.read("control_characters", ControlCharacters::from_word),
            fsync_level: section.read("fsync_level", level),
            follow_links: section.read("follow_links", truth),
            file_mode: mode(&mut section, "file_mode", "0644"),
            dir_mode: mode(&mut section, "dir_mode", "0755"),
            max_open_files: section.read("max_open_files", |text| match text.parse() {
                Ok(0) | Err(_) => Err(format!("{text:?} is not a whole number from 1 on")),
                Ok(limit) => Ok(limit),
            }),
            idle_timeout: section.read("idle_timeout", |text| time_above_zero(text, "30 minutes")),
            rotation: section.section(
                "rotation",
                "a mapping with `every` or `limit`, such as { every: day, keep: 90 days }",
                RotationConfig::read,
            ),
            queue: section.section(
                "queue",
                "the keys of a queue, or {} for the defaults",
                QueueConfig::read,
            ),
        };
        section.report_unknown_keys(elsewhere);
        config
    }

    /// The same, and where something is wrong already, what else is wrong.
    pub(crate) fn read_with_all_mistakes(
        keys: Keys,
        elsewhere: &[&'static str],
        mistakes: &mut Mistakes,
    ) -> SinkConfig {
        let config = SinkConfig::read(keys, elsewhere, mistakes);
        if !mistakes.is_empty() {
            config.check_into(mistakes);
        }
        config
    }
}

impl<'de> serde::Deserialize<'de> for SinkConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut mistakes = Mistakes::default();
        let keys = Keys::deserialize(deserializer)?;
        let config = SinkConfig::read_with_all_mistakes(keys, &[], &mut mistakes);
        mistakes.into_result(config).map_err(serde::de::Error::custom)
    }
}

/// Of `local_root: ~`, too: YAML makes the same of both.
const NO_ROOT: &str =
    "it is required, and has no value; a lone ~ is none in YAML, and $ENV{HOME} is the home folder";

fn equipment(id: &str) -> Result<EquipmentId, String> {
    EquipmentId::new(id).map_err(|err| err.to_string())
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn mode(section: &mut Section<'_>, key: &'static str, example: &str) -> Option<u32> {
    let right = format!("an octal mode such as \"{example}\", in quotes");
    let value = section.take(key)?;
    let text = match scalar(&value) {
        Some(None) => return None,
        Some(Some(text)) if !is_number(&value) => text,
        _ => {
            section.mistake(key, format!("invalid type: {}, expected {right}", kind_of(&value)));
            return None;
        }
    };
    let octal = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if octal && mode <= 0o7777 => Some(mode),
        _ => {
            section.mistake(key, format!("\"{}\" is not {right}", shown(&text)));
            None
        }
    }
}

/// A size in bytes. Powers of 1024 whatever the unit is called, as log4rs reads its own `limit`.
pub(crate) fn binary_size(text: &str) -> Result<u64, parse_size::Error> {
    parse_size::Config::new().with_binary().parse_size(text)
}

/// A time such as `30 minutes`.
pub(crate) fn time_above_zero(text: &str, example: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(format!("{text:?} is not a time above zero, such as {example}")),
    }
}

/// The words for levels, in the order of their severity.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What other logging libraries call a level, where it looks like none of ours.
const LEVELS_ELSEWHERE: [(&str, &str); 12] = [
    ("emergency", "error"),
    ("alert", "error"),
    ("critical", "error"),
    ("crit", "error"),
    ("fatal", "error"),
    ("panic", "error"),
    ("severe", "error"),
    ("notice", "info"),
    ("fine", "debug"),
    ("verbose", "trace"),
    ("all", "trace"),
    ("none", "off"),
];

/// A level, in any case, as log reads it.
pub(crate) fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| {
        let lower = text.to_lowercase();
        let elsewhere = LEVELS_ELSEWHERE.iter().find(|(word, _)| *word == lower);
        let meant = probably(elsewhere.map_or(&*lower, |(_, ours)| ours), LEVELS);
        format!("{text:?} is not one of {}{meant}", LEVELS.join(", "))
    })
}

/// A truth value.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is not true or false"))
}

#[cfg(all(test, feature = "yaml"))]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    /// The reader of a file has looked before; a program that reads a `SinkConfig` by serde has not.
    #[test]
    fn a_key_that_is_there_twice_is_refused_at_every_depth() {
        for (yaml, key) in [
            ("{local_root: /lab, local_root: /b}", "local_root"),
            ("{local_root: /lab, rotation: {every: day, every: hour}}", "rotation.every"),
            ("{local_root: /lab, levels: {A: info, A: debug}}", "levels.A"),
        ] {
            let err = serde_yaml::from_str::<SinkConfig>(yaml).unwrap_err().to_string();
            assert!(err.contains(&format!("{key}: duplicate key")), "{yaml}: {err}");
        }
    }
}
