//! [`Cache`]: which log belongs to which scope. Found without a lock, made once.
//!
//! Imports `layout`, `scope`, `equipment_id` and `file`. The invariant: one path has one
//! [`LogFile`], and no two paths differ by letter case only.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::equipment_id::EquipmentId;
use crate::error::{Error, Kind};
use crate::file::{LogFile, OpenFiles, Root};
use crate::layout::{Layout, NoPath};
use crate::scope::Scope;

#[derive(Debug)]
pub(crate) struct Cache {
    layout: Layout,
    root: Arc<Root>,
    pub(crate) open_files: Arc<OpenFiles>,
    /// By the layout's key of a scope; read at every record.
    by_key: papaya::HashMap<Box<str>, Arc<Log>, foldhash::fast::RandomState>,
    /// By the path in lower case; taken when a scope logs for the first time.
    by_path: Mutex<HashMap<String, Arc<Log>>>,
}

/// One log and the equipment it is of.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) equipment: EquipmentId,
    pub(crate) file: Arc<LogFile>,
}

impl Cache {
    pub(crate) fn new(layout: Layout, root: Root, max_open_files: usize) -> Cache {
        Cache {
            layout,
            root: Arc::new(root),
            open_files: Arc::new(OpenFiles::new(max_open_files)),
            by_key: papaya::HashMap::default(),
            by_path: Mutex::default(),
        }
    }

    /// Calls `f` with the log of this scope.
    pub(crate) fn with<T>(
        &self,
        scope: &Scope,
        f: impl FnOnce(&Arc<LogFile>) -> T,
    ) -> Result<T, NoPath> {
        thread_local! {
            static SCRATCH: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let mut scratch = SCRATCH.try_with(RefCell::take).unwrap_or_default();
        let logs = self.by_key.pin();
        let result = match self.layout.key(scope, &mut scratch) {
            None => Err(NoPath::NotOurs),
            Some(key) => match logs.get(key) {
                Some(log) => Ok(f(&log.file)),
                None => self.add(key, scope).map(|log| f(&log.file)),
            },
        };
        let _ = SCRATCH.try_with(|kept| kept.replace(scratch));
        result
    }

    fn add(&self, key: &str, scope: &Scope) -> Result<Arc<Log>, NoPath> {
        let relative = self.layout.relative(scope)?;
        let equipment = scope.equipment_id();
        equipment.claim_spelling().map_err(NoPath::Refused)?;
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        let log = by_path.entry(relative.to_ascii_lowercase()).or_insert_with(|| {
            let file = LogFile::new(&self.root, PathBuf::from(&relative), &self.open_files);
            Arc::new(Log { equipment: equipment.clone(), file })
        });
        if log.file.path() != self.root.path().join(&relative) {
            let used = log.file.path().display().to_string();
            return Err(NoPath::Refused(Error::from(Kind::Twin { value: relative, used })));
        }
        self.by_key.pin().insert(key.into(), Arc::clone(log));
        Ok(Arc::clone(log))
    }

    /// Where this scope's records go; none if it lacks a tag that the path names, or is refused.
    pub(crate) fn path(&self, scope: &Scope) -> Option<PathBuf> {
        Some(self.layout.root().join(self.layout.relative(scope).ok()?))
    }

    /// Every log that had a record.
    pub(crate) fn logs(&self) -> Vec<Arc<Log>> {
        self.by_path.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
