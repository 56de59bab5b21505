//! What the tests share: a registry, a store, and a puller between them.

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

/// How long a test may wait before it is taken for stuck.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A registry, a store and a puller between them.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) store: Arc<Store>,
    pub(crate) puller: Puller,
    path: PathBuf,
    directory: Option<TempDir>,
}

/// A pull that runs by itself.
pub(crate) struct Running {
    task: JoinHandle<Result<Pulled, PullError>>,
    events: EventReceiver<PullEvent>,
}

/// Hardly any pause, and not for long.
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
        let world = Self::at(&directory.path().join("store"), config);
        Self {
            directory: Some(directory),
            ..world
        }
    }

    /// A world whose registry has `mirrors`, in the order of their use, configured by `configure`.
    pub(crate) fn mirrored(
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
        let world = Self::at(&directory.path().join("store"), config);
        Self {
            registry,
            directory: Some(directory),
            ..world
        }
    }

    pub(crate) fn at(path: &Path, config: PullerConfig) -> Self {
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

    /// The same store, opened anew, as by the next process; waits until this one's is closed.
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
            ..Self::at(&path, config)
        }
    }

    /// The registry, as events name it.
    pub(crate) fn origin(&self) -> Origin {
        Origin::parse(self.registry.url()).expect("a registry has an address")
    }

    /// The context of an error about a layer at the registry.
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
        let mut events_seen = Vec::new();
        while let Some(event) = receiver.next().await {
            events_seen.push(event);
        }
        (outcome, events_seen)
    }

    /// Runs a pull that fails; returns its error text after the puller is idle.
    pub(crate) async fn refusal(&self, name: &str) -> String {
        let error = self.pull(name).await.expect_err("it cannot be pulled");
        self.puller.idle().await;
        self.shown(&error)
    }

    /// The error and its causes on one line, as the user reads them, without the registry's own address.
    pub(crate) fn shown(&self, error: &PullError) -> String {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line.replace(self.registry.url(), "REGISTRY")
    }

    /// Starts a pull that runs by itself.
    pub(crate) fn start(self: &Arc<Self>, name: &str) -> Running {
        self.start_request(self.request(name))
    }

    pub(crate) fn start_request(self: &Arc<Self>, request: PullRequest) -> Running {
        let (world, (events, receiver)) = (Arc::clone(self), PullEvents::channel());
        Running {
            task: tokio::spawn(async move { world.puller.pull(&request, &events).await }),
            events: receiver,
        }
    }

    /// Lists what the store has on its disk: verified or not, visible or not.
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

    /// Checks that nothing is in the store, and that nothing is left of what was tried but what the next pull
    /// can go on with.
    #[track_caller]
    pub(crate) fn assert_nothing_here(&self) {
        assert_eq!(self.images(), []);
        let mut left = self.on_disk();
        left.retain(|path| !path.starts_with("ingest/sha256-"));
        assert_eq!(left, [""; 0]);
    }

    /// Checks that nothing is left of transfers but what the next pull can go on with.
    #[track_caller]
    pub(crate) fn assert_nothing_unfinished(&self) {
        let unfinished = |path: &String| path.starts_with("ingest") || path.starts_with("drafts");
        let mut left = self.on_disk();
        left.retain(|path| unfinished(path) && !path.starts_with("ingest/sha256-"));
        assert_eq!(left, [""; 0]);
    }

    /// Returns where the part of a blob is kept.
    pub(crate) fn in_ingest(&self, layer: &PackedLayer) -> PathBuf {
        let name = format!("sha256-{}-{}", layer.digest.hex(), layer.size);
        self.path.join("ingest").join(name)
    }

    /// Returns how much of a blob the next pull can go on with; `None` if nothing is kept.
    pub(crate) fn kept(&self, digest: &Digest) -> Option<u64> {
        let kept = self.store.partial_blobs().expect("the store is readable");
        let kept = kept.into_iter().find(|blob| blob.digest == *digest);
        kept.map(|blob| blob.stored)
    }

    pub(crate) fn images(&self) -> Vec<Image> {
        self.store.images().expect("the store is readable")
    }

    /// The image called `name` in the registry's terms.
    pub(crate) fn image(&self, name: &str) -> Image {
        let name = self.registry.name(name).parse().expect("a good name");
        self.store.image(&name).expect("it is in the store")
    }

    /// What is in a layer.
    pub(crate) fn tree(&self, diff_id: &DiffId) -> TreeSnapshot {
        let layer = self.store.layer(diff_id).expect("the store is readable");
        let layer = layer.expect("the layer is in the store");
        TreeSnapshot::beneath(layer.open_dir().expect("a layer is a directory"))
            .expect("it can be read")
    }

    /// The requests since `earlier` many, `GET /v2/app/manifests/1 200`.
    pub(crate) fn log_since(&self, earlier: usize) -> Vec<String> {
        self.registry.log().split_off(earlier)
    }

    /// How many of the requests were for blobs.
    pub(crate) fn blob_request_count(&self) -> usize {
        let log = self.registry.log();
        log.iter().filter(|line| line.contains("/blobs/")).count()
    }
}

impl Running {
    /// Waits for an event.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&PullEvent) -> bool) -> PullEvent {
        loop {
            let event = with_timeout(self.events.next()).await;
            let event = event.expect("the pull ended before it events_seen what is waited for");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Waits until the layer's transfer is joined.
    pub(crate) async fn until_waiting_for(&mut self, layer: &Digest) {
        self.until(|event| status(event, layer) == Some(&LayerStatus::Queued))
            .await;
    }

    pub(crate) async fn outcome(self) -> Result<Pulled, PullError> {
        with_timeout(self.task)
            .await
            .expect("a pull does not panic")
    }

    /// Leaves, as by dropping the pull's future.
    pub(crate) async fn leave(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

/// Waits for what comes at once, unless something is stuck: then the test fails rather than hangs.
async fn with_timeout<T>(awaited: impl Future<Output = T>) -> T {
    let come = tokio::time::timeout(TEST_TIMEOUT, awaited).await;
    come.expect("what is waited for does not come")
}

/// The request that pulls `name` from `registry`.
pub(crate) fn request(registry: &Registry, name: &str) -> PullRequest {
    let reference = registry.name(name).parse();
    PullRequest {
        reference: reference.expect("the test has a good name"),
        platform: None,
        caller: Caller::anonymous(),
        throttle: Throttle::unlimited(),
    }
}

/// A mirror, as a configuration has it.
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
    let events_seen = events.iter().filter_map(|event| status(event, layer));
    events_seen
        .filter(|status| !matches!(status, LayerStatus::Moving { .. }))
        .cloned()
        .collect()
}
