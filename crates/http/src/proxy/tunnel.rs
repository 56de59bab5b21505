//! Opens tunnels through HTTP proxies with `CONNECT` (RFC 9110 section 9.3.6).

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::cause::Cause;
use crate::error::ProxyFailure;
use crate::target::TargetOrigin;

use super::server::ProxyServer;

/// The maximum size of the head of a response, in bytes.
const MAX_HEAD_SIZE: usize = 16 << 10;

/// The maximum number of headers of a response.
const MAX_HEADERS: usize = 64;

/// Requests a tunnel to `target` from `proxy` at the other end of `stream`. On success, `stream` is connected
/// to the target.
pub(crate) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &ProxyServer,
    target: &TargetOrigin,
    user_agent: &HeaderValue,
) -> Result<(), ProxyFailure> {
    let broken = |error| ProxyFailure::Transport {
        source: Cause::new(error),
    };
    let request = request(proxy, target, user_agent);
    stream.write_all(&request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut head = Vec::new();
    loop {
        if head.len() >= MAX_HEAD_SIZE {
            return Err(ProxyFailure::NotAProxy);
        }
        let read = stream.read_buf(&mut head).await.map_err(broken)?;
        if let Some(status) = parse(&head)? {
            return check_status(status);
        }
        if read == 0 {
            return Err(ProxyFailure::NotAProxy);
        }
    }
}

fn request(proxy: &ProxyServer, target: &TargetOrigin, user_agent: &HeaderValue) -> Vec<u8> {
    let TargetOrigin { host, port, .. } = target;
    let mut request =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    let authorization = proxy.authorization();
    let headers = [
        ("User-Agent", Some(user_agent)),
        ("Proxy-Authorization", authorization.as_ref()),
    ];
    for (name, value) in headers {
        let Some(value) = value else { continue };
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Returns the status once the head is complete.
fn parse(head: &[u8]) -> Result<Option<u16>, ProxyFailure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(head);
    let status = response.code;
    match parsed {
        Ok(httparse::Status::Partial) => Ok(None),
        // A successful response has no body: the bytes that follow would come from the origin, which in TLS
        // sends nothing before the client does.
        Ok(httparse::Status::Complete(length)) => match status {
            Some(200..300) if length < head.len() => Err(ProxyFailure::NotAProxy),
            status => Ok(status),
        },
        Err(_) => Err(ProxyFailure::NotAProxy),
    }
}

fn check_status(status: u16) -> Result<(), ProxyFailure> {
    match status {
        200..300 => Ok(()),
        407 => Err(ProxyFailure::Credentials),
        status => Err(ProxyFailure::Status { status }),
    }
}
