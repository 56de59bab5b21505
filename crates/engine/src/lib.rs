//! Pulls, keeps and exports container images.
//!
//! An [`Engine`] has a store and the operations on it: [`pull`](Engine::pull),
//! [`preview`](Engine::preview), [`images`](Engine::images), [`inspect`](Engine::inspect), [`history`](Engine::history),
//! [`tag`](Engine::tag), [`remove`](Engine::remove), [`prune`](Engine::prune), [`unpack`](Engine::unpack),
//! [`bundle`](Engine::bundle), [`mount`](Engine::mount), [`save`](Engine::save), [`load`](Engine::load),
//! [`push`](Engine::push), [`export`](Engine::export), [`import`](Engine::import). A [`Copier`] copies images between
//! registries, files and the store.
//!
//! Operations that take time return an [`Operation`]: a stream of events, and an outcome. Dropping it cancels the
//! work. The crate prints nothing and reads neither environment variables nor configuration files: configuration and
//! credentials are values that the caller passes in. With the features below, the user's own files are read on request.
//!
//! ```no_run
//! use windlass::Engine;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder("/var/lib/windlass").open()?;
//! let mut pull = engine.pull("alpine:3").start();
//! while let Some(event) = pull.next_event().await {
//!     println!("{event:?}");
//! }
//! let pulled = pull.await?;
//! assert_eq!(engine.images()?[0].id, pulled.image_id);
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//! The operations, their requests and their results are at the top. The types that they consist of are in modules:
//! - [`image`]: references, digests, platforms and the descriptions of stored images
//! - [`registry`]: credentials, endpoints, TLS, proxies and timeouts
//! - [`transfer`]: limits, retries and the progress of layers
//! - [`bundle`]: OCI runtime bundles
//! - [`store`]: stored content and its disk usage
//! - [`error`]: one error type for each operation
//!
//! # Features
//! None is on by default.
//! - `user-config`: `EngineBuilder::user_config` applies the registry configuration of the system and the user.
//! - `user-credentials`: `EngineBuilder::user_credentials` uses the logins of docker, podman and windlass.

mod blob_reader;
mod builder;
pub mod bundle;
mod bundle_image;
mod copy;
pub mod error;
mod export;
mod filter;
mod history;
pub mod image;
mod import;
mod inspect;
mod list;
mod load;
mod mount;
mod prune;
mod pull;
mod push;
pub mod registry;
mod save;
pub mod store;
mod stored_content;
pub mod transfer;
mod tree;
mod unpack;
#[cfg(any(feature = "user-config", feature = "user-credentials"))]
mod user;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio_util::task::TaskTracker;
use windlass_archive::Ownership;
use windlass_operation::BlockingContext;
use windlass_pull::Puller;
use windlass_store::{Store, WhenBusy};

use error::{ClientError, OpenError};
use registry::{Caller, RegistryConfig, Remote};
use store::StoreOwner;
use transfer::RateLimit;

pub use builder::EngineBuilder;
pub use copy::{Copied, Copier, CopyRequest, CreateFile};
pub use export::Exported;
pub use filter::{FilterUse, Filters};
pub use import::{ContainerConfig, Healthcheck, ImportOptions, ImportSource};
pub use list::{Removal, Removed};
pub use load::{LoadFrom, LoadOptions, Loaded, MovedName};
pub use prune::{Prune, Pruned};
pub use pull::{Pull, PullTarget};
pub use push::{PushRequest, Pushed};
pub use save::{SaveRequest, SaveTo, Saved};
pub use unpack::UnpackSummary;
pub use windlass_archive::SkippedItems;
pub use windlass_copy::CopyEvent;
pub use windlass_oci::text;
pub use windlass_operation::{Cancelled, Event, EventReceiver, EventSender, Operation};
pub use windlass_pull::{Preview, PullEvent, PullOutcome, PullRequest, Pulled, PullerConfig};
pub use windlass_store::{OpenMode, RemoveOptions};

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
    store: Arc<Store>,
    puller: Arc<Puller>,
    /// The credentials of pulls that are requested by a reference.
    caller: Caller,
    /// The number of layers that unpack at a time from an archive.
    at_once: usize,
    /// Locked while an image is mounted or removed.
    mounting: Arc<Mutex<()>>,
    /// Contains a token of each blocking operation until its work has ended.
    running: TaskTracker,
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
    /// [`StoreOpenError::InUse`].
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
            tracing::warn!(%error, "partial blobs are not looked after");
        }
        Ok(Self {
            at_once: match pull.unpacks {
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

    fn with_caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Creates an operation of blocking work.
    fn operation<E: Event, T: Send + 'static, X: From<Cancelled> + Send + 'static>(
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

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
