//! The endpoints of a repository, and the order in which they are tried.
//!
//! Mirrors come first, those with recent failures after the others; the registry itself comes last. A failure of a
//! mirror leads to the next endpoint (FB-13), one of the registry only if [`RegistryError::falls_back`] allows it:
//! nothing that was answered over TLS leads to plain http (FB-4).

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time;
use windlass_oci::{Descriptor, RepositoryName};
use windlass_registry::{
    Caller, Client, Endpoint, ForeignUrl, Origin, RegistryError, Repository, RequestKind,
};

use crate::error::{EndpointsError, PullError};
use crate::events::{PullEvent, PullEvents, Reason, Setback};
use crate::layer::LayerError;
use crate::retry::{Attempts, RetryPolicy};

/// One session with each endpoint of a repository, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    client: Client,
    name: RepositoryName,
    caller: Caller,
    repositories: Vec<Repository>,
    retry: RetryPolicy,
    /// Receives the setbacks.
    events: Option<PullEvents>,
    /// Mirrors that are tried after the others, for this repository.
    demoted: Arc<Mutex<HashSet<Origin>>>,
}

/// What an endpoint is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointNeed {
    /// A manifest by digest, or a blob.
    Pull,
    /// What a tag stands for, or which tags there are.
    Resolve,
    /// Pushing an image. Mirrors are not used for that.
    Push,
}

/// A response, with the endpoint that sent it.
#[derive(Debug)]
pub(crate) struct EndpointResponse<T> {
    pub(crate) endpoint: Endpoint,
    pub(crate) content: T,
}

impl Sources {
    /// Opens a session with each endpoint of `name`. Nothing is sent yet.
    pub(crate) fn open(
        client: Client,
        retry: RetryPolicy,
        name: &RepositoryName,
        caller: &Caller,
        events: Option<&PullEvents>,
    ) -> Result<Self, PullError> {
        let endpoints = Endpoint::of(name, client.config())?;
        let open = |endpoint| client.repository(endpoint, name.clone(), caller);
        Ok(Self {
            repositories: endpoints.into_iter().map(open).collect(),
            client,
            name: name.clone(),
            caller: caller.clone(),
            retry,
            events: events.cloned(),
            demoted: Arc::default(),
        })
    }

    /// Returns the endpoints that serve this need, the best first.
    pub(crate) fn usable_endpoints(&self, need: EndpointNeed) -> Vec<Repository> {
        let able = self.repositories.iter().filter(|repository| {
            let capabilities = repository.endpoint().capabilities();
            match need {
                EndpointNeed::Pull => capabilities.pull,
                EndpointNeed::Resolve => capabilities.resolve,
                EndpointNeed::Push => !repository.endpoint().is_mirror(),
            }
        });
        let mut queue: Vec<Repository> = able.cloned().collect();
        let demoted = self.demoted.lock().unwrap_or_else(PoisonError::into_inner);
        // Stable: those that may be expected to deliver in their order, then the others in theirs.
        queue.sort_by_key(|repository| {
            let endpoint = repository.endpoint();
            self.client.is_demoted(endpoint) || demoted.contains(endpoint.origin())
        });
        queue
    }

    /// Moves a mirror behind the other endpoints, so that its failure costs only one request.
    pub(crate) fn demote(&self, endpoint: &Endpoint) {
        if endpoint.is_mirror() {
            let mut demoted = self.demoted.lock().unwrap_or_else(PoisonError::into_inner);
            demoted.insert(endpoint.origin().clone());
        }
    }

    /// Returns whether tags are resolved by another endpoint than content is fetched from.
    pub(crate) fn has_separate_resolver(&self) -> bool {
        let best = |need| {
            self.usable_endpoints(need)
                .first()
                .map(|best| best.endpoint().clone())
        };
        best(EndpointNeed::Pull) != best(EndpointNeed::Resolve)
    }

    /// Returns the URLs of a foreign layer that the configuration allows (S2-9).
    pub(crate) fn foreign_urls(&self, descriptor: &Descriptor) -> Vec<ForeignUrl> {
        if descriptor.media_type.is_foreign_layer() {
            self.client.foreign_urls(&self.name, descriptor)
        } else {
            Vec::new()
        }
    }

    /// Returns the client behind all of them.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the repository that they have.
    pub(crate) fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Returns the rest of the pause that `origin` requested.
    pub(crate) fn remaining_pause(&self, origin: &Origin) -> Option<Duration> {
        self.client.pause(origin)
    }

    /// Sends a small request to one endpoint after the other, until one succeeds.
    pub(crate) async fn try_each<T, F>(
        &self,
        need: EndpointNeed,
        request: impl Fn(Repository) -> F,
    ) -> Result<EndpointResponse<T>, PullError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let queue = self.usable_endpoints(need);
        let mut failed = Vec::new();
        for (place, repository) in queue.iter().enumerate() {
            let endpoint = repository.endpoint();
            let next = queue.get(place + 1).map(Repository::endpoint);
            let error = match self
                .try_endpoint(repository, next.is_some(), &request)
                .await
            {
                Ok(content) => {
                    let endpoint = endpoint.clone();
                    return Ok(EndpointResponse { endpoint, content });
                }
                Err(error) => error,
            };
            let goes_on = next.is_some_and(|next| error.falls_back(endpoint, next));
            failed.push((endpoint, error));
            if !goes_on {
                break;
            }
            let (_, error) = failed.last().expect("pushed just now");
            self.demote(endpoint);
            self.report_setback(endpoint, None, error);
        }
        Err(summarize_failures(failed).map_or_else(|| self.no_endpoint(need), PullError::Registry))
    }

    /// Sends a request to one endpoint, with retries.
    ///
    /// A mirror before another endpoint gets one attempt: the next endpoint is faster than a retry.
    async fn try_endpoint<T, F>(
        &self,
        repository: &Repository,
        has_next: bool,
        request: impl Fn(Repository) -> F,
    ) -> Result<T, Arc<RegistryError>>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        let endpoint = repository.endpoint();
        let mut policy = self.retry.for_documents();
        if has_next && endpoint.is_mirror() {
            policy.attempts = 1;
        }
        let mut attempts = Attempts::new(policy);
        loop {
            self.wait_for_pause(endpoint, policy).await;
            let error = match request(repository.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => Arc::new(error),
            };
            let Some(pause) = attempts.pause_after(&error) else {
                return Err(error);
            };
            self.report_setback(endpoint, Some(pause), &error);
            time::sleep(pause).await;
        }
    }

    /// Proves access to the blob of `descriptor` by a request with the caller's credentials.
    ///
    /// Access of another caller, or a stored blob, is no proof (DM-6, D13).
    pub(crate) async fn check_access(&self, descriptor: &Descriptor) -> Result<(), LayerError> {
        let (digest, size) = (descriptor.digest, descriptor.size);
        for url in self.foreign_urls(descriptor) {
            if self.client.foreign_blob(&url, descriptor, 0).await.is_ok() {
                return Ok(());
            }
        }
        let verify_size = |repository: Repository| async move {
            match repository.blob_size(&digest).await? {
                found if found == size => Ok(()),
                found => Err(RegistryError::Size {
                    context: Box::new(repository.context(RequestKind::Blob(digest))),
                    expected: size,
                    found,
                }),
            }
        };
        match self.try_each(EndpointNeed::Pull, verify_size).await {
            Ok(_) => Ok(()),
            Err(PullError::Registry(error)) => Err(LayerError::Download(error)),
            Err(_) => Err(LayerError::NoEndpoint),
        }
    }

    /// Returns whether `other` has the same access.
    pub(crate) fn has_same_access(&self, other: &Self) -> bool {
        self.name == other.name && self.caller.is_same(&other.caller)
    }

    /// Waits for the pause that `endpoint` requested, unless it is too long: then the request is sent and reports it.
    async fn wait_for_pause(&self, endpoint: &Endpoint, policy: RetryPolicy) {
        while let Some(pause) = self.remaining_pause(endpoint.origin()) {
            if pause > policy.longest_requested_pause {
                return;
            }
            time::sleep(pause).await;
        }
    }

    fn report_setback(
        &self,
        endpoint: &Endpoint,
        after: Option<Duration>,
        error: &Arc<RegistryError>,
    ) {
        if let Some(events) = &self.events {
            events.send(PullEvent::Setback(Setback {
                endpoint: endpoint.origin().clone(),
                after,
                reason: Reason(error.clone()),
            }));
        }
    }

    /// FB-8.
    pub(crate) fn no_endpoint(&self, need: EndpointNeed) -> PullError {
        PullError::NoEndpoint {
            registry: self.name.registry().to_owned(),
            need,
        }
    }
}

impl fmt::Display for EndpointNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pull from",
            Self::Resolve => "resolve tags",
            Self::Push => "push to",
        })
    }
}

/// Combines the failures of all endpoints. The error is that of the registry's first address if it was tried.
fn summarize_failures(mut failed: Vec<(&Endpoint, Arc<RegistryError>)>) -> Option<EndpointsError> {
    let of_registry = failed
        .iter()
        .position(|(endpoint, _)| !endpoint.is_mirror());
    if failed.is_empty() {
        return None;
    }
    let (_, error) = failed.remove(of_registry.unwrap_or(0));
    Some(EndpointsError {
        error,
        others: failed.into_iter().map(|(_, error)| error).collect(),
    })
}
