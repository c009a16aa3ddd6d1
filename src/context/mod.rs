//! Which equipment is active: [`Scope`], the stack of entered scopes on each thread, and whose a
//! record is.
//!
//! Imports `equipment_id` and `error`. The stack belongs to one thread: a guard is not `Send`, a
//! future enters its scope around every poll, and [`Scope::current`] carries a scope elsewhere.

mod future;
mod mirror;
mod record;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

pub use future::{InScope, ScopeFutureExt};
use mirror::Displaced;
#[cfg_attr(
    not(feature = "log4rs"),
    allow(unused_imports, reason = "log4rs is the one with a context")
)]
pub(crate) use mirror::{mirror_into, Mirror};
#[cfg_attr(
    not(feature = "fern"),
    allow(unused_imports, reason = "fern is the one that drops key-values")
)]
pub(crate) use record::run_as;
pub(crate) use record::{of_record, Whose};

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

/// In this order, and in one line of the processor's cache: what every record reads stands first.
#[derive(Debug)]
#[repr(C, align(64))]
struct Inner {
    /// The scope's part of the structured line, made when it is first asked for.
    line: OnceLock<Box<str>>,
    /// What those who have looked this scope up found.
    found: [OnceLock<Found>; FINDERS],
    id: EquipmentId,
    /// In the order they were added; a key stands once.
    tags: Vec<(Arc<str>, Box<str>)>,
}

/// How many may leave what they found: two appenders, or the one before a reload and the one after.
const FINDERS: usize = 2;

#[derive(Debug)]
struct Found {
    finder: u64,
    what: Arc<dyn Any + Send + Sync>,
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

    fn from_parts(id: EquipmentId, tags: Vec<(Arc<str>, Box<str>)>) -> Scope {
        Scope(Arc::new(Inner { found: Default::default(), id, tags, line: OnceLock::new() }))
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

    /// What this finder left here.
    pub(crate) fn found<T: Any>(&self, finder: u64) -> Option<&T> {
        let found = self.0.found.iter().map_while(OnceLock::get).find(|f| f.finder == finder)?;
        found.what.downcast_ref()
    }

    /// Leaves here what a finder found, if there is room: it saves the next search.
    pub(crate) fn leave_found(&self, finder: u64, what: Arc<dyn Any + Send + Sync>) {
        let mut found = Some(Found { finder, what });
        for place in &self.0.found {
            match found.take() {
                Some(it) => found = place.set(it).err(),
                None => break,
            }
        }
    }

    /// The same for all clones of one scope, and while one of them lives for no other scope.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
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
        innermost().map(|scope| Scope::clone(&scope))
    }

    /// Makes this the innermost scope of this thread until the guard is dropped.
    ///
    /// What was there before is the innermost again after that, in whatever order guards are
    /// dropped, and also when a panic unwinds through it. A thread that is destroying its
    /// thread-locals has no scopes any more: there, nothing is entered.
    ///
    /// Never hold the guard across an `.await`: whatever else the thread runs meanwhile would be in
    /// this scope. The compiler refuses that where a future must be `Send`, and cannot elsewhere (a
    /// `block_on`, a `LocalSet`); [`ScopeFutureExt::in_scope`] is for futures.
    pub fn enter(&self) -> ScopeGuard {
        let entered = STACK.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let displaced = Displaced::by(self, stack.entries.last().map(|entry| &*entry.scope));
            stack.last_token += 1;
            let token = stack.last_token;
            stack.entries.push(Entry { token, scope: Rc::new(self.clone()), displaced });
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
    /// Lent to every record of the thread: counted without the other threads' counter.
    scope: Rc<Scope>,
    displaced: Displaced,
}

/// None on a thread that is being torn down.
fn innermost() -> Option<Rc<Scope>> {
    let last = |stack: &RefCell<Stack>| Some(Rc::clone(&stack.borrow().entries.last()?.scope));
    STACK.try_with(last).ok()?
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
