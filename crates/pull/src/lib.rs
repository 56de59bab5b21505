//! Pulls an image: turns a reference into a verified, unpacked, tagged image.
//!
//! [`Puller::pull`] resolves the reference, plans the layers, fetches them and commits the image. [`PullEvent`]s report
//! its progress. Dropping the future of a pull cancels it: transfers without other watchers stop, and nothing of the
//! image becomes visible. A commit that has started still completes; [`Puller::idle`] waits for it, too.
//!
//! [`Remote`] queries registries without a store.

mod blocking;
mod blocking_drop;
mod byte_counters;
mod commit;
mod disk_space;
mod documents;
mod download;
mod endpoint_need;
mod endpoint_queue;
mod error;
mod events;
mod fetch_image;
mod fetched_layers;
mod image_layers;
mod index_artifacts;
mod json_fields;
mod layer_attempt;
mod layer_fetcher;
mod layer_metadata;
mod layer_progress;
mod layer_reporter;
mod layer_unpacker;
mod layer_view;
mod local_layer;
mod plan;
mod platforms;
mod preview;
mod pull;
mod pull_context;
mod pull_view;
mod puller;
mod puller_config;
mod rate_limit;
mod remote;
mod remote_repository;
mod request;
mod resolve;
mod retry;
mod schema1;
mod sources;
mod throughput;

pub use download::SplitPolicy;
pub use endpoint_need::EndpointNeed;
pub use error::{EndpointsError, LayerError, NoSpace, PullError};
pub use events::{LayerStatus, PlannedLayer, PullEvent, PullEvents, Reason, Setback};
pub use layer_view::{LayerState, LayerView};
pub use local_layer::{ExpectedLayer, LocalLayer, LocalLayerError, unpack_local_layer};
pub use plan::{PlanError, match_layers};
pub use platforms::Platforms;
pub use preview::Preview;
pub use pull_view::{PullPhase, PullView, SetbackView, percent};
pub use puller::Puller;
pub use puller_config::PullerConfig;
pub use rate_limit::RateLimit;
pub use remote::{FoundManifest, Remote};
pub use remote_repository::{RemoteBlob, RemoteRepository};
pub use request::{PullOutcome, PullRequest, Pulled};
pub use retry::{Attempts, RetryPolicy};
pub use throughput::Throughput;
pub use windlass_schema1::{HistoryError, Schema1Error, SignatureError};
pub use windlass_store::Retention;
pub use windlass_transfer::Throttle;
