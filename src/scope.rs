//! Which equipment is active: [`Scope`], the stack of entered scopes on each thread, and whose a
//! record is.
//!
//! Imports `equipment_id` and `error`. The stack belongs to one thread: a guard is not `Send`, a
//! future enters its scope around every poll, and [`Scope::current`] carries a scope elsewhere.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::equipment_id::EquipmentId;
use crate::error::Error;

/// The key under which a record, or a framework's own context, names its equipment.
pub(crate) const EQUIPMENT_ID: &str = "equipment_id";

/// One piece of equipment, with the tags of what is being done with it.
///
/// Cheap to clone and free to send: it is a counted reference to something that never changes.
///
/// # Examples
///
/// ```
/// use equipment_log::Scope;
///
/// let scope = Scope::new("CONFOCAL_01")?.tag("proj", "PROJ-0042");
/// let _in = scope.enter();
/// assert_eq!(Scope::current(), Some(scope.clone()));
/// # Ok::<(), equipment_log::Error>(())
/// ```
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: EquipmentId,
    /// In the order they were added; a key stands once.
    tags: Vec<(Box<str>, Box<str>)>,
    /// The scope's part of the structured line, made when it is first asked for.
    line: OnceLock<Box<str>>,
}

impl Scope {
    /// The scope of one piece of equipment, with no tags.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_id`]: the id is not one that [`EquipmentId::new`] takes, or this process
    /// already logs to one that differs by letter case only.
    pub fn new(id: impl AsRef<str>) -> Result<Scope, Error> {
        let id = EquipmentId::new(id)?;
        id.check_spelling()?;
        Ok(Scope::from_parts(id, Vec::new()))
    }

    fn from_parts(id: EquipmentId, tags: Vec<(Box<str>, Box<str>)>) -> Scope {
        Scope(Arc::new(Inner { id, tags, line: OnceLock::new() }))
    }

    /// The same scope with one more tag; a tag of that key is replaced in its place.
    ///
    /// Any text may be a key or a value: the structured line escapes it. Where the configuration's
    /// `path` names the tag, its value must be one that [`EquipmentId::new`] would take, or the
    /// record is refused.
    #[must_use = "a scope is not changed in place: `tag` returns the scope that has the tag"]
    pub fn tag(self, key: impl AsRef<str>, value: impl AsRef<str>) -> Scope {
        let (key, value) = (key.as_ref(), value.as_ref());
        let mut tags = self.0.tags.clone();
        match tags.iter_mut().find(|(k, _)| **k == *key) {
            Some(tag) => tag.1 = value.into(),
            None => tags.push((key.into(), value.into())),
        }
        Scope::from_parts(self.0.id.clone(), tags)
    }

    /// The equipment.
    pub fn equipment_id(&self) -> &EquipmentId {
        &self.0.id
    }

    /// The tags, in the order they were added.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.tags.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The value of one tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.tags().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// What `make` makes of this scope, kept with it.
    pub(crate) fn line(&self, make: impl FnOnce() -> Box<str>) -> &str {
        self.0.line.get_or_init(make)
    }

    /// The innermost scope entered on this thread: what to carry to another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::Scope;
    ///
    /// let scope = Scope::new("STAGE_02")?;
    /// scope.run(|| {
    ///     let here = Scope::current();
    ///     std::thread::spawn(move || {
    ///         let _in = here.as_ref().map(Scope::enter);
    ///         log::info!("logged for STAGE_02");
    ///     });
    /// });
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    pub fn current() -> Option<Scope> {
        // A thread that is being torn down has no scope.
        STACK
            .try_with(|stack| stack.borrow().entries.last().map(|entry| entry.scope.clone()))
            .ok()?
    }

    /// Makes this the innermost scope of this thread until the guard is dropped.
    ///
    /// What was there before is the innermost again after that, in whatever order guards are
    /// dropped, and also when a panic unwinds through it.
    pub fn enter(&self) -> ScopeGuard {
        let entered = STACK.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let displaced = Displaced::by(self, stack.entries.last().map(|entry| &entry.scope));
            stack.last_token += 1;
            let token = stack.last_token;
            stack.entries.push(Entry { token, scope: self.clone(), displaced });
            token
        });
        ScopeGuard { token: entered.unwrap_or_default(), not_send: PhantomData }
    }

    /// Runs a closure inside this scope.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        let _in = self.enter();
        f()
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Scope) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.id == other.0.id && self.0.tags == other.0.tags)
    }
}

impl Eq for Scope {}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("id", &self.0.id).field("tags", &self.0.tags).finish()
    }
}

/// Leaves its scope when dropped. Not `Send`: it belongs to the thread that entered.
///
/// ```compile_fail,E0277
/// fn assert_send<T: Send>(_: T) {}
/// assert_send(equipment_log::Scope::new("CONFOCAL_01").unwrap().enter());
/// ```
#[must_use = "the scope is left when the guard is dropped: bind it, as in `let _in = scope.enter();`"]
#[derive(Debug)]
pub struct ScopeGuard {
    token: u64,
    not_send: PhantomData<*const ()>,
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        let _ = STACK.try_with(|stack| stack.borrow_mut().leave(self.token));
    }
}

thread_local! {
    static STACK: RefCell<Stack> = const { RefCell::new(Stack { last_token: 0, entries: Vec::new() }) };
}

struct Stack {
    last_token: u64,
    entries: Vec<Entry>,
}

struct Entry {
    token: u64,
    scope: Scope,
    displaced: Displaced,
}

impl Stack {
    fn leave(&mut self, token: u64) {
        let Some(at) = self.entries.iter().rposition(|entry| entry.token == token) else { return };
        let Entry { displaced, .. } = self.entries.remove(at);
        match self.entries.get_mut(at) {
            // Guards may be dropped out of order: what this scope displaced is then owed by the
            // one entered after it.
            Some(above) => above.displaced.inherit(displaced),
            None => displaced.restore(),
        }
    }
}

/// A logging framework's own per-thread context, into which entered scopes are mirrored.
pub(crate) struct Mirror {
    pub(crate) set: fn(&str, &str) -> Option<String>,
    pub(crate) remove: fn(&str) -> Option<String>,
}

static MIRROR: OnceLock<Mirror> = OnceLock::new();

/// From now on, scopes entered on any thread show in `mirror` too.
#[cfg_attr(
    not(feature = "log4rs"),
    allow(dead_code, reason = "log4rs is the framework with a context")
)]
pub(crate) fn mirror_into(mirror: Mirror) {
    let _ = MIRROR.set(mirror);
}

/// What the mirror held under each key before a scope was entered.
struct Displaced(Vec<(Box<str>, Option<String>)>);

impl Displaced {
    fn by(scope: &Scope, outer: Option<&Scope>) -> Displaced {
        let Some(mirror) = MIRROR.get() else { return Displaced(Vec::new()) };
        let mut displaced = Vec::with_capacity(1 + scope.0.tags.len());
        // A tag that only the outer scope has must not show inside this one.
        for (key, _) in outer.iter().flat_map(|outer| outer.tags()) {
            if scope.get(key).is_none() && key != EQUIPMENT_ID {
                displaced.push((key.into(), (mirror.remove)(key)));
            }
        }
        for (key, value) in scope.tags().filter(|(key, _)| *key != EQUIPMENT_ID) {
            displaced.push((key.into(), (mirror.set)(key, value)));
        }
        displaced
            .push((EQUIPMENT_ID.into(), (mirror.set)(EQUIPMENT_ID, scope.equipment_id().as_str())));
        Displaced(displaced)
    }

    fn restore(self) {
        let Some(mirror) = MIRROR.get() else { return };
        for (key, before) in self.0 {
            match before {
                Some(value) => (mirror.set)(&key, &value),
                None => (mirror.remove)(&key),
            };
        }
    }

    /// Owes what `below` owed: its values are older than what this entry found.
    fn inherit(&mut self, below: Displaced) {
        for (key, before) in below.0 {
            match self.0.iter_mut().find(|(k, _)| *k == key) {
                Some(owed) => owed.1 = before,
                None => self.0.push((key, before)),
            }
        }
    }
}

/// Runs futures inside a scope, on any runtime.
pub trait ScopeFutureExt: Future + Sized {
    /// Enters `scope` around every poll of this future, and around its drop.
    ///
    /// # Examples
    ///
    /// ```
    /// use equipment_log::{Scope, ScopeFutureExt};
    ///
    /// async fn acquire() { log::info!("first frame") }
    ///
    /// let task = acquire().in_scope(Scope::new("CONFOCAL_01")?);
    /// # drop(task);
    /// # Ok::<(), equipment_log::Error>(())
    /// ```
    fn in_scope(self, scope: Scope) -> InScope<Self> {
        InScope { future: Some(self), scope }
    }
}

impl<F: Future> ScopeFutureExt for F {}

pin_project_lite::pin_project! {
    /// A future that is polled inside a scope: what [`ScopeFutureExt::in_scope`] returns.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct InScope<F> {
        // None only while it is being dropped.
        #[pin]
        future: Option<F>,
        scope: Scope,
    }

    impl<F> PinnedDrop for InScope<F> {
        // A future's destructor may log too.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _in = this.scope.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _in = this.scope.enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}

/// Whose a record is: its own `equipment_id`, else the innermost scope, else what the framework's
/// context holds. `None`: the record is not ours.
///
/// # Errors
///
/// An id that is refused, wherever it came from.
#[cfg_attr(
    not(any(feature = "log4rs", feature = "fern")),
    allow(dead_code, reason = "only the adapters have records")
)]
pub(crate) fn of_record(
    record: &log::Record<'_>,
    context: impl FnOnce() -> Option<String>,
) -> Result<Option<Scope>, Error> {
    if let Some(own) = own_scope(record)? {
        return Ok(own);
    }
    if let Some(scope) = Scope::current() {
        return Ok(Some(scope));
    }
    match context() {
        Some(id) if !id.is_empty() => known(&id).map(Some),
        _ => Ok(None),
    }
}

/// The scope that the record's own key-value names: `None` where it has none, `Some(None)` where
/// it is empty. The thread's own scope, with its tags, where that is of the same equipment.
fn own_scope(record: &log::Record<'_>) -> Result<Option<Option<Scope>>, Error> {
    let carried;
    let text;
    let id = match record.key_values().get(log::kv::Key::from_str(EQUIPMENT_ID)) {
        Some(value) => match value.to_borrowed_str() {
            Some(id) => id,
            None => {
                text = value.to_string();
                &text
            }
        },
        None => {
            carried = CARRIED_ID.try_with(|id| id.borrow().clone()).ok().flatten();
            match &carried {
                Some(id) => id,
                None => return Ok(None),
            }
        }
    };
    if id.is_empty() {
        return Ok(Some(None));
    }
    match Scope::current() {
        Some(scope) if scope.equipment_id().as_str() == id => Ok(Some(Some(scope))),
        _ => known(id).map(|scope| Some(Some(scope))),
    }
}

thread_local! {
    /// The own id of a record whose key-values a framework is about to drop, where no scope can
    /// stand for it: it is empty, or refused.
    static CARRIED_ID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f` so that a record without key-values, logged by it, belongs where `record` does.
#[cfg_attr(
    not(feature = "fern"),
    allow(dead_code, reason = "fern is the framework that drops key-values")
)]
pub(crate) fn run_as<T>(record: &log::Record<'_>, f: impl FnOnce() -> T) -> T {
    struct Restore(Option<String>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = CARRIED_ID.try_with(|id| id.replace(before));
        }
    }

    match own_scope(record) {
        Ok(None) => f(),
        Ok(Some(Some(scope))) => scope.run(f),
        Ok(Some(None)) | Err(_) => {
            let id = record
                .key_values()
                .get(log::kv::Key::from_str(EQUIPMENT_ID))
                .map(|id| id.to_string());
            let _restore =
                Restore(CARRIED_ID.try_with(|carried| carried.replace(id)).ok().flatten());
            f()
        }
    }
}

/// How many ids each thread remembers as scopes; more than that are made anew.
const KNOWN: usize = 1024;

/// The tagless scope of an id, remembered so that an id in a key-value costs no allocation.
fn known(id: &str) -> Result<Scope, Error> {
    thread_local! {
        static KNOWN_SCOPES: RefCell<HashMap<Box<str>, Scope>> = RefCell::default();
    }
    let remembered = KNOWN_SCOPES.try_with(|known| known.borrow().get(id).cloned());
    if let Ok(Some(scope)) = remembered {
        return Ok(scope);
    }
    let scope = Scope::new(id)?;
    let _ = KNOWN_SCOPES.try_with(|known| {
        let mut known = known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(id.into(), scope.clone());
    });
    Ok(scope)
}
