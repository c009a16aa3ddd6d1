//! Warnings about settings that are valid, and probably not meant.

use std::collections::BTreeMap;

use ::log4rs::config::{Logger, Root};
use log::LevelFilter;

use super::document::appender_key;
use super::plan::Ours;
use crate::config::suggest::mistyped;
use crate::context::EQUIPMENT_ID;
use crate::file;

/// A logger, with the appenders that get its records: its own and, where it is additive, its parent's.
struct Effective<'c> {
    name: &'c str,
    level: LevelFilter,
    appenders: Vec<&'c str>,
}

pub(super) fn of(ours: &[Ours], root: &Root, loggers: &[Logger]) -> Vec<String> {
    let loggers = effective(root, loggers);
    let mut warnings = Vec::new();
    let mut paths: BTreeMap<_, &str> = BTreeMap::new();
    for appender in ours {
        let (key, settings) = (appender_key(&appender.name), appender.settings());
        let with = |logger: &&Effective<'_>| logger.appenders.contains(&appender.name.as_str());
        let let_through = loggers.iter().filter(with).map(|logger| logger.level).max();
        let threshold = thresholds(appender).min();
        let most =
            let_through.unwrap_or(LevelFilter::Off).min(threshold.unwrap_or(LevelFilter::Trace));
        for (equipment, level) in settings.levels.iter().filter(|(_, level)| **level > most) {
            warnings.push(format!(
                "{key}: levels.{equipment}: no record of level {} arrives: its loggers and filters let \
                 through {} and worse",
                level.as_str().to_lowercase(),
                most.as_str().to_lowercase()
            ));
        }
        let twice = loggers.iter().find(|logger| {
            logger.appenders.iter().filter(|name| **name == appender.name).count() > 1
        });
        if let Some(logger) = twice {
            warnings.push(format!(
                "{key}: a record of {} gets there twice: the appender is named at a logger and again at its \
                 parent (`additive: false` ends that), or twice in one list",
                logger.name
            ));
        }
        if let Some(other) = paths.insert(&settings.pattern, &appender.name) {
            warnings.push(format!("{key}: it writes to the same path as {}", appender_key(other)));
        }
        if settings.access.rotation.is_some() && !settings.path_has_hostname {
            warnings.push(format!(
                "{key}: path: with `rotation` and without {{hostname}}, machines that share the folder would \
                 rotate one file"
            ));
        }
        for tag in settings.layout.tags() {
            if let Some(meant) = mistyped(tag, ["hostname", EQUIPMENT_ID]) {
                warnings.push(format!(
                    "{key}: path: {{{tag}}} is a tag, and a record without this tag is skipped (was {{{meant}}} \
                     meant?)"
                ));
            }
        }
        if let Some(why) = file::cannot_be_made(settings.layout.root()) {
            let root = settings.layout.root().display();
            warnings
                .push(format!("{key}: local_root: {root} cannot be written at this moment: {why}"));
        }
    }
    warnings
}

/// The levels of an appender's filters of log4rs's own kind.
fn thresholds(appender: &Ours) -> impl Iterator<Item = LevelFilter> + '_ {
    let thresholds = appender.filters.iter().filter(|filter| filter.kind == "threshold");
    thresholds.filter_map(|filter| match &filter.config {
        serde_value::Value::Map(keys) => {
            let level = keys.get(&serde_value::Value::String("level".to_owned()))?;
            crate::config::value::scalar(level)??.parse().ok()
        }
        _ => None,
    })
}

/// The root and each logger, by log4rs's rules: the nearest parent that is declared passes on its own.
fn effective<'c>(root: &'c Root, loggers: &'c [Logger]) -> Vec<Effective<'c>> {
    let names = |appenders: &'c [String]| appenders.iter().map(String::as_str);
    let of_root = Effective {
        name: "root",
        level: root.level(),
        appenders: names(root.appenders()).collect(),
    };
    let mut all = vec![of_root];
    for logger in loggers {
        let mut appenders: Vec<_> = names(logger.appenders()).collect();
        let (mut name, mut additive) = (logger.name(), logger.additive());
        while additive {
            match name.rsplit_once("::") {
                None => {
                    appenders.extend(names(root.appenders()));
                    break;
                }
                Some((parent, _)) => {
                    name = parent;
                    if let Some(parent) = loggers.iter().find(|logger| logger.name() == parent) {
                        appenders.extend(names(parent.appenders()));
                        additive = parent.additive();
                    }
                }
            }
        }
        all.push(Effective { name: logger.name(), level: logger.level(), appenders });
    }
    all
}
