//! Opens a store, and holds what its operations need.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio_util::task::TaskTracker;
use windlass_archive::Ownership;
use windlass_operation::{BlockingContext, Cancelled, Event, Operation};
use windlass_pull::{Puller, PullerConfig, RateLimit, Remote};
use windlass_registry::{Caller, ClientError, RegistryConfig};
use windlass_store::{OpenMode, Store, StoreOpenError, StoreOwner, WhenBusy};

/// The number of layers that unpack at a time from an archive if no limit is configured.
const DEFAULT_CONCURRENT_UNPACKS: usize = 16;

/// The configuration of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The directory of the store.
    pub root: PathBuf,
    /// The configuration of pulls and of all other access to registries.
    pub pull: PullerConfig,
}

/// A store and its operations. Clones are handles of the same engine; the store is closed when the last one is dropped and
/// the last operation has ended.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) puller: Arc<Puller>,
    /// The credentials of pulls that are requested by a reference.
    pub(crate) caller: Caller,
    /// The number of layers that unpack at a time from an archive.
    pub(crate) concurrent_unpacks: usize,
    /// Locked while an image is mounted or removed.
    pub(crate) mounting: Arc<Mutex<()>>,
    /// Contains a token of each blocking operation until its work has ended.
    running: TaskTracker,
}

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The client for registries could not be created with this configuration.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl EngineConfig {
    /// Returns the defaults for a store at `root`. Unpacked files keep their owners if this process may set them.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            pull: PullerConfig {
                ownership: Ownership::for_current_process(),
                ..PullerConfig::default()
            },
        }
    }
}

impl Engine {
    /// Opens the store at `config.root`; with [`OpenMode::Exclusive`] it is created if there is none.
    ///
    /// While another process uses the store, this blocks; `on_wait` is called with the owner.
    pub fn open(
        config: EngineConfig,
        mode: OpenMode<'_>,
        mut on_wait: impl FnMut(&StoreOwner),
    ) -> Result<Self, OpenError> {
        Self::open_unless(config, mode, |owner| {
            on_wait(owner);
            WhenBusy::Wait
        })
    }

    /// Like [`Engine::open`], but fails at once if another process uses the store:
    /// [`StoreOpenError::InUse`](crate::error::StoreOpenError::InUse).
    pub fn try_open(config: EngineConfig, mode: OpenMode<'_>) -> Result<Self, OpenError> {
        Self::open_unless(config, mode, |_| WhenBusy::Fail)
    }

    pub(crate) fn open_unless(
        config: EngineConfig,
        mode: OpenMode<'_>,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, OpenError> {
        let EngineConfig { root, pull } = config;
        let is_owner = matches!(mode, OpenMode::Exclusive { .. });
        let store = Arc::new(Store::open(&root, mode, on_busy)?);
        if is_owner && let Err(error) = store.expire_partials(&pull.retention, &[]) {
            tracing::warn!(%error, "cannot expire partial blobs");
        }
        Ok(Self {
            concurrent_unpacks: match pull.unpacks {
                0 => DEFAULT_CONCURRENT_UNPACKS,
                unpacks => unpacks,
            },
            puller: Arc::new(Puller::new(pull, Arc::clone(&store))?),
            caller: Caller::anonymous(),
            mounting: Arc::default(),
            running: tracker(),
            store,
        })
    }

    /// Returns the client for queries to registries: tags, digests and manifests.
    pub fn remote(&self) -> Remote {
        self.puller.remote()
    }

    /// Changes the configuration of registries for new requests; pulls in progress are not affected.
    ///
    /// Applies all of it or, after an error, nothing.
    pub fn reconfigure(&self, config: RegistryConfig) -> Result<(), ClientError> {
        self.puller.reconfigure(config)
    }

    /// Changes the number of layers that download at a time, in all pulls; 0 for no limit. Running downloads continue.
    pub fn set_downloads(&self, downloads: usize) {
        self.puller.set_downloads(downloads);
    }

    /// Changes the number of layers that unpack at a time, in all pulls; 0 for no limit.
    pub fn set_unpacks(&self, unpacks: usize) {
        self.puller.set_unpacks(unpacks);
    }

    /// Changes the limit on the throughput of all pulls.
    pub fn set_rate(&self, rate: RateLimit) {
        self.puller.set_rate(rate);
    }

    /// Changes the limit on the throughput of pulls from `registry`, including those that its mirrors serve.
    pub fn set_registry_rate(&self, registry: &str, rate: RateLimit) {
        self.puller.set_registry_rate(registry, rate);
    }

    /// Waits until no transfer and no other operation runs, including dropped ones.
    pub async fn idle(&self) {
        self.puller.idle().await;
        self.running.wait().await;
    }

    pub(crate) fn with_caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Creates an operation of blocking work.
    pub(crate) fn operation<E: Event, T: Send + 'static, X: From<Cancelled> + Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &BlockingContext<E>) -> Result<T, X> + Send + 'static,
    ) -> Operation<E, T, X> {
        let engine = self.clone();
        let work = move |context: &BlockingContext<E>| work(&engine, context);
        Operation::blocking(work).keep_until_done(self.running.token())
    }
}

/// Returns a tracker that can be waited for at any time.
fn tracker() -> TaskTracker {
    let tracker = TaskTracker::new();
    tracker.close();
    tracker
}
