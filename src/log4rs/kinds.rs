//! The kinds of a [`Deserializers`]: which of them are ours, and the calls of those that are not.
//!
//! The invariant: a deserializer that panics is an error, and ends neither the caller nor the thread of a watch.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use ::log4rs::config::{Deserializable, Deserialize, Deserializers};
use serde_value::Value;

use super::handle::Sinks;
use super::APPENDER_KIND;

/// The sinks that the kinds of [`register`](super::register) make. It is under a type of its own in `Deserializers`,
/// so that no deserializer of an appender is called to ask whether it is ours.
#[derive(Debug)]
struct Registration(Arc<Sinks>);

impl Deserializable for Registration {
    fn name() -> &'static str {
        "registration"
    }
}

impl Deserialize for Registration {
    type Trait = Registration;
    type Config = ();

    fn deserialize(&self, (): (), _: &Deserializers) -> anyhow::Result<Box<Registration>> {
        Ok(Box::new(Registration(Arc::clone(&self.0))))
    }
}

/// Notes that our kinds are registered, with the sinks that they make.
pub(super) fn note_registration(kinds: &mut Deserializers, sinks: &Arc<Sinks>) {
    kinds.insert(APPENDER_KIND, Registration(Arc::clone(sinks)));
}

/// The sinks of an earlier registration.
pub(super) fn registered(kinds: &Deserializers) -> Option<Arc<Sinks>> {
    let registration = kinds.deserialize::<Registration>(APPENDER_KIND, Value::Unit);
    registration.ok().map(|registration| registration.0)
}

/// Calls the deserializer of a kind. Its panic is an error.
pub(super) fn deserialize<T: Deserializable + ?Sized>(
    kinds: &Deserializers,
    kind: &str,
    config: Value,
) -> anyhow::Result<Box<T>> {
    catch_panic(|| kinds.deserialize::<T>(kind, config))
        .unwrap_or_else(|why| Err(anyhow::anyhow!("a deserializer panicked: {why}")))
}

/// Runs code of another crate. The error is the text of its panic.
pub(super) fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // What a panic left half made is dropped with the panic: nothing of it is used again.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_text(&*panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it has no text").replace('\n', " ")
}

/// Whether a kind is known. `Deserializers` cannot be asked, so the deserializer is called with bytes that are no text.
/// A deserializer for any keys refuses them before it builds anything; one that reads *any* value may not.
pub(super) fn is_known<T: Deserializable + ?Sized>(
    kinds: &Deserializers,
    kind: &str,
) -> Result<(), anyhow::Error> {
    let no_keys = Value::Bytes(vec![0xFF]);
    match deserialize::<T>(kinds, kind, no_keys) {
        Err(err) if is_unknown_kind(&err) => Err(err),
        _ => Ok(()),
    }
}

/// Whether an error of log4rs is that there is no such kind. log4rs has no other way to tell.
pub(super) fn is_unknown_kind(err: &anyhow::Error) -> bool {
    err.to_string().contains("deserializer for kind")
}
