//! Fetches foreign layers from URLs in a manifest (S2-9): from permitted hosts only, without credentials.

use std::fmt;

use url::Url;
use windlass_oci::{Descriptor, RepositoryName};

use crate::blob::{BlobRange, BlobStream, RangeMismatch, size_error};
use crate::client::Client;
use crate::error::RegistryError;
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::origin::Origin;
use crate::request::EndpointResponse;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RangeSpec, RequestPeer, RequestSpec};

/// A permitted URL of a foreign layer. Its query may be a secret and is not shown.
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
    /// Returns the URLs of `descriptor`, which is in a manifest of `name`, that the layer may be fetched
    /// from.
    ///
    /// Only origins in [`RegistryHosts::foreign_hosts`](crate::RegistryHosts::foreign_hosts) are permitted:
    /// https, or plain http to hosts where that is allowed, and without credentials in the URL (T22).
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

    /// Starts to fetch the blob of `descriptor` from `url`, at `offset` if the server supports ranges.
    ///
    /// No credentials are sent, and no challenge is answered (D3). Size and range are checked as in
    /// [`Repository::blob`](crate::Repository::blob).
    pub async fn foreign_blob(
        &self,
        url: &ForeignUrl,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let stream = self.fetch_foreign(url, descriptor, offset).await;
        self.record_outcome(&url.origin(), &stream);
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
            let range = RangeSpec::From(start);
            let response = self.request_foreign(&context, url, range).await?;
            match BlobRange::of(&response, range, size) {
                Ok(part) => return Ok(stream(context).with_response(response, part)),
                Err(RangeMismatch::Size(found)) => return Err(size_error(&context, size, found)),
                Err(RangeMismatch::Range(_)) => start = 0,
            }
        }
    }

    async fn request_foreign(
        &self,
        context: &RequestContext,
        url: &ForeignUrl,
        range: RangeSpec,
    ) -> Result<EndpointResponse, RegistryError> {
        let hosts = self.config().registries.hosts(url.name.registry());
        let proxies = hosts.ok().and_then(|hosts| hosts.proxies.as_ref());
        let response_timeout = self.config().timeouts.response;
        let mut spec = RequestSpec::get(
            context,
            RequestPeer::UnknownHost(proxies),
            url.url.clone(),
            response_timeout,
        );
        spec.range = range;
        let response = self.send(&spec, None).await?;
        match response.http.status().as_u16() {
            200 => return Ok(response),
            206 | 416 if range.is_range() => return Ok(response),
            _ => {}
        }
        let (status, headers) = (response.http.status(), response.http.headers().clone());
        let body = self.body(response.http);
        let failed = FailedResponse {
            context,
            status,
            headers: &headers,
            body: &body.read_prefix(MAX_ERROR_BODY).await,
        };
        Err(failed.into_error())
    }
}
