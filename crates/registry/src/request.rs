//! Sends requests and follows redirects.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE,
};
use http::{Method, Request};
use url::Url;
use windlass_http::{
    BodyTimeout, Proxies, Response, ResponseBody, SendError, StreamingBody, Transport,
};

use crate::auth::AuthError;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::{RegistryError, RequestContext, RequestKind, WaitPhase};
use crate::origin::Origin;
use crate::realm::RealmError;
use crate::redirect::{RedirectError, target};
use crate::transport_pool::TransportKey;

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

/// A response and its final URL.
#[derive(Debug)]
pub(crate) struct EndpointResponse {
    pub(crate) http: Response,
    pub(crate) url: Url,
    /// Whether all redirects kept scheme, host and port.
    pub(crate) same_origin: bool,
}

/// A streamed request body.
pub(crate) struct UploadBody {
    pub(crate) body: StreamingBody,
    /// The value of `Content-Range`, for a chunk that is not the first.
    pub(crate) content_range: Option<HeaderValue>,
}

/// One request of a chain of redirects.
struct Hop<'a> {
    url: &'a Url,
    authorization: Option<&'a HeaderValue>,
    /// The endpoint, if this URL is on its origin.
    endpoint: Option<&'a Endpoint>,
    is_first: bool,
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

    fn request(&self, hop: &Hop<'_>) -> Option<Request<Bytes>> {
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
    fn head(&self, hop: &Hop<'_>) -> Option<Request<()>> {
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

    /// Converts a failure without a response.
    fn error_from(&self, error: SendError, hop: &Hop<'_>) -> RegistryError {
        let context = self.context.boxed();
        match error {
            SendError::Uri => RegistryError::Malformed {
                context,
                reason: "its URL is not an http or https URL with a host".to_owned(),
            },
            SendError::Connect { failure, source } => RegistryError::Connect {
                context,
                failure,
                source,
            },
            SendError::Proxy { source } => RegistryError::Proxy { context, source },
            SendError::Tls { source } => RegistryError::Tls { context, source },
            SendError::RefusedAddress { .. } => self.forbidden_address_error(hop),
            SendError::Timeout { waiting_for } => RegistryError::Timeout {
                context,
                waiting_for: match waiting_for {
                    windlass_http::SendPhase::Connection => WaitPhase::Connection,
                    windlass_http::SendPhase::Response => WaitPhase::Response,
                },
            },
            SendError::NotHttp { .. } if self.context.kind == RequestKind::Url => {
                RegistryError::Malformed {
                    context,
                    reason: "its response is not HTTP".to_owned(),
                }
            }
            SendError::NotHttp { .. } => RegistryError::NotARegistry {
                context,
                reason: "its response is not HTTP".to_owned(),
            },
            SendError::HeadTooLarge => RegistryError::Malformed {
                context,
                reason: "its headers are too large".to_owned(),
            },
            SendError::Transport { source } => RegistryError::Transport { context, source },
        }
    }

    /// D4: the name resolved to a forbidden address.
    fn forbidden_address_error(&self, hop: &Hop<'_>) -> RegistryError {
        let context = self.context.boxed();
        if self.context.kind == RequestKind::Token && hop.is_first {
            let (realm, source) = (Origin::of(hop.url).to_string(), RealmError::InternalAddress);
            return RegistryError::Auth {
                context,
                source: AuthError::Realm { realm, source },
            };
        }
        RegistryError::Redirect {
            context,
            source: RedirectError::LocalAddress,
        }
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
    fn endpoint(self) -> Option<&'a Endpoint> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint),
            Self::UnknownHost(_) | Self::UserUrl => None,
        }
    }

    fn proxies(self) -> Option<&'a Proxies> {
        match self {
            Self::Endpoint(endpoint) => endpoint.settings().proxies.as_ref(),
            Self::UnknownHost(proxies) => proxies,
            Self::UserUrl => None,
        }
    }
}

impl Client {
    /// Sends the request and follows redirects.
    ///
    /// `authorization` is sent to the scheme, host and port of the request and to no other (R8, T26); the
    /// configuration of an endpoint (headers, certificates) applies to the endpoint only. After a redirect to
    /// another origin neither is sent again, even if a later redirect leads back. Requests that write are
    /// redirected within the origin only, and only with a status that keeps the method.
    pub(crate) async fn send(
        &self,
        spec: &RequestSpec<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<EndpointResponse, RegistryError> {
        let refuse = |source| RegistryError::Redirect {
            context: spec.context.boxed(),
            source,
        };
        let limit = self.config().redirects;
        let mut url = spec.url.clone();
        let mut same_origin = true;
        for turn in 0..=limit {
            let is_endpoint = |endpoint: &&Endpoint| *endpoint.origin() == Origin::of(&url);
            let hop = Hop {
                url: &url,
                authorization: authorization.filter(|_| same_origin),
                endpoint: spec
                    .peer
                    .endpoint()
                    .filter(|_| same_origin)
                    .filter(is_endpoint),
                is_first: turn == 0,
            };
            let response = self.send_once(spec, &hop).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(EndpointResponse {
                    http: response,
                    url,
                    same_origin,
                });
            }
            if spec.form.is_some() {
                return Err(refuse(RedirectError::SecretBody));
            }
            url = target(&url, response.headers()).map_err(refuse)?;
            same_origin &= url.origin() == spec.url.origin();
            let is_read = matches!(spec.method, Method::GET | Method::HEAD);
            let keeps_method = matches!(response.status().as_u16(), 307 | 308);
            if !(is_read || keeps_method && same_origin) {
                return Err(refuse(RedirectError::Write));
            }
        }
        Err(refuse(RedirectError::TooMany(limit)))
    }

    /// Sends the request with a streamed body, which can be sent once only: a redirect that keeps the method is
    /// returned as the response, every other one is an error.
    pub(crate) async fn send_stream(
        &self,
        spec: &RequestSpec<'_>,
        authorization: Option<&HeaderValue>,
        upload: UploadBody,
    ) -> Result<EndpointResponse, RegistryError> {
        let hop = Hop {
            url: &spec.url,
            authorization,
            endpoint: spec.peer.endpoint(),
            is_first: true,
        };
        let transport = self.transport_for(spec, &hop)?;
        let request = spec.head(&hop);
        let mut request = request.ok_or_else(|| spec.error_from(SendError::Uri, &hop))?;
        let octets = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, octets);
        if let Some(range) = upload.content_range {
            request.headers_mut().insert(CONTENT_RANGE, range);
        }
        tracing::debug!(context = %spec.context, method = %spec.method, "upload");
        let sent = transport
            .send_stream(request.map(|()| upload.body), spec.response_timeout)
            .await;
        let response = sent.map_err(|error| spec.error_from(error, &hop))?;
        if let Some(endpoint) = hop.endpoint {
            self.record_response(endpoint, response.status());
        }
        if matches!(response.status().as_u16(), 301..=303) {
            return Err(RegistryError::Redirect {
                context: spec.context.boxed(),
                source: RedirectError::Write,
            });
        }
        Ok(EndpointResponse {
            http: response,
            url: spec.url.clone(),
            same_origin: true,
        })
    }

    async fn send_once(
        &self,
        spec: &RequestSpec<'_>,
        hop: &Hop<'_>,
    ) -> Result<Response, RegistryError> {
        let transport = self.transport_for(spec, hop)?;
        let request = spec.request(hop);
        let request = request.ok_or_else(|| spec.error_from(SendError::Uri, hop))?;
        tracing::debug!(context = %spec.context, host = hop.url.host_str(), range = ?spec.range, "request");
        let sent = transport.send(request, spec.response_timeout).await;
        let response = sent.map_err(|error| spec.error_from(error, hop))?;
        if let Some(endpoint) = hop.endpoint {
            self.record_response(endpoint, response.status());
        }
        tracing::debug!(
            context = %spec.context,
            status = response.status().as_u16(),
            version = ?response.version(),
            "response"
        );
        Ok(response)
    }

    fn transport_for(
        &self,
        spec: &RequestSpec<'_>,
        hop: &Hop<'_>,
    ) -> Result<Transport, RegistryError> {
        let key = match (hop.endpoint, spec.peer.endpoint()) {
            (Some(endpoint), _) => TransportKey::endpoint(endpoint, self.config()),
            (None, known) => {
                let key = TransportKey::unknown_host(hop.url, spec.peer.proxies(), self.config());
                // Another port of the same host has the address that the configuration intends.
                let same_host = match spec.peer {
                    RequestPeer::UserUrl => spec.url.host() == hop.url.host(),
                    RequestPeer::Endpoint(_) | RequestPeer::UnknownHost(_) => {
                        known.is_some_and(|known| known.origin().parsed_host() == hop.url.host())
                    }
                };
                if same_host {
                    key.with_any_address()
                } else {
                    key
                }
            }
        };
        let key = match spec.range {
            RangeSpec::From(_) => key,
            RangeSpec::Between(..) => key.with_http1_only(),
        };
        self.transport(key).map_err(|source| RegistryError::Setup {
            context: spec.context.boxed(),
            source,
        })
    }

    /// Returns the body of `response`.
    pub(crate) fn body(&self, response: Response) -> ResponseBody {
        let timeouts = &self.config().timeouts;
        response.into_body(BodyTimeout {
            stall: timeouts.stall,
            floor: timeouts.floor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_from(kind: RequestKind, is_first: bool, error: SendError) -> RegistryError {
        let context = RequestContext {
            origin: Origin::parse("https://registry.test").unwrap(),
            repository: "app".to_owned(),
            kind,
        };
        let url = Url::parse("https://elsewhere.test/x?signature=hunter2").unwrap();
        let spec = RequestSpec::get(
            &context,
            RequestPeer::UnknownHost(None),
            url.clone(),
            Duration::from_secs(1),
        );
        let hop = Hop {
            url: &url,
            authorization: None,
            endpoint: None,
            is_first,
        };
        spec.error_from(error, &hop)
    }

    fn refused() -> SendError {
        let address = "169.254.169.254".parse().unwrap();
        SendError::RefusedAddress { address }
    }

    /// D4, T25: a name that resolves to a link-local address is rejected like the address itself.
    #[test]
    fn a_name_that_resolves_to_a_link_local_address_is_rejected() {
        let realm = error_from(RequestKind::Token, true, refused());
        let RegistryError::Auth {
            source: AuthError::Realm { realm, source },
            ..
        } = realm
        else {
            panic!("{realm:?}")
        };
        assert_eq!(
            (&*realm, source),
            ("https://elsewhere.test", RealmError::InternalAddress)
        );
        for (kind, is_first) in [(RequestKind::Token, false), (RequestKind::Tags, false)] {
            let error = error_from(kind, is_first, refused());
            assert!(
                matches!(
                    error,
                    RegistryError::Redirect {
                        source: RedirectError::LocalAddress,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
}
