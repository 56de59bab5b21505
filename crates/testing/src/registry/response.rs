//! The normal responses of the distribution protocol, as strict as the specification allows.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, LINK, RANGE,
};
use hyper::{Method, StatusCode};
use serde_json::json;
use windlass_oci::Digest;

use super::ProtocolOptions;
use super::content::{RegistryContent, Resource, StoredRepository, is_repository_name, is_tag};
use super::range::{RangeFault, RequestedRange};
use super::referrers::referrers;
use super::upload;

pub(super) const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

/// A response before it is sent.
#[derive(Clone, Debug)]
pub(super) struct RegistryResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The parts of a request that the protocol uses.
#[derive(Debug)]
pub(super) struct RequestParts<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
    /// Whether the whole body was received.
    pub(super) is_whole: bool,
}

impl RegistryResponse {
    pub(super) fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let reply = Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        };
        reply.with(CONTENT_TYPE, content_type)
    }

    pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// The error envelope (OCI distribution spec, "Error Codes").
    pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Self {
        let errors = json!({ "errors": [{ "code": code, "message": message }] });
        Self::json(status, &errors)
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("normal headers are text");
        self.headers.insert(name, value);
        self
    }
}

/// Responds to a request for `resource` from `content`.
pub(super) fn reply(
    content: &mut RegistryContent,
    resource: &Resource,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    match (resource, parts.method) {
        (
            Resource::Upload {
                repository,
                session,
            },
            _,
        ) => {
            return upload::upload(content, repository, session.as_deref(), parts, protocol);
        }
        (
            Resource::Manifest {
                repository,
                reference,
            },
            &Method::PUT,
        ) => {
            return upload::put_manifest(content, repository, reference, parts, protocol);
        }
        (_, &Method::GET | &Method::HEAD) => {}
        _ => return upload::read_only(),
    }
    let in_repository = resource.repository().is_some();
    if *parts.method == Method::HEAD && in_repository && !protocol.head {
        let message = "HEAD is not supported";
        return RegistryResponse::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message);
    }
    let mut reply = match resource {
        Resource::Manifest {
            repository,
            reference,
        } => within(content, repository, |it| manifest(it, reference, parts)),
        Resource::Blob { repository, digest } => within(content, repository, |it| blob(it, digest)),
        Resource::Tags { repository } => within(content, repository, |it| {
            tags(it, repository, parts.query, protocol)
        }),
        Resource::Referrers { repository, digest } => {
            let stored = content.repository(repository);
            referrers(stored, repository, digest, parts, protocol)
        }
        Resource::Ping => RegistryResponse::json(StatusCode::OK, &json!({})),
        Resource::Token | Resource::Other | Resource::Upload { .. } => {
            return at_path(content, parts);
        }
    };
    if !protocol.digest_header {
        reply.headers.remove(DIGEST_HEADER);
    }
    let version = HeaderName::from_static("docker-distribution-api-version");
    reply.with(version, "registry/2.0")
}

/// Reduces a response to the requested range, or applies `fault`.
pub(super) fn apply_range(
    reply: RegistryResponse,
    parts: &RequestParts<'_>,
    fault: Option<RangeFault>,
) -> RegistryResponse {
    let header = |name| parts.headers.get(name)?.to_str().ok();
    let size = reply.body.len() as u64;
    if reply.status != StatusCode::OK
        || *parts.method != Method::GET
        || !reply.headers.contains_key(ACCEPT_RANGES)
    {
        return reply;
    }
    let stale = parts
        .headers
        .get("if-range")
        .is_some_and(|tag| Some(tag) != reply.headers.get(ETAG));
    let requested = if stale {
        RequestedRange::Whole
    } else {
        RequestedRange::parse(header(RANGE), size)
    };
    let range = match (requested, fault) {
        (RequestedRange::Whole, _) | (_, Some(RangeFault::Ignored)) => return reply,
        (RequestedRange::Unsatisfiable, _) | (_, Some(RangeFault::Unsatisfiable)) => {
            let error = "the range is not in the blob";
            return RegistryResponse::error(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "RANGE_INVALID",
                error,
            )
            .with(CONTENT_RANGE, &format!("bytes */{size}"));
        }
        (RequestedRange::Part(range), _) => range,
    };
    let (mut label, mut part, mut total) = (range.clone(), range, size);
    match fault {
        Some(RangeFault::StartsLate) => {
            part.start = (part.start + 1).min(part.end);
            label.clone_from(&part);
        }
        Some(RangeFault::FromTheStart) => part = 0..part.end - part.start,
        Some(RangeFault::Shorter) => {
            part.end -= (part.end - part.start) / 2;
            label.clone_from(&part);
        }
        Some(RangeFault::OtherTotal) => total += 1,
        _ => {}
    }
    let slice = |range: std::ops::Range<u64>| {
        let place = |at: u64| usize::try_from(at).expect("the body is in memory");
        reply.body.slice(place(range.start)..place(range.end))
    };
    let label = format!(
        "bytes {}-{}/{total}",
        label.start,
        label.end.saturating_sub(1)
    );
    let mut partial = RegistryResponse {
        status: StatusCode::PARTIAL_CONTENT,
        body: slice(part),
        ..reply.clone()
    };
    match fault {
        Some(RangeFault::Unlabelled) => partial,
        Some(RangeFault::Multipart) => {
            partial.body = multipart(&label, &partial.body).into();
            partial.with(CONTENT_TYPE, "multipart/byteranges; boundary=part")
        }
        _ => partial.with(CONTENT_RANGE, &label),
    }
}

/// Returns the `Content-Length` header of a response.
pub(super) fn content_length(reply: &RegistryResponse) -> (HeaderName, HeaderValue) {
    (CONTENT_LENGTH, HeaderValue::from(reply.body.len()))
}

/// Responds from the repository `name`, if it exists.
fn within(
    content: &RegistryContent,
    name: &str,
    answer: impl FnOnce(&StoredRepository) -> RegistryResponse,
) -> RegistryResponse {
    if !is_repository_name(name) {
        let message = "invalid repository name";
        return RegistryResponse::error(StatusCode::BAD_REQUEST, "NAME_INVALID", message);
    }
    let message = "repository name not known to registry";
    let unknown = || RegistryResponse::error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message);
    content.repository(name).map_or_else(unknown, answer)
}

fn at_path(content: &mut RegistryContent, parts: &RequestParts<'_>) -> RegistryResponse {
    let file = |bytes: Bytes| {
        RegistryResponse::new(StatusCode::OK, "application/octet-stream", bytes)
            .with(ACCEPT_RANGES, "bytes")
    };
    let exact = parts.query.map(|query| format!("{}?{query}", parts.path));
    if let Some(bytes) = content.private.get(parts.path).cloned() {
        if exact.is_some_and(|url| content.consume_signature(&url, parts.method)) {
            return file(bytes);
        }
        let refusal = "<Error><Code>AccessDenied</Code></Error>";
        return RegistryResponse::new(StatusCode::FORBIDDEN, "application/xml", refusal);
    }
    let found = exact.and_then(|path| content.paths.get(&path));
    match found.or_else(|| content.paths.get(parts.path)) {
        Some(bytes) => file(bytes.clone()),
        None => RegistryResponse::new(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n"),
    }
}

fn manifest(
    repository: &StoredRepository,
    reference: &str,
    parts: &RequestParts<'_>,
) -> RegistryResponse {
    let unknown =
        |message: &str| RegistryResponse::error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message);
    let digest = if is_tag(reference) {
        repository.tags.get(reference).copied()
    } else {
        let Ok(digest) = reference.parse::<Digest>() else {
            let message = "neither a tag nor a digest";
            return RegistryResponse::error(StatusCode::BAD_REQUEST, "TAG_INVALID", message);
        };
        Some(digest)
    };
    let found = digest.and_then(|digest| Some((digest, repository.manifests.get(&digest)?)));
    let Some((digest, manifest)) = found else {
        return unknown(&format!("manifest unknown: {reference}"));
    };
    if !accepts(parts.headers, &manifest.media_type) {
        let media_type = &manifest.media_type;
        return unknown(&format!("Accept does not list {media_type}"));
    }
    let digest = digest.to_string();
    RegistryResponse::new(StatusCode::OK, &manifest.media_type, manifest.bytes.clone())
        .with(DIGEST_HEADER, &digest)
        .with(ETAG, &format!("\"{digest}\""))
}

/// Returns whether `Accept` lists the type. As in Docker's registry, a type that is not listed is not served;
/// `*/*` matches all.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    let types = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    types
        .into_iter()
        .any(|range| range == media_type || range == "*/*")
}

fn blob(repository: &StoredRepository, digest: &str) -> RegistryResponse {
    let Ok(parsed) = digest.parse::<Digest>() else {
        let message = "provided digest is invalid";
        return RegistryResponse::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    };
    match repository.blobs.get(&parsed) {
        Some(bytes) => {
            RegistryResponse::new(StatusCode::OK, "application/octet-stream", bytes.clone())
                .with(DIGEST_HEADER, digest)
                .with(ETAG, &format!("\"{digest}\""))
                .with(ACCEPT_RANGES, "bytes")
        }
        None => RegistryResponse::error(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            "blob unknown to registry",
        ),
    }
}

/// OCI distribution spec, "Listing Tags": sorted, at most `n`, after `last`.
fn tags(
    repository: &StoredRepository,
    name: &str,
    query: Option<&str>,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    let per_page = protocol.tags_per_page;
    let parameter = |key: &str| {
        let mut pairs = query.unwrap_or_default().split('&');
        pairs.find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    };
    let limit = match parameter("n").map(str::parse::<usize>) {
        None => per_page,
        Some(Ok(n)) => Some(per_page.map_or(n, |limit| limit.min(n))),
        Some(Err(_)) => {
            let message = "invalid number of results requested";
            let code = "PAGINATION_NUMBER_INVALID";
            return RegistryResponse::error(StatusCode::BAD_REQUEST, code, message);
        }
    };
    let last = parameter("last").unwrap_or_default();
    let mut tags: Vec<_> = repository
        .tags
        .keys()
        .filter(|tag| &***tag > last)
        .collect();
    let more = limit.is_some_and(|limit| tags.len() > limit);
    tags.truncate(limit.unwrap_or(usize::MAX));
    let reply = RegistryResponse::json(StatusCode::OK, &json!({ "name": name, "tags": tags }));
    match (tags.last(), limit) {
        (Some(last), Some(limit)) if more => {
            let root = &protocol.root;
            let next = format!("<{root}/{name}/tags/list?last={last}&n={limit}>; rel=\"next\"");
            reply.with(LINK, &next)
        }
        _ => reply,
    }
}

fn multipart(label: &str, part: &[u8]) -> Vec<u8> {
    let head = format!(
        "--part\r\nContent-Type: application/octet-stream\r\nContent-Range: {label}\r\n\r\n"
    );
    let one = [head.as_bytes(), part, b"\r\n"].concat();
    [&one, &one, &b"--part--\r\n"[..]].concat()
}
