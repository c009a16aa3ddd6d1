//! [`WeakSink`]: a reference that does not keep its sink open.

use std::sync::{Arc, Weak};

use super::{EquipmentSink, Inner};

/// A reference that does not keep its sink open.
#[derive(Clone, Debug)]
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn a_weak_reference_does_not_keep_its_sink_and_knows_no_other() {
        let root = tempfile::tempdir().unwrap();
        let sink = || EquipmentSink::builder(root.path()).build().unwrap();
        let (first, other) = (sink(), sink());
        let weak = first.downgrade();
        assert!(weak.is_alive() && first.is_last());
        assert!(weak.is_of(&first) && !weak.is_of(&other));
        let upgraded = weak.upgrade().unwrap();
        assert!(upgraded.is_same_as(&first) && !first.is_last());
        drop(upgraded);
        assert!(first.is_last());
        drop(first);
        assert!(!weak.is_alive() && weak.upgrade().is_none() && !weak.is_of(&other));
    }
}
