//! The connections to registries, and what is remembered of their hosts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use windlass_http::{SetupError, Transport};
use windlass_oci::RepositoryName;

use crate::caller::Caller;
use crate::challenge::Challenge;
use crate::config::RegistryConfig;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::health::{EndpointFault, Health};
use crate::origin::Origin;
use crate::proof::Scope;
use crate::repository::Repository;
use crate::transports::{Plan, Transports};

/// The most endpoints whose challenges are remembered. Each costs one request to be learned again.
const MOST_CHALLENGES: usize = 1024;

/// Holds the connections to registries, and what is remembered of their hosts. Cheap to clone; clones share
/// both.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    config: RegistryConfig,
    transports: Transports,
    health: Health,
    /// How endpoints wanted to be authenticated to when they last said so. Saves the next session the
    /// request that would only be answered with 401.
    challenges: Mutex<HashMap<Endpoint, Challenge>>,
}

impl Client {
    /// Makes a client. Nothing is connected yet.
    ///
    /// What is wrong with the configuration of single hosts is told when they are asked.
    pub fn new(config: RegistryConfig) -> Result<Self, SetupError> {
        let transports = Transports::default();
        transports.get(Plan::general(&config))?;
        Ok(Self(Arc::new(Shared {
            config,
            transports,
            health: Health::default(),
            challenges: Mutex::default(),
        })))
    }

    /// Returns the configuration the client was made with.
    pub fn config(&self) -> &RegistryConfig {
        &self.0.config
    }

    /// Opens a session with the repository `name` at `endpoint` on behalf of `caller`, or joins the one that
    /// the caller has there. Nothing is sent yet.
    pub fn repository(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        caller: &Caller,
    ) -> Repository {
        let session = caller.session(&endpoint, name.path(), Scope::Pull);
        Repository::new(self.clone(), endpoint, name, session)
    }

    /// Opens a session in which the repository can be written to, and blobs be taken over from the
    /// repositories `from` of the same registry. Nothing is sent yet.
    pub fn repository_to_push(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        from: &[RepositoryName],
        caller: &Caller,
    ) -> Repository {
        let from = from.iter().map(|from| from.path().to_owned());
        let session = caller.session(&endpoint, name.path(), Scope::Push(from.collect()));
        Repository::new(self.clone(), endpoint, name, session)
    }

    /// Brings `endpoints` into the order in which they are best asked: mirrors that failed lately, or want to
    /// be left alone for a while, come after the others. None is left out.
    pub fn order(&self, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let mut ordered = endpoints.to_vec();
        // Stable: those that are alike stay in their order.
        ordered.sort_by_key(|endpoint| self.is_demoted(endpoint));
        ordered
    }

    /// Tells whether others are best asked before `endpoint`: it is a mirror that failed lately, or wants to
    /// be left alone. The registry itself has nobody to stand in for it.
    pub fn is_demoted(&self, endpoint: &Endpoint) -> bool {
        endpoint.is_mirror() && self.0.health.is_bad(endpoint.origin(), Instant::now())
    }

    /// Remembers for a while that something is wrong with `origin`. What this crate can see itself it
    /// remembers by itself: silence, nonsense, and documents with another digest.
    pub fn record_fault(&self, origin: &Origin, fault: EndpointFault) {
        tracing::debug!(%origin, ?fault, "blamed");
        self.0.health.record_fault(origin, fault, Instant::now());
    }

    /// Returns for how long `origin` wants to be left alone, as it told this or another caller.
    ///
    /// Requests made meanwhile are sent all the same, but those to token servers, which fail with what is
    /// left of the pause: whether to wait is up to who can show that he waits.
    pub fn pause(&self, origin: &Origin) -> Option<Duration> {
        self.0.health.paused(origin, Instant::now())
    }

    /// Takes note of what the answer of `endpoint` says about its health.
    pub(crate) fn note<T>(&self, endpoint: &Origin, answer: &Result<T, RegistryError>) {
        let Err(error) = answer else {
            return self.0.health.praise(endpoint);
        };
        if error.is_healthy() {
            self.0.health.praise(endpoint);
        }
        if let Some(fault) = error.fault() {
            self.record_fault(endpoint, fault);
        }
        if let Some(pause) = error.retry_after() {
            let context = &error.context().origin;
            self.0.health.pause(context, pause, Instant::now());
        }
    }

    /// Remembers how `endpoint` wants to be authenticated to.
    pub(crate) fn learn(&self, endpoint: &Endpoint, challenge: &Challenge) {
        let challenges = self.0.challenges.lock();
        let mut challenges = challenges.unwrap_or_else(PoisonError::into_inner);
        if challenges.len() >= MOST_CHALLENGES {
            challenges.clear();
        }
        challenges.insert(endpoint.clone(), challenge.clone());
    }

    /// Returns how `endpoint` wanted to be authenticated to.
    pub(crate) fn learned(&self, endpoint: &Endpoint) -> Option<Challenge> {
        let challenges = self.0.challenges.lock();
        let challenges = challenges.unwrap_or_else(PoisonError::into_inner);
        challenges.get(endpoint).cloned()
    }

    pub(crate) fn transport(&self, plan: Plan) -> Result<Transport, SetupError> {
        self.0.transports.get(plan)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
