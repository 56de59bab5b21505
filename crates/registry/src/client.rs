//! The connections to registries, and the one way to make a request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{Certificate, Method, NoProxy, Proxy, Response, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::timeout;
use url::Url;
use windlass_oci::RepositoryName;

use crate::body::Body;
use crate::cause::Cause;
use crate::challenge::Challenge;
use crate::config::RegistryConfig;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::{Asked, Phase, RegistryError};
use crate::redirect::{RedirectError, target};
use crate::repository::Repository;
use crate::resolver::Resolver;

/// What `reqwest` is never to send through a proxy.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// Holds the connections to registries. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// One of [`RegistryConfig::extra_roots`] is not a certificate.
    #[error("certificate authority {index} cannot be used: {reason}")]
    Certificate {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// One of [`RegistryConfig::proxies`] is not the URL of a proxy.
    #[error("the {scheme} proxy is not a usable URL")]
    Proxy {
        /// For which scheme it was to be used.
        scheme: &'static str,
    },
    /// The rest of the configuration does not work out.
    #[error("cannot set up connections")]
    Setup(#[source] reqwest::Error),
}

struct Shared {
    http: reqwest::Client,
    config: RegistryConfig,
    resolver: Resolver,
    /// How endpoints wanted to be authenticated to when they last said so. Saves the next session the
    /// request that would only be answered with 401.
    challenges: Mutex<HashMap<Endpoint, Challenge>>,
}

/// A request, whole but for the authorization.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) asked: &'a Asked,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a HeaderValue>,
    /// Where in the body to begin; 0 asks for all of it.
    pub(crate) start: u64,
    /// Makes it a POST. It carries a secret.
    pub(crate) form: Option<String>,
    /// How long to wait for the head of each response.
    pub(crate) patience: Duration,
}

/// A response, and whether it is from where the request was meant to go.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) url: Url,
    /// No redirect led to another scheme, host or port.
    pub(crate) at_home: bool,
}

impl Client {
    /// Makes a client. Nothing is connected yet.
    pub fn new(config: RegistryConfig) -> Result<Self, ClientError> {
        let resolver = Resolver::default();
        let http = build(&config, &resolver)?;
        let challenges = Mutex::default();
        Ok(Self(Arc::new(Shared {
            http,
            config,
            resolver,
            challenges,
        })))
    }

    /// Returns the configuration the client was made with.
    pub fn config(&self) -> &RegistryConfig {
        &self.0.config
    }

    /// Opens a session with the repository `name` at `endpoint`. Nothing is sent yet.
    ///
    /// `credentials` must be those for this endpoint: they are sent to it, and to the token server it names,
    /// and nowhere else. Tokens belong to the session; another one proves itself anew.
    pub fn repository(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        credentials: Credentials,
    ) -> Repository {
        Repository::new(self.clone(), endpoint, name, credentials)
    }

    /// Makes the request and follows redirects by hand.
    ///
    /// `authorization` goes to the scheme, host and port of the request and to no other (R8, T26); once the
    /// way has led elsewhere it is not sent again, not even back home.
    pub(crate) async fn send(
        &self,
        ask: &Ask<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let refuse = |source| RegistryError::Redirect {
            asked: ask.asked.boxed(),
            source,
        };
        let mut url = ask.url.clone();
        let mut at_home = true;
        for _ in 0..=self.0.config.redirects {
            let authorization = authorization.filter(|_| at_home);
            let response = self.send_once(ask, &url, authorization).await?;
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
            url = target(&url, response.headers()).map_err(refuse)?;
            at_home &= url.origin() == ask.url.origin();
        }
        Err(refuse(RedirectError::TooMany(self.0.config.redirects)))
    }

    async fn send_once(
        &self,
        ask: &Ask<'_>,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let method = if ask.form.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = self
            .0
            .http
            .request(method, url.clone())
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if ask.start > 0 {
            request = request.header(RANGE, format!("bytes={}-", ask.start));
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(form) = &ask.form {
            let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            request = request.header(CONTENT_TYPE, form_type).body(form.clone());
        }
        tracing::debug!(asked = %ask.asked, host = url.host_str(), start = ask.start, "request");
        let response = timeout(ask.patience, request.send())
            .await
            .map_err(|_| RegistryError::Timeout {
                asked: ask.asked.boxed(),
                waiting_for: Phase::Answer,
            })?
            .map_err(|error| Cause::new(error).before_answer(ask.asked))?;
        tracing::debug!(
            asked = %ask.asked,
            status = response.status().as_u16(),
            version = ?response.version(),
            "response"
        );
        Ok(response)
    }

    /// Makes the body of `response` readable.
    pub(crate) fn body(&self, response: Response) -> Body {
        Body::new(response, &self.0.config.timeouts)
    }

    /// Has the addresses looked at that the name of a token server resolves to.
    pub(crate) fn guard(&self, host: &str) {
        self.0.resolver.guard(host);
    }

    /// Remembers how `endpoint` wants to be authenticated to.
    pub(crate) fn learn(&self, endpoint: &Endpoint, challenge: &Challenge) {
        let mut challenges = self
            .0
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        challenges.insert(endpoint.clone(), challenge.clone());
    }

    /// Returns how `endpoint` wanted to be authenticated to.
    pub(crate) fn learned(&self, endpoint: &Endpoint) -> Option<Challenge> {
        let challenges = self
            .0
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        challenges.get(endpoint).cloned()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

/// Sets up `reqwest` to do nothing by itself: no redirects, no proxies of the system, no `Referer`.
fn build(config: &RegistryConfig, resolver: &Resolver) -> Result<reqwest::Client, ClientError> {
    let roots = roots(config)?;
    let proxies = proxies(config)?;
    let setup = || {
        let builder = reqwest::Client::builder()
            .user_agent(&config.user_agent)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .dns_resolver(Arc::new(resolver.clone()))
            .connect_timeout(config.timeouts.connect)
            .pool_idle_timeout(Duration::from_secs(90))
            // Throughput is at most a window a round trip; hyper's own windows cost half of it.
            .http2_initial_stream_window_size(8 << 20)
            .http2_initial_connection_window_size(16 << 20)
            .http2_max_frame_size(1 << 20)
            .http2_max_header_list_size(64 << 10);
        proxies
            .iter()
            .cloned()
            .fold(builder, reqwest::ClientBuilder::proxy)
    };
    match setup().tls_certs_merge(roots.iter().cloned()).build() {
        Ok(client) => Ok(client),
        // The extra roots are good, so it is the system that has none. Plain http is still possible where
        // it is allowed; https then fails for want of a root, and says so.
        Err(_) => setup()
            .tls_certs_only(roots)
            .build()
            .map_err(ClientError::Setup),
    }
}

fn roots(config: &RegistryConfig) -> Result<Vec<Certificate>, ClientError> {
    let mut roots = Vec::new();
    for (index, pem) in config.extra_roots.iter().enumerate() {
        let refuse = |reason: String| ClientError::Certificate { index, reason };
        let before = roots.len();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|error| refuse(error.to_string()))?;
            // Tried out here: `reqwest` would say neither which one it is nor why.
            let added = RootCertStore::empty().add(der.clone());
            added.map_err(|error| refuse(error.to_string()))?;
            roots.push(Certificate::from_der(&der).map_err(ClientError::Setup)?);
        }
        if roots.len() == before {
            return Err(refuse("there is no PEM certificate in it".to_owned()));
        }
    }
    Ok(roots)
}

fn proxies(config: &RegistryConfig) -> Result<Vec<Proxy>, ClientError> {
    let listed = config.proxies.no_proxy.as_deref().unwrap_or_default();
    let direct = NoProxy::from_string(&format!("{NEVER_PROXIED},{listed}"));
    let mut proxies = Vec::new();
    for (scheme, proxy) in [
        ("http", &config.proxies.http),
        ("https", &config.proxies.https),
    ] {
        let Some(proxy) = proxy else { continue };
        let made = match scheme {
            "http" => Proxy::http(proxy.expose()),
            _ => Proxy::https(proxy.expose()),
        };
        let made = made.map_err(|_| ClientError::Proxy { scheme })?;
        proxies.push(made.no_proxy(direct.clone()));
    }
    Ok(proxies)
}
