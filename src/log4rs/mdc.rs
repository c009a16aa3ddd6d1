//! log4rs's diagnostic context (MDC), filled with a record's equipment and tags for the time of one encode.
//!
//! log4rs's encoders read only the MDC, so a scope must be there for them to see it. The invariant: after each encode
//! the MDC is as the application had set it, also where the encoder panics.
//!
//! log-mdc panics where its map is borrowed (a log call inside one of its callbacks), and on a thread that has
//! destroyed it. Both are caught here: the record is then encoded without its tags.

use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;

use crate::context::{self, RecordContext, Scope, EQUIPMENT_ID};
use crate::error::Error;

/// The keys and values of an MDC.
type MdcEntries = Rc<Vec<(String, String)>>;

/// Rule 3: the scope of the equipment that the application has named in the MDC.
pub(super) fn equipment_scope() -> Result<Option<Scope>, Error> {
    let found = match SavedContext::application() {
        Some(saved) => scope_of_id(equipment_of(&saved)),
        None => access(|| log_mdc::get(EQUIPMENT_ID, scope_of_id)).flatten(),
    };
    found.transpose()
}

/// The scope of an id. An empty id names no equipment.
fn scope_of_id(id: Option<&str>) -> Option<Result<Scope, Error>> {
    id.filter(|id| !id.is_empty()).map(context::tagless_scope)
}

fn equipment_of(entries: &[(String, String)]) -> Option<&str> {
    let id = entries.iter().find(|(key, _)| key == EQUIPMENT_ID).map(|(_, id)| &**id);
    id.filter(|id| !id.is_empty())
}

thread_local! {
    /// While the MDC is filled, the keys and values that the application had set. Rule 3 uses them for a record that
    /// is logged meanwhile.
    static APPLICATION: RefCell<Option<MdcEntries>> = const { RefCell::new(None) };
}

/// The MDC as it was before it was filled. Dropping this restores it.
pub(super) struct SavedContext {
    before: MdcEntries,
    application: Option<MdcEntries>,
}

impl SavedContext {
    /// Fills the MDC with a record's equipment and tags. `None`: the MDC already is as the record needs it, or cannot
    /// be used now.
    ///
    /// The application's other keys stay visible, unless they are those of another equipment.
    pub(super) fn fill(
        context: Result<Option<&RecordContext<'_>>, &Error>,
    ) -> Option<SavedContext> {
        let outer = SavedContext::application();
        if outer.is_none() && matches!(context, Ok(None)) {
            return None;
        }
        let before = Rc::new(access(read)?);
        let application = outer.clone().unwrap_or_else(|| Rc::clone(&before));
        let id = context.ok().flatten().map(|context| context.equipment_id().as_str());
        let shown = match equipment_of(&application) {
            Some(of_application) => context.is_ok() && id.is_none_or(|id| id == of_application),
            None => true,
        };
        access(log_mdc::clear)?;
        let saved = SavedContext { before, application: outer };
        APPLICATION.try_with(|entries| entries.replace(Some(Rc::clone(&application)))).ok()?;
        if shown {
            log_mdc::extend(application.iter().cloned());
        }
        if let Ok(Some(context)) = context {
            log_mdc::extend(context.tags());
            log_mdc::insert(EQUIPMENT_ID, context.equipment_id().as_str());
        }
        Some(saved)
    }

    /// What the application had set, while the MDC is filled.
    fn application() -> Option<MdcEntries> {
        APPLICATION.try_with(|entries| entries.borrow().clone()).ok().flatten()
    }
}

impl Drop for SavedContext {
    fn drop(&mut self) {
        let outer = self.application.take();
        let _ = APPLICATION.try_with(|entries| entries.replace(outer));
        access(log_mdc::clear);
        access(|| log_mdc::extend(self.before.iter().cloned()));
    }
}

fn read() -> Vec<(String, String)> {
    let mut entries = Vec::new();
    log_mdc::iter(|key, value| entries.push((key.to_owned(), value.to_owned())));
    entries
}

/// Calls `f`, which uses the MDC, if the MDC can be used.
fn access<T>(f: impl FnOnce() -> T) -> Option<T> {
    /// This thread-local is made after the MDC, and so is destroyed before the MDC.
    struct Lives(bool);

    impl Drop for Lives {
        fn drop(&mut self) {}
    }

    thread_local! {
        /// Tells whether this thread still has an MDC, without the panic of one that is destroyed.
        static LIVES: Lives = Lives(catch_unwind(|| log_mdc::get("", |_| ())).is_ok());
    }
    let lives = LIVES.try_with(|lives| lives.0).unwrap_or(false);
    lives.then(|| catch_unwind(AssertUnwindSafe(f)).ok()).flatten()
}
