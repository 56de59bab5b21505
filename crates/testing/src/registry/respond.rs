//! Responds to a request: as scripted, or from the content of the registry.

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

use super::body_stream::{BodyStream, ConnectionAborted, RateLimiter};
use super::content::Resource;
use super::requests::RecordedRequest;
use super::response::{self, RegistryResponse, RequestParts};
use super::script::{RouteKey, ScriptedResponse};
use super::socket::ConnectionSocket;
use super::tls::TlsHandshake;
use super::{RegistryShared, locked};

/// The limit of a request body, in bytes; no test sends more.
const BODY_LIMIT: usize = 64 << 20;

/// The connection on which requests arrive.
#[derive(Debug)]
pub(super) struct ConnectionContext {
    pub(super) shared: Arc<RegistryShared>,
    pub(super) socket: Arc<ConnectionSocket>,
    /// Counted from 0.
    pub(super) number: u64,
    pub(super) handshake: Option<TlsHandshake>,
}

type ResponseBody = UnsyncBoxBody<Bytes, ConnectionAborted>;

/// Responds to one request.
pub(super) async fn respond(
    context: Arc<ConnectionContext>,
    request: hyper::Request<Incoming>,
) -> Result<Response<ResponseBody>, ConnectionAborted> {
    let shared = &*context.shared;
    let (head, body) = request.into_parts();
    let resource = Resource::of(&shared.protocol.root, head.uri.path());
    let keys = resource.keys(head.uri.path());
    let body_limit = shared.state().scripts.body_limit(&keys, &head.method);
    let body = read_body(body, body_limit.unwrap_or(BODY_LIMIT)).await?;
    let is_whole = body_limit.is_none();
    let named = head.headers.get(HOST).and_then(|it| it.to_str().ok());
    let authority = head.uri.authority().map(ToString::to_string);
    let request = RecordedRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        version: head.version,
        host: authority.or_else(|| named.map(str::to_owned)),
        handshake: context.handshake.clone(),
        headers: head.headers,
        body,
        connection: context.number,
        status: None,
        sent: Arc::default(),
    };
    let number = shared.record(request.clone());
    let (reply, script) = choose_response(shared, &request, is_whole);
    if let Some(gate) = &script.gate {
        gate.pass().await;
    }
    if !is_whole {
        return Err(ConnectionAborted);
    }
    if let Some(raw) = &script.raw {
        return Err(write_raw(&context.socket, raw, &script, &request.sent).await);
    }
    shared.record_status(number, reply.status);
    Ok(response(&context, &request, reply, script))
}

/// Reads the body of a request, up to `most` bytes.
async fn read_body(mut body: Incoming, most: usize) -> Result<Bytes, ConnectionAborted> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ConnectionAborted)?;
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

/// Chooses the response: scripts that apply before authorization, the check of the authorization, other
/// scripts, and last the content.
fn choose_response(
    shared: &RegistryShared,
    request: &RecordedRequest,
    is_whole: bool,
) -> (RegistryResponse, ScriptedResponse) {
    if shared.acceptor.is_some() && request.handshake.is_none() {
        return (not_tls(), ScriptedResponse::default());
    }
    let resource = Resource::of(&shared.protocol.root, &request.path);
    let keys = resource.keys(&request.path);
    let mut state = shared.state();
    let every = state
        .scripts
        .next(&[RouteKey::Every], &request.method, true);
    let scripted = every.or_else(|| state.scripts.next(&keys, &request.method, true));
    if scripted.is_none() && requires_auth(&resource) {
        let repository = resource.repository();
        let refusal = state.auth.check(
            &request.headers,
            repository,
            actions(&request.method),
            &shared.url,
        );
        if let Some(refusal) = refusal {
            return (refusal, ScriptedResponse::default());
        }
    }
    let scripted = scripted.or_else(|| state.scripts.next(&keys, &request.method, false));
    let script = scripted.unwrap_or_default();
    if script.expire_token {
        state.auth.expire_tokens();
        let scope = resource
            .repository()
            .map(|name| format!("repository:{name}:{}", actions(&request.method)));
        let challenge = state
            .auth
            .challenge(scope.as_deref(), "invalid_token", &shared.url);
        return (challenge, script);
    }
    let parts = RequestParts {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        headers: &request.headers,
        body: &request.body,
        is_whole,
    };
    if let Some(replacement_response) = replacement_response(&script) {
        return (apply_script(replacement_response, &script, &parts), script);
    }
    let unscripted_response = if resource == Resource::Token {
        let RecordedRequest {
            method,
            headers,
            query,
            body,
            ..
        } = request;
        state.auth.token(method, query.as_deref(), headers, body)
    } else {
        unscripted_response(shared, &resource, &parts, request)
    };
    (apply_script(unscripted_response, &script, &parts), script)
}

/// Responds from the content, or redirects to the storage of the blobs.
fn unscripted_response(
    shared: &RegistryShared,
    resource: &Resource,
    parts: &RequestParts<'_>,
    request: &RecordedRequest,
) -> RegistryResponse {
    let namespace = request.parameter("ns");
    let source = namespace.and_then(|name| shared.sources.iter().find(|(of, _)| *of == name));
    let content = source.map_or(&shared.content, |(_, content)| content);
    let reply = response::reply(&mut locked(content), resource, parts, &shared.protocol);
    match (&shared.storage, resource) {
        (Some(storage), Resource::Blob { digest, .. }) if reply.status == StatusCode::OK => {
            storage.redirect(parts.method, digest, reply.body)
        }
        _ => reply,
    }
}

/// Returns the actions that a token must grant for a request.
fn actions(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "pull",
        _ => "pull,push",
    }
}

/// Returns the response of Go's servers to plain HTTP on a TLS port.
fn not_tls() -> RegistryResponse {
    let message = "Client sent an HTTP request to an HTTPS server.\n";
    RegistryResponse::new(StatusCode::BAD_REQUEST, "text/plain", message)
}

/// Returns whether a resource requires authorization: all except the token endpoint and plain paths (such as a
/// CDN's).
fn requires_auth(resource: &Resource) -> bool {
    !matches!(resource, Resource::Token | Resource::Other)
}

/// Applies the changes of the script to the normal response.
fn apply_script(
    mut reply: RegistryResponse,
    script: &ScriptedResponse,
    parts: &RequestParts<'_>,
) -> RegistryResponse {
    if let Some(status) = script.status {
        reply.status = status;
    }
    if let Some(body) = &script.body {
        reply.body = body.clone();
        if script.status.is_none() {
            reply.status = StatusCode::OK;
        }
    }
    if !script.corrupt.is_empty() {
        reply.body = corrupted(&reply.body, &script.corrupt);
    }
    response::apply_range(reply, parts, script.range)
}

/// Returns a response that replaces the normal one, which then has no side effects: no token is issued, no
/// signature used up.
fn replacement_response(script: &ScriptedResponse) -> Option<RegistryResponse> {
    if let Some((media_type, bytes)) = &script.page {
        return Some(RegistryResponse::new(
            StatusCode::OK,
            media_type,
            bytes.clone(),
        ));
    }
    let status = script.status.filter(|status| !status.is_success())?;
    let code = match status {
        StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
        StatusCode::FORBIDDEN => "DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    if status.is_redirection() {
        return Some(RegistryResponse::new(status, "text/plain", ""));
    }
    let reason = status.canonical_reason().unwrap_or_default();
    Some(RegistryResponse::error(status, code, reason))
}

fn corrupted(bytes: &Bytes, offsets: &[u64]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for offset in offsets {
        let byte = usize::try_from(*offset)
            .ok()
            .and_then(|at| bytes.get_mut(at));
        *byte.expect("the offset of the corrupted byte is within the content") ^= 1;
    }
    bytes.into()
}

/// Builds the HTTP response.
fn response(
    context: &ConnectionContext,
    request: &RecordedRequest,
    reply: RegistryResponse,
    script: ScriptedResponse,
) -> Response<ResponseBody> {
    let mut headers = reply.headers.clone();
    if !script.body_script.endless {
        headers.extend([response::content_length(&reply)]);
    }
    for (name, value) in script.headers {
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
        let flow = BodyStream {
            bytes: reply.body,
            body_script: script.body_script,
            link: context.shared.link.clone(),
            socket: context.socket.clone(),
            sent: request.sent.clone(),
        };
        StreamBody::new(flow.into_stream()).boxed_unsync()
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

/// Writes the raw bytes of the script to the socket, bypassing hyper, and then closes the connection.
async fn write_raw(
    socket: &ConnectionSocket,
    bytes: &[u8],
    script: &ScriptedResponse,
    sent: &AtomicU64,
) -> ConnectionAborted {
    let Ok(mut socket) = socket.raw() else {
        return ConnectionAborted;
    };
    let pace = script.body_script.rate.map(RateLimiter::new);
    let stall = script
        .body_script
        .stall
        .and_then(|at| usize::try_from(at).ok());
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
            return ConnectionAborted;
        }
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    if stall.is_some() {
        std::future::pending::<()>().await;
    }
    ConnectionAborted
}
