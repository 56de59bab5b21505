//! The state that all pulls into one store share.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;
use windlass_oci::Digest;
use windlass_registry::{ClientError, RegistryConfig};
use windlass_store::Store;
use windlass_transfer::{SlotPool, Throttle, Transfers};

use crate::disk_space::SpaceReservations;
use crate::fetched_layers::{FetchedLayers, LayerOutcome};
use crate::layer_attempt::LayerPipeline;
use crate::layer_fetcher::LayerFetcher;
use crate::layer_progress::LayerProgress;
use crate::layer_unpacker::LayerUnpacker;
use crate::puller_config::PullerConfig;
use crate::rate_limit::{RateLimit, TransferLimits};
use crate::remote::Remote;

/// Pulls images into one store. Concurrent pulls share their transfers.
#[derive(Debug)]
pub struct Puller {
    /// Replaced as a whole; a running pull keeps the client that it has started with.
    remote: RwLock<Remote>,
    pub(crate) store: Arc<Store>,
    pub(crate) space: Arc<SpaceReservations>,
    /// The rate limit of all pulls.
    throttle: Throttle,
    /// The rate limits of registries, by name.
    throttles: Mutex<HashMap<String, Throttle>>,
    pub(crate) fetcher: LayerFetcher,
    /// By digest and announced size: pulls that announce different sizes of one blob do not share a transfer.
    pub(crate) transfers: Transfers<(Digest, u64), LayerProgress, LayerOutcome>,
    /// Every running commit and every fetched layer has a receiver until it has ended.
    pub(crate) pending: watch::Sender<()>,
}

impl Puller {
    /// Creates a puller into `store`.
    pub fn new(config: PullerConfig, store: Arc<Store>) -> Result<Self, ClientError> {
        let pending = watch::Sender::new(());
        let space = Arc::new(SpaceReservations::default());
        let pipeline = LayerPipeline {
            store: Arc::clone(&store),
            unpacker: LayerUnpacker::new(Arc::clone(&store), config.unpacks, config.ownership),
            retry: config.retry,
            retention: config.retention,
            space: Arc::clone(&space),
        };
        let fetcher = LayerFetcher {
            pipeline,
            split: config.split,
            fetched_layers: FetchedLayers::new(pending.clone()),
        };
        Ok(Self {
            remote: RwLock::new(Remote::new(config.registry, config.retry)?),
            pending,
            space,
            throttle: Throttle::new(config.rate),
            throttles: Mutex::new(registry_throttles(&config.registry_rates)),
            transfers: Transfers::new(SlotPool::new(config.downloads)),
            fetcher,
            store,
        })
    }

    /// Replaces the configuration of registries; running pulls keep theirs.
    ///
    /// If the new configuration is invalid, nothing changes (EP-8, EP-9).
    pub fn reconfigure(&self, config: RegistryConfig) -> Result<(), ClientError> {
        let remote = Remote::new(config, self.remote().retry())?;
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = remote;
        Ok(())
    }

    /// Returns the current client of registries.
    pub fn remote(&self) -> Remote {
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner);
        remote.clone()
    }

    /// Changes the number of layers that are downloaded at a time by all pulls; 0 for no limit. Running downloads
    /// continue.
    pub fn set_downloads(&self, downloads: usize) {
        self.transfers.slots().set_limit(downloads);
    }

    /// Changes the number of layers that are unpacked at a time by all pulls; 0 for as many as there are threads for.
    pub fn set_unpacks(&self, unpacks: usize) {
        self.fetcher.pipeline.unpacker.set_limit(unpacks);
    }

    /// Changes the rate limit of all pulls together.
    pub fn set_rate(&self, rate: RateLimit) {
        self.throttle.set(rate);
    }

    /// Changes the rate limit of pulls from `registry`, including downloads from its mirrors.
    pub fn set_registry_rate(&self, registry: &str, rate: RateLimit) {
        self.registry_throttle(registry).set(rate);
    }

    /// Waits until all transfers and commits have ended, including cancelled ones.
    pub async fn idle(&self) {
        self.transfers.idle().await;
        self.pending.closed().await;
    }

    /// Returns the limits of a transfer from `registry` by a pull with the limit `of_pull`.
    pub(crate) fn transfer_limits(&self, registry: &str, of_pull: &Throttle) -> TransferLimits {
        let of_registry = self.registry_throttle(registry);
        TransferLimits(vec![self.throttle.clone(), of_registry, of_pull.clone()])
    }

    fn registry_throttle(&self, registry: &str) -> Throttle {
        let throttles = self.throttles.lock();
        let mut throttles = throttles.unwrap_or_else(PoisonError::into_inner);
        let throttle = throttles.entry(registry.to_owned());
        throttle.or_insert_with(Throttle::unlimited).clone()
    }
}

fn registry_throttles(rates: &BTreeMap<String, NonZeroU64>) -> HashMap<String, Throttle> {
    let throttle =
        |(registry, rate): (&String, &NonZeroU64)| (registry.clone(), Throttle::new(Some(*rate)));
    rates.iter().map(throttle).collect()
}
