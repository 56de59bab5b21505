//! Sets of byte positions, as ranges that neither touch nor overlap.

use std::ops::Range;

/// A set of byte positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteRanges(Vec<Range<u64>>);

impl ByteRanges {
    /// Adds all positions of `range`.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // Ranges that touch it are merged with it.
        let first = self.0.partition_point(|other| other.end < range.start);
        let last = self.0.partition_point(|other| other.start <= range.end);
        let merged = self.0[first..last].iter().fold(range, |sum, other| {
            sum.start.min(other.start)..sum.end.max(other.end)
        });
        self.0.splice(first..last, [merged]);
    }

    /// Removes all positions of `range`.
    pub(crate) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|other| other.end <= range.start);
        let last = self.0.partition_point(|other| other.start < range.end);
        let touched = &self.0[first..last];
        let before = touched.first().map(|other| other.start..range.start);
        let after = touched.last().map(|other| range.end..other.end);
        let left = before.into_iter().chain(after);
        let left: Vec<_> = left.filter(|left| !left.is_empty()).collect();
        self.0.splice(first..last, left);
    }

    /// Returns the positions that are in both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for gap in other.gaps(self.end()) {
            both.remove(gap);
        }
        both
    }

    /// Returns the start of the first gap: all positions before it are in the set.
    pub(crate) fn contiguous(&self) -> u64 {
        let first = self.0.first().filter(|first| first.start == 0);
        first.map_or(0, |first| first.end)
    }

    /// Returns the end of the last range.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |last| last.end)
    }

    /// Returns the number of positions.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Returns the ranges below `size` that are not in the set, in order.
    pub(crate) fn gaps(&self, size: u64) -> impl Iterator<Item = Range<u64>> {
        let starts = std::iter::once(0).chain(self.0.iter().map(|range| range.end));
        let ends = { self.0.iter().map(|range| range.start) }.chain([u64::MAX]);
        let gaps = starts.zip(ends);
        gaps.map(move |(start, end)| start..end.min(size))
            .filter(|gap| !gap.is_empty())
    }

    /// Returns the ranges, in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

impl From<Range<u64>> for ByteRanges {
    fn from(range: Range<u64>) -> Self {
        Self::from_iter([range])
    }
}

impl FromIterator<Range<u64>> for ByteRanges {
    fn from_iter<T: IntoIterator<Item = Range<u64>>>(ranges: T) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Returns the positions one by one.
    fn positions(set: &ByteRanges) -> BTreeSet<u64> {
        set.iter().cloned().flatten().collect()
    }

    fn range() -> impl Strategy<Value = Range<u64>> {
        (0u64..40, 0u64..12).prop_map(|(start, length)| start..start + length)
    }

    proptest! {
        /// The set equals a model that holds the positions one by one, for any sequence of changes.
        #[test]
        fn a_set_equals_its_model(changes in prop::collection::vec((any::<bool>(), range()), 0..24)) {
            let (mut set, mut model) = (ByteRanges::default(), BTreeSet::new());
            for (adds, range) in changes {
                if adds {
                    set.insert(range.clone());
                    model.extend(range);
                } else {
                    set.remove(range.clone());
                    model.retain(|position| !range.contains(position));
                }
                prop_assert_eq!(positions(&set), model.clone());
                let ranges: Vec<_> = set.iter().collect();
                prop_assert!(ranges.iter().all(|range| !range.is_empty()));
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert_eq!(set.total(), model.len() as u64);
                prop_assert_eq!(set.end(), model.last().map_or(0, |last| last + 1));
                let gap = (0..99).find(|position| !model.contains(position)).unwrap();
                prop_assert_eq!(set.contiguous(), gap);
                let gaps: Vec<u64> = set.gaps(45).flatten().collect();
                let missing: Vec<u64> = (0..45).filter(|position| !model.contains(position)).collect();
                prop_assert_eq!(gaps, missing);
            }
        }

        #[test]
        fn an_intersection_has_common_positions(one in prop::collection::vec(range(), 0..8), other in prop::collection::vec(range(), 0..8)) {
            let (one, other): (ByteRanges, ByteRanges) = (one.into_iter().collect(), other.into_iter().collect());
            let both: BTreeSet<_> = positions(&one).intersection(&positions(&other)).copied().collect();
            prop_assert_eq!(positions(&one.and(&other)), both);
        }
    }
}
