//! The properties of the machine that affect the measurements, in generic terms.

use std::collections::HashSet;
use std::fs;

use serde::Serialize;
use windlass_testing::real::{command, run};

/// The machine of the measurements.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// The number of cores.
    pub(super) cores: usize,
    /// The instruction set, with extensions for hashing and decompression.
    pub(super) processor: String,
    /// The memory in GiB.
    pub(super) memory: u64,
    /// The kernel's name and the first two numbers of its version.
    pub(super) kernel: String,
    /// The programs with their versions.
    pub(super) versions: Vec<String>,
}

impl Machine {
    /// Returns this machine, with the versions of `programs`.
    pub(super) fn current(programs: &[&str]) -> Self {
        let registry = ["docker-registry"];
        let mut listed = HashSet::new();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            memory: memory(),
            kernel: kernel(),
            versions: registry
                .iter()
                .chain(programs)
                .filter(|name| listed.insert(**name))
                .map(|name| version(name))
                .collect(),
        }
    }
}

fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo
        .lines()
        .find(|line| line.starts_with("flags"))
        .unwrap_or_default();
    let extensions = ["sha_ni", "avx2", "avx512f", "pclmulqdq"];
    let has = extensions
        .into_iter()
        .filter(|name| flags.split_whitespace().any(|f| f == *name));
    let has: Vec<_> = has.collect();
    match has.as_slice() {
        [] => std::env::consts::ARCH.to_owned(),
        has => format!("{} with {}", std::env::consts::ARCH, has.join(", ")),
    }
}

fn memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    total.map_or(0, |kib| kib.div_ceil(1 << 20))
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let numbers: Vec<_> = release.trim().split(['.', '-']).take(2).collect();
    format!("Linux {}", numbers.join("."))
}

/// Returns `podman 4.3.1`: the first word of the program's output that looks like a version.
fn version(program: &str) -> String {
    let output = run(command(program).arg("--version")).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let starts_with_digit = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let words = output
        .split_whitespace()
        .map(|word| word.trim_start_matches(['v', '*']));
    let number = words
        .filter(|word| word.contains('.'))
        .find(starts_with_digit);
    match number {
        Some(number) => format!("{program} {}", number.trim_end_matches(',')),
        None => program.to_owned(),
    }
}
