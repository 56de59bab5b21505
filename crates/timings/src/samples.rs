//! Counts that only grow, noted now and then.

use serde::Serialize;

use super::track::Micros;

/// As many points as a picture has room for; an even number.
const MOST_POINTS: usize = 1200;

/// What was counted until some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sample {
    pub(crate) at: Micros,
    /// Compressed bytes that arrived.
    pub(crate) downloaded: u64,
    /// Compressed bytes that were unpacked.
    pub(crate) unpacked: u64,
    /// CPU time of this process.
    pub(crate) cpu: Micros,
    /// CPU time of the whole machine, if that can be told.
    pub(crate) machine: Option<Micros>,
}

/// Samples of a time of any length.
///
/// When there are too many, every second one goes, and of those that come only every second one counts. They
/// are counts, so what is left is as true as before.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Samples {
    points: Vec<Sample>,
    /// Of so many that come one counts.
    #[serde(skip)]
    every: u64,
    /// How many came.
    #[serde(skip)]
    offered: u64,
}

impl Samples {
    /// Takes `sample` in, if it is its turn.
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

    /// Takes in `sample`, the last one.
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

    /// A day at ten a second: the points are as many as ever, evenly apart, from the beginning to the end.
    #[test]
    fn a_long_time_takes_no_more_room() {
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
