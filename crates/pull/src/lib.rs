//! Pulls an image: turns a reference into a verified, unpacked, tagged image.
//!
//! [`Puller::pull`] resolves the reference, plans the layers, fetches them and commits the image. [`PullEvent`]s report
//! its progress. Dropping the future of a pull cancels it: transfers without other watchers stop, and nothing of the
//! image becomes visible. A commit that has started still completes; [`Puller::idle`] waits for it, too.
//!
//! [`Remote`] queries registries without a store.

mod blocking_drop;
mod commit;
mod download;
mod endpoint_queue;
mod error;
mod events;
mod fetched_layers;
mod layer;
mod limits;
mod local;
mod plan;
mod platforms;
mod preview;
mod progress;
mod puller;
mod remote;
mod remote_repository;
mod resolve;
mod retry;
mod schema1;
mod sources;
mod space;
mod throughput;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use windlass_archive::Ownership;
use windlass_oci::{Digest, ImageId, Platform, Reference};
use windlass_registry::{Caller, Origin, RegistryConfig};

use events::{as_text, from_text};

pub use download::SplitPolicy;
pub use error::{EndpointsError, PullError};
pub use events::{LayerStatus, PlannedLayer, PullEvent, PullEvents, Reason, Setback};
pub use layer::LayerError;
pub use limits::RateLimit;
pub use local::{ExpectedLayer, LocalLayer, LocalLayerError, unpack_local_layer};
pub use plan::{PlanError, match_layers};
pub use platforms::Platforms;
pub use preview::Preview;
pub use puller::Puller;
pub use remote::{FoundManifest, Remote};
pub use remote_repository::{RemoteBlob, RemoteRepository};
pub use retry::{Attempts, RetryPolicy};
pub use sources::EndpointNeed;
pub use space::NoSpace;
pub use throughput::Throughput;
pub use view::{LayerState, LayerView, PullPhase, PullView, SetbackView, percent};
pub use windlass_schema1::{HistoryError, Schema1Error, SignatureError};
pub use windlass_store::Retention;
pub use windlass_transfer::Throttle;

/// How a [`Puller`] goes about its work.
#[derive(Clone, Debug)]
pub struct PullerConfig {
    /// Endpoints, TLS, proxies and timeouts of registries.
    pub registry: RegistryConfig,
    /// Layers that download at a time, over all pulls; 0 for no limit (TM-7).
    pub downloads: usize,
    /// Layers that unpack at a time, over all pulls; 0 for as many as there are threads for.
    pub unpacks: usize,
    /// Ownership of unpacked files.
    pub ownership: Ownership,
    /// When and how often failed requests are retried.
    pub retry: RetryPolicy,
    /// When a large blob is fetched over several connections.
    pub split: SplitPolicy,
    /// How fast bytes may come, over all pulls.
    pub rate: RateLimit,
    /// How fast bytes may come from a registry, by its name, in bytes a second.
    pub registry_rates: BTreeMap<String, NonZeroU64>,
    /// For how long parts of blobs are kept that were not finished.
    pub keep: Retention,
}

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// What it is called. With a tag and a digest, the digest decides and the tag is applied.
    pub reference: Reference,
    /// The platform to choose from an index; this machine's where it is `None`.
    pub platform: Option<Platform>,
    /// The credentials that requests are sent with. Pulls of the same caller share tokens.
    pub caller: Caller,
    /// How fast the bytes of this pull may come; it can be changed while it runs.
    pub throttle: Throttle,
}

/// An anonymous pull for this machine's platform, at full speed.
impl From<Reference> for PullRequest {
    fn from(reference: Reference) -> Self {
        Self {
            reference,
            platform: None,
            caller: Caller::anonymous(),
            throttle: Throttle::unlimited(),
        }
    }
}

/// The result of a pull.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pulled {
    /// The requested reference, with `latest` if it had neither tag nor digest.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub reference: Reference,
    /// The digest of the index or manifest that it names.
    pub digest: Digest,
    /// The image.
    pub image_id: ImageId,
    /// The image's platform, from its config.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub platform: Platform,
    /// Whether anything changed.
    pub outcome: PullOutcome,
    /// The endpoint that resolved the reference: the registry, or a mirror of it.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub endpoint: Origin,
    /// Bytes of layers that were downloaded for it.
    pub downloaded_bytes: u64,
    /// Compressed bytes of layers that were here already.
    pub reused_bytes: u64,
    /// Bytes of file content that were unpacked.
    pub unpacked_bytes: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Whether a pull changed anything (ST-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullOutcome {
    /// The image is new, or its name is new or named another image before.
    Downloaded,
    /// Everything was as it is.
    UpToDate,
}

impl Default for PullerConfig {
    fn default() -> Self {
        Self {
            registry: RegistryConfig::default(),
            downloads: 3,
            unpacks: 4,
            ownership: Ownership::Exact,
            retry: RetryPolicy::default(),
            split: SplitPolicy::default(),
            rate: None,
            registry_rates: BTreeMap::new(),
            keep: Retention::default(),
        }
    }
}
