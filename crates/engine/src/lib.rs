//! The windlass engine: the one service that every door calls.
//!
//! An [`Engine`] is a store and the ways to fill, read and empty it: [`pull`](Engine::pull),
//! [`preview`](Engine::preview), [`images`](Engine::images), [`inspect`](Engine::inspect), [`history`](Engine::history),
//! [`tag`](Engine::tag), [`remove`](Engine::remove), [`prune`](Engine::prune), [`unpack`](Engine::unpack),
//! [`bundle`](Engine::bundle), [`mount`](Engine::mount), [`save`](Engine::save), [`load`](Engine::load),
//! [`push`](Engine::push), [`export`](Engine::export), [`import`](Engine::import).
//! It makes no text for people, reads no environment and knows no home directory: configuration and
//! credentials arrive as values, and what happens is told as data.
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
//! # Features
//! None is on by default.
//! - `user-config`: `EngineBuilder::user_config` applies the registry configuration of the system and the user.
//! - `user-credentials`: `EngineBuilder::user_credentials` uses the logins of docker, podman and windlass.

mod blob_reader;
mod builder;
mod bundle;
mod copy;
mod error;
mod export;
mod filter;
mod history;
mod holdings;
mod import;
mod inspect;
mod list;
mod load;
mod mount;
mod prune;
mod pull;
mod push;
mod save;
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

pub use builder::EngineBuilder;
pub use bundle::{BundleImageError, BundleRequest, Bundled};
pub use copy::{Copied, Copier, CopyImageError, CopyRequest, CreateFile};
pub use error::{OpenError, RemoveError, StoreError, TagImageError};
pub use export::{ExportError, Exported};
pub use filter::{FilterError, FilterProblem, FilterUse, Filters};
pub use history::HistoryEntry;
pub use holdings::{HeldBlob, HeldManifest, Holdings, HoldingsError};
pub use import::{
    ChangeError, ChangeProblem, ContainerConfig, Healthcheck, ImportError, ImportOptions,
    ImportSource,
};
pub use inspect::{Inspection, RootFs};
pub use list::{
    ContentLease, DiskUsage, ImageSummary, ImageUsage, Removal, Remove, Removed, Usage,
};
pub use load::{LoadError, LoadFrom, LoadOptions, Loaded, Moved};
pub use mount::MountError;
pub use prune::{Prune, PruneError, Pruned};
pub use pull::{Pull, PullTarget};
pub use push::{PushImageError, PushRequest, Pushed};
pub use save::{SaveError, SaveRequest, SaveTo, Saved};
pub use tree::{HeldImage, ImageTree, PlatformImage};
pub use unpack::{UnpackImageError, UnpackSummary};
pub use windlass_archive::{
    EntryError, SkippedItems, StreamError, TarError, UnpackError, UnpackErrorOrigin,
};
pub use windlass_bundle::{
    AccountsError, BundleOptions, BundleWarning, CONFIG as BUNDLE_CONFIG, ConvertError,
    EnvVariable, EnvVariableError, Hostname, HostnameError, ROOTFS as BUNDLE_ROOTFS, RuntimeUser,
    Spec, VolumeMode, VolumeProblem,
};
pub use windlass_copy::{
    ArchiveCompression, BlobStatus, CopyError, CopyEvent, ImageChoice, ImageLocation,
    ImageLocationError, OutputTarget, PushError, SourceError, TreeError,
};
pub use windlass_layout::{
    Artifact, AtomicFile, Batch, BatchImage, Layout, LayoutDefect, LayoutDirectory, LayoutError,
    LayoutKind, Spool, WriteError,
};
pub use windlass_oci::{
    DEFAULT_REGISTRY, Descriptor, DiffId, Digest, DigestError, IdPrefix, ImageConfigError, ImageId,
    ImageName, ManifestError, MediaType, NoMatchingPlatform, Platform, PlatformError, Reference,
    ReferenceError, ReferenceProblem, RepositoryName, Tag, TagError, text,
};
pub use windlass_operation::{
    Cancellation, Cancelled, Event, EventReceiver, EventSender, Operation,
};
pub use windlass_pull::{
    EndpointNeed, EndpointsError, FoundManifest, HistoryError, LayerError, LayerState, LayerStatus,
    LayerView, LocalLayerError, NoSpace, PlanError, PlannedLayer, Platforms, Preview, PullError,
    PullEvent, PullOutcome, PullPhase, PullRequest, PullView, Pulled, PullerConfig, RateLimit,
    Reason, Remote, Retention, RetryPolicy, Schema1Error, Setback, SetbackView, SignatureError,
    SplitPolicy, Throttle, Throughput, percent,
};
pub use windlass_registry::{
    AccessError, AuthError, Caller, Cause, Client, ClientError, ClientIdentity, ClientTls,
    ConnectFailure, CredentialError, CredentialProvider, CredentialScope, Credentials,
    DigestMismatch, Endpoint, EndpointError, EndpointRole, FoundRepository, HostCapabilities,
    HostConfig, InvalidConfig, LoggedIn, Origin, Proxies, ProxyFailure, RealmError, RedirectError,
    Registries, RegistryConfig, RegistryError, RegistryHosts, RequestContext, RequestKind, Secret,
    StaticCredentials, TagOrDigest, Timeouts, TokenError, UrlDownload, WaitPhase, WebUrl,
    WebUrlError,
};
pub use windlass_store::{
    AppendError, BlobKind, CommitError, DatabaseError, FileError, FindError, IngestError,
    MeasuredBlob, MeasuredLayer, MeasuredStore, NotWritable, PartialBlob, PutError, ReadError,
    RepositoryLookup, RootError, StoreOpenError, StoreOwner, StoreRemoveError, UntrustedReason,
    VerifyError,
};

/// Layers that unpack at a time from an archive where there is no limit.
const MOST_AT_ONCE: usize = 16;

/// The configuration of an [`Engine`].
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The directory of the store.
    pub root: PathBuf,
    /// The configuration of pulls, and of everything else that is done with registries.
    pub pull: PullerConfig,
}

/// What an engine is opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// To change what is there: alone.
    Own {
        /// What others are told who wait meanwhile, such as `windlass pull alpine`.
        purpose: String,
    },
    /// To read layers and blobs: nobody changes them meanwhile.
    Share,
    /// To ask what is there, whoever works on it meanwhile.
    Look,
}

/// A store, and everything that can be done with it. Clones are handles of the same engine; the store is closed when the
/// last one is dropped and the last operation has come to rest.
#[derive(Clone, Debug)]
pub struct Engine {
    store: Arc<Store>,
    puller: Arc<Puller>,
    /// The credentials of pulls that are given by a reference.
    caller: Caller,
    /// Layers that unpack at a time where they come from an archive.
    at_once: usize,
    /// Held while an image is mounted or removed.
    mounting: Arc<Mutex<()>>,
    /// Holds a token for each operation that blocks, until its work has ended.
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
    /// Opens the store at `config.root`; with [`Access::Own`] it is made where there is none.
    ///
    /// If another process is in the way, `on_wait` is told who, and this waits for its end. Blocks.
    pub fn open(
        config: EngineConfig,
        access: &Access,
        mut on_wait: impl FnMut(&StoreOwner),
    ) -> Result<Self, OpenError> {
        Self::open_unless(config, access, |owner| {
            on_wait(owner);
            WhenBusy::Wait
        })
    }

    /// As [`Engine::open`], but if another process is in the way, this is an error at once:
    /// [`StoreOpenError::InUse`].
    pub fn try_open(config: EngineConfig, access: &Access) -> Result<Self, OpenError> {
        Self::open_unless(config, access, |_| WhenBusy::Fail)
    }

    fn open_unless(
        config: EngineConfig,
        access: &Access,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, OpenError> {
        let EngineConfig { root, pull } = config;
        let is_owner = matches!(access, Access::Own { .. });
        let access = match access {
            Access::Own { purpose } => windlass_store::OpenMode::Exclusive { purpose },
            Access::Share => windlass_store::OpenMode::Shared,
            Access::Look => windlass_store::OpenMode::Unlocked,
        };
        let store = Arc::new(Store::open(&root, access, on_busy)?);
        if is_owner && let Err(error) = store.expire_partials(&pull.keep, &[]) {
            tracing::warn!(%error, "partial blobs are not looked after");
        }
        Ok(Self {
            at_once: match pull.unpacks {
                0 => MOST_AT_ONCE,
                unpacks => unpacks,
            },
            puller: Arc::new(Puller::new(pull, Arc::clone(&store))?),
            caller: Caller::anonymous(),
            mounting: Arc::default(),
            running: tracker(),
            store,
        })
    }

    /// Returns what registries are asked through: for tags, digests and manifests.
    pub fn remote(&self) -> Remote {
        self.puller.remote()
    }

    /// From now on speaks to registries as `config` says; pulls that run already are not disturbed.
    ///
    /// All of it or, if it does not work out, nothing.
    pub fn reconfigure(&self, config: RegistryConfig) -> Result<(), ClientError> {
        self.puller.reconfigure(config)
    }

    /// Changes how many layers download at a time, over all pulls; 0 for no limit. Those that do are not disturbed.
    pub fn set_downloads(&self, downloads: usize) {
        self.puller.set_downloads(downloads);
    }

    /// Changes how many layers unpack at a time, over all pulls; 0 for no limit.
    pub fn set_unpacks(&self, unpacks: usize) {
        self.puller.set_unpacks(unpacks);
    }

    /// Changes how fast bytes may come, over all pulls.
    pub fn set_rate(&self, rate: RateLimit) {
        self.puller.set_rate(rate);
    }

    /// Changes how fast bytes may come in pulls from `registry`, whoever delivers them.
    pub fn set_registry_rate(&self, registry: &str, rate: RateLimit) {
        self.puller.set_registry_rate(registry, rate);
    }

    /// Waits until no transfer and no other operation runs, those that were dropped included.
    pub async fn idle(&self) {
        self.puller.idle().await;
        self.running.wait().await;
    }

    fn with_caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Makes an operation of work that blocks.
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
