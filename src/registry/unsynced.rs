//! [`Unsynced`]: the records of forgotten logs that are not known to be on disk, by their file systems, and the failed
//! syncs of forgotten logs.
//!
//! The invariant: the size does not grow with the number of logs. The first [`KNOWN`] pieces of equipment are known one
//! by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::equipment_id::EquipmentId;
use crate::error::Error;
use crate::file::LogFile;

/// How many pieces of equipment are known one by one. What there is of others counts for every piece of equipment.
const KNOWN: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// By the numbers of the file systems.
    file_systems: BTreeMap<u64, FileSystem>,
    /// The failed syncs that no call has returned. None: of equipment beyond the known ones.
    failed: BTreeMap<Option<EquipmentId>, Error>,
}

/// A file system on which forgotten logs have records that are not known to be on disk.
#[derive(Debug, Default)]
struct FileSystem {
    /// A folder on it.
    folder: PathBuf,
    /// The equipment of these logs.
    known: BTreeSet<EquipmentId>,
    /// Whether there is equipment beside the known.
    more: bool,
    /// How many logs were added.
    added: u64,
    /// Held over a sync of this file system.
    syncing: Arc<Mutex<()>>,
}

impl Unsynced {
    /// Adds what a log leaves behind that is being forgotten.
    pub(super) fn add(&mut self, equipment: &EquipmentId, log: &LogFile) {
        if let Some((number, folder)) = log.unsynced_file_system() {
            self.add_file_system(equipment, number, folder);
        }
        if let Some(err) = log.take_failed_sync() {
            let known = Some(equipment.clone());
            let is_known = self.failed.len() < KNOWN || self.failed.contains_key(&known);
            self.failed.insert(known.filter(|_| is_known), err);
        }
    }

    fn add_file_system(&mut self, equipment: &EquipmentId, number: u64, folder: &Path) {
        let on = self.file_systems.entry(number).or_default();
        if on.added == 0 {
            on.folder = folder.to_owned();
        }
        on.added += 1;
        if on.known.len() < KNOWN {
            on.known.insert(equipment.clone());
        } else {
            on.more |= !on.known.contains(equipment);
        }
    }

    /// Every file system.
    pub(super) fn all(&self) -> Vec<u64> {
        self.file_systems.keys().copied().collect()
    }

    /// The file systems with logs of this equipment. With `or_more`, also those with logs of equipment that is not known.
    pub(super) fn of(&self, equipment: &EquipmentId, or_more: bool) -> Vec<u64> {
        let has = |on: &FileSystem| on.known.contains(equipment) || (on.more && or_more);
        self.file_systems.iter().filter(|(_, on)| has(on)).map(|(number, _)| *number).collect()
    }

    /// Takes every failure, and returns one.
    pub(super) fn take_failed(&mut self) -> Option<Error> {
        std::mem::take(&mut self.failed).into_values().next()
    }

    /// Takes the failure of this equipment, or else one of equipment that is not known.
    pub(super) fn take_failed_of(&mut self, equipment: &EquipmentId) -> Option<Error> {
        let of_it = self.failed.remove(&Some(equipment.clone()));
        of_it.or_else(|| self.failed.remove(&None))
    }

    /// The lock that is held over a sync of this file system. None: there is nothing to sync.
    pub(super) fn syncing(&self, number: u64) -> Option<Arc<Mutex<()>>> {
        self.file_systems.get(&number).map(|on| Arc::clone(&on.syncing))
    }

    /// What to sync, for the thread that holds this lock: a folder on the file system, and how many logs the sync
    /// covers. None: another thread has synced it meanwhile.
    pub(super) fn to_sync(&self, number: u64, held: &Arc<Mutex<()>>) -> Option<(PathBuf, u64)> {
        let on = self.file_systems.get(&number).filter(|on| Arc::ptr_eq(&on.syncing, held))?;
        Some((on.folder.clone(), on.added))
    }

    /// Notes that nothing is left to sync of the first `added` logs on this file system.
    pub(super) fn done(&mut self, number: u64, added: u64) {
        if self.file_systems.get(&number).is_some_and(|on| on.added == added) {
            self.file_systems.remove(&number);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    fn id(number: usize) -> EquipmentId {
        EquipmentId::new(format!("D{number}")).unwrap()
    }

    #[test]
    fn only_so_much_equipment_is_known_and_what_is_of_others_counts_for_each() {
        let mut unsynced = Unsynced::default();
        let folder = Path::new("folder");
        (0..KNOWN).for_each(|n| unsynced.add_file_system(&id(n), 1, folder));
        unsynced.add_file_system(&id(0), 2, folder);
        assert_eq!(unsynced.all(), [1, 2]);
        assert_eq!(unsynced.of(&id(0), true), [1, 2]);
        assert!(unsynced.of(&id(KNOWN), true).is_empty());
        (0..=KNOWN).for_each(|n| unsynced.add_file_system(&id(n), 1, folder));
        assert_eq!(unsynced.file_systems[&1].known.len(), KNOWN);
        assert_eq!(unsynced.of(&id(KNOWN), true), [1]);
        assert!(unsynced.of(&id(KNOWN), false).is_empty());
    }

    #[test]
    fn a_log_that_is_added_during_a_sync_is_left_for_the_next() {
        let mut unsynced = Unsynced::default();
        let folder = Path::new("folder");
        unsynced.add_file_system(&id(0), 1, folder);
        let syncing = unsynced.syncing(1).unwrap();
        let (_, added) = unsynced.to_sync(1, &syncing).unwrap();
        unsynced.add_file_system(&id(1), 1, folder);
        unsynced.done(1, added);
        let (_, added) = unsynced.to_sync(1, &syncing).unwrap();
        unsynced.done(1, added);
        assert!(unsynced.all().is_empty());
        // Another thread that has waited for the lock.
        unsynced.add_file_system(&id(2), 1, folder);
        assert_eq!(unsynced.to_sync(1, &syncing), None);
    }
}
