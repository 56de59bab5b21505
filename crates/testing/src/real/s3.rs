//! `moto_server` as a stand-in for S3, behind a proxy that records requests.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, COOKIE, EXPECT, HeaderMap, RANGE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::command;
use super::http::exchange;
use super::local_server::{LocalServer, ServiceBody, full};
use super::process::ServerProcess;

/// The bucket, created at the start.
pub(super) const BUCKET: &str = "hold";
/// The access key; `moto` accepts any.
pub(super) const ACCESS_KEY: &str = "windlass-access-key";
/// The secret key.
pub(super) const SECRET_KEY: &str = "windlass-secret-key";

/// Another host than that of registries, so that a redirect leads to another origin.
const RECORDER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A running `moto_server` with one bucket, whose content is in memory; killed on drop.
///
/// Requests go through a recording proxy, at another address of loopback than registries. As S3 does, and
/// `moto` does not, the proxy rejects a presigned URL with an `Authorization` header. Signatures and their
/// lifetimes are not checked.
#[derive(Debug)]
pub struct S3 {
    // Dropped first, so that no request reaches a stopped server.
    recorder: LocalServer,
    moto: ServerProcess,
    requests: Arc<Mutex<Vec<S3Request>>>,
}

/// A recorded request, without keys and signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// Whether the query carries a signature.
    pub is_presigned: bool,
    /// Whether there was an `Authorization` header.
    pub has_authorization: bool,
    /// Whether there was a cookie.
    pub has_cookie: bool,
    /// The `Range` header.
    pub range: Option<String>,
    /// The status of the response.
    pub status: u16,
}

impl S3 {
    /// Starts the server with its log in `dir`.
    ///
    /// # Errors
    /// If the program is missing, ends, or does not listen in time.
    pub fn start(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut moto = command("moto_server");
        moto.args(["-H", "127.0.0.1", "-p", "0"]);
        // It would be read without being used.
        moto.env_remove("AWS_CA_BUNDLE");
        let mut moto = ServerProcess::start(&mut moto, dir.join("moto.log"))?;
        let upstream = moto.wait_until_listening(listening_address)?;
        create_bucket(upstream)?;
        let requests = Arc::<Mutex<Vec<S3Request>>>::default();
        let record = Arc::clone(&requests);
        let recorder = LocalServer::start(RECORDER_ADDRESS, None, move |request| {
            let record = Arc::clone(&record);
            async move {
                let mut recorded = S3Request::of(&request);
                let response = answer(upstream, &recorded, request).await;
                recorded.status = response.status().as_u16();
                lock(&record).push(recorded);
                response
            }
        })?;
        Ok(Self {
            recorder,
            moto,
            requests,
        })
    }

    /// Returns the URL for registries and their clients, without a slash at the end.
    pub fn url(&self) -> String {
        self.recorder.url()
    }

    /// Returns the address in the URL.
    pub fn address(&self) -> SocketAddr {
        self.recorder.address()
    }

    /// Returns the process ID of the server.
    pub fn pid(&self) -> u32 {
        self.moto.pid()
    }

    /// Returns the requests so far, including those of the registry, in order.
    pub fn requests(&self) -> Vec<S3Request> {
        lock(&self.requests).clone()
    }

    /// Returns the requests with presigned URLs so far: those that a registry has redirected.
    pub fn presigned_requests(&self) -> Vec<S3Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.is_presigned);
        requests
    }
}

impl S3Request {
    fn of(request: &Request<Incoming>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let range = request.headers().get(RANGE).and_then(|it| it.to_str().ok());
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            is_presigned: query
                .split('&')
                .any(|pair| pair.starts_with("X-Amz-Signature=")),
            has_authorization: request.headers().contains_key(AUTHORIZATION),
            has_cookie: request.headers().contains_key(COOKIE),
            range: range.map(str::to_owned),
            status: 0,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no thread panics with the requests locked")
}

/// Finds ` * Running on http://127.0.0.1:41233` in the server's log.
fn listening_address(log: &str) -> Option<SocketAddr> {
    let rest = log.split_once("Running on http://")?.1;
    let (address, _) = rest.split_once(|c: char| c.is_whitespace() || c == '\u{1b}')?;
    address.parse().ok()
}

fn create_bucket(moto: SocketAddr) -> io::Result<()> {
    let mut request = Request::new(Full::<Bytes>::default());
    *request.method_mut() = Method::PUT;
    *request.uri_mut() =
        Uri::try_from(format!("/{BUCKET}")).expect("the name of the bucket is valid in a path");
    let response = exchange(moto, request)?;
    match response.status() {
        StatusCode::OK => Ok(()),
        status => Err(io::Error::other(format!(
            "moto did not create the bucket: {status}"
        ))),
    }
}

/// Responds as S3 does where `moto` differs, and otherwise forwards to `moto`.
async fn answer(
    moto: SocketAddr,
    recorded: &S3Request,
    request: Request<Incoming>,
) -> Response<ServiceBody> {
    if recorded.is_presigned && recorded.has_authorization {
        const TWO_KEYS: &str = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>";
        return plain(StatusCode::BAD_REQUEST, TWO_KEYS);
    }
    forwarded(moto, request)
        .await
        .unwrap_or_else(|_| plain(StatusCode::BAD_GATEWAY, "moto is gone"))
}

fn plain(status: StatusCode, body: &'static str) -> Response<ServiceBody> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response
}

/// Forwards `request` unchanged: its `Host` is part of the signature.
async fn forwarded(
    moto: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<ServiceBody>, Box<dyn std::error::Error + Send + Sync>> {
    remove_hop_by_hop(request.headers_mut());
    let stream = TcpStream::connect(moto).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await?;
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(BodyExt::boxed_unsync))
}

/// Removes hop-by-hop headers (RFC 9110, section 7.6.1), and `Expect`, which the proxy handles itself.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in ["connection", "keep-alive", EXPECT.as_str()] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let log = "\u{1b}[31m\u{1b}[1mWARNING: x\u{1b}[0m\n * Running on http://127.0.0.1:46403\n";
        assert_eq!(
            listening_address(log),
            Some(SocketAddr::from(([127, 0, 0, 1], 46403)))
        );
        assert_eq!(
            listening_address(" * Running on http://127.0.0.1:464"),
            None
        );
    }
}
