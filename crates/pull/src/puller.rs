//! Pulls, from the request to the commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use futures_util::TryFutureExt as _;
use futures_util::future::{try_join, try_join_all};
use tokio::sync::watch::Sender;
use tokio::task;
use windlass_oci::{DiffId, Digest, Manifest, Reference};
use windlass_registry::{ClientError, RegistryConfig, TagOrDigest};
use windlass_store::{Layer, PartialBlob, Store};
use windlass_transfer::{Priority, SlotPool, Throttle, TransferGroup, Transfers, Watcher};

use crate::error::PullError;
use crate::events::{PullEvent, PullEvents};
use crate::fetched_layers::{AvailableLayer, Fetched, FetchedLayers};
use crate::layer::{LayerFetcher, LayerOutcome};
use crate::limits::{RateLimit, TransferLimits};
use crate::plan::{ImagePlan, MissingLayer};
use crate::progress::LayerProgress;
use crate::remote::Remote;
use crate::resolve::{
    ManifestContent, NamedManifest, RawDocument, ResolvedImage, Resolver, is_name_stored,
};
use crate::sources::Sources;
use crate::space::SpaceReservations;
use crate::{PullRequest, Pulled, PullerConfig, watch};

/// Layers that unpack at a time, at most. Each has a thread of tokio's pool (of 512, usually) to itself, and
/// waits on it for bytes that other threads of the pool have to write.
const MAX_UNPACKS: usize = 256;

/// Pulls images into one store. Pulls that run at the same time share their transfers.
#[derive(Debug)]
pub struct Puller {
    /// Replaced as a whole: a pull goes on with the one that it began with.
    remote: RwLock<Remote>,
    pub(crate) store: Arc<Store>,
    pub(crate) space: Arc<SpaceReservations>,
    /// Over all pulls.
    throttle: Throttle,
    /// Over the pulls from one registry, by its name.
    throttles: Mutex<HashMap<String, Throttle>>,
    fetcher: LayerFetcher,
    /// By digest and announced size: pulls that announce different sizes of one blob do not share a transfer.
    transfers: Transfers<(Digest, u64), LayerProgress, LayerOutcome>,
    /// Every commit, and every layer that came, holds a receiver until it is over.
    pub(crate) pending: Sender<()>,
}

/// One pull that is under way.
pub(crate) struct PullContext<'a> {
    pub(crate) request: &'a PullRequest,
    pub(crate) reference: &'a Reference,
    pub(crate) sources: &'a Sources,
    pub(crate) events: &'a PullEvents,
    /// The group that shares the slots fairly with other groups.
    pub(crate) group: TransferGroup,
}

/// Everything that an image is made of, verified and here.
#[derive(Debug)]
pub(crate) struct CompleteImage {
    pub(crate) resolved: ResolvedImage,
    pub(crate) plan: ImagePlan,
    pub(crate) layers: ImageLayers,
    pub(crate) downloaded_bytes: u64,
    pub(crate) reused_bytes: u64,
}

/// The layers of a plan: those that were here, kept from being removed, and those that came.
#[derive(Debug, Default)]
pub(crate) struct ImageLayers {
    pub(crate) stored: Vec<Layer>,
    pub(crate) fetched: Vec<Fetched>,
    /// The blobs of those that another pull has brought meanwhile, and what they hold.
    pub(crate) stored_blobs: Vec<(Digest, DiffId)>,
}

impl Puller {
    /// Makes a puller into `store`.
    pub fn new(config: PullerConfig, store: Arc<Store>) -> Result<Self, ClientError> {
        let (pending, space) = (Sender::new(()), Arc::new(SpaceReservations::default()));
        let fetcher = LayerFetcher {
            store: Arc::clone(&store),
            unpacks: SlotPool::new(unpack_limit(config.unpacks)),
            ownership: config.ownership,
            retry: config.retry,
            split: config.split,
            keep: config.keep,
            fetched_layers: FetchedLayers::new(pending.clone()),
            space: Arc::clone(&space),
        };
        Ok(Self {
            remote: RwLock::new(Remote::new(config.registry, config.retry)?),
            pending,
            space,
            throttle: Throttle::new(config.rate),
            throttles: Mutex::new(throttles(&config.registry_rates)),
            transfers: Transfers::new(SlotPool::new(config.downloads)),
            fetcher,
            store,
        })
    }

    /// Replaces the configuration of registries; running pulls keep theirs.
    ///
    /// If the new configuration is invalid, nothing changes (EP-8, EP-9).
    pub fn reconfigure(&self, config: RegistryConfig) -> Result<(), ClientError> {
        let remote = Remote::new(config, self.fetcher.retry)?;
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = remote;
        Ok(())
    }

    /// Returns the current client of registries.
    pub fn remote(&self) -> Remote {
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner);
        remote.clone()
    }

    /// Pulls one image: when this returns `Ok`, it is verified, unpacked, durable and tagged.
    pub async fn pull(
        &self,
        request: &PullRequest,
        events: &PullEvents,
    ) -> Result<Pulled, PullError> {
        let started = Instant::now();
        let reference = request.reference.clone().or_latest();
        let resolving = reference.clone();
        events.send(PullEvent::Resolving {
            reference: resolving,
        });
        let sources = &self
            .remote()
            .sources(&reference, &request.caller, Some(events))?;
        let NamedManifest { endpoint, content } = self.resolve_name(&reference, sources).await?;

        let context = PullContext {
            request,
            reference: &reference,
            sources,
            events,
            group: TransferGroup::new(),
        };
        let origin = endpoint.origin();
        let complete = match content {
            ManifestContent::Manifest(document, manifest) => {
                self.fetch_image(&context, origin, document, *manifest)
                    .await?
            }
            ManifestContent::Schema1(bytes) => {
                self.fetch_schema1_image(&context, origin, &bytes).await?
            }
        };

        events.send(PullEvent::Committing);
        let fetched = &complete.layers.fetched;
        let unpacked = fetched.iter().map(|layer| layer.size);
        let mut pulled = Pulled {
            digest: complete.resolved.digest,
            platform: complete.resolved.config.platform(),
            downloaded_bytes: complete.downloaded_bytes,
            reused_bytes: complete.reused_bytes,
            unpacked_bytes: unpacked.sum(),
            image_id: complete.resolved.image_id(),
            outcome: crate::PullOutcome::UpToDate,
            duration: started.elapsed(),
            endpoint: endpoint.origin().clone(),
            reference,
        };
        pulled.outcome = self.commit(&pulled.reference, complete).await?;
        pulled.duration = started.elapsed();
        Ok(pulled)
    }

    /// Changes how many layers download at a time, over all pulls; 0 for no limit. Those that do are not disturbed.
    pub fn set_downloads(&self, downloads: usize) {
        self.transfers.slots().set_limit(downloads);
    }

    /// Changes how many layers unpack at a time, over all pulls; 0 for as many as there are threads for.
    pub fn set_unpacks(&self, unpacks: usize) {
        self.fetcher.unpacks.set_limit(unpack_limit(unpacks));
    }

    /// Changes how fast bytes may come, over all pulls.
    pub fn set_rate(&self, rate: RateLimit) {
        self.throttle.set(rate);
    }

    /// Changes the rate limit of pulls from `registry`, including downloads from its mirrors.
    pub fn set_registry_rate(&self, registry: &str, rate: RateLimit) {
        self.throttle_of(registry).set(rate);
    }

    fn limits(&self, context: &PullContext<'_>) -> TransferLimits {
        let registry = self.throttle_of(context.sources.name().registry());
        let pull = context.request.throttle.clone();
        TransferLimits(vec![self.throttle.clone(), registry, pull])
    }

    fn throttle_of(&self, registry: &str) -> Throttle {
        let throttles = self.throttles.lock();
        let mut throttles = throttles.unwrap_or_else(PoisonError::into_inner);
        let throttle = throttles.entry(registry.to_owned());
        throttle.or_insert_with(Throttle::unlimited).clone()
    }

    /// Waits until nothing moves any more, what was cancelled included.
    pub async fn idle(&self) {
        self.transfers.idle().await;
        self.pending.closed().await;
    }

    /// Finds out what `reference` names, at the price of one small request if that is still the same.
    pub(crate) async fn resolve_name(
        &self,
        reference: &Reference,
        sources: &Sources,
    ) -> Result<NamedManifest, PullError> {
        let target = TagOrDigest::of(reference);
        let has_stored_name = is_name_stored(&self.store, reference)?;
        self.resolver(sources)
            .resolve_name(&target, has_stored_name)
            .await
    }

    pub(crate) fn resolver<'a>(&'a self, sources: &'a Sources) -> Resolver<'a> {
        Resolver {
            sources,
            store: Some(&self.store),
        }
    }

    /// Gets everything that a manifest or index leads to.
    async fn fetch_image(
        &self,
        context: &PullContext<'_>,
        origin: &windlass_registry::Origin,
        document: RawDocument,
        manifest: Manifest,
    ) -> Result<CompleteImage, PullError> {
        let platform = context.request.platform.as_ref();
        let resolver = self.resolver(context.sources);
        let resolved = resolver.resolve(document, manifest, platform).await?;
        context.events.send(PullEvent::Resolved {
            endpoint: origin.clone(),
            digest: resolved.digest,
            platform: resolved.config.platform(),
        });

        let plan = ImagePlan::new(&resolved.manifest, &resolved.config)?;
        let stored = self.stored_layers(plan.diff_ids()).await?;
        let partials = self.partial_blobs().await?;
        let summary = plan.summary(&stored, &partials);
        let (missing_bytes, reused_bytes) = (summary.missing_bytes, summary.reused_bytes);
        let downloaded_bytes = missing_bytes - summary.resumed_bytes;
        context.events.send(summary.planned());
        let missing = plan.missing(stored.iter().map(|layer| *layer.diff_id()));
        let layers = self.fetch(context, missing, &partials, stored).await?;
        Ok(CompleteImage {
            resolved,
            plan,
            layers,
            downloaded_bytes,
            reused_bytes,
        })
    }

    /// Finds the layers that are here, and keeps them from being removed meanwhile.
    pub(crate) async fn stored_layers(
        &self,
        diff_ids: Vec<DiffId>,
    ) -> Result<Vec<Layer>, PullError> {
        let store = Arc::clone(&self.store);
        blocking_result(task::spawn_blocking(move || {
            let layers = diff_ids
                .iter()
                .filter_map(|diff_id| store.layer(diff_id).transpose());
            Ok(layers.collect::<Result<_, _>>()?)
        }))
        .await
    }

    /// Lists the parts of blobs that earlier pulls have left.
    pub(crate) async fn partial_blobs(&self) -> Result<Vec<PartialBlob>, PullError> {
        let store = Arc::clone(&self.store);
        blocking_result(task::spawn_blocking(move || Ok(store.partial_blobs()?))).await
    }

    /// Fetches all missing layers, bases first, if there is space for them. The first failure ends the fetch.
    pub(crate) async fn fetch(
        &self,
        context: &PullContext<'_>,
        missing: Vec<MissingLayer>,
        partials: &[PartialBlob],
        stored: Vec<Layer>,
    ) -> Result<ImageLayers, PullError> {
        self.ensure_space(&missing, partials).await?;
        // All are joined before any is waited for.
        let mut transfers = Vec::new();
        for (rank, wanted) in (0..).zip(missing) {
            let group = context.group;
            let watcher = self.join(context, &wanted, Priority { group, rank });
            transfers.push(self.watch(context, wanted, Priority { group, rank }, watcher));
        }
        let mut layers = ImageLayers {
            stored,
            ..ImageLayers::default()
        };
        for (digest, arrived) in try_join_all(transfers).await? {
            match arrived {
                AvailableLayer::Fetched(layer) => layers.fetched.push(layer),
                AvailableLayer::Stored(layer) => {
                    layers.stored_blobs.push((digest, *layer.diff_id()));
                    layers.stored.push(layer);
                }
            }
        }
        Ok(layers)
    }

    /// Waits for a layer. A layer that another pull fetches is used once this pull has proved its access to the blob.
    async fn watch(
        &self,
        context: &PullContext<'_>,
        wanted: MissingLayer,
        priority: Priority,
        mut watcher: Watcher<LayerProgress, LayerOutcome>,
    ) -> Result<(Digest, AvailableLayer), PullError> {
        let digest = wanted.descriptor.digest;
        loop {
            let is_ours = watcher.started_job();
            let has_access = is_ours || has_access(&watcher, context.sources);
            let proof = async {
                match has_access {
                    true => Ok(()),
                    false => context
                        .sources
                        .check_access(&wanted.descriptor)
                        .await
                        .map_err(Ok),
                }
            };
            let arrival = watch::layer(watcher, &wanted, context.events);
            match try_join(proof, arrival.map_err(Err)).await {
                Ok(((), arrived)) => return Ok((digest, arrived)),
                Err(Ok(source)) => {
                    let source = Arc::new(source);
                    return Err(PullError::Layer { digest, source });
                }
                // The registry of another pull failed; this pull tries its own.
                Err(Err(PullError::Layer { .. })) if !is_ours => {}
                Err(Err(error)) => return Err(error),
            }
            watcher = self.join(context, &wanted, priority);
        }
    }

    /// Joins the transfer of a layer's blob, or starts it.
    fn join(
        &self,
        context: &PullContext<'_>,
        wanted: &MissingLayer,
        priority: Priority,
    ) -> Watcher<LayerProgress, LayerOutcome> {
        let (fetcher, sources) = (self.fetcher.clone(), context.sources.clone());
        let descriptor = wanted.descriptor.clone();
        let key = (descriptor.digest, descriptor.size);
        let limits = self.limits(context);
        let fetch = move |job| fetcher.fetch(job, sources, descriptor, limits);
        self.transfers.join(key, priority, fetch)
    }
}

fn unpack_limit(unpacks: usize) -> usize {
    match unpacks {
        0 => MAX_UNPACKS,
        unpacks => unpacks.min(MAX_UNPACKS),
    }
}

fn throttles(rates: &BTreeMap<String, NonZeroU64>) -> HashMap<String, Throttle> {
    let throttle =
        |(registry, rate): (&String, &NonZeroU64)| (registry.clone(), Throttle::new(Some(*rate)));
    rates.iter().map(throttle).collect()
}

/// Returns whether the transfer has the same access as `sources`, so that no proof is needed.
fn has_access(watcher: &Watcher<LayerProgress, LayerOutcome>, sources: &Sources) -> bool {
    let of_transfer = watcher.progress().sources;
    of_transfer.is_some_and(|other| other.has_same_access(sources))
}

/// Each layer once, in the order in which it first stands.
pub(crate) fn unique<T: std::hash::Hash + Eq + Copy>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).collect()
}

/// Waits for what waits for a disk, on a thread that may.
pub(crate) async fn blocking_result<T>(
    work: task::JoinHandle<Result<T, PullError>>,
) -> Result<T, PullError> {
    match work.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
