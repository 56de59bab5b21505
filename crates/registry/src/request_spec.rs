//! Specifies requests and builds their heads.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RANGE};
use http::{Method, Request};
use url::Url;
use windlass_http::Proxies;

use crate::endpoint::Endpoint;
use crate::request_context::RequestContext;

/// The factor for the response timeout when the registry has to hash a whole blob first.
const HASHING_FACTOR: u32 = 10;

/// A request without its authorization.
#[derive(Debug)]
pub(crate) struct RequestSpec<'a> {
    pub(crate) context: &'a RequestContext,
    pub(crate) peer: RequestPeer<'a>,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The accepted media types, each in a header of its own: some registries read no lists of types.
    pub(crate) accept: &'a [HeaderValue],
    /// The range of bytes to request.
    pub(crate) range: RangeSpec,
    /// The body of a POST. It contains a secret.
    pub(crate) form: Option<String>,
    /// The body of a PUT, and its media type.
    pub(crate) document: Option<(HeaderValue, Bytes)>,
    /// The timeout for the head of each response.
    pub(crate) response_timeout: Duration,
}

/// The range of bytes of a body to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeSpec {
    /// From an offset to the end; 0 requests the whole body without a range.
    From(u64),
    /// From the first offset to the second, exclusive: one of several concurrent requests for one body, each
    /// with a connection of its own.
    Between(u64, u64),
}

/// The peer that a request is configured for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestPeer<'a> {
    /// An endpoint, or the token server it names.
    Endpoint(&'a Endpoint),
    /// An unknown host, with the proxies of the registry if it has its own.
    UnknownHost(Option<&'a Proxies>),
    /// The host of a URL that the user specifies.
    UserUrl,
}

/// One request of a chain of redirects.
pub(crate) struct Hop<'a> {
    pub(crate) url: &'a Url,
    pub(crate) authorization: Option<&'a HeaderValue>,
    /// The endpoint, if this URL is on its origin.
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) is_first: bool,
}

impl<'a> RequestSpec<'a> {
    /// Returns a GET of the whole content of `url`.
    pub(crate) fn get(
        context: &'a RequestContext,
        peer: RequestPeer<'a>,
        url: Url,
        response_timeout: Duration,
    ) -> Self {
        Self {
            context,
            peer,
            method: Method::GET,
            url,
            accept: &[],
            range: RangeSpec::From(0),
            form: None,
            document: None,
            response_timeout,
        }
    }

    pub(crate) fn request(&self, hop: &Hop<'_>) -> Option<Request<Bytes>> {
        let mut request = self.head(hop)?;
        let headers = request.headers_mut();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        if self.form.is_some() {
            headers.insert(CONTENT_TYPE, form_type);
        }
        if let Some((media_type, bytes)) = &self.document {
            headers.insert(CONTENT_TYPE, media_type.clone());
            return Some(request.map(|()| bytes.clone()));
        }
        let body = self.form.clone().unwrap_or_default();
        Some(request.map(|()| body.into()))
    }

    /// Returns the request without its body.
    pub(crate) fn head(&self, hop: &Hop<'_>) -> Option<Request<()>> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(hop.url.as_str());
        let headers = request.headers_mut()?;
        // First, so that configured headers cannot override required ones.
        if let Some(endpoint) = hop.endpoint {
            headers.extend(endpoint.settings().headers.iter().cloned());
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if !self.accept.is_empty() {
            headers.remove(ACCEPT);
        }
        for media_type in self.accept {
            headers.append(ACCEPT, media_type.clone());
        }
        if let Some(range) = self.range.range() {
            headers.insert(RANGE, range);
        }
        if let Some(authorization) = hop.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request.body(()).ok()
    }

    /// Extends the timeout for a response that a registry sends after it has hashed a whole blob.
    pub(crate) fn allow_time_for_hashing(&mut self) {
        self.response_timeout *= HASHING_FACTOR;
    }
}

impl RangeSpec {
    /// Returns the `Range` header (RFC 9110, section 14.2), if one is needed.
    fn range(self) -> Option<HeaderValue> {
        let range = match self {
            Self::From(0) => return None,
            Self::From(start) => format!("bytes={start}-"),
            Self::Between(start, end) => format!("bytes={start}-{}", end.saturating_sub(1)),
        };
        Some(HeaderValue::try_from(range).expect("digits are valid in a header"))
    }

    /// Returns whether the response may be a range.
    pub(crate) fn is_range(self) -> bool {
        self != Self::From(0)
    }

    /// Returns the first offset.
    pub(crate) fn start(self) -> u64 {
        match self {
            Self::From(start) | Self::Between(start, _) => start,
        }
    }
}

impl<'a> RequestPeer<'a> {
    pub(crate) fn endpoint(self) -> Option<&'a Endpoint> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint),
            Self::UnknownHost(_) | Self::UserUrl => None,
        }
    }

    pub(crate) fn proxies(self) -> Option<&'a Proxies> {
        match self {
            Self::Endpoint(endpoint) => endpoint.settings().proxies.as_ref(),
            Self::UnknownHost(proxies) => proxies,
            Self::UserUrl => None,
        }
    }
}
