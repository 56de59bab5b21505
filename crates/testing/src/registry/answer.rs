//! Answers one request: by the script where there is one, else by the content.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Method, Response, StatusCode};
use tokio::io::AsyncWriteExt;

use super::content::Resource;
use super::flow::{Flow, Hangup, Pace};
use super::record::RecordedRequest;
use super::reply::{self, Asked, Reply};
use super::script::{Answer, Key};
use super::tls::TlsHandshake;
use super::wire::Wire;
use super::{Shared, locked};

/// More than any test pushes at a time.
const BODY_LIMIT: usize = 64 << 20;

/// What is known of the connection on which requests come.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    pub(super) wire: Arc<Wire>,
    /// Counted from 0.
    pub(super) number: u64,
    pub(super) handshake: Option<TlsHandshake>,
}

type Body = UnsyncBoxBody<Bytes, Hangup>;

/// Answers one request.
pub(super) async fn respond(
    visit: Arc<Visit>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Hangup> {
    let shared = &*visit.shared;
    let (head, body) = request.into_parts();
    let resource = Resource::of(&shared.layout.root, head.uri.path());
    let keys = resource.keys(head.uri.path());
    let hear = shared.state().scripts.hear(&keys, &head.method);
    let body = heard(body, hear.unwrap_or(BODY_LIMIT)).await?;
    let is_whole = hear.is_none();
    let named = head.headers.get(HOST).and_then(|it| it.to_str().ok());
    let authority = head.uri.authority().map(ToString::to_string);
    let request = RecordedRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        version: head.version,
        host: authority.or_else(|| named.map(str::to_owned)),
        handshake: visit.handshake.clone(),
        headers: head.headers,
        body,
        connection: visit.number,
        status: None,
        sent: Arc::default(),
    };
    let number = shared.record(request.clone());
    let (reply, answer) = decide(shared, &request, is_whole);
    if let Some(gate) = &answer.gate {
        gate.pass().await;
    }
    if !is_whole {
        return Err(Hangup);
    }
    if let Some(raw) = &answer.raw {
        return Err(write_raw(&visit.wire, raw, &answer, &request.sent).await);
    }
    shared.answered(number, reply.status);
    Ok(response(&visit, &request, reply, answer))
}

/// Reads the body of a request, up to so many bytes.
async fn heard(mut body: Incoming, most: usize) -> Result<Bytes, Hangup> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Hangup)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        bytes.extend_from_slice(&data);
        if bytes.len() >= most {
            bytes.truncate(most);
            break;
        }
    }
    Ok(bytes.into())
}

/// Finds the answer: the script's before the door, the door's, the script's behind it, or the truth.
fn decide(shared: &Shared, request: &RecordedRequest, is_whole: bool) -> (Reply, Answer) {
    if shared.acceptor.is_some() && request.handshake.is_none() {
        return (not_tls(), Answer::default());
    }
    let resource = Resource::of(&shared.layout.root, &request.path);
    let keys = resource.keys(&request.path);
    let mut state = shared.state();
    let every = state.scripts.next(&[Key::Every], &request.method, true);
    let scripted = every.or_else(|| state.scripts.next(&keys, &request.method, true));
    if scripted.is_none() && needs_key(&resource) {
        let repository = resource.repository();
        let refusal = state.door.refusal(
            &request.headers,
            repository,
            actions(&request.method),
            &shared.url,
        );
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
            .map(|name| format!("repository:{name}:{}", actions(&request.method)));
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
        body: &request.body,
        is_whole,
    };
    if let Some(stand_in) = stand_in(&answer) {
        return (shaped(stand_in, &answer, &asked), answer);
    }
    let truth = if resource == Resource::Token {
        let RecordedRequest {
            method,
            headers,
            query,
            body,
            ..
        } = request;
        state.door.token(method, query.as_deref(), headers, body)
    } else {
        truth(shared, &resource, &asked, request)
    };
    (shaped(truth, &answer, &asked), answer)
}

/// Answers from the content that is asked for, or sends to where the blobs are.
fn truth(
    shared: &Shared,
    resource: &Resource,
    asked: &Asked<'_>,
    request: &RecordedRequest,
) -> Reply {
    let namespace = request.parameter("ns");
    let source = namespace.and_then(|name| shared.sources.iter().find(|(of, _)| *of == name));
    let content = source.map_or(&shared.content, |(_, content)| content);
    let reply = reply::reply(&mut locked(content), resource, asked, &shared.layout);
    match (&shared.storage, resource) {
        (Some(storage), Resource::Blob { digest, .. }) if reply.status == StatusCode::OK => {
            storage.redirect(asked.method, digest, reply.body)
        }
        _ => reply,
    }
}

/// What a token has to allow who makes such a request.
fn actions(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "pull",
        _ => "pull,push",
    }
}

/// What Go's servers say to those who do not speak TLS.
fn not_tls() -> Reply {
    let message = "Client sent an HTTP request to an HTTPS server.\n";
    Reply::new(StatusCode::BAD_REQUEST, "text/plain", message)
}

/// The token endpoint and plain paths (a CDN's, say) are open to all.
fn needs_key(resource: &Resource) -> bool {
    !matches!(resource, Resource::Token | Resource::Other)
}

/// Changes the truth as the script wants it.
fn shaped(mut reply: Reply, answer: &Answer, asked: &Asked<'_>) -> Reply {
    if let Some(status) = answer.status {
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

/// What is answered without a look at the truth, which then does not change either: no token is issued, no
/// signature used up.
fn stand_in(answer: &Answer) -> Option<Reply> {
    if let Some((media_type, bytes)) = &answer.page {
        return Some(Reply::new(StatusCode::OK, media_type, bytes.clone()));
    }
    let status = answer.status.filter(|status| !status.is_success())?;
    let code = match status {
        StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
        StatusCode::FORBIDDEN => "DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    if status.is_redirection() {
        return Some(Reply::new(status, "text/plain", ""));
    }
    let reason = status.canonical_reason().unwrap_or_default();
    Some(Reply::error(status, code, reason))
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
    visit: &Visit,
    request: &RecordedRequest,
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
            link: visit.shared.link.clone(),
            wire: visit.wire.clone(),
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
