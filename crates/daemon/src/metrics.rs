//! The metrics of the daemon, in Prometheus' text format.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::prometheus_text::{self, encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use windlass::store::DiskUsage;
use windlass::transfer::LayerStatus;
use windlass::{PullEvent, PullOutcome, Pulled};

/// The media type of [`Metrics::encode`].
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The metrics since the daemon started.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// The registry of the metrics below.
    registry: Registry,
    pulls_running: Gauge,
    pulls: LabeledCounter,
    pull_durations: Histogram,
    pull_bytes: Counter,
    reused_bytes: Counter,
    retries: Counter,
    setbacks: Counter,
    queued: Counter,
    pushes: LabeledCounter,
    hosts: LabeledCounter,
    /// How many hosts have a sample of their own.
    host_count: Mutex<usize>,
    requests: LabeledCounter,
}

/// One label: its name and its value.
type MetricLabel = [(&'static str, String); 1];
type LabeledCounter = Family<MetricLabel, Counter>;

/// The upper bounds of the buckets, in seconds.
const DURATION_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];
/// The maximum number of hosts with a sample of their own. Further ones share one sample, to bound the memory.
const MAX_HOSTS: usize = 100;
/// The value of the label for further hosts.
const OTHER_HOSTS: &str = "other";

/// A pull in progress. One that is dropped without an outcome was cancelled, because its client disconnected.
#[derive(Debug)]
pub(crate) struct RunningPull<'a> {
    metrics: &'a Metrics,
    has_ended: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            pulls_running: Gauge::default(),
            pulls: outcomes(&["downloaded", "up_to_date", "failed", "left"]),
            pull_durations: Histogram::new(DURATION_BUCKETS),
            pull_bytes: Counter::default(),
            reused_bytes: Counter::default(),
            retries: Counter::default(),
            setbacks: Counter::default(),
            queued: Counter::default(),
            pushes: outcomes(&["pushed", "failed"]),
            hosts: Family::default(),
            host_count: Mutex::default(),
            requests: Family::default(),
        };
        let registry = metrics.registry();
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Registers all metrics. The library adds a full stop to the help, and `_total` to the names of counters.
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        let started = ConstGauge::new(started.unwrap_or_default().as_secs_f64());
        registry.register(
            "windlass_daemon_start_time_seconds",
            "When the daemon started, in seconds since 1970",
            started,
        );
        registry.register(
            "windlass_pulls_running",
            "Pulls in progress",
            self.pulls_running.clone(),
        );
        registry.register(
            "windlass_pulls",
            "Pulls that ended, by outcome",
            self.pulls.clone(),
        );
        registry.register(
            "windlass_pull_duration_seconds",
            "How long successful pulls took",
            self.pull_durations.clone(),
        );
        for (name, help, counter) in [
            (
                "windlass_pull_bytes",
                "Bytes of layers that were downloaded",
                &self.pull_bytes,
            ),
            (
                "windlass_pull_reused_bytes",
                "Bytes of layers that the store had already",
                &self.reused_bytes,
            ),
            (
                "windlass_pull_retries",
                "Downloads of layers that were retried",
                &self.retries,
            ),
            (
                "windlass_pull_setbacks",
                "Requests for manifests and configs that failed",
                &self.setbacks,
            ),
            (
                "windlass_pull_queued",
                "Layers that waited for a download slot",
                &self.queued,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "windlass_pushes",
            "Pushes that ended, by outcome",
            self.pushes.clone(),
        );
        registry.register(
            "windlass_layer_requests",
            "Requests for layers, by host",
            self.hosts.clone(),
        );
        registry.register(
            "windlass_http_requests",
            "Requests of the API, by status",
            self.requests.clone(),
        );
        registry
    }

    /// Counts a pull that starts.
    pub(crate) fn start_pull(&self) -> RunningPull<'_> {
        self.pulls_running.inc();
        RunningPull {
            metrics: self,
            has_ended: false,
        }
    }

    /// Counts an event of a pull.
    pub(crate) fn count_event(&self, event: &PullEvent) {
        match event {
            PullEvent::Setback(_) => {
                self.setbacks.inc();
            }
            PullEvent::Layer { status, .. } => match status {
                LayerStatus::Queued => {
                    self.queued.inc();
                }
                LayerStatus::Retrying { .. } => {
                    self.retries.inc();
                }
                LayerStatus::Connecting { endpoint, .. } => self.count_host(endpoint.to_string()),
                _ => {}
            },
            _ => {}
        }
    }

    fn count_host(&self, host: String) {
        let label = [("host", host)];
        let mut count = self
            .host_count
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.hosts.get(&label).is_none() {
            if *count == MAX_HOSTS {
                let other = [("host", OTHER_HOSTS.to_owned())];
                self.hosts.get_or_create(&other).inc();
                return;
            }
            *count += 1;
        }
        self.hosts.get_or_create(&label).inc();
    }

    /// Counts a response.
    pub(crate) fn count_response(&self, status: u16) {
        let label = [("status", status.to_string())];
        self.requests.get_or_create(&label).inc();
    }

    /// Counts a push that ended.
    pub(crate) fn count_push(&self, is_success: bool) {
        count_outcome(&self.pushes, if is_success { "pushed" } else { "failed" });
    }

    /// Returns how many pulls run.
    pub(crate) fn pulls_running(&self) -> u64 {
        self.pulls_running.get().try_into().unwrap_or_default()
    }

    /// Returns all metrics as text. `usage` is that of the store, if it could be read.
    pub(crate) fn encode(&self, usage: Option<&DiskUsage>, version: &str) -> String {
        let mut text = String::new();
        let now = current(usage, version);
        // Writing to memory cannot fail.
        let _ = encode(&mut text, &self.registry).and_then(|()| encode(&mut text, &now));
        text
    }
}

/// Returns the metrics that are read when they are requested.
fn current(usage: Option<&DiskUsage>, version: &str) -> Registry {
    let mut registry = Registry::default();
    let build = Family::<MetricLabel, Gauge>::default();
    build
        .get_or_create(&[("version", version.to_owned())])
        .set(1);
    registry.register("windlass_build_info", "The version of windlass", build);
    if let Some(resident) = resident_memory() {
        registry.register(
            "process_resident_memory_bytes",
            "Resident memory of the daemon",
            ConstGauge::new(resident),
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
        registry.register(
            "process_open_fds",
            "Open file descriptors of the daemon",
            ConstGauge::new(open),
        );
    }
    if let Some(usage) = usage {
        let (items, bytes) = (
            Family::<MetricLabel, Gauge>::default(),
            Family::<MetricLabel, Gauge>::default(),
        );
        for (kind, usage) in [
            ("images", &usage.images),
            ("layers", &usage.layers),
            ("blobs", &usage.blobs),
            ("partial", &usage.partial),
        ] {
            let label = [("kind", kind.to_owned())];
            let count = i64::try_from(usage.count).unwrap_or(i64::MAX);
            items.get_or_create(&label).set(count);
            let size = i64::try_from(usage.size).unwrap_or(i64::MAX);
            bytes.get_or_create(&label).set(size);
        }
        registry.register(
            "windlass_store_items",
            "Contents of the store, by kind",
            items,
        );
        registry.register("windlass_store_bytes", "Disk space in use, by kind", bytes);
    }
    registry
}

/// Returns a counter with a sample for each outcome, which is 0 at first.
fn outcomes(outcomes: &[&str]) -> LabeledCounter {
    let counter = Family::default();
    for outcome in outcomes {
        drop(counter.get_or_create(&outcome_label(outcome)));
    }
    counter
}

fn outcome_label(outcome: &str) -> MetricLabel {
    [("outcome", outcome.to_owned())]
}

fn count_outcome(counter: &LabeledCounter, outcome: &str) {
    counter.get_or_create(&outcome_label(outcome)).inc();
}

/// Returns the resident memory of this process in bytes (proc(5)).
fn resident_memory() -> Option<i64> {
    let sizes = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = sizes.split(' ').nth(1)?.parse().ok()?;
    let bytes = pages.checked_mul(rustix::param::page_size())?;
    bytes.try_into().ok()
}

impl RunningPull<'_> {
    /// Counts a successful pull.
    pub(crate) fn succeeded(mut self, pulled: &Pulled) {
        let metrics = self.metrics;
        let outcome = match pulled.outcome {
            PullOutcome::Downloaded => "downloaded",
            PullOutcome::UpToDate => "up_to_date",
        };
        count_outcome(&metrics.pulls, outcome);
        metrics.pull_bytes.inc_by(pulled.downloaded_bytes);
        metrics.reused_bytes.inc_by(pulled.reused_bytes);
        metrics
            .pull_durations
            .observe(pulled.duration.as_secs_f64());
        self.has_ended = true;
    }

    /// Counts a failed pull.
    pub(crate) fn failed(mut self) {
        count_outcome(&self.metrics.pulls, "failed");
        self.has_ended = true;
    }
}

impl Drop for RunningPull<'_> {
    fn drop(&mut self) {
        self.metrics.pulls_running.dec();
        if !self.has_ended {
            tracing::info!("a pull was cancelled: its client disconnected");
            count_outcome(&self.metrics.pulls, "left");
        }
    }
}

#[cfg(test)]
mod tests;
