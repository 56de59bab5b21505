//! What happens, in numbers: Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use windlass::{DiskUsage, LayerStatus, PullEvent, Pulled};

/// Counts since the daemon began.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    started: Started,
    running: AtomicU64,
    pulled: AtomicU64,
    up_to_date: AtomicU64,
    failed: AtomicU64,
    left: AtomicU64,
    downloaded_bytes: AtomicU64,
    reused_bytes: AtomicU64,
    retries: AtomicU64,
    setbacks: AtomicU64,
    queued: AtomicU64,
    pushed: AtomicU64,
    push_failed: AtomicU64,
    requests: Mutex<BTreeMap<u16, u64>>,
    hosts: Mutex<BTreeMap<String, u64>>,
    durations: Durations,
}

/// When the daemon began.
#[derive(Debug)]
struct Started(SystemTime);

/// How long pulls took.
#[derive(Debug, Default)]
struct Durations {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    millis: AtomicU64,
}

/// The bounds of the buckets, in seconds.
const BOUNDS: [u64; 9] = [1, 2, 5, 10, 30, 60, 300, 1800, 7200];
/// How many hosts are told apart; what comes from others counts together.
const MOST_HOSTS: usize = 100;

/// A pull that runs; dropping it without a word is leaving.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    metrics: &'a Metrics,
    is_over: bool,
}

impl Metrics {
    /// Counts a pull that begins.
    pub(crate) fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running {
            metrics: self,
            is_over: false,
        }
    }

    /// Counts what happens in a pull.
    pub(crate) fn event(&self, event: &PullEvent) {
        match event {
            PullEvent::Setback(_) => add(&self.setbacks, 1),
            PullEvent::Layer { status, .. } => match status {
                LayerStatus::Queued => add(&self.queued, 1),
                LayerStatus::Retrying { .. } => add(&self.retries, 1),
                LayerStatus::Connecting { endpoint, .. } => self.host(endpoint.to_string()),
                _ => {}
            },
            _ => {}
        }
    }

    fn host(&self, host: String) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = match hosts.len() < MOST_HOSTS || hosts.contains_key(&host) {
            true => host,
            false => "other".to_owned(),
        };
        *hosts.entry(host).or_default() += 1;
    }

    /// Counts an answer.
    pub(crate) fn count_response(&self, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(status).or_default() += 1;
    }

    /// Counts a push.
    pub(crate) fn pushed(&self, is_well: bool) {
        add(
            if is_well {
                &self.pushed
            } else {
                &self.push_failed
            },
            1,
        );
    }

    /// Returns how many pulls run.
    pub(crate) fn pulls_running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Writes all of it.
    pub(crate) fn text(&self, usage: Option<&DiskUsage>, version: &str) -> String {
        let mut out = Text(String::new());
        out.head("windlass_build_info", "gauge", "Which windlass this is.");
        out.line("windlass_build_info", &[("version", version)], 1);
        let started = self.started.0.duration_since(UNIX_EPOCH);
        out.head(
            "windlass_daemon_start_time_seconds",
            "gauge",
            "When the daemon began, in seconds since 1970.",
        );
        let started = started.unwrap_or_default().as_secs_f64();
        out.line("windlass_daemon_start_time_seconds", &[], started);
        out.process();
        out.head("windlass_pulls_running", "gauge", "Pulls that run.");
        out.line("windlass_pulls_running", &[], self.pulls_running());
        out.head(
            "windlass_pulls_total",
            "counter",
            "Pulls that ended, by how.",
        );
        for (outcome, count) in [
            ("downloaded", &self.pulled),
            ("up_to_date", &self.up_to_date),
            ("failed", &self.failed),
            ("left", &self.left),
        ] {
            out.line("windlass_pulls_total", &[("outcome", outcome)], get(count));
        }
        self.durations.write(&mut out);
        for (name, help, count) in [
            (
                "windlass_pull_bytes_total",
                "Bytes of layers that were downloaded.",
                &self.downloaded_bytes,
            ),
            (
                "windlass_pull_reused_bytes_total",
                "Bytes of layers that were here already.",
                &self.reused_bytes,
            ),
            (
                "windlass_pull_retries_total",
                "Attempts at layers that were made again.",
                &self.retries,
            ),
            (
                "windlass_pull_setbacks_total",
                "Requests for documents that failed.",
                &self.setbacks,
            ),
            (
                "windlass_pull_queued_total",
                "Layers that waited for a turn.",
                &self.queued,
            ),
        ] {
            out.head(name, "counter", help);
            out.line(name, &[], get(count));
        }
        out.head(
            "windlass_pushes_total",
            "counter",
            "Pushes that ended, by how.",
        );
        out.line(
            "windlass_pushes_total",
            &[("outcome", "pushed")],
            get(&self.pushed),
        );
        out.line(
            "windlass_pushes_total",
            &[("outcome", "failed")],
            get(&self.push_failed),
        );
        out.head(
            "windlass_layer_requests_total",
            "counter",
            "Layers asked for, by host.",
        );
        for (host, count) in &*self.hosts.lock().unwrap_or_else(PoisonError::into_inner) {
            out.line("windlass_layer_requests_total", &[("host", host)], *count);
        }
        out.head(
            "windlass_http_requests_total",
            "counter",
            "Requests of the API, by status.",
        );
        for (status, count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let status = status.to_string();
            out.line(
                "windlass_http_requests_total",
                &[("status", &status)],
                *count,
            );
        }
        if let Some(usage) = usage {
            out.usage(usage);
        }
        out.0
    }
}

impl Running<'_> {
    /// The pull went well.
    pub(crate) fn pulled(mut self, pulled: &Pulled) {
        let metrics = self.metrics;
        let outcome = match pulled.outcome {
            windlass::Outcome::Downloaded => &metrics.pulled,
            windlass::Outcome::UpToDate => &metrics.up_to_date,
        };
        add(outcome, 1);
        add(&metrics.downloaded_bytes, pulled.downloaded_bytes);
        add(&metrics.reused_bytes, pulled.reused_bytes);
        metrics.durations.note(pulled.duration);
        self.is_over = true;
    }

    /// The pull failed.
    pub(crate) fn failed(mut self) {
        add(&self.metrics.failed, 1);
        self.is_over = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.running.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            tracing::info!("a pull was left by its client");
            add(&self.metrics.left, 1);
        }
    }
}

impl Durations {
    fn note(&self, duration: Duration) {
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            if duration <= Duration::from_secs(*bound) {
                add(bucket, 1);
            }
        }
        add(&self.count, 1);
        add(
            &self.millis,
            duration.as_millis().try_into().unwrap_or(u64::MAX),
        );
    }

    fn write(&self, out: &mut Text) {
        const NAME: &str = "windlass_pull_duration_seconds";
        out.head(NAME, "histogram", "How long pulls took that went well.");
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            let bound = bound.to_string();
            out.line(&format!("{NAME}_bucket"), &[("le", &bound)], get(bucket));
        }
        let count = get(&self.count);
        out.line(&format!("{NAME}_bucket"), &[("le", "+Inf")], count);
        let millis = get(&self.millis);
        let sum = format!("{}.{:03}", millis / 1000, millis % 1000);
        out.line(&format!("{NAME}_sum"), &[], sum);
        out.line(&format!("{NAME}_count"), &[], count);
    }
}

/// Text in the format, as it is written.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| {
                let value = value
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                format!("{key}=\"{value}\"")
            })
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// What the system says of this process, under the names that every exporter uses.
    fn process(&mut self) {
        if let Some(resident) = resident() {
            const NAME: &str = "process_resident_memory_bytes";
            self.head(NAME, "gauge", "Memory that the daemon takes up.");
            self.line(NAME, &[], resident);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            const NAME: &str = "process_open_fds";
            self.head(NAME, "gauge", "Files and connections that are open.");
            self.line(NAME, &[], open.count());
        }
    }

    fn usage(&mut self, usage: &DiskUsage) {
        let kinds = [
            ("images", &usage.images),
            ("layers", &usage.layers),
            ("blobs", &usage.blobs),
            ("partial", &usage.partial),
        ];
        self.head(
            "windlass_store_items",
            "gauge",
            "What the store has, by kind.",
        );
        for (kind, usage) in kinds {
            self.line("windlass_store_items", &[("kind", kind)], usage.count);
        }
        self.head(
            "windlass_store_bytes",
            "gauge",
            "What that takes up in bytes, by kind.",
        );
        for (kind, usage) in kinds {
            self.line("windlass_store_bytes", &[("kind", kind)], usage.size);
        }
    }
}

/// Reads how much memory this process takes up, in bytes (proc(5)).
fn resident() -> Option<usize> {
    let sizes = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = sizes.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size())
}

impl Default for Started {
    fn default() -> Self {
        Self(SystemTime::now())
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
