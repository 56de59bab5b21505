//! `moto_server`, which plays S3, behind a recorder of who asked it what, and how.

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

/// The bucket that is there from the start.
pub(super) const BUCKET: &str = "hold";
/// The access key; `moto` takes any.
pub(super) const ACCESS_KEY: &str = "windlass-access-key";
/// The secret key.
pub(super) const SECRET_KEY: &str = "windlass-secret-key";

/// Not the host that registries are on: a redirect to here leaves the origin in every respect.
const RECORDER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A running `moto_server` with one bucket, whose content is in its memory; killed on drop.
///
/// Requests reach it through a recorder, at another address of loopback than registries listen on. As S3
/// does, and `moto` does not, the recorder refuses a presigned URL that comes with an `Authorization`.
/// Nobody checks signatures, nor whether they have expired.
#[derive(Debug)]
pub struct S3 {
    // First, so that nobody asks a server that is gone.
    recorder: LocalServer,
    moto: ServerProcess,
    requests: Arc<Mutex<Vec<S3Request>>>,
}

/// What the recorder saw of a request. Keys and signatures are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// Whether the query carries a signature.
    pub is_presigned: bool,
    /// Whether there was an `Authorization` header, of whatever kind.
    pub has_authorization: bool,
    /// Whether there was a cookie.
    pub has_cookie: bool,
    /// The `Range` asked for.
    pub range: Option<String>,
    /// The status answered.
    pub status: u16,
}

impl S3 {
    /// Starts the server with its log in `dir`.
    ///
    /// # Errors
    /// When the server is missing, or ends or stays silent instead of listening.
    pub fn start(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut moto = command("moto_server");
        moto.args(["-H", "127.0.0.1", "-p", "0"]);
        // Would be read for connections that are never made.
        moto.env_remove("AWS_CA_BUNDLE");
        let mut moto = ServerProcess::start(&mut moto, dir.join("moto.log"))?;
        let upstream = moto.wait_until_listening(listening_address)?;
        create_bucket(upstream)?;
        let requests = Arc::<Mutex<Vec<S3Request>>>::default();
        let record = Arc::clone(&requests);
        let recorder = LocalServer::start(RECORDER_ADDRESS, None, move |request| {
            let record = Arc::clone(&record);
            async move {
                let mut noted = S3Request::of(&request);
                let response = answer(upstream, &noted, request).await;
                noted.status = response.status().as_u16();
                lock(&record).push(noted);
                response
            }
        })?;
        Ok(Self {
            recorder,
            moto,
            requests,
        })
    }

    /// The URL that registries store to and clients are redirected to, without a slash at the end.
    pub fn url(&self) -> String {
        self.recorder.url()
    }

    /// The address in that URL.
    pub fn address(&self) -> SocketAddr {
        self.recorder.address()
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.moto.pid()
    }

    /// The requests answered so far, the registry's own among them, in order.
    pub fn requests(&self) -> Vec<S3Request> {
        lock(&self.requests).clone()
    }

    /// The requests by presigned URL so far: those that a registry has redirected.
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
    mutex.lock().expect("nobody panics holding the record")
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
    *request.uri_mut() = Uri::try_from(format!("/{BUCKET}")).expect("a bucket's name is plain");
    let response = exchange(moto, request)?;
    match response.status() {
        StatusCode::OK => Ok(()),
        status => Err(io::Error::other(format!("moto makes no bucket: {status}"))),
    }
}

/// Answers as S3 does where `moto` does not, or else as `moto` does.
async fn answer(
    moto: SocketAddr,
    noted: &S3Request,
    request: Request<Incoming>,
) -> Response<ServiceBody> {
    if noted.is_presigned && noted.has_authorization {
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

/// Passes `request` on as it came: its `Host` is part of what was signed.
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

/// RFC 9110, section 7.6.1; and the recorder says itself that it wants to have the body.
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
