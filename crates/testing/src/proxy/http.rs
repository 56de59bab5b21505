//! An HTTP proxy: tunnels (`CONNECT`) and requests in absolute form (RFC 9110, 7.6 and 9.3.6).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use super::server::LoopbackServer;
use super::{ProxyBuilder, ProxyRules, ProxyState};

/// An HTTP proxy that runs until it is dropped.
#[derive(Debug)]
pub struct HttpProxy {
    state: Arc<ProxyState<ProxyRequest>>,
    server: LoopbackServer,
}

/// A request to an HTTP proxy. Prints as `CONNECT reg.test:443 200`.
#[derive(Clone, Debug)]
pub struct ProxyRequest {
    /// The method; `CONNECT` for a tunnel.
    pub method: Method,
    /// The target: `reg.test:443` for a tunnel, else a URL.
    pub target: String,
    /// All headers, without those inside a tunnel.
    pub headers: HeaderMap,
    /// The status of the proxy's own response; 200 for forwarded requests.
    pub status: u16,
}

type ProxyBody = UnsyncBoxBody<Bytes, hyper::Error>;

impl HttpProxy {
    /// Configures a proxy.
    pub fn builder() -> ProxyBuilder<Self> {
        ProxyBuilder::new(Self::start)
    }

    fn start(rules: ProxyRules) -> Self {
        let state = ProxyState::new(rules);
        let serving = state.clone();
        let server = LoopbackServer::start(move |stream| serve(serving.clone(), stream));
        Self { state, server }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns its URL, without a login: `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Responds to all requests with `status` from now on.
    pub fn refuse(&self, status: u16) {
        self.state.refuse(Some(status));
    }

    /// Ends the effect of [`refuse`](Self::refuse).
    pub fn allow(&self) {
        self.state.refuse(None);
    }

    /// Returns all requests so far, in order.
    pub fn requests(&self) -> Vec<ProxyRequest> {
        self.state.requests()
    }

    /// Returns all requests so far as lines, `CONNECT reg.test:443 200`.
    pub fn log(&self) -> Vec<String> {
        self.requests().iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for ProxyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.target, self.status)
    }
}

async fn serve(state: Arc<ProxyState<ProxyRequest>>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { answer(&state, request).await }
    });
    let builder = hyper::server::conn::http1::Builder::new();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // An error means that the client, or the server behind the proxy, has left.
    drop(connection.with_upgrades().await);
}

async fn answer(
    state: &ProxyState<ProxyRequest>,
    request: Request<Incoming>,
) -> Result<Response<ProxyBody>, hyper::Error> {
    let decision = decide(state, &request).await;
    let status = decision.as_ref().err().copied().unwrap_or(StatusCode::OK);
    state.record(ProxyRequest {
        method: request.method().clone(),
        target: request.uri().to_string(),
        headers: request.headers().clone(),
        status: status.as_u16(),
    });
    match decision {
        Err(status) => Ok(refusal(status)),
        Ok(upstream) if request.method() == Method::CONNECT => {
            tokio::spawn(tunnel(request, upstream));
            Ok(Response::new(nothing()))
        }
        Ok(upstream) => forward(request, upstream).await,
    }
}

/// Connects to the target of the request, or returns the status of the refusal.
async fn decide(
    state: &ProxyState<ProxyRequest>,
    request: &Request<Incoming>,
) -> Result<TcpStream, StatusCode> {
    if let Some(status) = state.refusal() {
        return Err(StatusCode::from_u16(status).expect("a status has three digits"));
    }
    if let Some((username, password)) = &state.rules.login {
        let expected = format!(
            "Basic {}",
            STANDARD.encode(format!("{username}:{password}"))
        );
        let shown = request.headers().get(PROXY_AUTHORIZATION);
        if shown.is_none_or(|shown| shown.as_bytes() != expected.as_bytes()) {
            return Err(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        }
    }
    let authority = request.uri().authority().ok_or(StatusCode::BAD_REQUEST)?;
    let port = authority.port_u16().unwrap_or(80);
    let target = format!("{}:{port}", authority.host());
    let address = state.rules.find(&target).ok_or(StatusCode::BAD_GATEWAY)?;
    let stream = TcpStream::connect(address).await;
    stream.map_err(|_| StatusCode::BAD_GATEWAY)
}

fn refusal(status: StatusCode) -> Response<ProxyBody> {
    let mut response = Response::new(nothing());
    *response.status_mut() = status;
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let challenge = HeaderValue::from_static("Basic realm=\"proxy\"");
        response.headers_mut().insert(PROXY_AUTHENTICATE, challenge);
    }
    response
}

async fn tunnel(request: Request<Incoming>, mut upstream: TcpStream) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else {
        return;
    };
    let mut client = TokioIo::new(upgraded);
    // Either side may close the tunnel.
    drop(copy_bidirectional(&mut client, &mut upstream).await);
}

/// Forwards a request in origin form, without the headers for the proxy.
async fn forward(
    mut request: Request<Incoming>,
    upstream: TcpStream,
) -> Result<Response<ProxyBody>, hyper::Error> {
    let io = TokioIo::new(upstream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(async move { drop(connection.await) });
    let host = request.uri().authority().map(ToString::to_string);
    let host = HeaderValue::try_from(host.unwrap_or_default()).expect("it was parsed");
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    let headers = request.headers_mut();
    for name in [&PROXY_AUTHORIZATION, &CONNECTION] {
        headers.remove(name);
    }
    headers.insert(HOST, host);
    let response = sender.send_request(request).await?;
    Ok(response.map(BodyExt::boxed_unsync))
}

fn nothing() -> ProxyBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
