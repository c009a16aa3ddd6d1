//! [`Scope`]: one piece of equipment with its tags, as a value.
//!
//! A scope never changes: `tag` makes another one.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use super::is_reserved;
use crate::equipment_id::EquipmentId;
use crate::error::Error;
use crate::file::LogFile;
use crate::layout::PathValues;

/// How many sinks a scope caches its log for, besides the first. A program has one or two sinks; during a reload it
/// has both the earlier and the new ones. The oldest entry is replaced.
const OTHER_LOGS: usize = 3;

/// A scope holds the id of one piece of equipment, and tags that describe the present work.
///
/// A scope is cheap to clone and may be sent to other threads: it is a counted reference to something that never
/// changes. Two scopes are equal if their equipment and tags are equal.
///
/// # Examples
///
/// ```
/// use equipment_log::Scope;
///
/// let scope = Scope::new("CONFOCAL_01")?.tag("proj", "PROJ-0042").tag("axis", 3);
/// let _in = scope.enter();
/// assert_eq!(Scope::current(), Some(scope.clone()));
///
/// // Widen the scope of here: the outer tags stay.
/// scope.tag("run", "R8").run(|| log::info!("this record has proj, axis and run"));
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

/// Field order matters: every record reads the first three, and they share one cache line.
#[repr(C, align(64))]
struct Inner {
    /// The scope's part of the structured line, made when it is first asked for.
    line: OnceLock<Box<str>>,
    /// The log of the first sink that logged for this scope. It is read without the bookkeeping of arc-swap, which
    /// costs a twentieth of a record.
    first_log: OnceLock<CachedLogEntry>,
    id: EquipmentId,
    /// The logs of further sinks, the latest first.
    other_logs: ArcSwap<Vec<CachedLogEntry>>,
    /// In the order they were added; a key is there once.
    tags: Vec<(Box<str>, Box<str>)>,
}

/// The log that one sink found for a scope. A scope caches it, so that the sink need not search again.
#[derive(Clone)]
pub(crate) struct CachedLogEntry {
    sink: u64,
    log: Arc<LogFile>,
}

/// Every change of a scope replaces a whole value: a panic leaves nothing half done.
impl UnwindSafe for Scope {}
impl RefUnwindSafe for Scope {}

impl Scope {
    /// Creates the scope of one piece of equipment, without tags.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_id`]: the id is not valid (see [`EquipmentId::new`]), or this process already logs to an id
    /// that differs only by upper and lower case.
    pub fn new(id: impl AsRef<str>) -> Result<Scope, Error> {
        let id = EquipmentId::new(id)?;
        id.check_spelling()?;
        Ok(Scope::from_parts(id, Vec::new()))
    }

    fn from_parts(id: EquipmentId, tags: Vec<(Box<str>, Box<str>)>) -> Scope {
        Scope(Arc::new(Inner {
            line: OnceLock::new(),
            first_log: OnceLock::new(),
            id,
            other_logs: ArcSwap::from_pointee(Vec::new()),
            tags,
        }))
    }

    /// Returns this scope with one more tag. A tag with the same key is replaced, and keeps its position.
    ///
    /// Any text may be a key or a value: the structured line escapes it. If the `Display` of a value fails, the text that
    /// it wrote before is kept. The keys `equipment_id`, `host` and `equip`
    /// are never tags: with them, the scope does not change. If the key `path` names the tag, its value must follow the
    /// rules of an id ([`EquipmentId::new`]). Otherwise the record is refused. An empty value is the same as no tag there:
    /// the record is skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::Scope;
    ///
    /// let scope = Scope::new("CONFOCAL_01")?.tag("axis", 3).tag("exposure_s", 0.25);
    /// assert_eq!(scope.get("exposure_s"), Some("0.25"));
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    #[must_use = "a scope is not changed in place: `tag` returns the scope that has the tag"]
    pub fn tag(self, key: impl AsRef<str>, value: impl fmt::Display) -> Scope {
        let key = key.as_ref();
        if is_reserved(key) {
            return self;
        }
        // A `Display` that fails may not panic here: what it wrote is kept, as in a record's message.
        let mut text = String::new();
        let _ = write!(text, "{value}");
        let value = text.into_boxed_str();
        let mut tags = self.0.tags.clone();
        match tags.iter_mut().find(|(k, _)| **k == *key) {
            Some(tag) => tag.1 = value,
            None => tags.push((key.into(), value)),
        }
        Scope::from_parts(self.0.id.clone(), tags)
    }

    /// Returns the equipment.
    pub fn equipment_id(&self) -> &EquipmentId {
        &self.0.id
    }

    /// Returns the tags, in the order in which they were added.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.tags.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Returns the value of one tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.tags().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// The log that this sink has cached, unless other sinks have replaced it.
    #[inline]
    pub(crate) fn cached_log(&self, sink: u64) -> Option<CachedLog<'_>> {
        match self.0.first_log.get() {
            Some(entry) if entry.sink == sink => Some(CachedLog::First(&entry.log)),
            Some(_) => self.other_log(sink),
            None => None,
        }
    }

    fn other_log(&self, sink: u64) -> Option<CachedLog<'_>> {
        let entries = self.0.other_logs.load();
        let at = entries.iter().position(|entry| entry.sink == sink)?;
        Some(CachedLog::Other(entries, at))
    }

    /// Caches a sink's log, which saves the next search.
    pub(crate) fn cache_log(&self, sink: u64, log: &Arc<LogFile>) {
        let new = CachedLogEntry { sink, log: Arc::clone(log) };
        let Err(new) = self.0.first_log.set(new) else { return };
        self.0.other_logs.rcu(|entries| {
            let others = entries.iter().filter(|entry| entry.sink != sink);
            let entries = std::iter::once(&new).chain(others).take(OTHER_LOGS);
            entries.cloned().collect::<Vec<_>>()
        });
    }

    /// The cache in which the structured line keeps this scope's part of the line.
    pub(crate) fn line_cache(&self) -> &OnceLock<Box<str>> {
        &self.0.line
    }
}

/// A log that was found in the cache of a scope.
pub(crate) enum CachedLog<'s> {
    First(&'s Arc<LogFile>),
    /// The entry at this place of the list.
    Other(Guard<Arc<Vec<CachedLogEntry>>>, usize),
}

impl Deref for CachedLog<'_> {
    type Target = Arc<LogFile>;

    #[inline]
    fn deref(&self) -> &Arc<LogFile> {
        match self {
            CachedLog::First(log) => log,
            CachedLog::Other(entries, at) => &entries[*at].log,
        }
    }
}

impl PathValues for Scope {
    fn equipment_id(&self) -> &EquipmentId {
        Scope::equipment_id(self)
    }

    fn tag_value(&self, key: &str) -> Option<&str> {
        self.get(key)
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Scope) -> bool {
        self.0.id == other.0.id && self.0.tags == other.0.tags
    }
}

impl Eq for Scope {}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
        self.0.tags.hash(state);
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("id", &self.0.id).field("tags", &self.0.tags).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::hash::DefaultHasher;
    use std::path::Path;

    use super::*;
    use crate::file::{open_files, Access, RootDir};

    const fn is_unwind_safe<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    const _: () = is_unwind_safe::<Scope>();

    #[test]
    fn reserved_keys_are_no_tags() {
        let scope = Scope::new("SCOPE_RESERVED").unwrap().tag("run", 7);
        let same = scope.clone().tag("host", "h").tag("equip", "E").tag("equipment_id", "F");
        assert_eq!(scope, same);
    }

    #[test]
    fn a_value_that_cannot_be_written_whole_is_kept_as_far_as_it_was_written() {
        struct Half;
        impl fmt::Display for Half {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                Err(fmt::Error)
            }
        }
        let scope = Scope::new("SCOPE_HALF").unwrap().tag("run", Half);
        assert_eq!(scope.get("run"), Some("half"));
    }

    #[test]
    fn scopes_are_equal_by_their_equipment_and_their_tags() {
        let hash = |scope: &Scope| {
            let mut hasher = DefaultHasher::new();
            scope.hash(&mut hasher);
            hasher.finish()
        };
        let scope = || Scope::new("SCOPE_EQ").unwrap().tag("run", 7);
        assert_eq!((scope(), hash(&scope())), (scope(), hash(&scope())));
        assert_eq!(format!("{:?}", scope()), r#"Scope { id: "SCOPE_EQ", tags: [("run", "7")] }"#);
        let of_another = Scope::new("SCOPE_EQ_2").unwrap().tag("run", 7);
        for other in [scope().tag("run", 8), scope().tag("axis", 1), of_another] {
            assert_ne!(scope(), other);
            assert_ne!(hash(&scope()), hash(&other));
        }
    }

    #[test]
    fn a_scope_caches_the_logs_of_its_first_sink_and_of_the_last_three_others() {
        let access =
            Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: None };
        let root = Arc::new(RootDir::new("/nowhere".into(), access));
        let log = || LogFile::new(&root, Path::new("w.log"), "", &open_files(Some(4)));
        let logs: Vec<_> = (0..=5).map(|_| log()).collect();
        let scope = Scope::new("SCOPE_CACHE").unwrap();
        assert!(scope.cached_log(1).is_none());
        for sink in [1, 2, 3, 3, 4, 5, 4] {
            scope.cache_log(sink, &logs[sink as usize]);
        }
        for (sink, is_cached) in [(1, true), (2, false), (3, true), (4, true), (5, true)] {
            let cached = scope.cached_log(sink);
            let is_it = cached.map(|log| Arc::ptr_eq(&log, &logs[sink as usize]));
            assert_eq!(is_it, is_cached.then_some(true), "sink {sink}");
        }
    }
}
