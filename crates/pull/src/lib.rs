//! Turns a reference into a verified, unpacked, tagged image.
//!
//! [`Puller::pull`] reads as the table of contents: resolve, plan, fetch, commit. What it is at is told by
//! [`PullEvent`]s; what it found, or why it failed, by its outcome. Dropping the future of a pull is leaving
//! it: transfers that nobody else waits for stop, and nothing of the image becomes visible. Only one that is
//! committing already goes on to its end; [`Puller::idle`] waits for that, too.

mod commit;
mod download;
mod error;
mod events;
mod layer;
mod plan;
mod resolve;
mod retry;
mod watch;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::watch::Sender;
use tokio::task;
use windlass_archive::Ownership;
use windlass_oci::{DiffId, Digest, ImageId, Platform, Reference, RepositoryName, Tag};
use windlass_registry::{
    Client, Credentials, Endpoint, RegistryConfig, RegistryError, Repository, Target,
};
use windlass_store::{Layer, Store};
use windlass_transfer::{Slots, Transfers, Watcher};

pub use error::PullError;
pub use events::{Events, LayerStatus, PlannedLayer, PullEvent};
pub use layer::LayerError;
pub use plan::PlanError;
pub use retry::RetryPolicy;

use download::Progress;
use layer::{FetchedLayer, LayerFetcher, Outcome as LayerOutcome};
use plan::{LayerPlan, Plan};
use resolve::{Resolved, Resolver};

/// How a [`Puller`] goes about its work.
#[derive(Clone, Debug)]
pub struct PullerConfig {
    /// How registries are to be spoken to.
    pub registry: RegistryConfig,
    /// Layers that download at a time, over all pulls; 0 for no limit (TM-7).
    pub downloads: usize,
    /// Layers that unpack at a time, over all pulls; 0 for as many as there are threads for.
    pub unpacks: usize,
    /// Whose the unpacked files become.
    pub ownership: Ownership,
    /// When to try again.
    pub retry: RetryPolicy,
}

/// Pulls images into one store. Pulls that run at the same time share their transfers.
#[derive(Debug)]
pub struct Puller {
    client: Client,
    config: PullerConfig,
    store: Arc<Store>,
    fetcher: LayerFetcher,
    /// By digest and announced size: who lies about a blob's size does not share it with those who do not.
    transfers: Transfers<(Digest, u64), Progress, LayerOutcome>,
    /// Every commit holds a receiver until it is over.
    commits: Sender<()>,
}

/// Layers that unpack at a time, at most. Each has a thread of tokio's pool (of 512, usually) to itself, and
/// waits on it for bytes that other threads of the pool have to write.
const MOST_UNPACKS: usize = 256;

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// What it is called. With a tag and a digest, the digest decides and the tag is applied.
    pub reference: Reference,
    /// The platform to choose from an index; this machine's where it is `None`.
    pub platform: Option<Platform>,
    /// Who asks.
    pub credentials: Credentials,
}

/// What a pull brought.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The reference, as asked for; with `latest` where it had neither tag nor digest.
    pub reference: Reference,
    /// The digest of the index or manifest that it names.
    pub digest: Digest,
    /// The image.
    pub image_id: ImageId,
    /// The image's platform, as its config says it.
    pub platform: Platform,
    /// Whether anything changed.
    pub outcome: Outcome,
    /// The endpoint that it came from.
    pub endpoint: Endpoint,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The image is new, or its name is new or named another image before.
    Downloaded,
    /// Everything was as it is.
    UpToDate,
}

/// The layers of a plan: those that were here, kept from being removed, and those that came.
#[derive(Debug, Default)]
struct Layers {
    held: Vec<Layer>,
    fetched: Vec<Arc<FetchedLayer>>,
}

/// The endpoints of a registry that did not answer, by the error of the first.
#[derive(Debug, Default)]
struct PassedOver(Option<PullError>);

impl Default for PullerConfig {
    fn default() -> Self {
        Self {
            registry: RegistryConfig::default(),
            downloads: 3,
            unpacks: 4,
            ownership: Ownership::Exact,
            retry: RetryPolicy::default(),
        }
    }
}

impl Puller {
    /// Makes a puller into `store`.
    pub fn new(
        config: PullerConfig,
        store: Arc<Store>,
    ) -> Result<Self, windlass_registry::ClientError> {
        let fetcher = LayerFetcher {
            store: Arc::clone(&store),
            unpacks: Slots::of(match config.unpacks {
                0 => MOST_UNPACKS,
                unpacks => unpacks.min(MOST_UNPACKS),
            }),
            ownership: config.ownership,
            retry: config.retry,
        };
        Ok(Self {
            commits: Sender::new(()),
            client: Client::new(config.registry.clone())?,
            transfers: Transfers::new(Slots::of(config.downloads)),
            fetcher,
            store,
            config,
        })
    }

    /// Pulls one image: when this returns `Ok`, it is verified, unpacked, durable and tagged.
    pub async fn pull(&self, request: &PullRequest, events: &Events) -> Result<Pulled, PullError> {
        let started = Instant::now();
        let reference = request.reference.clone().or_latest();
        events.send(PullEvent::Resolving {
            reference: reference.clone(),
        });
        let (repository, resolved) = self.resolve(&reference, request).await?;
        let platform = resolved.config.platform();
        events.send(PullEvent::Resolved {
            digest: resolved.digest,
            platform: platform.clone(),
        });

        let plan = Plan::new(&resolved.manifest, &resolved.config)?;
        let held = self.held(&plan).await?;
        let summary = plan.summary(&held);
        events.send(PullEvent::Planned {
            layers: summary.layers,
            missing_bytes: summary.missing_bytes,
            reused_bytes: summary.reused_bytes,
        });
        let fetched = self.fetch(&repository, &plan, &held, events).await?;

        events.send(PullEvent::Committing);
        let unpacked_bytes = fetched.iter().map(|layer| layer.size).sum();
        let digest = resolved.digest;
        let layers = Layers { held, fetched };
        let (image_id, outcome) = self.commit(&reference, resolved, plan, layers).await?;
        Ok(Pulled {
            reference,
            digest,
            image_id,
            platform,
            outcome,
            endpoint: repository.endpoint().clone(),
            downloaded_bytes: summary.missing_bytes,
            reused_bytes: summary.reused_bytes,
            unpacked_bytes,
            duration: started.elapsed(),
        })
    }

    /// Returns the tags of a repository, in the registry's order (MF-1).
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        credentials: &Credentials,
    ) -> Result<Vec<Tag>, PullError> {
        let mut passed = PassedOver::default();
        for repository in self.repositories(repository, credentials)? {
            match repository.tags().await {
                Ok(tags) => return Ok(tags),
                Err(error) => passed.over(repository.endpoint(), error.into())?,
            }
        }
        Err(passed.into_error())
    }

    /// Waits until nothing moves any more, what was cancelled included.
    pub async fn idle(&self) {
        self.transfers.idle().await;
        self.commits.closed().await;
    }

    async fn resolve(
        &self,
        reference: &Reference,
        request: &PullRequest,
    ) -> Result<(Repository, Resolved), PullError> {
        let target = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Target::Digest(*digest),
            (None, tag) => Target::Tag(tag.cloned().unwrap_or_else(Tag::latest)),
        };
        let mut passed = PassedOver::default();
        for repository in self.repositories(reference.repository(), &request.credentials)? {
            let resolver = Resolver {
                repository: &repository,
                store: &self.store,
                retry: self.config.retry.for_documents(),
            };
            match resolver.resolve(&target, request.platform.as_ref()).await {
                Ok(resolved) => return Ok((repository, resolved)),
                Err(error) => passed.over(repository.endpoint(), error)?,
            }
        }
        Err(passed.into_error())
    }

    /// Opens a session with each endpoint of `name`, in the order in which they are to be asked.
    fn repositories(
        &self,
        name: &RepositoryName,
        credentials: &Credentials,
    ) -> Result<Vec<Repository>, PullError> {
        let endpoints = Endpoint::of(name, &self.config.registry)?;
        let open = |endpoint| {
            self.client
                .repository(endpoint, name.clone(), credentials.clone())
        };
        Ok(endpoints.into_iter().map(open).collect())
    }

    /// Finds the layers that are here, and keeps them from being removed meanwhile.
    async fn held(&self, plan: &Plan) -> Result<Vec<Layer>, PullError> {
        let (store, diff_ids) = (Arc::clone(&self.store), plan.diff_ids());
        done(task::spawn_blocking(move || {
            let layers = diff_ids
                .iter()
                .filter_map(|diff_id| store.layer(diff_id).transpose());
            Ok(layers.collect::<Result<_, _>>()?)
        }))
        .await
    }

    /// Brings every missing layer here, each once, bases first. The first failure ends all.
    async fn fetch(
        &self,
        repository: &Repository,
        plan: &Plan,
        held: &[Layer],
        events: &Events,
    ) -> Result<Vec<Arc<FetchedLayer>>, PullError> {
        let mut here: HashSet<DiffId> = held.iter().map(|layer| *layer.diff_id()).collect();
        let missing = plan
            .layers()
            .iter()
            .filter(|layer| here.insert(layer.diff_id));
        let transfers = missing.map(|layer| {
            let mut watcher = self.join(repository, layer);
            async move {
                loop {
                    let ours = watcher.started_it();
                    match watch::layer(watcher, layer, events).await {
                        // It was another pull's registry that failed; ours is yet to be asked.
                        Err(PullError::Layer { .. }) if !ours => {}
                        outcome => return outcome,
                    }
                    watcher = self.join(repository, layer);
                }
            }
        });
        // All are joined before any is waited for.
        try_join_all(transfers.collect::<Vec<_>>()).await
    }

    /// Joins the transfer of a layer's blob, or starts it.
    fn join(&self, repository: &Repository, layer: &LayerPlan) -> Watcher<Progress, LayerOutcome> {
        let (fetcher, repository) = (self.fetcher.clone(), repository.clone());
        let descriptor = layer.descriptor.clone();
        let key = (descriptor.digest, descriptor.size);
        self.transfers
            .join(key, move |job| fetcher.fetch(job, repository, descriptor))
    }
}

impl PassedOver {
    /// Goes on to the next endpoint, if `error` allows it.
    ///
    /// One that answered, yes or no, is not passed over (FB-4): what comes after https is plain http, and no
    /// answer may make a pull go there.
    fn over(&mut self, endpoint: &Endpoint, error: PullError) -> Result<(), PullError> {
        match error {
            PullError::Registry(error) if !is_answer(&error, endpoint) => {
                self.0.get_or_insert(PullError::Registry(error));
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Returns why the first endpoint, the best of them, could not be asked.
    fn into_error(self) -> PullError {
        self.0.expect("there is at least one endpoint")
    }
}

/// Says whether `error` came from a registry, and so stands.
fn is_answer(error: &RegistryError, endpoint: &Endpoint) -> bool {
    match error {
        RegistryError::Connect { .. }
        | RegistryError::Tls { .. }
        | RegistryError::Timeout { .. }
        | RegistryError::Transport { .. } => false,
        // What a TLS server says to plain http.
        RegistryError::NotARegistry { .. } => endpoint.is_https(),
        _ => true,
    }
}

/// Waits for what waits for a disk, on a thread that may.
async fn done<T>(work: task::JoinHandle<Result<T, PullError>>) -> Result<T, PullError> {
    match work.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
