//! Takes connections and answers requests: by the script where there is one, else by the content.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Shared;
use super::content::Resource;
use super::flow::{Flow, Hangup, Pace};
use super::record::Request;
use super::reply::{self, Asked, Reply};
use super::script::Answer;
use super::wire::{Wire, Wired};

/// No request to a registry that only serves has more to say.
const BODY_LIMIT: usize = 1 << 20;

/// Whether the registry is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Up,
    /// Connections are reset as they come.
    Down,
    /// The end.
    Off,
}

type Body = UnsyncBoxBody<Bytes, Hangup>;

/// Serves until the power goes off.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener on loopback");
    let mut power = shared.power.subscribe();
    let connections = AtomicU64::new(0);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = until(&mut power, |power| power == Power::Off) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let number = connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(noting_panics(shared.clone(), stream, number));
    }
}

/// A test whose registry panicked must not pass, so the panic is kept for the end.
async fn noting_panics(shared: Arc<Shared>, stream: TcpStream, number: u64) {
    let connection = tokio::spawn(powered(shared.clone(), stream, number));
    if connection.await.is_err_and(|error| error.is_panic()) {
        shared.panicked.store(true, Ordering::Relaxed);
    }
}

/// Serves a connection as long as the power is up, and resets it when it goes down.
async fn powered(shared: Arc<Shared>, stream: TcpStream, number: u64) {
    let Ok(wire) = Wire::new(&stream).map(Arc::new) else {
        return;
    };
    let mut power = shared.power.subscribe();
    let down = wire.clone();
    tokio::select! {
        biased;
        () = until(&mut power, |power| power != Power::Up) => down.reset_on_close(),
        () = connection(shared, stream, wire, number) => {}
    }
}

async fn until(power: &mut watch::Receiver<Power>, condition: impl Fn(Power) -> bool) {
    // An error means that the registry is gone, which is as good as off.
    drop(power.wait_for(|power| condition(*power)).await);
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, wire: Arc<Wire>, number: u64) {
    drop(stream.set_nodelay(true));
    http(shared, stream, wire, number, false).await;
}

async fn http(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    wire: Arc<Wire>,
    number: u64,
    http2: bool,
) {
    let io = Wired::new(TokioIo::new(stream), wire.clone());
    let service = service_fn(move |request| respond(shared.clone(), wire.clone(), number, request));
    // An error is a client that left, or a script that hung up: both are meant to happen.
    if http2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(io, service).await);
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new());
        drop(builder.serve_connection(io, service).await);
    }
}

/// Answers one request.
async fn respond(
    shared: Arc<Shared>,
    wire: Arc<Wire>,
    connection: u64,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Hangup> {
    let (head, body) = request.into_parts();
    let limited = http_body_util::Limited::new(body, BODY_LIMIT);
    let body = limited.collect().await.map_err(|_| Hangup)?.to_bytes();
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        connection,
        status: None,
        sent: Arc::default(),
    };
    let number = shared.record(request.clone());
    let (reply, answer) = decide(&shared, &request);
    if let Some(gate) = &answer.gate {
        gate.pass().await;
    }
    if let Some(raw) = &answer.raw {
        return Err(write_raw(&wire, raw, &answer, &request.sent).await);
    }
    shared.answered(number, reply.status);
    Ok(response(&shared, &request, wire, reply, answer))
}

/// Finds the answer: the script's before the door, the door's, the script's behind it, or the truth.
fn decide(shared: &Shared, request: &Request) -> (Reply, Answer) {
    let resource = Resource::of(&request.path);
    let keys = resource.keys(&request.path);
    let mut state = shared.state();
    let scripted = state.scripts.next(&keys, &request.method, true);
    if scripted.is_none() && needs_key(&resource) {
        let repository = resource.repository();
        let refusal = state
            .door
            .refusal(&request.headers, repository, &shared.url);
        if let Some(refusal) = refusal {
            return (refusal, Answer::default());
        }
    }
    let scripted = scripted.or_else(|| state.scripts.next(&keys, &request.method, false));
    let answer = scripted.unwrap_or_default();
    if answer.expire_token {
        state.door.expire_tokens();
        let scope = resource
            .repository()
            .map(|name| format!("repository:{name}:pull"));
        let challenge = state
            .door
            .challenge(scope.as_deref(), "invalid_token", &shared.url);
        return (challenge, answer);
    }
    let asked = Asked {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        headers: &request.headers,
    };
    let truth = if resource == Resource::Token {
        let Request {
            method,
            headers,
            query,
            body,
            ..
        } = request;
        state.door.token(method, query.as_deref(), headers, body)
    } else {
        reply::reply(&state.content, &resource, &asked, shared.tags_per_page)
    };
    (shaped(truth, &answer, &asked), answer)
}

/// The token endpoint and plain paths (a CDN's, say) are open to all.
fn needs_key(resource: &Resource) -> bool {
    !matches!(resource, Resource::Token | Resource::Other)
}

/// Changes the truth as the script wants it.
fn shaped(mut reply: Reply, answer: &Answer, asked: &Asked<'_>) -> Reply {
    if let Some(status) = answer.status {
        if !status.is_success() {
            reply = stand_in(status);
        }
        reply.status = status;
    }
    if let Some(body) = &answer.body {
        reply.body = body.clone();
        if answer.status.is_none() {
            reply.status = StatusCode::OK;
        }
    }
    if !answer.corrupt.is_empty() {
        reply.body = corrupted(&reply.body, &answer.corrupt);
    }
    reply::ranged(reply, asked, answer.range)
}

/// The body and headers of a scripted error or redirect.
fn stand_in(status: StatusCode) -> Reply {
    let code = match status {
        StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
        StatusCode::FORBIDDEN => "DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    if status.is_redirection() {
        return Reply::new(status, "text/plain", "");
    }
    Reply::error(status, code, status.canonical_reason().unwrap_or_default())
}

fn corrupted(bytes: &Bytes, offsets: &[u64]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for offset in offsets {
        let byte = usize::try_from(*offset)
            .ok()
            .and_then(|at| bytes.get_mut(at));
        *byte.expect("the byte to corrupt is in the content") ^= 1;
    }
    bytes.into()
}

/// Puts the reply on its way.
fn response(
    shared: &Shared,
    request: &Request,
    wire: Arc<Wire>,
    reply: Reply,
    answer: Answer,
) -> Response<Body> {
    let mut headers = reply.headers.clone();
    if !answer.course.endless {
        headers.extend([reply::content_length(&reply)]);
    }
    for (name, value) in answer.headers {
        match value {
            Some(value) => drop(headers.insert(name, value)),
            None => drop(headers.remove(name)),
        }
    }
    let empty = request.method == Method::HEAD || reply.status == StatusCode::NO_CONTENT;
    let body = if empty {
        let empty = Full::default().map_err(|never: Infallible| match never {});
        empty.boxed_unsync()
    } else {
        let flow = Flow {
            bytes: reply.body,
            course: answer.course,
            link: shared.link.clone(),
            wire,
            sent: request.sent.clone(),
        };
        StreamBody::new(flow.into_stream()).boxed_unsync()
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

/// Writes the script's own bytes to the socket, around hyper, which is then told to hang up.
async fn write_raw(wire: &Wire, bytes: &[u8], answer: &Answer, sent: &AtomicU64) -> Hangup {
    let Ok(mut socket) = wire.raw() else {
        return Hangup;
    };
    let pace = answer.course.rate.map(Pace::new);
    let stall = answer.course.stall.and_then(|at| usize::try_from(at).ok());
    let piece = if pace.is_some() {
        1
    } else {
        bytes.len().max(1)
    };
    for piece in bytes[..stall.unwrap_or(bytes.len()).min(bytes.len())].chunks(piece) {
        if let Some(pace) = &pace {
            pace.pass(piece.len() as u64).await;
        }
        if socket.write_all(piece).await.is_err() {
            return Hangup;
        }
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    if stall.is_some() {
        std::future::pending::<()>().await;
    }
    Hangup
}
