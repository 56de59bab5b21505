//! Who delivers one blob: the endpoints that have it, one after the other, until it is whole.
//!
//! What one has delivered is kept when the next is asked: the blob's digest says in the end whether it was
//! right. If it was not, those who delivered are not asked for it again (T29: one bad blob a mirror).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use windlass_oci::Descriptor;
use windlass_registry::{BlobStream, EndpointFault, ForeignUrl, Origin, RegistryError, Repository};

use crate::error::EndpointsError;
use crate::sources::{EndpointNeed, Sources};

/// Those who are asked for one blob.
#[derive(Debug)]
pub(crate) struct EndpointQueue {
    sources: Sources,
    current: BlobEndpoint,
    left: VecDeque<BlobEndpoint>,
    /// Who delivered bytes of the blob as it is now.
    delivered: Vec<BlobEndpoint>,
    /// Whether bytes of several answers were put together, be they an earlier pull's.
    is_combined: bool,
    /// Why those before were left.
    failed: Vec<Arc<RegistryError>>,
}

/// One who may have the blob.
#[derive(Clone, Debug)]
pub(crate) enum BlobEndpoint {
    /// An endpoint of the image's registry.
    Endpoint(Repository),
    /// A URL in the manifest, which no credentials go to (S2-9).
    Foreign(ForeignUrl),
}

/// What tells one deliverer from another.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EndpointKey {
    Origin(Origin),
    Url(ForeignUrl),
}

/// Who is not asked for the blob again, because what came from there was wrong.
#[derive(Debug, Default)]
pub(crate) struct ExcludedEndpoints {
    keys: Vec<EndpointKey>,
    /// Whether what comes now has to come in one piece.
    pub(crate) tried_single_response: bool,
}

impl EndpointQueue {
    /// Lines up who can be asked for the blob of `descriptor`; `None` if nobody is left.
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
        let mut left: VecDeque<_> = endpoints
            .chain(foreign)
            .filter(|deliverer| !excluded.keys.contains(&deliverer.key()))
            .collect();
        Some(Self {
            sources: sources.clone(),
            current: left.pop_front()?,
            left,
            delivered: Vec::new(),
            is_combined: false,
            failed: Vec::new(),
        })
    }

    /// Returns who is asked at the moment.
    pub(crate) fn current(&self) -> &BlobEndpoint {
        &self.current
    }

    /// Returns how long who is asked at the moment wants to be left alone.
    pub(crate) fn remaining_pause(&self) -> Option<Duration> {
        self.sources.remaining_pause(&self.current.origin())
    }

    /// Begins to fetch the blob, at `offset`, from who is asked at the moment.
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

    /// Tells whether who is asked at the moment may be asked for parts.
    pub(crate) fn supports_ranges(&self) -> bool {
        matches!(self.current, BlobEndpoint::Endpoint(_))
    }

    /// Begins to fetch a part of the blob; `None` if who is asked at the moment cannot do that.
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

    /// Notes that some of the blob is here already.
    pub(crate) fn record_resumed_bytes(&mut self) {
        self.is_combined = true;
    }

    /// Tells whether bytes of several answers were put together.
    pub(crate) fn has_combined_responses(&self) -> bool {
        self.is_combined
    }

    /// Notes that bytes came from who is asked at the moment; whether they were put to others, or came in
    /// several answers themselves, is said by `with_others`.
    pub(crate) fn record_delivery(&mut self, with_others: bool) {
        self.is_combined |= with_others;
        let key = self.current.key();
        if self.delivered.iter().all(|before| before.key() != key) {
            self.delivered.push(self.current.clone());
        }
    }

    /// Goes on to the next whom `error` lets be asked; tells whether there is one.
    pub(crate) fn advance(&mut self, error: &Arc<RegistryError>) -> bool {
        let leads_to = |to: &BlobEndpoint| match (&self.current, to) {
            (BlobEndpoint::Endpoint(from), BlobEndpoint::Endpoint(to)) => {
                error.falls_back(from.endpoint(), to.endpoint())
            }
            (BlobEndpoint::Endpoint(_), BlobEndpoint::Foreign(_)) => {
                matches!(**error, RegistryError::BlobUnknown { .. })
            }
            (BlobEndpoint::Foreign(_), _) => true,
        };
        let Some(place) = self.left.iter().position(leads_to) else {
            return false;
        };
        if let BlobEndpoint::Endpoint(repository) = &self.current {
            self.sources.demote(repository.endpoint());
        }
        self.failed.push(Arc::clone(error));
        self.left.drain(..place);
        self.current = self.left.pop_front().expect("its place was found just now");
        true
    }

    /// Says why nobody delivered: the last error, and those before.
    pub(crate) fn take_error(&mut self, error: Arc<RegistryError>) -> EndpointsError {
        EndpointsError {
            error,
            others: std::mem::take(&mut self.failed),
        }
    }

    /// Tells whether there is somebody to ask after this one.
    pub(crate) fn has_next(&self) -> bool {
        !self.left.is_empty()
    }

    /// Draws the consequences of a blob that is not what its digest says; tells whether it is worth
    /// fetching it again.
    ///
    /// Who alone delivered it is to blame. Mirrors that had a part in it are not asked for it again. The
    /// registry is asked once more if the blob was put together of several answers (DL-9); what it
    /// delivers in one piece stands.
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
            .filter(|deliverer| !deliverer.is_registry());
        let before = excluded.keys.len();
        excluded.keys.extend(mirrors.map(BlobEndpoint::key));
        if excluded.keys.len() > before {
            return true;
        }
        self.is_combined && !std::mem::replace(&mut excluded.tried_single_response, true)
    }
}

impl BlobEndpoint {
    /// Returns the scheme, host and port that are asked.
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

    /// Tells whether nobody stands behind this one who knows better.
    pub(crate) fn is_registry(&self) -> bool {
        match self {
            Self::Endpoint(repository) => !repository.endpoint().is_mirror(),
            Self::Foreign(_) => false,
        }
    }
}
