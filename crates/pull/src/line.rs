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
use crate::sources::{Need, Sources};

/// Those who are asked for one blob.
#[derive(Debug)]
pub(crate) struct Line {
    sources: Sources,
    current: Deliverer,
    left: VecDeque<Deliverer>,
    /// Who delivered bytes of the blob as it is now.
    delivered: Vec<Deliverer>,
    /// Whether bytes of several answers were put together, be they an earlier pull's.
    pieced_together: bool,
    /// Why those before were left.
    failed: Vec<Arc<RegistryError>>,
}

/// One who may have the blob.
#[derive(Clone, Debug)]
pub(crate) enum Deliverer {
    /// An endpoint of the image's registry.
    Endpoint(Repository),
    /// A URL in the manifest, which no credentials go to (S2-9).
    Foreign(ForeignUrl),
}

/// What tells one deliverer from another.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Origin(Origin),
    Url(ForeignUrl),
}

/// Who is not asked for the blob again, because what came from there was wrong.
#[derive(Debug, Default)]
pub(crate) struct Excluded {
    places: Vec<Place>,
    /// Whether what comes now has to come in one piece.
    pub(crate) had_clean_try: bool,
}

impl Line {
    /// Lines up who can be asked for the blob of `descriptor`; `None` if nobody is left.
    pub(crate) fn up(
        sources: &Sources,
        descriptor: &Descriptor,
        excluded: &Excluded,
    ) -> Option<Self> {
        let endpoints = sources
            .line_up(Need::Pull)
            .into_iter()
            .map(Deliverer::Endpoint);
        let foreign = sources
            .foreign_urls(descriptor)
            .into_iter()
            .map(Deliverer::Foreign);
        let mut left: VecDeque<_> = endpoints
            .chain(foreign)
            .filter(|deliverer| !excluded.places.contains(&deliverer.place()))
            .collect();
        Some(Self {
            sources: sources.clone(),
            current: left.pop_front()?,
            left,
            delivered: Vec::new(),
            pieced_together: false,
            failed: Vec::new(),
        })
    }

    /// Returns who is asked at the moment.
    pub(crate) fn current(&self) -> &Deliverer {
        &self.current
    }

    /// Returns how long who is asked at the moment wants to be left alone.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.sources.pause(&self.current.origin())
    }

    /// Begins to fetch the blob, at `offset`, from who is asked at the moment.
    pub(crate) async fn blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        match &self.current {
            Deliverer::Endpoint(repository) => repository.blob(descriptor, offset).await,
            Deliverer::Foreign(url) => {
                let client = self.sources.client();
                client.foreign_blob(url, descriptor, offset).await
            }
        }
    }

    /// Tells whether who is asked at the moment may be asked for parts.
    pub(crate) fn has_parts(&self) -> bool {
        matches!(self.current, Deliverer::Endpoint(_))
    }

    /// Begins to fetch a part of the blob; `None` if who is asked at the moment cannot do that.
    pub(crate) async fn part(
        &self,
        descriptor: &Descriptor,
        part: Range<u64>,
    ) -> Result<Option<BlobStream>, RegistryError> {
        match &self.current {
            Deliverer::Endpoint(repository) => repository.blob_range(descriptor, part).await,
            Deliverer::Foreign(_) => Ok(None),
        }
    }

    /// Notes that some of the blob is here already.
    pub(crate) fn goes_on_with_earlier_bytes(&mut self) {
        self.pieced_together = true;
    }

    /// Tells whether bytes of several answers were put together.
    pub(crate) fn is_pieced_together(&self) -> bool {
        self.pieced_together
    }

    /// Notes that bytes came from who is asked at the moment; whether they were put to others, or came in
    /// several answers themselves, is said by `with_others`.
    pub(crate) fn delivered(&mut self, with_others: bool) {
        self.pieced_together |= with_others;
        let place = self.current.place();
        if self.delivered.iter().all(|before| before.place() != place) {
            self.delivered.push(self.current.clone());
        }
    }

    /// Goes on to the next whom `error` lets be asked; tells whether there is one.
    pub(crate) fn goes_on(&mut self, error: &Arc<RegistryError>) -> bool {
        let leads_to = |to: &Deliverer| match (&self.current, to) {
            (Deliverer::Endpoint(from), Deliverer::Endpoint(to)) => {
                error.falls_back(from.endpoint(), to.endpoint())
            }
            (Deliverer::Endpoint(_), Deliverer::Foreign(_)) => {
                matches!(**error, RegistryError::BlobUnknown { .. })
            }
            (Deliverer::Foreign(_), _) => true,
        };
        let Some(place) = self.left.iter().position(leads_to) else {
            return false;
        };
        if let Deliverer::Endpoint(repository) = &self.current {
            self.sources.leave_behind(repository.endpoint());
        }
        self.failed.push(Arc::clone(error));
        self.left.drain(..place);
        self.current = self.left.pop_front().expect("its place was found just now");
        true
    }

    /// Says why nobody delivered: the last error, and those before.
    pub(crate) fn gave_up(&mut self, error: Arc<RegistryError>) -> EndpointsError {
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
    pub(crate) fn was_wrong(self, excluded: &mut Excluded) -> bool {
        if let [Deliverer::Endpoint(liar)] = &self.delivered[..] {
            let origin = liar.endpoint().origin();
            self.sources
                .client()
                .record_fault(origin, EndpointFault::WrongDigest);
        }
        let mirrors = self
            .delivered
            .iter()
            .filter(|deliverer| !deliverer.is_final());
        let before = excluded.places.len();
        excluded.places.extend(mirrors.map(Deliverer::place));
        if excluded.places.len() > before {
            return true;
        }
        self.pieced_together && !std::mem::replace(&mut excluded.had_clean_try, true)
    }
}

impl Deliverer {
    /// Returns the scheme, host and port that are asked.
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Endpoint(repository) => repository.endpoint().origin().clone(),
            Self::Foreign(url) => url.origin(),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Endpoint(repository) => Place::Origin(repository.endpoint().origin().clone()),
            Self::Foreign(url) => Place::Url(url.clone()),
        }
    }

    /// Tells whether nobody stands behind this one who knows better.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Endpoint(repository) => !repository.endpoint().is_mirror(),
            Self::Foreign(_) => false,
        }
    }
}
