//! CPU time.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// The CPU time that was used until now, of all CPUs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// The time of this process.
    pub(crate) process: Duration,
    /// The time of all processes of the machine, if it is available.
    pub(crate) machine: Option<Duration>,
}

impl CpuTime {
    /// Reads the clocks.
    pub fn now() -> Self {
        let process = clock_gettime(ClockId::ProcessCPUTime);
        let stat = fs::read_to_string("/proc/stat");
        Self {
            process: Duration::try_from(process).unwrap_or_default(),
            machine: stat
                .ok()
                .and_then(|stat| busy(&stat, clock_ticks_per_second())),
        }
    }
}

/// Returns the time that the CPUs were not idle, from the first line of `/proc/stat` (proc(5)): user, nice, system, idle,
/// iowait, irq, softirq, steal. The columns that follow are part of user and nice.
fn busy(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = numbers[..] else {
        return None;
    };
    let ticks = [user, nice, system, irq, softirq, steal];
    let ticks = ticks.into_iter().fold(0, u64::saturating_add);
    let micros = u128::from(ticks) * 1_000_000 / u128::from(ticks_per_second.max(1));
    Some(Duration::from_micros(u64::try_from(micros).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_does_not_count() {
        let stat = "cpu  100 20 30 99999 88888 4 5 1 50 6\ncpu0 1 2 3\n";
        assert_eq!(busy(stat, 100), Some(Duration::from_millis(1600)));
        let strange = [
            "",
            "cpu",
            "cpu 1 2 3",
            "cpu a b c d e f g h",
            "intr 1 2 3 4 5 6 7 8",
        ];
        assert_eq!(strange.map(|stat| busy(stat, 100)), [None; 5]);
    }

    #[test]
    fn work_increases_the_cpu_time() {
        let before = CpuTime::now();
        let mut after = before;
        while after.process == before.process {
            after = CpuTime::now();
        }
        assert!(after.process > before.process && after.machine >= before.machine);
    }
}
