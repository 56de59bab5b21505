//! The registry client: connections, and what it remembers about endpoints.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use windlass_http::{SetupError, Transport};
use windlass_oci::RepositoryName;

use crate::access_scope::AccessScope;
use crate::caller::Caller;
use crate::challenge::Challenge;
use crate::config::RegistryConfig;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::host_health::{EndpointFault, Health};
use crate::origin::Origin;
use crate::repository::Repository;
use crate::transport_pool::{TransportKey, TransportPool};

/// The maximum number of remembered challenges. Each lost one costs one request.
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
            challenges: Mutex::default(),
        })))
    }

    /// Returns the configuration of the client.
    pub fn config(&self) -> &RegistryConfig {
        &self.0.config
    }

    /// Opens a session with the repository `name` at `endpoint` on behalf of `caller`, or joins the caller's
    /// existing session. Sends nothing yet.
    pub fn repository(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        caller: &Caller,
    ) -> Repository {
        Repository::new(self.clone(), endpoint, name, caller, AccessScope::Pull)
    }

    /// Opens a session that may write to the repository. Sends nothing yet.
    pub fn repository_to_push(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        caller: &Caller,
    ) -> Repository {
        Repository::new(self.clone(), endpoint, name, caller, AccessScope::Push)
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

    /// Remembers the challenge of `endpoint`.
    pub(crate) fn remember_challenge(&self, endpoint: &Endpoint, challenge: &Challenge) {
        let challenge = challenge.clone().without_scope();
        let challenges = self.0.challenges.lock();
        let mut challenges = challenges.unwrap_or_else(PoisonError::into_inner);
        if challenges.len() >= MAX_CHALLENGES {
            challenges.clear();
        }
        challenges.insert(endpoint.clone(), challenge);
    }

    /// Returns the last challenge of `endpoint`.
    pub(crate) fn remembered_challenge(&self, endpoint: &Endpoint) -> Option<Challenge> {
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
