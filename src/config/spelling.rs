//! The ids that a configuration names, checked for those that differ by letter case only.
//!
//! The invariant: a check claims no spelling. An id is claimed when its first record is written.

use std::collections::BTreeMap;

use log::LevelFilter;

use super::{Settings, SinkConfig};
use crate::equipment_id::EquipmentId;
use crate::error::Mistakes;

/// The ids of `targets`, `unscoped` and `levels`, each with its key.
#[derive(Clone, Copy)]
pub(super) struct NamedIds<'c> {
    targets: &'c BTreeMap<String, EquipmentId>,
    unscoped: Option<&'c EquipmentId>,
    levels: &'c BTreeMap<EquipmentId, LevelFilter>,
}

impl<'c> NamedIds<'c> {
    /// The ids that get records: those of `targets` and `unscoped`.
    fn with_records(self) -> impl Iterator<Item = (String, &'c EquipmentId)> {
        let targets = self.targets.iter().map(|(target, id)| (target_key(target), id));
        targets.chain(self.unscoped.map(|id| ("unscoped".to_owned(), id)))
    }

    fn all(self) -> impl Iterator<Item = (String, &'c EquipmentId)> {
        let levels = self.levels.keys().map(|id| (format!("levels.{id}"), id));
        self.with_records().chain(levels)
    }
}

/// The key of one entry of `targets`.
pub(crate) fn target_key(target: &str) -> String {
    format!("targets.{}", target.escape_debug())
}

/// The ids that were seen, by their lower case, each with the place that named it first.
#[derive(Default)]
pub(crate) struct SeenIds<'c>(BTreeMap<String, (String, &'c EquipmentId)>);

impl<'c> SeenIds<'c> {
    /// Adds the ids of one appender. Returns the keys of those that differ from an id seen before by letter case only,
    /// and why that is a mistake. `appender` is in front of the keys, where another appender's mistake names them.
    pub(crate) fn add(&mut self, settings: &'c Settings, appender: &str) -> Vec<(String, String)> {
        let Settings { targets, unscoped, levels, .. } = settings;
        let ids = NamedIds { targets, unscoped: unscoped.as_ref(), levels };
        self.add_ids(ids, &format!("{appender}, "))
    }

    fn add_ids(&mut self, ids: NamedIds<'c>, prefix: &str) -> Vec<(String, String)> {
        let mut conflicts = Vec::new();
        for (key, id) in ids.all() {
            let place = || (format!("{prefix}{key}"), id);
            let (first, seen) =
                self.0.entry(id.as_str().to_ascii_lowercase()).or_insert_with(place);
            if *seen != id {
                let why = format!(
                    "{:?} and {:?} of {first} differ by letter case only, which some file systems cannot tell \
                     apart",
                    id.as_str(),
                    seen.as_str()
                );
                conflicts.push((key, why));
            }
        }
        conflicts
    }
}

impl SinkConfig {
    /// Adds the ids that differ by letter case only, from each other or from one that this process writes to.
    pub(super) fn check_ids(&self, mistakes: &mut Mistakes) {
        let SinkConfig { targets, unscoped, levels, .. } = self;
        let ids = NamedIds { targets, unscoped: unscoped.as_ref(), levels };
        for (key, why) in SeenIds::default().add_ids(ids, "") {
            mistakes.add(key, why);
        }
        for (key, id) in ids.with_records() {
            if let Err(err) = id.check_spelling() {
                mistakes.add(key, err.to_string());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    /// In code, as with YAML: both keys are named.
    #[test]
    fn ids_of_one_configuration_that_differ_by_letter_case_are_refused_with_both_keys() {
        let id = |id: &str| EquipmentId::new(id).unwrap();
        let config = |targets: &[(&str, &str)], unscoped: &str, level: &str| {
            SinkConfig::new("/lab")
                .targets(targets.iter().map(|(target, name)| (*target, id(name))))
                .unscoped(id(unscoped))
                .levels([(id(level), LevelFilter::Info)])
        };
        let two = [("acme", "SPELT1"), ("acme::stage", "spelt1")];
        for (config, keys) in [
            (config(&two, "OTHER", "OTHER"), ["targets.acme::stage: ", "of targets.acme "]),
            (config(&two[..1], "Spelt1", "OTHER"), ["unscoped: ", "of targets.acme "]),
            (config(&two[..1], "OTHER", "spelt1"), ["levels.spelt1: ", "of targets.acme "]),
            (config(&[], "SPELT1", "spelt1"), ["levels.spelt1: ", "of unscoped "]),
        ] {
            let why = config.check().unwrap_err().to_string();
            assert!(keys.iter().all(|key| why.contains(key)), "{why}");
        }
        config(&two[..1], "SPELT1", "SPELT1").check().unwrap();
    }
}
