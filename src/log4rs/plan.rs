//! [`Plan`]: a configuration file in which no mistake was found without building, and then the build.
//!
//! The invariant: if any part of a plan cannot be built, every sink stays as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::log4rs::append::Append;
use ::log4rs::config::{Appender, Config, Deserializers, Logger, Root};
use ::log4rs::filter::{Filter, FilterConfig};
use serde_value::Value;

use super::document::{appender_key, Declared, Document};
use super::handle::Sinks;
use super::kinds;
use super::loggers::mend_level;
use super::yaml::{self, Checked};
use super::{warnings, APPENDER_KIND};
use crate::config::spelling::SeenIds;
use crate::config::suggest::probably;
use crate::config::value::{kind_of, scalar, shown, unknown_key, Keys};
use crate::config::Settings;
use crate::error::{Error, Mistakes};
use crate::report::Reporter;
use crate::sink::EquipmentSink;

/// The appender kinds that are worth a guess.
const APPENDER_KINDS: [&str; 4] = [APPENDER_KIND, "console", "file", "rolling_file"];

/// What a file declares, checked.
pub(super) struct Plan {
    ours: Vec<Ours>,
    others: Vec<Declared>,
    root: Root,
    loggers: Vec<Logger>,
    pub(super) refresh_rate: Option<Duration>,
    /// Warnings about settings that are valid, and probably not meant.
    pub(super) warnings: Vec<String>,
}

/// One of our appenders.
pub(super) struct Ours {
    pub(super) name: String,
    pub(super) filters: Vec<FilterConfig>,
    checked: Checked,
}

impl Ours {
    /// None: the appender is invalid, and its mistakes were added to `mistakes`.
    fn check(appender: &Declared, kinds: &Deserializers, mistakes: &mut Mistakes) -> Option<Ours> {
        let Declared { name, config, filters, .. } = appender.clone();
        let mut own = Mistakes::default();
        let checked = match Keys::of(config) {
            Ok(keys) => Checked::read(keys, kinds, &mut own),
            Err(value) => {
                own.add("keys", format!("invalid type: {}", kind_of(&value)));
                None
            }
        };
        match own.into_result(checked) {
            Ok(checked) => Some(Ours { name, filters, checked: checked? }),
            Err(err) => {
                mistakes.add(appender_key(&name), err.to_string());
                None
            }
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.checked.settings
    }

    /// The appender, and its sink: the kept one with new settings, or a new one.
    fn build(
        self,
        kept: &Kept,
        reporter: Reporter,
    ) -> Result<(Built, (SinkPlace, EquipmentSink)), Error> {
        let Ours { name, filters, checked: Checked { settings, encoder } } = self;
        let place = SinkPlace::of(&settings);
        let sink = match kept.get(&name) {
            Some((its, sink)) if *its == place => sink.with_settings(settings)?,
            _ => EquipmentSink::from_settings(settings)?,
        };
        let appender = Box::new(yaml::appender(sink.clone(), encoder, reporter));
        Ok((Built { name, filters, appender }, (place, sink)))
    }
}

/// An appender that is built, without its filters.
struct Built {
    name: String,
    filters: Vec<FilterConfig>,
    appender: Box<dyn Append>,
}

impl Built {
    fn with_filters(self, kinds: &Deserializers, mistakes: &mut Mistakes) -> Appender {
        let mut builder = Appender::builder();
        for FilterConfig { kind, config } in self.filters {
            match kinds::deserialize::<dyn Filter>(kinds, &kind, config) {
                Ok(filter) => builder = builder.filter(filter),
                Err(err) => {
                    mistakes.add(appender_key(&self.name), format!("filter {kind}: {err:#}"))
                }
            }
        }
        builder.build(self.name, self.appender)
    }
}

/// The configuration file of a program, and what its appenders are built with.
#[derive(Clone)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) kinds: Deserializers,
    /// The sinks that the handle reaches.
    pub(super) sinks: Arc<Sinks>,
    pub(super) reporter: Reporter,
}

/// The sinks of the configuration that is installed, by the names of their appenders.
pub(super) type Kept = BTreeMap<String, (SinkPlace, EquipmentSink)>;

/// The settings that decide whether an appender keeps its sink over an edit: a sink with the same place is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SinkPlace(String);

impl SinkPlace {
    fn of(settings: &Settings) -> SinkPlace {
        let Settings { pattern, hostname, access, queue, .. } = settings;
        SinkPlace(format!("{pattern:?} {hostname} {access:?} {queue:?}"))
    }
}

impl Plan {
    /// Reads and checks a file's text. The error names the file and all its mistakes.
    pub(super) fn read(path: &Path, text: &str, kinds: &Deserializers) -> Result<Plan, Error> {
        let mut mistakes = Mistakes::default();
        let document = Document::read(text, &mut mistakes);
        let plan = document.and_then(|document| Plan::check(document, kinds, &mut mistakes));
        match mistakes.into_result(plan) {
            Ok(Some(plan)) => Ok(plan),
            Ok(None) => Err(in_file(path, "it is invalid")),
            Err(err) => Err(in_file(path, err)),
        }
    }

    fn check(document: Document, kinds: &Deserializers, mistakes: &mut Mistakes) -> Option<Plan> {
        let mut ours = Vec::new();
        for appender in &document.appenders {
            let key = appender_key(&appender.name);
            appender.filters.iter().for_each(|filter| check_filter(&key, filter, kinds, mistakes));
            match appender.is_ours() {
                true => ours.extend(Ours::check(appender, kinds, mistakes)),
                false => check_kind(appender, kinds, mistakes),
            }
        }
        check_ids(&ours, mistakes);
        if document.names_are_known {
            check_names(&document, mistakes);
        }
        if !mistakes.is_empty() {
            return None;
        }
        check_whole(&document, mistakes);
        let Document { refresh_rate, root, loggers, appenders, .. } = document;
        let warnings = warnings::of(&ours, &root, &loggers);
        let others = appenders.into_iter().filter(|appender| !appender.is_ours()).collect();
        Some(Plan { ours, others, root, loggers, refresh_rate, warnings })
    }

    /// Builds everything, log4rs's own appenders last. A kept sink is not changed before everything is built.
    pub(super) fn build(self, file: &ConfigFile, kept: &Kept) -> Result<(Config, Kept), Error> {
        let mut mistakes = Mistakes::default();
        let mut appenders = Vec::new();
        let mut now_kept = Kept::new();
        for ours in self.ours {
            let name = ours.name.clone();
            match ours.build(kept, file.reporter.clone()) {
                Ok((built, sink)) => {
                    now_kept.insert(name, sink);
                    appenders.push(built);
                }
                Err(err) => mistakes.add(appender_key(&name), err.to_string()),
            }
        }
        for Declared { name, kind, config, filters } in self.others {
            if !mistakes.is_empty() {
                break;
            }
            match kinds::deserialize::<dyn Append>(&file.kinds, &kind, config) {
                Ok(appender) => appenders.push(Built { name, filters, appender }),
                Err(err) => {
                    mistakes.add(appender_key(&name), format!("{err:#}").replace('\n', " "))
                }
            }
        }
        let with_filters = |built: Built| built.with_filters(&file.kinds, &mut mistakes);
        let appenders: Vec<_> = appenders.into_iter().map(with_filters).collect();
        mistakes.into_result(()).map_err(|err| in_file(&file.path, err))?;
        let config = Config::builder().appenders(appenders).loggers(self.loggers).build(self.root);
        let config =
            config.map_err(|err| in_file(&file.path, err.to_string().replace('\n', " ")))?;
        for (_, sink) in now_kept.values() {
            sink.take_effect();
            file.sinks.add(sink);
        }
        Ok((config, now_kept))
    }
}

/// Checks that log4rs accepts an appender's filter.
fn check_filter(
    appender: &str,
    filter: &FilterConfig,
    kinds: &Deserializers,
    mistakes: &mut Mistakes,
) {
    let FilterConfig { kind, config } = filter;
    let (key, mut config) = (format!("{appender}, filter {}", shown(kind)), config.clone());
    if let ("threshold", Value::Map(keys)) = (kind.as_str(), &mut config) {
        if let Some(level) = keys.get_mut(&Value::String("level".to_owned())) {
            mend_level(&format!("{key}: level"), level, mistakes);
        }
        let names = keys.keys().filter_map(|name| scalar(name).flatten());
        let unknown: Vec<_> = names.filter(|name| name != "level").collect();
        for name in &unknown {
            mistakes.add(format!("{key}: {}", shown(name)), unknown_key(name, &["level"]));
        }
        if !unknown.is_empty() {
            return;
        }
    }
    if let Err(err) = kinds::deserialize::<dyn Filter>(kinds, kind, config) {
        let meant = yaml::unknown_kind(&err, kind, &["threshold"]);
        mistakes.add(key, format!("{err:#}{meant}").replace('\n', " "));
    }
}

/// Checks that the kind of an appender of another crate is known. Nothing is built.
fn check_kind(appender: &Declared, kinds: &Deserializers, mistakes: &mut Mistakes) {
    // It is reported already that its keys are no appender's.
    if appender.kind.starts_with('?') {
        return;
    }
    if let Err(err) = kinds::is_known::<dyn Append>(kinds, &appender.kind) {
        let meant = yaml::unknown_kind(&err, &appender.kind, &APPENDER_KINDS);
        let why = format!("kind: `{}` is not known here{meant}", shown(&appender.kind));
        mistakes.add(appender_key(&appender.name), why);
    }
}

/// Reports ids of two appenders that differ by letter case only: a process writes to one of them.
fn check_ids(ours: &[Ours], mistakes: &mut Mistakes) {
    let mut seen = SeenIds::default();
    for appender in ours {
        let key = appender_key(&appender.name);
        for (id_key, why) in seen.add(appender.settings(), &key) {
            mistakes.add(&key, format!("{id_key}: {why}"));
        }
    }
}

/// Reports names that are used and not declared, and appenders of ours that are declared and not used.
fn check_names(document: &Document, mistakes: &mut Mistakes) {
    let mut used: Vec<_> = document.root.appenders().to_vec();
    used.extend(document.loggers.iter().flat_map(|logger| logger.appenders().iter().cloned()));
    used.sort();
    used.dedup();
    let declared = || document.appenders.iter().map(|appender| &*appender.name);
    let ours = || document.appenders.iter().filter(|appender| appender.is_ours());
    for unused in ours().filter(|appender| !used.contains(&appender.name)) {
        mistakes.add(appender_key(&unused.name), "neither `root` nor any logger names it");
    }
    for name in used.iter().filter(|name| declared().all(|declared| declared != **name)) {
        let meant = probably(name, declared());
        let why = format!("`root` or a logger names it, and it is not there{meant}");
        mistakes.add(appender_key(name), why);
    }
    if used.is_empty() && ours().next().is_none() {
        mistakes.add("root", "no logger has an appender");
    }
}

/// Reports whatever else log4rs refuses, such as a logger's name with an empty part.
fn check_whole(document: &Document, mistakes: &mut Mistakes) {
    let Document { root, loggers, appenders, .. } = document;
    let nobody = |it: &Declared| Appender::builder().build(it.name.clone(), Box::new(Nobody));
    let config = Config::builder().appenders(appenders.iter().map(nobody));
    let mut of_root = Root::builder();
    for name in root.appenders() {
        of_root = of_root.appender(name.clone());
    }
    let copy = |logger: &Logger| {
        let mut builder = Logger::builder().additive(logger.additive());
        for name in logger.appenders() {
            builder = builder.appender(name.clone());
        }
        builder.build(logger.name().to_owned(), logger.level())
    };
    let config = config.loggers(loggers.iter().map(copy)).build(of_root.build(root.level()));
    if let Err(err) = config {
        err.errors().iter().for_each(|err| mistakes.add("log4rs", err.to_string()));
    }
}

/// Stands for an appender, where only its name counts.
#[derive(Debug)]
struct Nobody;

impl Append for Nobody {
    fn append(&self, _: &log::Record<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn flush(&self) {}
}

/// An error about a file.
pub(super) fn in_file(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::config(path.display().to_string(), why.to_string())
}
