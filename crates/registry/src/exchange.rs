//! The one way to make a request: redirects by hand, and nothing said to a stranger.

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
use crate::transports::Plan;

/// A request, whole but for the authorization.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) context: &'a RequestContext,
    pub(crate) party: Party<'a>,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a HeaderValue>,
    /// Which bytes to ask for.
    pub(crate) span: Span,
    /// The body of a POST. It carries a secret.
    pub(crate) form: Option<String>,
    /// The body of a PUT, and its type.
    pub(crate) document: Option<(HeaderValue, Bytes)>,
    /// How long to wait for the head of each response.
    pub(crate) patience: Duration,
}

/// Which bytes of a body are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// From a place on, to the end; from 0 on it is the whole, and no range.
    From(u64),
    /// From the first place up to, and without, the second: one of several requests for one body, each with a
    /// connection of its own.
    Between(u64, u64),
}

/// Whose affair a request is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Party<'a> {
    /// An endpoint's, or a token server's in its name.
    Endpoint(&'a Endpoint),
    /// Nobody's that is known, by way of these proxies if they are not those of everybody.
    Stranger(Option<&'a Proxies>),
    /// Nobody's that is known, at a place that the user named.
    Named,
}

/// A response, and whether it is from where the request was meant to go.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) url: Url,
    /// No redirect led to another scheme, host or port.
    pub(crate) at_home: bool,
}

/// One step of the way that redirects lead along.
struct Hop<'a> {
    url: &'a Url,
    authorization: Option<&'a HeaderValue>,
    /// The endpoint whose own place this is.
    endpoint: Option<&'a Endpoint>,
    is_first: bool,
}

impl<'a> Ask<'a> {
    /// Returns a GET of all that is at `url`.
    pub(crate) fn get(
        context: &'a RequestContext,
        party: Party<'a>,
        url: Url,
        patience: Duration,
    ) -> Self {
        Self {
            context,
            party,
            method: Method::GET,
            url,
            accept: None,
            span: Span::From(0),
            form: None,
            document: None,
            patience,
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
        // First, so that what has to be cannot be configured away.
        if let Some(endpoint) = hop.endpoint {
            headers.extend(endpoint.way().headers.iter().cloned());
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(accept) = self.accept {
            headers.insert(ACCEPT, accept.clone());
        }
        if let Some(range) = self.span.range() {
            headers.insert(RANGE, range);
        }
        if let Some(authorization) = hop.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request.body(()).ok()
    }

    /// Says what a failure before any answer means.
    fn failed(&self, error: SendError, hop: &Hop<'_>) -> RegistryError {
        let context = self.context.boxed();
        match error {
            SendError::Uri => RegistryError::Malformed {
                context,
                reason: "it leads to a URL that cannot be asked".to_owned(),
            },
            SendError::Connect { failure, source } => RegistryError::Connect {
                context,
                failure,
                source,
            },
            SendError::Proxy { source } => RegistryError::Proxy { context, source },
            SendError::Tls { source } => RegistryError::Tls { context, source },
            SendError::RefusedAddress { .. } => self.led_inside(hop),
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
                    reason: "its answer is not HTTP".to_owned(),
                }
            }
            SendError::NotHttp { .. } => RegistryError::NotARegistry {
                context,
                reason: "its answer is not HTTP".to_owned(),
            },
            SendError::HeadTooLarge => RegistryError::Malformed {
                context,
                reason: "its headers are too large".to_owned(),
            },
            SendError::Transport { source } => RegistryError::Transport { context, source },
        }
    }

    /// D4: a name that resolved to an address that is not asked.
    fn led_inside(&self, hop: &Hop<'_>) -> RegistryError {
        let context = self.context.boxed();
        if self.context.kind == RequestKind::Token && hop.is_first {
            let (realm, source) = (Origin::of(hop.url).to_string(), RealmError::Inside);
            return RegistryError::Auth {
                context,
                source: AuthError::Realm { realm, source },
            };
        }
        RegistryError::Redirect {
            context,
            source: RedirectError::Inside,
        }
    }
}

impl Span {
    /// Returns the header `Range` (RFC 9110, section 14.2), if there has to be one.
    fn range(self) -> Option<HeaderValue> {
        let range = match self {
            Self::From(0) => return None,
            Self::From(start) => format!("bytes={start}-"),
            Self::Between(start, end) => format!("bytes={start}-{}", end.saturating_sub(1)),
        };
        Some(HeaderValue::try_from(range).expect("digits are fit for a header"))
    }

    /// Returns whether the answer may be a range.
    pub(crate) fn is_range(self) -> bool {
        self != Self::From(0)
    }

    /// Returns the first place.
    pub(crate) fn start(self) -> u64 {
        match self {
            Self::From(start) | Self::Between(start, _) => start,
        }
    }
}

impl<'a> Party<'a> {
    fn endpoint(self) -> Option<&'a Endpoint> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint),
            Self::Stranger(_) | Self::Named => None,
        }
    }

    fn proxies(self) -> Option<&'a Proxies> {
        match self {
            Self::Endpoint(endpoint) => endpoint.way().proxies.as_ref(),
            Self::Stranger(proxies) => proxies,
            Self::Named => None,
        }
    }
}

impl Client {
    /// Makes the request and follows redirects by hand.
    ///
    /// `authorization` goes to the scheme, host and port of the request and to no other (R8, T26), what is
    /// configured for an endpoint (headers, certificates) to the endpoint's. Once the way has led elsewhere
    /// nothing of it is sent again, not even back home.
    pub(crate) async fn send(
        &self,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let refuse = |source| RegistryError::Redirect {
            context: ask.context.boxed(),
            source,
        };
        let limit = self.config().redirects;
        let mut url = ask.url.clone();
        let mut at_home = true;
        for turn in 0..=limit {
            let is_endpoint = |endpoint: &&Endpoint| *endpoint.origin() == Origin::of(&url);
            let hop = Hop {
                url: &url,
                authorization: authorization.filter(|_| at_home),
                endpoint: ask.party.endpoint().filter(|_| at_home).filter(is_endpoint),
                is_first: turn == 0,
            };
            let response = self.send_once(ask, &hop).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Answer {
                    response,
                    url,
                    at_home,
                });
            }
            if ask.form.is_some() {
                return Err(refuse(RedirectError::Post));
            }
            if !matches!(ask.method, Method::GET | Method::HEAD) {
                return Err(refuse(RedirectError::Write));
            }
            url = target(&url, response.headers()).map_err(refuse)?;
            at_home &= url.origin() == ask.url.origin();
        }
        Err(refuse(RedirectError::TooMany(limit)))
    }

    /// Makes the request with a body that comes piece by piece, and follows no redirect.
    pub(crate) async fn send_stream(
        &self,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
        (body, range): (StreamingBody, Option<HeaderValue>),
    ) -> Result<Answer, RegistryError> {
        let hop = Hop {
            url: &ask.url,
            authorization,
            endpoint: ask.party.endpoint(),
            is_first: true,
        };
        let transport = self.transport_for(ask, &hop)?;
        let request = ask.head(&hop);
        let mut request = request.ok_or_else(|| ask.failed(SendError::Uri, &hop))?;
        let octets = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, octets);
        if let Some(range) = range {
            request.headers_mut().insert(CONTENT_RANGE, range);
        }
        tracing::debug!(context = %ask.context, method = %ask.method, "upload");
        let sent = transport
            .send_stream(request.map(|()| body), ask.patience)
            .await;
        let response = sent.map_err(|error| ask.failed(error, &hop))?;
        if matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Err(RegistryError::Redirect {
                context: ask.context.boxed(),
                source: RedirectError::Write,
            });
        }
        Ok(Answer {
            response,
            url: ask.url.clone(),
            at_home: true,
        })
    }

    async fn send_once(&self, ask: &Ask<'_>, hop: &Hop<'_>) -> Result<Response, RegistryError> {
        let transport = self.transport_for(ask, hop)?;
        let request = ask.request(hop);
        let request = request.ok_or_else(|| ask.failed(SendError::Uri, hop))?;
        tracing::debug!(context = %ask.context, host = hop.url.host_str(), span = ?ask.span, "request");
        let sent = transport.send(request, ask.patience).await;
        let response = sent.map_err(|error| ask.failed(error, hop))?;
        if let Some(endpoint) = hop.endpoint {
            endpoint.note_answer();
        }
        tracing::debug!(
            context = %ask.context,
            status = response.status().as_u16(),
            version = ?response.version(),
            "response"
        );
        Ok(response)
    }

    fn transport_for(&self, ask: &Ask<'_>, hop: &Hop<'_>) -> Result<Transport, RegistryError> {
        let plan = match (hop.endpoint, ask.party.endpoint()) {
            (Some(endpoint), _) => Plan::endpoint(endpoint, self.config()),
            (None, known) => {
                let plan = Plan::stranger(hop.url, ask.party.proxies(), self.config());
                // The same host at another port is where the configuration says that it is.
                let same_host = match ask.party {
                    Party::Named => ask.url.host() == hop.url.host(),
                    Party::Endpoint(_) | Party::Stranger(_) => {
                        known.is_some_and(|known| known.origin().parsed_host() == hop.url.host())
                    }
                };
                if same_host { plan.anywhere() } else { plan }
            }
        };
        let plan = match ask.span {
            Span::From(_) => plan,
            Span::Between(..) => plan.apart(),
        };
        self.transport(plan).map_err(|source| RegistryError::Setup {
            context: ask.context.boxed(),
            source,
        })
    }

    /// Makes the body of `response` readable.
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

    fn failed(kind: RequestKind, is_first: bool, error: SendError) -> RegistryError {
        let context = RequestContext {
            origin: Origin::parse("https://registry.test").unwrap(),
            repository: "app".to_owned(),
            kind,
        };
        let url = Url::parse("https://elsewhere.test/x?signature=hunter2").unwrap();
        let ask = Ask::get(
            &context,
            Party::Stranger(None),
            url.clone(),
            Duration::from_secs(1),
        );
        let hop = Hop {
            url: &url,
            authorization: None,
            endpoint: None,
            is_first,
        };
        ask.failed(error, &hop)
    }

    fn refused() -> SendError {
        let address = "169.254.169.254".parse().unwrap();
        SendError::RefusedAddress { address }
    }

    /// D4, T25: a name that turns out to be an address of the link is refused as the address would be.
    #[test]
    fn a_name_that_leads_onto_the_link_is_refused() {
        let realm = failed(RequestKind::Token, true, refused());
        let RegistryError::Auth {
            source: AuthError::Realm { realm, source },
            ..
        } = realm
        else {
            panic!("{realm:?}")
        };
        assert_eq!(
            (&*realm, source),
            ("https://elsewhere.test", RealmError::Inside)
        );
        for (kind, is_first) in [(RequestKind::Token, false), (RequestKind::Tags, false)] {
            let error = failed(kind, is_first, refused());
            assert!(
                matches!(
                    error,
                    RegistryError::Redirect {
                        source: RedirectError::Inside,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
}
