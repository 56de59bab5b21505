//! A client of a few lines, for what servers must be told before a test begins.

use std::io;
use std::net::SocketAddr;
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends `request` over plain HTTP and waits for all of the answer. May be called from async tests.
pub(super) fn exchange(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> io::Result<Response<Bytes>> {
    // A runtime cannot be entered within another.
    let thread = thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(exchanged(address, request))
    });
    thread.join().expect("the client does not panic")
}

async fn exchanged(
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> io::Result<Response<Bytes>> {
    let host = address.to_string().parse();
    let host = host.expect("an address can stand in a header");
    request.headers_mut().insert(HOST, host);
    let stream = TcpStream::connect(address).await?;
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
