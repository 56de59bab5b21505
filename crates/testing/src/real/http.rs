//! A minimal HTTP client, for preparing servers and for requests to a Unix socket.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A request to a Unix socket, without a client library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketRequest {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// Headers besides `Host` and the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The response to a [`SocketRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketResponse {
    /// The status.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl SocketRequest {
    /// Prepares a request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it to `socket`, and waits for the whole response.
    ///
    /// # Errors
    /// If the request is invalid, or the response is incomplete.
    pub fn send(&self, socket: &Path) -> io::Result<SocketResponse> {
        let mut request = Request::builder()
            .method(&*self.method)
            .uri(&self.path)
            .header(HOST, "localhost");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body.clone())));
        let request = request.map_err(io::Error::other)?;
        let socket = socket.to_owned();
        let response = on_a_thread(async move {
            let stream = UnixStream::connect(socket).await?;
            exchanged(stream, request).await
        })?;
        let (head, body) = response.into_parts();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = head.headers.iter();
        Ok(SocketResponse {
            status: head.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                .collect(),
            body: body.into(),
        })
    }
}

/// Sends `request` over plain HTTP and waits for the whole response. May be called from async tests.
pub(super) fn exchange(
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> io::Result<Response<Bytes>> {
    let host = address.to_string().parse();
    let host = host.expect("an address can stand in a header");
    request.headers_mut().insert(HOST, host);
    on_a_thread(async move { exchanged(TcpStream::connect(address).await?, request).await })
}

/// Runs `work` on a thread of its own, because a runtime cannot be entered within another.
fn on_a_thread<T: Send + 'static>(
    work: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let thread = thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(work)
    });
    thread.join().expect("the client does not panic")
}

async fn exchanged(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> io::Result<Response<Bytes>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await;
    let (head, body) = response.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    connection.abort();
    Ok(Response::from_parts(head, body.to_bytes()))
}
