//! [`Cache`]: which log belongs to which scope. Found without a lock, made once.
//!
//! Imports `layout`, `scope`, `equipment_id` and `file`. The invariant: one path has one
//! [`LogFile`], and no two paths differ by letter case only.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::Scope;
use crate::equipment_id::EquipmentId;
use crate::error::{Error, Kind};
use crate::file::{self, LogFile, OpenFiles, Root};
use crate::layout::{Layout, NoPath};

#[derive(Debug)]
pub(crate) struct Cache {
    /// Tells this cache from every other of the process.
    number: u64,
    layout: Layout,
    root: Arc<Root>,
    pub(crate) open_files: Arc<OpenFiles>,
    /// By the layout's key of a scope; read at every record.
    by_key: papaya::HashMap<Box<str>, Arc<LogFile>, foldhash::fast::RandomState>,
    /// Taken when a scope logs for the first time.
    paths: Mutex<Paths>,
}

#[derive(Debug, Default)]
struct Paths {
    logs: HashMap<Box<str>, Arc<Log>>,
    /// Each path and each folder on the way: the hash of its lower case, and of itself. The texts are
    /// in the logs' paths.
    spellings: HashMap<u64, u64>,
}

impl Paths {
    /// Refuses a path on which a name differs by letter case only from one that is in use.
    fn claim_spelling(&mut self, path: &str) -> Result<(), Error> {
        let hash = |text: &str| self.logs.hasher().hash_one(text);
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for part in ends.map(|end| &path[..end]) {
            let spelling = hash(part);
            let lower = hash(&part.to_ascii_lowercase());
            if *self.spellings.entry(lower).or_insert(spelling) != spelling {
                let (value, used) = (part.to_owned(), self.used_spelling(part));
                return Err(Error::from(Kind::Twin { value, used }));
            }
        }
        Ok(())
    }

    fn used_spelling(&self, part: &str) -> String {
        let same_length = self.logs.keys().filter_map(|path| path.get(..part.len()));
        let mut used = same_length.filter(|used| *used != part && used.eq_ignore_ascii_case(part));
        used.next().unwrap_or(part).to_owned()
    }
}

/// One log and the equipment it is of.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) equipment: EquipmentId,
    pub(crate) file: Arc<LogFile>,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Cache {
    pub(crate) fn new(layout: Layout, root: Root, max_open_files: usize) -> Cache {
        Cache {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            layout,
            root: Arc::new(root),
            open_files: file::open_files(max_open_files),
            by_key: papaya::HashMap::default(),
            paths: Mutex::default(),
        }
    }

    /// Whether the scope's log is found without a search.
    pub(crate) fn knows(&self, scope: &Scope) -> bool {
        scope.found::<LogFile>(self.number).is_some()
    }

    /// Calls `f` with the log of this scope.
    #[inline(always)]
    pub(crate) fn with<T>(
        &self,
        scope: &Scope,
        f: impl FnOnce(&LogFile) -> T,
    ) -> Result<T, NoPath> {
        if let Some(file) = scope.found(self.number) {
            return Ok(f(file));
        }
        self.search(scope, |file| {
            scope.leave_found(self.number, Arc::clone(file) as _);
            f(file)
        })
    }

    #[inline(never)]
    fn search<T>(&self, scope: &Scope, f: impl FnOnce(&Arc<LogFile>) -> T) -> Result<T, NoPath> {
        thread_local! {
            static SCRATCH: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let mut scratch = SCRATCH.try_with(RefCell::take).unwrap_or_default();
        let result = match self.layout.key(scope, &mut scratch) {
            None => Err(NoPath::NotOurs),
            Some(key) if thread_is_ending() => {
                self.find_or_add(key, scope, &self.by_key.owned_guard()).map(f)
            }
            Some(key) => self.find_or_add(key, scope, &self.by_key.guard()).map(f),
        };
        let _ = SCRATCH.try_with(|kept| kept.replace(scratch));
        result
    }

    fn find_or_add<'g>(
        &self,
        key: &str,
        scope: &Scope,
        guard: &'g impl papaya::Guard,
    ) -> Result<&'g Arc<LogFile>, NoPath> {
        match self.by_key.get(key, guard) {
            Some(file) => Ok(file),
            None => self.add(key, scope, guard),
        }
    }

    fn add<'g>(
        &self,
        key: &str,
        scope: &Scope,
        guard: &'g impl papaya::Guard,
    ) -> Result<&'g Arc<LogFile>, NoPath> {
        let relative = self.layout.relative(scope)?;
        let equipment = scope.equipment_id();
        equipment.claim_spelling().map_err(NoPath::Refused)?;
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.claim_spelling(&relative).map_err(NoPath::Refused)?;
        let log = paths.logs.entry(relative.into()).or_insert_with_key(|relative| {
            let file = LogFile::new(&self.root, Path::new(&**relative), &self.open_files);
            Arc::new(Log { equipment: equipment.clone(), file })
        });
        self.by_key.insert(key.into(), Arc::clone(&log.file), guard);
        // Whoever was faster has put the same file there.
        self.by_key.get(key, guard).ok_or(NoPath::NotOurs)
    }

    /// Where this scope's records go; none if it lacks a tag that the path names, or is refused.
    pub(crate) fn path(&self, scope: &Scope) -> Option<PathBuf> {
        Some(self.layout.root().join(self.layout.relative(scope).ok()?))
    }

    /// Every log that had a record.
    pub(crate) fn logs(&self) -> Vec<Arc<Log>> {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.logs.values().cloned().collect()
    }
}

impl Drop for Cache {
    /// A thread may remember its last log for longer than the sink lives: that must not keep it open.
    fn drop(&mut self) {
        self.logs().iter().for_each(|log| log.file.let_go_for_good());
    }
}

/// Whether this thread destroys its thread-locals: the map's own may be gone, and would panic.
fn thread_is_ending() -> bool {
    /// Made after the map's, and so destroyed before it.
    struct Lives;

    impl Drop for Lives {
        fn drop(&mut self) {}
    }

    thread_local! {
        static LIVES: Lives = {
            drop(papaya::HashMap::<(), ()>::new().pin());
            Lives
        };
    }
    LIVES.try_with(|_| ()).is_err()
}
