//! Pulls, from the request to the commit.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio::sync::watch::Sender;
use tokio::task;
use windlass_oci::{DiffId, Digest, Manifest, Reference};
use windlass_registry::{ClientError, RegistryConfig, Target};
use windlass_store::{Layer, Store};
use windlass_transfer::{Slots, Transfers, Watcher};

use crate::download::Progress;
use crate::error::PullError;
use crate::events::{Events, PullEvent};
use crate::layer::{FetchedLayer, LayerFetcher, Outcome as LayerOutcome};
use crate::plan::{Plan, Summary, Wanted};
use crate::remote::Remote;
use crate::resolve::{Content, Document, Named, Resolved, Resolver, is_known};
use crate::sources::Sources;
use crate::{PullRequest, Pulled, PullerConfig, watch};

/// Layers that unpack at a time, at most. Each has a thread of tokio's pool (of 512, usually) to itself, and
/// waits on it for bytes that other threads of the pool have to write.
const MOST_UNPACKS: usize = 256;

/// Pulls images into one store. Pulls that run at the same time share their transfers.
#[derive(Debug)]
pub struct Puller {
    /// Replaced as a whole: a pull goes on with the one that it began with.
    remote: RwLock<Remote>,
    pub(crate) store: Arc<Store>,
    fetcher: LayerFetcher,
    /// By digest and announced size: who lies about a blob's size does not share it with those who do not.
    transfers: Transfers<(Digest, u64), Progress, LayerOutcome>,
    /// Every commit holds a receiver until it is over.
    pub(crate) commits: Sender<()>,
}

/// One pull that is under way.
pub(crate) struct Haul<'a> {
    pub(crate) request: &'a PullRequest,
    pub(crate) reference: &'a Reference,
    pub(crate) sources: &'a Sources,
    pub(crate) events: &'a Events,
}

/// Everything that an image is made of, verified and here.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) resolved: Resolved,
    pub(crate) plan: Plan,
    pub(crate) layers: Layers,
    pub(crate) downloaded_bytes: u64,
    pub(crate) reused_bytes: u64,
}

/// The layers of a plan: those that were here, kept from being removed, and those that came.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) held: Vec<Layer>,
    pub(crate) fetched: Vec<Arc<FetchedLayer>>,
}

impl Puller {
    /// Makes a puller into `store`.
    pub fn new(config: PullerConfig, store: Arc<Store>) -> Result<Self, ClientError> {
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
            remote: RwLock::new(Remote::new(config.registry, config.retry)?),
            commits: Sender::new(()),
            transfers: Transfers::new(Slots::of(config.downloads)),
            fetcher,
            store,
        })
    }

    /// From now on speaks to registries as `config` says; pulls that run already are not disturbed.
    ///
    /// All of it or, if it does not work out, nothing (EP-8, EP-9).
    pub fn reconfigure(&self, config: RegistryConfig) -> Result<(), ClientError> {
        let remote = Remote::new(config, self.fetcher.retry)?;
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = remote;
        Ok(())
    }

    /// Returns what registries are asked through at the moment.
    pub fn remote(&self) -> Remote {
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner);
        remote.clone()
    }

    /// Pulls one image: when this returns `Ok`, it is verified, unpacked, durable and tagged.
    pub async fn pull(&self, request: &PullRequest, events: &Events) -> Result<Pulled, PullError> {
        let started = Instant::now();
        let reference = request.reference.clone().or_latest();
        let resolving = reference.clone();
        events.send(PullEvent::Resolving {
            reference: resolving,
        });
        let sources = &self
            .remote()
            .sources(&reference, &request.caller, Some(events))?;
        let Named { endpoint, content } = self.name(&reference, sources).await?;

        let haul = Haul {
            request,
            reference: &reference,
            sources,
            events,
        };
        let told = endpoint.origin();
        let complete = match content {
            Content::Manifest(document, manifest) => {
                self.haul(&haul, told, document, *manifest).await?
            }
            Content::Schema1(bytes) => self.haul_schema1(&haul, told, &bytes).await?,
        };

        events.send(PullEvent::Committing);
        let unpacked = complete.layers.fetched.iter().map(|layer| layer.size);
        let mut pulled = Pulled {
            digest: complete.resolved.digest,
            platform: complete.resolved.config.platform(),
            downloaded_bytes: complete.downloaded_bytes,
            reused_bytes: complete.reused_bytes,
            unpacked_bytes: unpacked.sum(),
            image_id: complete.resolved.image_id(),
            outcome: crate::Outcome::UpToDate,
            duration: started.elapsed(),
            endpoint,
            reference,
        };
        pulled.outcome = self.commit(&pulled.reference, complete).await?;
        pulled.duration = started.elapsed();
        Ok(pulled)
    }

    /// Waits until nothing moves any more, what was cancelled included.
    pub async fn idle(&self) {
        self.transfers.idle().await;
        self.commits.closed().await;
    }

    /// Finds out what `reference` names, at the price of one small request if that is still the same.
    pub(crate) async fn name(
        &self,
        reference: &Reference,
        sources: &Sources,
    ) -> Result<Named, PullError> {
        let target = Target::of(reference);
        let is_known = is_known(&self.store, reference)?;
        self.resolver(sources).name(&target, is_known).await
    }

    pub(crate) fn resolver<'a>(&'a self, sources: &'a Sources) -> Resolver<'a> {
        Resolver {
            sources,
            store: Some(&self.store),
        }
    }

    /// Gets everything that a manifest or index leads to.
    async fn haul(
        &self,
        haul: &Haul<'_>,
        told: &windlass_registry::Origin,
        document: Document,
        manifest: Manifest,
    ) -> Result<Complete, PullError> {
        let platform = haul.request.platform.as_ref();
        let resolver = self.resolver(haul.sources);
        let resolved = resolver.resolve(document, manifest, platform).await?;
        haul.events.send(PullEvent::Resolved {
            endpoint: told.clone(),
            digest: resolved.digest,
            platform: resolved.config.platform(),
        });

        let plan = Plan::new(&resolved.manifest, &resolved.config)?;
        let held = self.held(plan.diff_ids()).await?;
        let Summary {
            layers,
            missing_bytes,
            reused_bytes,
        } = plan.summary(&held);
        haul.events.send(PullEvent::Planned {
            layers,
            missing_bytes,
            reused_bytes,
        });
        let missing = plan.missing(held.iter().map(|layer| *layer.diff_id()));
        let fetched = self.fetch(haul.sources, missing, haul.events).await?;
        Ok(Complete {
            resolved,
            plan,
            layers: Layers { held, fetched },
            downloaded_bytes: missing_bytes,
            reused_bytes,
        })
    }

    /// Finds the layers that are here, and keeps them from being removed meanwhile.
    pub(crate) async fn held(&self, diff_ids: Vec<DiffId>) -> Result<Vec<Layer>, PullError> {
        let store = Arc::clone(&self.store);
        done(task::spawn_blocking(move || {
            let layers = diff_ids
                .iter()
                .filter_map(|diff_id| store.layer(diff_id).transpose());
            Ok(layers.collect::<Result<_, _>>()?)
        }))
        .await
    }

    /// Brings every missing layer here, bases first. The first failure ends all.
    pub(crate) async fn fetch(
        &self,
        sources: &Sources,
        missing: Vec<Wanted>,
        events: &Events,
    ) -> Result<Vec<Arc<FetchedLayer>>, PullError> {
        let transfers = missing.into_iter().map(|wanted| {
            let mut watcher = self.join(sources, &wanted);
            async move {
                loop {
                    let ours = watcher.started_it();
                    match watch::layer(watcher, &wanted, events).await {
                        // It was another pull's registry that failed; ours is yet to be asked.
                        Err(PullError::Layer { .. }) if !ours => {}
                        outcome => return outcome,
                    }
                    watcher = self.join(sources, &wanted);
                }
            }
        });
        // All are joined before any is waited for.
        try_join_all(transfers.collect::<Vec<_>>()).await
    }

    /// Joins the transfer of a layer's blob, or starts it.
    fn join(&self, sources: &Sources, wanted: &Wanted) -> Watcher<Progress, LayerOutcome> {
        let (fetcher, sources) = (self.fetcher.clone(), sources.clone());
        let descriptor = wanted.descriptor.clone();
        let key = (descriptor.digest, descriptor.size);
        self.transfers
            .join(key, move |job| fetcher.fetch(job, sources, descriptor))
    }
}

/// Each layer once, in the order in which it first stands.
pub(crate) fn each_once<T: std::hash::Hash + Eq + Copy>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).collect()
}

/// Waits for what waits for a disk, on a thread that may.
pub(crate) async fn done<T>(work: task::JoinHandle<Result<T, PullError>>) -> Result<T, PullError> {
    match work.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
