//! States over time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// The largest number of spans in the page.
const MOST_SPANS: usize = 100;

/// A time since the start of the record or a duration, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Micros(u64);

/// A state from one time to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StateSpan<S> {
    pub(crate) state: S,
    pub(crate) from: Micros,
    pub(crate) to: Micros,
}

/// Consecutive states, without gaps.
///
/// When there are too many spans, the shortest one is merged into its predecessor; `times` stays exact.
#[derive(Debug, Serialize)]
pub(crate) struct Track<S: Ord> {
    spans: Vec<StateSpan<S>>,
    /// The total duration of each state.
    times: BTreeMap<S, Micros>,
    /// Whether the last span has not ended.
    #[serde(skip)]
    is_open: bool,
}

impl<S: Copy + Ord> Track<S> {
    /// Starts `state` at `now`.
    pub(crate) fn turn(&mut self, state: S, now: Micros) {
        if self.is_open && self.spans.last().is_some_and(|span| span.state == state) {
            return;
        }
        self.end(now);
        self.spans.push(StateSpan {
            state,
            from: now,
            to: now,
        });
        self.is_open = true;
        if self.spans.len() > MOST_SPANS {
            self.merge_shortest_span();
        }
    }

    /// Ends the last state at `now`.
    pub(crate) fn end(&mut self, now: Micros) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let Some(last) = self.spans.last_mut() else {
            return;
        };
        last.to = now;
        if last.from >= last.to {
            self.spans.pop();
        } else {
            *self.times.entry(last.state).or_default() += last.to.since(last.from);
        }
    }

    /// The first span has no predecessor, and the last one may be open, so both remain.
    fn merge_shortest_span(&mut self) {
        let inner = 1..self.spans.len() - 1;
        let length = |place: &usize| self.spans[*place].to.since(self.spans[*place].from);
        if let Some(place) = inner.min_by_key(length) {
            let removed = self.spans.remove(place);
            self.spans[place - 1].to = removed.to;
        }
    }
}

impl<S: Ord> Default for Track<S> {
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            times: BTreeMap::new(),
            is_open: false,
        }
    }
}

impl Micros {
    /// Returns the duration since `earlier`; zero if that is later.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for Micros {
    fn from(time: Duration) -> Self {
        Self(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }
}

impl std::ops::AddAssign for Micros {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(track: &Track<char>) -> Vec<(char, u64, u64)> {
        let spans = track.spans.iter();
        spans
            .map(|span| (span.state, span.from.0, span.to.0))
            .collect()
    }

    #[test]
    fn states_without_duration_have_no_span() {
        let mut track = Track::default();
        for (state, now) in [('a', 1), ('a', 2), ('b', 3), ('c', 3), ('a', 5)] {
            track.turn(state, Micros(now));
        }
        track.end(Micros(9));
        track.end(Micros(20));
        assert_eq!(spans(&track), [('a', 1, 3), ('c', 3, 5), ('a', 5, 9)]);
        assert_eq!(
            track.times,
            [('a', Micros(6)), ('c', Micros(2))].into(),
            "both times"
        );
    }

    /// Ten thousand attempts have a bounded number of spans without gaps, and exact times.
    #[test]
    fn spans_are_bounded_and_times_exact() {
        let mut track = Track::default();
        let mut now = 0;
        for attempt in 0..10_000 {
            track.turn('a', Micros(now));
            now += 1 + attempt % 7;
            track.turn('b', Micros(now));
            now += 10;
        }
        track.end(Micros(now));
        let spans = spans(&track);
        assert_eq!(spans.len(), MOST_SPANS);
        assert_eq!((spans[0].1, spans[MOST_SPANS - 1].2), (0, now));
        assert!(spans.windows(2).all(|pair| pair[0].2 == pair[1].1));
        assert_eq!(track.times[&'b'], Micros(100_000));
        assert_eq!(track.times[&'a'], Micros(now - 100_000));
    }
}
