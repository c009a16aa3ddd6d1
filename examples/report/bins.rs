//! Values over time in a bounded number of equal spans: where they become too many, each two become one.

use std::collections::BTreeMap;

use super::reading::head::SECOND;

/// Spans that are kept.
const MOST: i64 = 512;

/// What can be put together.
pub(crate) trait Sum: Default + Copy {
    fn add(&mut self, other: &Self);
}

/// A span's value, by the number of the span since 1970. Widths are a power of two of seconds, so that the spans of
/// all `Bins` fit into each other.
#[derive(Clone, Debug)]
pub(crate) struct Bins<T> {
    /// Microseconds.
    width: i64,
    spans: BTreeMap<i64, T>,
    /// The span of the last value: the next one mostly belongs to it.
    last: Option<(i64, T)>,
}

impl<T: Sum> Default for Bins<T> {
    fn default() -> Bins<T> {
        Bins { width: SECOND, spans: BTreeMap::new(), last: None }
    }
}

impl<T: Sum> Bins<T> {
    pub(crate) fn add(&mut self, time: i64, value: &T) {
        let at = time.div_euclid(self.width);
        match &mut self.last {
            Some((span, sum)) if *span == at => sum.add(value),
            _ => {
                self.settle();
                // The width may have changed.
                let at = time.div_euclid(self.width);
                self.last = Some((at, *value));
            }
        }
    }

    /// Puts the last span to the others.
    fn settle(&mut self) {
        let Some((at, sum)) = self.last.take() else { return };
        self.spans.entry(at).or_default().add(&sum);
        while let (Some((first, _)), Some((last, _))) =
            (self.spans.first_key_value(), self.spans.last_key_value())
        {
            if last - first < MOST {
                break;
            }
            self.widen();
        }
    }

    fn widen(&mut self) {
        self.width *= 2;
        for (at, sum) in std::mem::take(&mut self.spans) {
            self.spans.entry(at.div_euclid(2)).or_default().add(&sum);
        }
    }

    /// The spans at this width, which is not less than the own one.
    pub(crate) fn at_width(&self, width: i64) -> BTreeMap<i64, T> {
        let mut bins = self.clone();
        bins.settle();
        while bins.width < width {
            bins.widen();
        }
        bins.spans
    }

    pub(crate) fn width(&self) -> i64 {
        let mut bins = self.clone();
        bins.settle();
        bins.width
    }
}
