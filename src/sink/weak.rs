//! [`WeakSink`]: a reference that does not keep its sink open.

use std::fmt;
use std::sync::{Arc, Weak};

use super::{EquipmentSink, Inner};

/// A reference that does not keep its sink open.
#[derive(Clone)]
pub(crate) struct WeakSink(Weak<Inner>);

impl EquipmentSink {
    pub(crate) fn downgrade(&self) -> WeakSink {
        WeakSink(Arc::downgrade(&self.0))
    }
}

impl WeakSink {
    pub(crate) fn upgrade(&self) -> Option<EquipmentSink> {
        self.0.upgrade().map(EquipmentSink)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Whether this is the same sink, perhaps with other settings.
    pub(crate) fn is_of(&self, sink: &EquipmentSink) -> bool {
        self.upgrade().is_some_and(|it| it.is_same_as(sink))
    }
}

impl fmt::Debug for WeakSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakSink")
    }
}
