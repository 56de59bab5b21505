//! Samples of growing counters.

use serde::Serialize;

use super::track::Micros;

/// The largest number of points in the page; an even number.
const MOST_POINTS: usize = 1200;

/// The counters at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sample {
    pub(crate) at: Micros,
    /// Compressed bytes that arrived.
    pub(crate) downloaded: u64,
    /// Compressed bytes that were unpacked.
    pub(crate) unpacked: u64,
    /// CPU time of this process.
    pub(crate) cpu: Micros,
    /// CPU time of the whole machine, if it is available.
    pub(crate) machine: Option<Micros>,
}

/// Samples of any duration.
///
/// When there are too many, every second one is removed, and the interval doubles. Samples are counters, so the remaining
/// ones stay exact.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Samples {
    points: Vec<Sample>,
    /// One of this number of samples is recorded.
    #[serde(skip)]
    every: u64,
    /// The number of samples so far.
    #[serde(skip)]
    offered: u64,
}

impl Samples {
    /// Records `sample` if the interval has passed.
    pub(crate) fn offer(&mut self, sample: Sample) {
        let is_its_turn = self.offered.is_multiple_of(self.every);
        self.offered += 1;
        if !is_its_turn {
            return;
        }
        self.points.push(sample);
        if self.points.len() > MOST_POINTS {
            let mut is_kept = false;
            self.points.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.every *= 2;
        }
    }

    /// Records the last sample.
    pub(crate) fn finish(&mut self, sample: Sample) {
        self.points.push(sample);
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            every: 1,
            offered: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A day with ten samples per second: the number of points is bounded, and they have equal distances.
    #[test]
    fn the_number_of_points_is_bounded() {
        let sample = |number| Sample {
            at: Micros::from(Duration::from_millis(100 * number)),
            downloaded: number,
            unpacked: 0,
            cpu: Micros::default(),
            machine: None,
        };
        let mut samples = Samples::default();
        let day = 864_000;
        for number in 0..day {
            samples.offer(sample(number));
        }
        samples.finish(sample(day));
        let points: Vec<u64> = samples
            .points
            .iter()
            .map(|point| point.downloaded)
            .collect();
        let (last, even) = points.split_last().unwrap();
        assert!((MOST_POINTS / 2..=MOST_POINTS).contains(&even.len()));
        assert_eq!((points[0], *last), (0, day));
        let step = points[1];
        assert!(even.windows(2).all(|pair| pair[1] - pair[0] == step));
        assert!(day - even.last().unwrap() <= step);
    }
}
