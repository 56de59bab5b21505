//! The facts of the machine that the figures depend on, in generic words.

use std::collections::HashSet;
use std::fs;

use serde::Serialize;
use windlass_testing::real::{command, run};

/// What the figures were taken on.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// How many cores there are.
    pub(super) cores: usize,
    /// The instruction set, and its extensions that matter for hashing and inflating.
    pub(super) processor: String,
    /// GiB of memory.
    pub(super) memory: u64,
    /// The kernel's name and version, two numbers of it.
    pub(super) kernel: String,
    /// The programs with their versions.
    pub(super) versions: Vec<String>,
}

impl Machine {
    /// Looks at this one, and at the versions of `programs`.
    pub(super) fn here(programs: &[&str]) -> Self {
        let served = ["docker-registry"];
        let mut seen = HashSet::new();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            memory: memory(),
            kernel: kernel(),
            versions: served
                .iter()
                .chain(programs)
                .filter(|name| seen.insert(**name))
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

/// `podman 4.3.1`: the first word of the program's answer that looks like a version.
fn version(program: &str) -> String {
    let answer = run(command(program).arg("--version")).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    let starts_with_digit = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let words = answer
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
