//! Shared by the tests: a registry, a store, and a puller that pulls from one into the other.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use windlass_archive::Ownership;
use windlass_oci::{DiffId, Digest, Platform};
use windlass_operation::EventReceiver;
use windlass_pull::{
    LayerStatus, PullError, PullEvent, PullEvents, PullRequest, Pulled, Puller, PullerConfig,
    RetryPolicy, Throttle,
};
use windlass_registry::{Caller, HostConfig, Origin, RegistryConfig, RegistryHosts, Timeouts};
use windlass_store::{Image, OpenMode, Store, WhenBusy};
use windlass_testing::{PackedLayer, Registry, TreeSnapshot};

/// The maximum time that a test waits for an event.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A registry, a store, and a puller that pulls from one into the other.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) store: Arc<Store>,
    pub(crate) puller: Puller,
    path: PathBuf,
    directory: Option<TempDir>,
}

/// A pull that runs in a task.
pub(crate) struct RunningPull {
    task: JoinHandle<Result<Pulled, PullError>>,
    events: EventReceiver<PullEvent>,
}

/// The configuration of the tests: with very short pauses between attempts.
pub(crate) fn config() -> PullerConfig {
    PullerConfig {
        registry: RegistryConfig {
            timeouts: Timeouts {
                connect: Duration::from_secs(20),
                response: Duration::from_secs(20),
                stall: Duration::from_secs(20),
                ..Timeouts::default()
            },
            ..RegistryConfig::default()
        },
        ownership: Ownership::for_current_process(),
        retry: RetryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(1),
            longest_requested_pause: Duration::from_secs(60),
            jitter: 0,
        },
        ..PullerConfig::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: PullerConfig) -> Self {
        let directory = tempfile::tempdir().expect("temporary directories can be made");
        let world = Self::open(&directory.path().join("store"), config);
        Self {
            directory: Some(directory),
            ..world
        }
    }

    /// Uses `registry` with `mirrors`, the first one first. `configure` changes their configuration.
    pub(crate) fn with_mirrors(
        mirrors: &[&Registry],
        registry: Registry,
        configure: impl FnOnce(&mut RegistryHosts, &mut PullerConfig),
    ) -> Self {
        let mut config = config();
        let mut hosts = RegistryHosts {
            mirrors: mirrors.iter().map(|mirror| host(mirror)).collect(),
            ..RegistryHosts::default()
        };
        configure(&mut hosts, &mut config);
        config
            .registry
            .registries
            .named
            .insert(registry.host(), hosts);
        let directory = tempfile::tempdir().expect("temporary directories can be made");
        let world = Self::open(&directory.path().join("store"), config);
        Self {
            registry,
            directory: Some(directory),
            ..world
        }
    }

    pub(crate) fn open(path: &Path, config: PullerConfig) -> Self {
        let access = OpenMode::Exclusive {
            purpose: "the tests",
        };
        let store = Store::open(path, access, |_| WhenBusy::Fail).expect("a store can be made");
        let store = Arc::new(store);
        Self {
            registry: Registry::start(),
            puller: Puller::new(config, Arc::clone(&store)).expect("the configuration is good"),
            store,
            path: path.to_owned(),
            directory: None,
        }
    }

    /// Closes the store and opens it again, like the next process.
    pub(crate) async fn reopened(self, config: PullerConfig) -> Self {
        let Self {
            registry,
            store,
            puller,
            path,
            directory,
        } = self;
        puller.idle().await;
        drop((puller, store));
        Self {
            registry,
            directory,
            ..Self::open(&path, config)
        }
    }

    /// The endpoint of the registry.
    pub(crate) fn origin(&self) -> Origin {
        Origin::parse(self.registry.url()).expect("a registry has an address")
    }

    /// The status of a layer that is being requested from the registry.
    pub(crate) fn connecting(&self, attempt: u32) -> LayerStatus {
        LayerStatus::Connecting {
            endpoint: self.origin(),
            attempt,
        }
    }

    /// The request that pulls `name` from the registry.
    pub(crate) fn request(&self, name: &str) -> PullRequest {
        request(&self.registry, name)
    }

    pub(crate) async fn pull(&self, name: &str) -> Result<Pulled, PullError> {
        self.pull_with_events(name).await.0
    }

    pub(crate) async fn pull_for(&self, name: &str, platform: &str) -> Result<Pulled, PullError> {
        let platform: Platform = platform.parse().expect("the test has a good platform");
        let request = PullRequest {
            platform: Some(platform),
            ..self.request(name)
        };
        self.puller.pull(&request, &PullEvents::channel().0).await
    }

    /// Pulls, and returns all events of the pull.
    pub(crate) async fn pull_with_events(
        &self,
        name: &str,
    ) -> (Result<Pulled, PullError>, Vec<PullEvent>) {
        let (events, mut receiver) = PullEvents::channel();
        let outcome = self.puller.pull(&self.request(name), &events).await;
        drop(events);
        let mut received = Vec::new();
        while let Some(event) = receiver.next().await {
            received.push(event);
        }
        (outcome, received)
    }

    /// Runs a pull that fails; returns its error text after the puller is idle.
    pub(crate) async fn pull_error(&self, name: &str) -> String {
        let error = self.pull(name).await.expect_err("the pull fails");
        self.puller.idle().await;
        self.error_text(&error)
    }

    /// The error and its causes on one line, with `REGISTRY` for the registry's address.
    pub(crate) fn error_text(&self, error: &PullError) -> String {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line.replace(self.registry.url(), "REGISTRY")
    }

    /// Starts a pull in a task.
    pub(crate) fn start(self: &Arc<Self>, name: &str) -> RunningPull {
        self.start_request(self.request(name))
    }

    pub(crate) fn start_request(self: &Arc<Self>, request: PullRequest) -> RunningPull {
        let (world, (events, receiver)) = (Arc::clone(self), PullEvents::channel());
        RunningPull {
            task: tokio::spawn(async move { world.puller.pull(&request, &events).await }),
            events: receiver,
        }
    }

    /// Lists the blobs, layers, partial blobs and drafts on the disk.
    pub(crate) fn on_disk(&self) -> Vec<String> {
        let areas = ["blobs/sha256", "layers/sha256", "ingest", "drafts"];
        let mut found: Vec<_> = areas
            .into_iter()
            .filter_map(|area| Some((area, self.path.join(area).read_dir().ok()?)))
            .flat_map(|(area, entries)| entries.map(move |entry| (area, entry)))
            .map(|(area, entry)| {
                let name = entry.expect("the store can be read").file_name();
                format!("{area}/{}", name.to_string_lossy())
            })
            .collect();
        found.sort();
        found
    }

    /// Checks that the store has no image and no file, except partial blobs.
    #[track_caller]
    pub(crate) fn assert_store_empty(&self) {
        assert_eq!(self.images(), []);
        let mut left = self.on_disk();
        left.retain(|path| !path.starts_with("ingest/sha256-"));
        assert_eq!(left, [""; 0]);
    }

    /// Checks that transfers left no file, except partial blobs.
    #[track_caller]
    pub(crate) fn assert_no_leftovers(&self) {
        let is_temporary = |path: &String| path.starts_with("ingest") || path.starts_with("drafts");
        let mut left = self.on_disk();
        left.retain(|path| is_temporary(path) && !path.starts_with("ingest/sha256-"));
        assert_eq!(left, [""; 0]);
    }

    /// Returns the path of a partial blob.
    pub(crate) fn partial_path(&self, layer: &PackedLayer) -> PathBuf {
        let name = format!("sha256-{}-{}", layer.digest.hex(), layer.size);
        self.path.join("ingest").join(name)
    }

    /// Returns the size of a partial blob; `None` if there is none.
    pub(crate) fn partial_bytes(&self, digest: &Digest) -> Option<u64> {
        let partials = self.store.partial_blobs().expect("the store is readable");
        let partial = partials.into_iter().find(|blob| blob.digest == *digest);
        partial.map(|blob| blob.stored)
    }

    pub(crate) fn images(&self) -> Vec<Image> {
        self.store.images().expect("the store is readable")
    }

    /// The stored image with this name at the registry.
    pub(crate) fn image(&self, name: &str) -> Image {
        let name = self.registry.name(name).parse().expect("a good name");
        self.store.image(&name).expect("it is in the store")
    }

    /// The files of a layer.
    pub(crate) fn tree(&self, diff_id: &DiffId) -> TreeSnapshot {
        let layer = self.store.layer(diff_id).expect("the store is readable");
        let layer = layer.expect("the layer is in the store");
        TreeSnapshot::beneath(layer.open_dir().expect("a layer is a directory"))
            .expect("the layer is readable")
    }

    /// The requests after the first `earlier` ones, such as `GET /v2/app/manifests/1 200`.
    pub(crate) fn log_since(&self, earlier: usize) -> Vec<String> {
        self.registry.log().split_off(earlier)
    }

    /// The number of requests for blobs.
    pub(crate) fn blob_request_count(&self) -> usize {
        let log = self.registry.log();
        log.iter().filter(|line| line.contains("/blobs/")).count()
    }
}

impl RunningPull {
    /// Waits for an event.
    pub(crate) async fn until(&mut self, is_expected: impl Fn(&PullEvent) -> bool) -> PullEvent {
        loop {
            let event = with_timeout(self.events.next()).await;
            let event = event.expect("the pull ended without the expected event");
            if is_expected(&event) {
                return event;
            }
        }
    }

    /// Waits until the layer's transfer is joined.
    pub(crate) async fn until_queued(&mut self, layer: &Digest) {
        self.until(|event| status(event, layer) == Some(&LayerStatus::Queued))
            .await;
    }

    pub(crate) async fn outcome(self) -> Result<Pulled, PullError> {
        with_timeout(self.task)
            .await
            .expect("a pull does not panic")
    }

    /// Cancels the pull: drops its future.
    pub(crate) async fn cancel(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

/// Waits for `future`. The test fails if that takes too long.
async fn with_timeout<T>(future: impl Future<Output = T>) -> T {
    let output = tokio::time::timeout(TEST_TIMEOUT, future).await;
    output.expect("the time is sufficient")
}

/// The error of a pull whose layer is missing in `repository` at the registry.
pub(crate) fn missing_layer(repository: &str, layer: &Digest) -> String {
    format!("layer {layer}: blob {layer} of {repository} at REGISTRY: no such blob")
}

/// The request that pulls `name` from `registry`.
pub(crate) fn request(registry: &Registry, name: &str) -> PullRequest {
    let reference = registry.name(name).parse();
    PullRequest {
        reference: reference.expect("the test has a good name"),
        platform: None,
        artifacts: Vec::new(),
        caller: Caller::anonymous(),
        throttle: Throttle::unlimited(),
    }
}

/// The configuration of a mirror.
pub(crate) fn host(mirror: &Registry) -> HostConfig {
    HostConfig::new(mirror.url().parse().expect("a registry has a URL"))
}

/// The status of a layer in an event.
pub(crate) fn status<'a>(event: &'a PullEvent, layer: &Digest) -> Option<&'a LayerStatus> {
    match event {
        PullEvent::Layer { digest, status } if digest == layer => Some(status),
        _ => None,
    }
}

/// The reported statuses of a layer, without the byte counts.
pub(crate) fn milestones(events: &[PullEvent], layer: &Digest) -> Vec<LayerStatus> {
    let received = events.iter().filter_map(|event| status(event, layer));
    received
        .filter(|status| !matches!(status, LayerStatus::Moving { .. }))
        .cloned()
        .collect()
}
