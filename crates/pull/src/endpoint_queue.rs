//! The queue of endpoints to download one blob from.
//!
//! Received bytes are kept when the next endpoint is tried: the digest of the whole blob verifies them. If it does not
//! match, the mirrors that sent them are not used for the blob again (T29: one wrong blob per mirror).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use windlass_oci::Descriptor;
use windlass_registry::{BlobStream, EndpointFault, ForeignUrl, Origin, RegistryError, Repository};

use crate::endpoint_need::EndpointNeed;
use crate::error::EndpointsError;
use crate::sources::Sources;

/// The endpoints of one blob: the current one, and those to try after it.
#[derive(Debug)]
pub(crate) struct EndpointQueue {
    sources: Sources,
    current: BlobEndpoint,
    remaining: VecDeque<BlobEndpoint>,
    /// The endpoints that sent bytes of the current partial blob.
    delivered: Vec<BlobEndpoint>,
    /// Whether the bytes come from several responses, including those of an earlier pull.
    is_combined: bool,
    /// The errors of the endpoints tried before.
    failed: Vec<Arc<RegistryError>>,
}

/// An endpoint that may have the blob.
#[derive(Clone, Debug)]
pub(crate) enum BlobEndpoint {
    /// An endpoint of the image's registry.
    Endpoint(Repository),
    /// A URL in the manifest. No credentials are sent to it (S2-9).
    Foreign(ForeignUrl),
}

/// The identity of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EndpointKey {
    Origin(Origin),
    Url(ForeignUrl),
}

/// Endpoints that are not tried again because they sent wrong bytes.
#[derive(Debug, Default)]
pub(crate) struct ExcludedEndpoints {
    keys: Vec<EndpointKey>,
    /// Whether the blob was fetched again in a single response.
    pub(crate) tried_single_response: bool,
}

impl EndpointQueue {
    /// Queues the endpoints for the blob of `descriptor`; `None` if all are excluded.
    pub(crate) fn new(
        sources: &Sources,
        descriptor: &Descriptor,
        excluded: &ExcludedEndpoints,
    ) -> Option<Self> {
        let endpoints = sources
            .usable_endpoints(EndpointNeed::Pull)
            .into_iter()
            .map(BlobEndpoint::Endpoint);
        let foreign = sources
            .foreign_urls(descriptor)
            .into_iter()
            .map(BlobEndpoint::Foreign);
        let mut remaining: VecDeque<_> = endpoints
            .chain(foreign)
            .filter(|endpoint| !excluded.keys.contains(&endpoint.key()))
            .collect();
        Some(Self {
            sources: sources.clone(),
            current: remaining.pop_front()?,
            remaining,
            delivered: Vec::new(),
            is_combined: false,
            failed: Vec::new(),
        })
    }

    /// Returns the current endpoint.
    pub(crate) fn current(&self) -> &BlobEndpoint {
        &self.current
    }

    /// Returns the rest of the pause that the current endpoint requested.
    pub(crate) fn remaining_pause(&self) -> Option<Duration> {
        self.sources.remaining_pause(&self.current.origin())
    }

    /// Starts to fetch the blob at `offset` from the current endpoint.
    pub(crate) async fn open(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        match &self.current {
            BlobEndpoint::Endpoint(repository) => repository.blob(descriptor, offset).await,
            BlobEndpoint::Foreign(url) => {
                let client = self.sources.client();
                client.foreign_blob(url, descriptor, offset).await
            }
        }
    }

    /// Returns whether range requests may be sent to the current endpoint.
    pub(crate) fn supports_ranges(&self) -> bool {
        matches!(self.current, BlobEndpoint::Endpoint(_))
    }

    /// Starts to fetch a range of the blob; `None` if the current endpoint does not support ranges.
    pub(crate) async fn open_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<BlobStream>, RegistryError> {
        match &self.current {
            BlobEndpoint::Endpoint(repository) => repository.blob_range(descriptor, range).await,
            BlobEndpoint::Foreign(_) => Ok(None),
        }
    }

    /// Records that part of the blob is from an earlier pull.
    pub(crate) fn record_resumed_bytes(&mut self) {
        self.is_combined = true;
    }

    /// Returns whether the bytes come from several responses.
    pub(crate) fn has_combined_responses(&self) -> bool {
        self.is_combined
    }

    /// Records that the current endpoint sent bytes. With `is_combined`, the blob also has bytes of other responses.
    pub(crate) fn record_delivery(&mut self, is_combined: bool) {
        self.is_combined |= is_combined;
        let key = self.current.key();
        if self.delivered.iter().all(|before| before.key() != key) {
            self.delivered.push(self.current.clone());
        }
    }

    /// Advances to the next endpoint that `error` permits; returns whether there is one.
    pub(crate) fn advance(&mut self, error: &Arc<RegistryError>) -> bool {
        let is_permitted = |to: &BlobEndpoint| match (&self.current, to) {
            (BlobEndpoint::Endpoint(from), BlobEndpoint::Endpoint(to)) => {
                error.falls_back(from.endpoint(), to.endpoint())
            }
            (BlobEndpoint::Endpoint(_), BlobEndpoint::Foreign(_)) => {
                matches!(**error, RegistryError::BlobUnknown { .. })
            }
            (BlobEndpoint::Foreign(_), _) => true,
        };
        let Some(index) = self.remaining.iter().position(is_permitted) else {
            return false;
        };
        if let BlobEndpoint::Endpoint(repository) = &self.current {
            self.sources.demote(repository.endpoint());
        }
        self.failed.push(Arc::clone(error));
        self.remaining.drain(..index);
        self.current = self
            .remaining
            .pop_front()
            .expect("there is an endpoint at the index");
        true
    }

    /// Returns `error` together with the errors of the endpoints before.
    pub(crate) fn take_error(&mut self, error: Arc<RegistryError>) -> EndpointsError {
        EndpointsError {
            error,
            others: std::mem::take(&mut self.failed),
        }
    }

    /// Returns whether another endpoint is left.
    pub(crate) fn has_next(&self) -> bool {
        !self.remaining.is_empty()
    }

    /// Records that the blob does not match its digest; returns whether to fetch it again.
    ///
    /// If a single endpoint sent the blob, its fault is recorded. Mirrors that sent any part of the blob are excluded. If the
    /// blob was combined from several responses of the registry, it is fetched once more in a single response, which is
    /// final (DL-9).
    pub(crate) fn record_wrong_bytes(self, excluded: &mut ExcludedEndpoints) -> bool {
        if let [BlobEndpoint::Endpoint(only)] = &self.delivered[..] {
            let origin = only.endpoint().origin();
            self.sources
                .client()
                .record_fault(origin, EndpointFault::WrongDigest);
        }
        let mirrors = self
            .delivered
            .iter()
            .filter(|endpoint| !endpoint.is_registry());
        let before = excluded.keys.len();
        excluded.keys.extend(mirrors.map(BlobEndpoint::key));
        if excluded.keys.len() > before {
            return true;
        }
        self.is_combined && !std::mem::replace(&mut excluded.tried_single_response, true)
    }
}

impl BlobEndpoint {
    /// Returns the scheme, host and port that requests go to.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Endpoint(repository) => repository.endpoint().origin().clone(),
            Self::Foreign(url) => url.origin(),
        }
    }

    fn key(&self) -> EndpointKey {
        match self {
            Self::Endpoint(repository) => {
                EndpointKey::Origin(repository.endpoint().origin().clone())
            }
            Self::Foreign(url) => EndpointKey::Url(url.clone()),
        }
    }

    /// Returns whether this is the registry itself, after which there is no better endpoint.
    pub(crate) fn is_registry(&self) -> bool {
        match self {
            Self::Endpoint(repository) => !repository.endpoint().is_mirror(),
            Self::Foreign(_) => false,
        }
    }
}
