//! Fetches layers from URLs that a manifest names (S2-9): from places the user allows, as nobody.

use std::fmt;

use url::Url;
use windlass_oci::{Descriptor, RepositoryName};

use crate::blob::{BlobStream, Part, Wrong, wrong_size};
use crate::client::Client;
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::exchange::{Answer, Ask, Party, Span};
use crate::origin::Origin;

/// A URL in a manifest that a layer may be fetched from. Its query may be a secret, and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignUrl {
    url: Url,
    name: RepositoryName,
}

impl ForeignUrl {
    /// Returns the scheme, host and port.
    pub fn origin(&self) -> Origin {
        Origin::of(&self.url)
    }
}

impl fmt::Debug for ForeignUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ForeignUrl").field(&self.origin()).finish()
    }
}

impl Client {
    /// Returns those of the URLs of `descriptor`, which a manifest of `name` has, that it may be fetched from.
    ///
    /// Only the places that [`RegistryHosts::foreign_hosts`](crate::RegistryHosts::foreign_hosts) lists are
    /// among them: https, or plain http where that is allowed, and without a user name (T22).
    pub fn foreign_urls(&self, name: &RepositoryName, descriptor: &Descriptor) -> Vec<ForeignUrl> {
        let Ok(hosts) = self.config().registries.hosts(name.registry()) else {
            return Vec::new();
        };
        let allowed = |url: &Url| {
            let secure = match url.scheme() {
                "https" => true,
                "http" => self.config().permits_plain_http(url),
                _ => false,
            };
            secure
                && url.username().is_empty()
                && url.password().is_none()
                && hosts.permits_foreign(url)
        };
        let urls = descriptor.urls.iter().flat_map(|url| Url::parse(url));
        let urls = urls.filter(allowed).map(|url| ForeignUrl {
            url,
            name: name.clone(),
        });
        urls.collect()
    }

    /// Begins to fetch the blob that `descriptor` names from `url`, at `offset` if the server can do that.
    ///
    /// No credentials are sent, and no challenge is answered (D3). Size and range are held against what was
    /// asked for, as [`Repository::blob`](crate::Repository::blob) does it.
    pub async fn foreign_blob(
        &self,
        url: &ForeignUrl,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let stream = self.fetch_foreign(url, descriptor, offset).await;
        self.note(&url.origin(), &stream);
        stream
    }

    async fn fetch_foreign(
        &self,
        url: &ForeignUrl,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let (origin, size) = (url.origin(), descriptor.size);
        let context = RequestContext {
            origin: origin.clone(),
            repository: url.name.path().to_owned(),
            kind: RequestKind::Blob(descriptor.digest),
        };
        let stream = |context| BlobStream::new(context, self, &origin, size);
        if offset == size {
            return Ok(stream(context));
        }
        let mut start = if offset < size { offset } else { 0 };
        loop {
            let span = Span::From(start);
            let answer = self.ask_foreign(&context, url, span).await?;
            match Part::of(&answer, span, size) {
                Ok(part) => return Ok(stream(context).from(answer, part)),
                Err(Wrong::Size(found)) => return Err(wrong_size(&context, size, found)),
                Err(Wrong::Range(_)) => start = 0,
            }
        }
    }

    async fn ask_foreign(
        &self,
        context: &RequestContext,
        url: &ForeignUrl,
        span: Span,
    ) -> Result<Answer, RegistryError> {
        let hosts = self.config().registries.hosts(url.name.registry());
        let proxies = hosts.ok().and_then(|hosts| hosts.proxies.as_ref());
        let patience = self.config().timeouts.response;
        let mut ask = Ask::get(context, Party::Stranger(proxies), url.url.clone(), patience);
        ask.span = span;
        let answer = self.send(&ask, None).await?;
        match answer.response.status().as_u16() {
            200 => return Ok(answer),
            206 | 416 if span.is_range() => return Ok(answer),
            _ => {}
        }
        let (status, headers) = (answer.response.status(), answer.response.headers().clone());
        let body = self.body(answer.response);
        let refusal = Refusal {
            context,
            status,
            headers: &headers,
            body: &body.read_prefix(LARGEST_ERROR_BODY).await,
        };
        Err(refusal.into_error())
    }
}
