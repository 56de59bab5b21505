//! The registry client: its connections, and the health, challenges and schemes of endpoints.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;
use windlass_http::{SetupError, Transport};

use crate::challenge::Challenge;
use crate::config::RegistryConfig;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::host_health::{EndpointFault, Health};
use crate::origin::Origin;
use crate::scheme_memory::{SchemeMatch, SchemeMemory};
use crate::transport_pool::{TransportKey, TransportPool};

/// The maximum number of cached challenges. Each one that is evicted costs one request.
const MAX_CHALLENGES: usize = 1024;

/// Holds the connections to registries and the health of endpoints. Cheap to clone; clones share both.
#[derive(Clone)]
pub struct Client(Arc<ClientInner>);

struct ClientInner {
    config: RegistryConfig,
    transports: TransportPool,
    health: Health,
    /// The last challenge of each endpoint. Saves the next session a request that would be rejected with 401.
    challenges: Mutex<HashMap<Endpoint, Challenge>>,
    schemes: SchemeMemory,
}

impl Client {
    /// Creates a client. It connects to nothing yet.
    ///
    /// An invalid configuration of a single host is reported when a request to that host is made.
    pub fn new(config: RegistryConfig) -> Result<Self, SetupError> {
        let transports = TransportPool::default();
        transports.get(TransportKey::general(&config))?;
        Ok(Self(Arc::new(ClientInner {
            config,
            transports,
            health: Health::default(),
            schemes: SchemeMemory::default(),
            challenges: Mutex::default(),
        })))
    }

    /// Returns the configuration of the client.
    pub fn config(&self) -> &RegistryConfig {
        &self.0.config
    }

    /// Returns `endpoints` in the order to try them: mirrors that failed recently, or requested a pause, come
    /// last. None is removed.
    pub fn order(&self, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let mut ordered = endpoints.to_vec();
        // The sort is stable: endpoints of equal health keep their order.
        ordered.sort_by_key(|endpoint| self.is_demoted(endpoint));
        ordered
    }

    /// Returns whether other endpoints are tried before `endpoint`: it is a mirror that failed recently or
    /// requested a pause. A registry itself has no substitute and is never demoted.
    pub fn is_demoted(&self, endpoint: &Endpoint) -> bool {
        endpoint.is_mirror()
            && self
                .0
                .health
                .is_unhealthy(endpoint.origin(), Instant::now())
    }

    /// Records a fault of `origin` for some time. Faults that this crate detects itself (no response, invalid
    /// responses, documents with a wrong digest) are recorded automatically.
    pub fn record_fault(&self, origin: &Origin, fault: EndpointFault) {
        tracing::debug!(%origin, ?fault, "recorded a fault");
        self.0.health.record_fault(origin, fault, Instant::now());
    }

    /// Returns the rest of the pause that `origin` requested in a response to any caller.
    ///
    /// Requests to registries are sent regardless: only the caller can show progress while it waits. Requests
    /// to token servers fail with the rest of the pause.
    pub fn pause(&self, origin: &Origin) -> Option<Duration> {
        self.0.health.remaining_pause(origin, Instant::now())
    }

    /// Updates the health of `endpoint` according to a result.
    pub(crate) fn record_outcome<T>(&self, endpoint: &Origin, outcome: &Result<T, RegistryError>) {
        let Err(error) = outcome else {
            return self.0.health.record_success(endpoint);
        };
        if error.is_healthy() {
            self.0.health.record_success(endpoint);
        }
        if let Some(fault) = error.fault() {
            self.record_fault(endpoint, fault);
        }
        if let Some(pause) = error.retry_after() {
            let context = &error.context().origin;
            self.0.health.pause(context, pause, Instant::now());
        }
    }

    /// Records a response of `endpoint` to a request.
    pub(crate) fn record_response(&self, endpoint: &Endpoint, status: StatusCode) {
        endpoint.record_response();
        // A server that expects TLS responds to plain HTTP with 400.
        if endpoint.is_https() || status != StatusCode::BAD_REQUEST {
            self.0.schemes.record(endpoint);
        }
    }

    /// Returns whether `endpoint` has the scheme by which its host has responded before.
    ///
    /// If it has the other scheme, the endpoint is the worse choice; without TLS, it must not be used at all (FB-4).
    pub fn scheme_match(&self, endpoint: &Endpoint) -> SchemeMatch {
        self.0.schemes.compare(endpoint)
    }

    /// Sends a request to the endpoints of one registry until one of them succeeds, without retries.
    pub(crate) async fn try_endpoints<T, F>(
        &self,
        endpoints: &[Endpoint],
        request: impl Fn(Endpoint) -> F,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let mut endpoints = endpoints.to_vec();
        endpoints.retain(|it| it.is_https() || self.scheme_match(it) != SchemeMatch::Other);
        endpoints.sort_by_key(|it| self.scheme_match(it) == SchemeMatch::Other);
        let mut best: Option<RegistryError> = None;
        for (index, endpoint) in endpoints.iter().enumerate() {
            let outcome = request(endpoint.clone()).await;
            self.record_outcome(endpoint.origin(), &outcome);
            let error = match outcome {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let next = endpoints.get(index + 1);
            let falls_back = next.is_some_and(|next| error.falls_back(endpoint, next));
            if best
                .as_ref()
                .is_none_or(|best| error.is_more_specific_than(best))
            {
                best = Some(error);
            }
            if !falls_back {
                break;
            }
        }
        Err(best.expect("every registry has an endpoint"))
    }

    /// Caches the challenge of `endpoint`.
    pub(crate) fn cache_challenge(&self, endpoint: &Endpoint, challenge: &Challenge) {
        let challenge = challenge.clone().without_scope();
        let challenges = self.0.challenges.lock();
        let mut challenges = challenges.unwrap_or_else(PoisonError::into_inner);
        if challenges.len() >= MAX_CHALLENGES {
            challenges.clear();
        }
        challenges.insert(endpoint.clone(), challenge);
    }

    /// Returns the cached challenge of `endpoint`.
    pub(crate) fn cached_challenge(&self, endpoint: &Endpoint) -> Option<Challenge> {
        let challenges = self.0.challenges.lock();
        let challenges = challenges.unwrap_or_else(PoisonError::into_inner);
        challenges.get(endpoint).cloned()
    }

    pub(crate) fn transport(&self, key: TransportKey) -> Result<Transport, SetupError> {
        self.0.transports.get(key)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
