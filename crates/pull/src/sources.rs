//! The endpoints of a repository, and the order in which they are tried.
//!
//! Mirrors come first, those with recent failures after the others; the registry itself comes last. A failure of a
//! mirror leads to the next endpoint (FB-13), a failure of the registry only if [`RegistryError::falls_back`] allows it: a
//! response over TLS never leads to plain HTTP (FB-4).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time;
use windlass_oci::{Descriptor, RepositoryName};
use windlass_registry::{
    Caller, Client, Endpoint, ForeignUrl, Origin, RegistryError, Repository, RequestKind,
    SchemeMatch,
};

use crate::endpoint_need::EndpointNeed;
use crate::error::{EndpointsError, LayerError, PullError};
use crate::events::{PullEvent, PullEvents, Reason, Setback};
use crate::retry::{Attempts, RetryPolicy};

/// One session with each endpoint of a repository, in the order of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    client: Client,
    name: RepositoryName,
    caller: Caller,
    repositories: Vec<Repository>,
    retry: RetryPolicy,
    /// The receiver of the setbacks.
    events: Option<PullEvents>,
    /// Mirrors that are tried after the others, for this repository.
    demoted: Arc<Mutex<HashSet<Origin>>>,
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

    /// Opens a session that may write with each endpoint of the registry itself. Nothing is sent yet.
    pub(crate) fn open_to_push(
        client: Client,
        retry: RetryPolicy,
        name: &RepositoryName,
        caller: &Caller,
    ) -> Result<Self, PullError> {
        let mut sources = Self::open(client, retry, name, caller, None)?;
        sources.repositories = (sources.repositories.iter())
            .map(Repository::endpoint)
            .filter(|endpoint| !endpoint.is_mirror())
            .map(|endpoint| {
                (sources.client).repository_to_push(endpoint.clone(), name.clone(), caller)
            })
            .collect();
        Ok(sources)
    }

    /// Returns the session with the endpoint to push to: the only one, the only one whose scheme has worked before, or the
    /// first one that responds.
    pub(crate) async fn first_reachable(&self) -> Result<Repository, PullError> {
        let queue = self.usable_endpoints(EndpointNeed::Push);
        let matches: Vec<_> = (queue.iter())
            .map(|repository| self.client.scheme_match(repository.endpoint()))
            .collect();
        if let Some(known) = known_endpoint(&matches) {
            return Ok(queue[known].clone());
        }
        let check = |repository: Repository| async move {
            repository.check_endpoint().await?;
            Ok(repository)
        };
        Ok(self.try_each(EndpointNeed::Push, check).await?.content)
    }

    /// Returns the endpoints that can be used for `need`, the best first.
    pub(crate) fn usable_endpoints(&self, need: EndpointNeed) -> Vec<Repository> {
        let is_downgrade = |endpoint: &Endpoint| {
            !endpoint.is_https() && self.client.scheme_match(endpoint) == SchemeMatch::Other
        };
        let usable = self.repositories.iter().filter(|repository| {
            let capabilities = repository.endpoint().capabilities();
            let has_capability = match need {
                EndpointNeed::Pull => capabilities.pull,
                EndpointNeed::Resolve => capabilities.resolve,
                EndpointNeed::Push => !repository.endpoint().is_mirror(),
            };
            has_capability && !is_downgrade(repository.endpoint())
        });
        let mut queue: Vec<Repository> = usable.cloned().collect();
        let demoted = self.demoted.lock().unwrap_or_else(PoisonError::into_inner);
        // The sort is stable: each of the two groups keeps the order of the configuration.
        queue.sort_by_key(|repository| {
            let endpoint = repository.endpoint();
            let is_demoted =
                self.client.is_demoted(endpoint) || demoted.contains(endpoint.origin());
            (
                is_demoted,
                self.client.scheme_match(endpoint) == SchemeMatch::Other,
            )
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

    /// Returns whether the best endpoint to resolve tags is not the best one to fetch content from.
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

    /// Returns the client that sends the requests.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the name of the repository.
    pub(crate) fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Returns the rest of the pause that `origin` requested.
    pub(crate) fn remaining_pause(&self, origin: &Origin) -> Option<Duration> {
        self.client.pause(origin)
    }

    /// Sends a request for a document to one endpoint after the other, until one of them succeeds.
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
        for (index, repository) in queue.iter().enumerate() {
            let endpoint = repository.endpoint();
            let next = queue.get(index + 1).map(Repository::endpoint);
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
            let falls_back = next.is_some_and(|next| error.falls_back(endpoint, next));
            failed.push((endpoint, error));
            if !falls_back {
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
                Ok(response) => return Ok(response),
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
    /// The access of another caller or a stored blob prove nothing (DM-6, D13).
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

    /// Returns whether `other` is the same repository with the credentials of the same caller.
    pub(crate) fn has_same_access(&self, other: &Self) -> bool {
        self.name == other.name && self.caller.is_same(&other.caller)
    }

    /// Waits for the pause that `endpoint` requested. If the pause is too long, the request is sent and fails.
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

    /// Returns the error for a repository without an endpoint for `need` (FB-8).
    pub(crate) fn no_endpoint(&self, need: EndpointNeed) -> PullError {
        PullError::NoEndpoint {
            registry: self.name.registry().to_owned(),
            need,
        }
    }
}

/// Returns the position of the endpoint that needs no check before a push: the only one, or the only one whose scheme has
/// worked before. Two endpoints may have https: one that verifies the certificate, and one that does not.
fn known_endpoint(matches: &[SchemeMatch]) -> Option<usize> {
    if matches.len() == 1 {
        return Some(0);
    }
    let mut known = (0..matches.len()).filter(|index| matches[*index] == SchemeMatch::Same);
    match (known.next(), known.next()) {
        (Some(known), None) => Some(known),
        _ => None,
    }
}

/// Combines the failures of all endpoints. The error is that of the endpoint of the registry itself at which the request
/// got furthest, if one was tried.
fn summarize_failures(mut failed: Vec<(&Endpoint, Arc<RegistryError>)>) -> Option<EndpointsError> {
    let mut most_specific = None;
    for (index, (endpoint, error)) in failed.iter().enumerate() {
        let is_better = |best: usize| error.is_more_specific_than(&failed[best].1);
        if !endpoint.is_mirror() && most_specific.is_none_or(is_better) {
            most_specific = Some(index);
        }
    }
    if failed.is_empty() {
        return None;
    }
    let (_, error) = failed.remove(most_specific.unwrap_or(0));
    Some(EndpointsError {
        error,
        others: failed.into_iter().map(|(_, error)| error).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EP-4, EP-7.
    #[test]
    fn an_endpoint_is_known_if_no_other_has_its_scheme() {
        use SchemeMatch::{Other, Same, Unknown};
        for (matches, expected) in [
            (&[][..], None),
            (&[Unknown], Some(0)),
            (&[Unknown, Unknown], None),
            (&[Same, Other], Some(0)),
            (&[Other, Same], Some(1)),
            // https with and without verification, and plain HTTP.
            (&[Same, Same, Other], None),
            (&[Other, Other, Same], Some(2)),
        ] {
            assert_eq!(known_endpoint(matches), expected, "{matches:?}");
        }
    }
}
