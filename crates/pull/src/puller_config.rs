//! The configuration of a puller.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use windlass_archive::Ownership;
use windlass_registry::RegistryConfig;
use windlass_store::Retention;

use crate::download::SplitPolicy;
use crate::rate_limit::RateLimit;
use crate::retry::RetryPolicy;

/// The configuration of a [`Puller`](crate::Puller).
#[derive(Clone, Debug)]
pub struct PullerConfig {
    /// Endpoints, TLS, proxies and timeouts of registries.
    pub registry: RegistryConfig,
    /// The number of layers that are downloaded at a time by all pulls; 0 for no limit (TM-7).
    pub downloads: usize,
    /// The number of layers that are unpacked at a time by all pulls; 0 for as many as there are threads for.
    pub unpacks: usize,
    /// Ownership of unpacked files.
    pub ownership: Ownership,
    /// When and how often failed requests are retried.
    pub retry: RetryPolicy,
    /// When a large blob is fetched over several connections.
    pub split: SplitPolicy,
    /// The rate limit of all pulls together.
    pub rate: RateLimit,
    /// The rate limit of each registry by its name, in bytes per second.
    pub registry_rates: BTreeMap<String, NonZeroU64>,
    /// The retention of partial blobs.
    pub retention: Retention,
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
            retention: Retention::default(),
        }
    }
}
