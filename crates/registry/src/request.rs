//! Sends requests and follows redirects.

use http::Method;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use url::Url;
use windlass_http::{BodyTimeout, Response, ResponseBody, SendError, StreamingBody, Transport};

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::origin::Origin;
use crate::redirect::{RedirectError, target};
use crate::request_spec::{Hop, RangeSpec, RequestPeer, RequestSpec};
use crate::transport_pool::TransportKey;

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
