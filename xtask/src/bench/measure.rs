//! Wall time, CPU time and memory of a command with all its descendants, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use windlass_testing::real::{command, run};

/// The interval at which memory is sampled.
const SAMPLING: Duration = Duration::from_millis(20);

/// The measurement of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Measurement {
    /// Seconds from start to exit.
    pub(super) wall: f64,
    /// Seconds of `sync -f` afterwards, for data that the tool left unwritten.
    pub(super) sync: f64,
    /// CPU seconds, user and system, of the tool's and its daemon's processes.
    pub(super) cpu: f64,
    /// The peak of the total resident memory of the processes, in bytes.
    pub(super) memory: u64,
}

/// Runs `tool` to its end and measures it, with the descendants of `daemon` if it has one.
pub(super) fn measured(
    tool: &mut Command,
    daemon: Option<u32>,
    written_to: &Path,
) -> anyhow::Result<Measurement> {
    let log = tempfile::NamedTempFile::new()?;
    tool.stdin(Stdio::null())
        .stdout(log.reopen()?)
        .stderr(log.reopen()?);
    let cpu_before = cpu_ticks(daemon)?;
    let start = Instant::now();
    let mut child = tool.spawn().with_context(|| format!("{tool:?}"))?;
    let sampler = MemorySampler::start([Some(child.id()), daemon].into_iter().flatten().collect());
    let status = child.wait()?;
    let wall = start.elapsed().as_secs_f64();
    let memory = sampler.peak();
    let cpu = seconds(cpu_ticks(daemon)? - cpu_before);
    ensure!(status.success(), "{status}: {}", last_line(log.path())?);
    let start = Instant::now();
    run(command("sync").arg("--file-system").arg(written_to))?;
    Ok(Measurement {
        wall,
        sync: start.elapsed().as_secs_f64(),
        cpu,
        memory,
    })
}

/// Returns the CPU time, in clock ticks, of this process's ended children and of the daemon.
fn cpu_ticks(daemon: Option<u32>) -> anyhow::Result<u64> {
    let ended_children = stat_ticks("/proc/self/stat", 15..17)?;
    let daemon = daemon.map(|pid| stat_ticks(&format!("/proc/{pid}/stat"), 13..17));
    Ok(ended_children + daemon.transpose()?.unwrap_or(0))
}

fn stat_ticks(stat: &str, fields: Range<usize>) -> anyhow::Result<u64> {
    let line = fs::read_to_string(stat).with_context(|| stat.to_owned())?;
    sum_of_fields(&line, fields).with_context(|| stat.to_owned())
}

/// Sums fields of a line of `stat`, counted from 0 (proc(5) counts from 1): 13 and 14 are the
/// process's own user and system time, 15 and 16 those of its children that have ended.
fn sum_of_fields(stat: &str, fields: Range<usize>) -> anyhow::Result<u64> {
    // The second field, the name in parentheses, may contain spaces and parentheses.
    let after_name = stat.rsplit_once(") ").context("no name in stat")?.1;
    let words = after_name
        .split(' ')
        .skip(fields.start - 2)
        .take(fields.len());
    words.map(|word| anyhow::Ok(word.parse::<u64>()?)).sum()
}

fn seconds(ticks: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "hundreds of seconds at most")]
    let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    seconds
}

/// Returns the last line of a failed tool's output.
fn last_line(log: &Path) -> anyhow::Result<String> {
    let output = fs::read(log)?;
    let output = String::from_utf8_lossy(&output);
    Ok(output
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("")
        .to_owned())
}

/// A thread that samples the memory of processes with their descendants.
#[derive(Debug)]
struct MemorySampler {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl MemorySampler {
    fn start(roots: Vec<u32>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut peak = 0;
            while stopped.recv_timeout(SAMPLING) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(resident(&roots));
            }
            peak
        });
        Self { stop, thread }
    }

    /// Stops sampling and returns the peak, in bytes.
    fn peak(self) -> u64 {
        drop(self.stop);
        self.thread.join().expect("the sampler does not panic")
    }
}

/// The fields of `/proc/PID/status` that are used.
struct ProcessStatus {
    parent: u32,
    /// The current resident memory in bytes.
    resident: u64,
    /// The peak of its resident memory in bytes.
    high_water: u64,
}

/// Returns the resident memory of `roots` with their descendants; at least the peak of any one of them, which
/// may have been between two samples.
fn resident(roots: &[u32]) -> u64 {
    let processes = processes();
    let watched = |mut pid: u32| {
        while !roots.contains(&pid) {
            match processes.get(&pid) {
                Some(process) => pid = process.parent,
                None => return false,
            }
        }
        true
    };
    let watched = || {
        processes
            .iter()
            .filter(|(pid, _)| watched(**pid))
            .map(|(_, process)| process)
    };
    let together: u64 = watched().map(|process| process.resident).sum();
    let highest = watched().map(|process| process.high_water).max();
    together.max(highest.unwrap_or(0))
}

fn processes() -> HashMap<u32, ProcessStatus> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A process that has ended meanwhile has no status any more.
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

fn process(pid: u32) -> Option<ProcessStatus> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    Some(ProcessStatus {
        parent: u32::try_from(number("PPid")?).ok()?,
        // Missing for a process that has ended and is not reaped yet.
        resident: number("VmRSS").unwrap_or(0) * 1024,
        high_water: number("VmHWM").unwrap_or(0) * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a) (b) S 1 7 7 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 5 0 0";
        assert_eq!(sum_of_fields(stat, 13..15).unwrap(), 33);
        assert_eq!(sum_of_fields(stat, 15..17).unwrap(), 77);
        assert_eq!(sum_of_fields(stat, 13..17).unwrap(), 110);
    }
}
