//! The push part of the protocol: upload sessions, chunks, mounts and manifests, as strict as the specification
//! allows.

use bytes::Bytes;
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use hyper::{Method, StatusCode};
use serde_json::Value;
use windlass_oci::{Algorithm, Digest};

use super::ProtocolOptions;
use super::auth::decoded;
use super::content::{
    RegistryContent, StoredManifest, StoredRepository, UploadSession, is_repository_name, is_tag,
};
use super::response::{DIGEST_HEADER, RegistryResponse, RequestParts};

/// The options for pushes.
#[derive(Clone, Debug)]
pub(super) struct UploadOptions {
    /// The minimum size of a chunk that is not the last, in bytes.
    pub(super) min_chunk: Option<usize>,
    /// Whether blobs can be mounted from other repositories.
    pub(super) mounts: bool,
}

pub(super) const SUBJECT_HEADER: HeaderName = HeaderName::from_static("oci-subject");
const MIN_CHUNK_HEADER: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// Responds to a request for an upload; without a `session` it starts one.
pub(super) fn upload(
    content: &mut RegistryContent,
    repository: &str,
    session: Option<&str>,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    let Some(rules) = &protocol.uploads else {
        return read_only();
    };
    if !is_repository_name(repository) {
        let message = "invalid repository name";
        return RegistryResponse::error(StatusCode::BAD_REQUEST, "NAME_INVALID", message);
    }
    let Some(id) = session else {
        return match *parts.method {
            Method::POST => begin(content, repository, parts, protocol, rules),
            _ => RegistryResponse::error(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "an upload starts with POST",
            ),
        };
    };
    let Some(session) = content.sessions.get_mut(id) else {
        return unknown_upload();
    };
    // A request for the progress of an upload has the state of an earlier response.
    let state = parameter(parts, "_state");
    let is_state_current = *parts.method == Method::GET || state == Some(session.state());
    if session.repository != repository || state.is_none() || !is_state_current {
        return unknown_upload();
    }
    match *parts.method {
        Method::GET => progress(StatusCode::NO_CONTENT, id, session, protocol),
        Method::DELETE => {
            content.sessions.remove(id);
            RegistryResponse::new(StatusCode::NO_CONTENT, "text/plain", "")
        }
        Method::PATCH => chunk(id, session, parts, protocol, rules),
        Method::PUT => end(content, id, parts, protocol),
        _ => RegistryResponse::error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "this method is not supported for uploads",
        ),
    }
}

/// Stores a manifest, if all blobs and manifests that it names exist.
pub(super) fn put_manifest(
    content: &mut RegistryContent,
    repository: &str,
    reference: &str,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    if protocol.uploads.is_none() {
        return read_only();
    }
    let bad =
        |code: &str, message: &str| RegistryResponse::error(StatusCode::BAD_REQUEST, code, message);
    if !is_repository_name(repository) {
        return bad("NAME_INVALID", "invalid repository name");
    }
    let Ok(document) = serde_json::from_slice::<Value>(parts.body) else {
        return bad("MANIFEST_INVALID", "the manifest is not JSON");
    };
    let digest = match reference.parse::<Digest>() {
        Ok(digest) => digest,
        Err(_) if is_tag(reference) => Digest::sha256(parts.body),
        Err(_) => return bad("TAG_INVALID", "neither a tag nor a digest"),
    };
    if digest != Digest::of(digest.algorithm(), parts.body) {
        return bad(
            "DIGEST_INVALID",
            "provided digest did not match uploaded content",
        );
    }
    let stored = content.repository_mut(repository);
    if let Some(missing) = missing(stored, &document) {
        let message = format!("blob unknown to registry: {missing}");
        return bad("MANIFEST_BLOB_UNKNOWN", &message);
    }
    let media_type = parts.headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|text| text.to_str().ok());
    let manifest = StoredManifest {
        media_type: media_type.unwrap_or_default().to_owned(),
        bytes: parts.body.clone(),
    };
    stored.manifests.insert(digest, manifest);
    if is_tag(reference) {
        stored.tags.insert(reference.to_owned(), digest);
    }
    let at = format!("{}/{repository}/manifests/{digest}", protocol.root);
    let reply = RegistryResponse::new(StatusCode::CREATED, "text/plain", "")
        .with(LOCATION, &at)
        .with(DIGEST_HEADER, &digest.to_string());
    match document["subject"]["digest"].as_str() {
        Some(subject) if protocol.referrers.is_some() => reply.with(SUBJECT_HEADER, subject),
        _ => reply,
    }
}

/// Returns the response of a read-only registry to a push.
pub(super) fn read_only() -> RegistryResponse {
    let message = "this registry is read-only";
    RegistryResponse::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
}

fn begin(
    content: &mut RegistryContent,
    repository: &str,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
    rules: &UploadOptions,
) -> RegistryResponse {
    let mount = parameter(parts, "mount").and_then(|digest| digest.parse::<Digest>().ok());
    if let (Some(digest), Some(from), true) = (mount, parameter(parts, "from"), rules.mounts) {
        let stored = content.repository(&from);
        if let Some(bytes) = stored.and_then(|stored| stored.blobs.get(&digest)).cloned() {
            let blobs = &mut content.repository_mut(repository).blobs;
            blobs.insert(digest, bytes);
            return created(repository, &digest, protocol);
        }
    }
    content.uploads_started += 1;
    let id = format!("session-{}", content.uploads_started);
    let session = UploadSession {
        repository: repository.to_owned(),
        bytes: Vec::new(),
        is_short: false,
    };
    let reply = progress(StatusCode::ACCEPTED, &id, &session, protocol);
    content.sessions.insert(id, session);
    match rules.min_chunk {
        Some(min) => reply.with(MIN_CHUNK_HEADER, &min.to_string()),
        None => reply,
    }
}

fn chunk(
    id: &str,
    session: &mut UploadSession,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
    rules: &UploadOptions,
) -> RegistryResponse {
    let stored = session.bytes.len();
    let range = parts.headers.get(CONTENT_RANGE);
    let start = range.map(|range| {
        let text = range.to_str().unwrap_or_default();
        text.split('-').next().and_then(|start| start.parse().ok())
    });
    if start.is_some_and(|start| start != Some(stored)) {
        return progress(StatusCode::RANGE_NOT_SATISFIABLE, id, session, protocol);
    }
    if session.is_short {
        let message = "the previous chunk was smaller than OCI-Chunk-Min-Length";
        return RegistryResponse::error(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message);
    }
    session.bytes.extend_from_slice(parts.body);
    session.is_short = parts.is_whole && rules.min_chunk.is_some_and(|min| parts.body.len() < min);
    progress(StatusCode::ACCEPTED, id, session, protocol)
}

fn end(
    content: &mut RegistryContent,
    id: &str,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    let digest = parameter(parts, "digest").and_then(|digest| digest.parse::<Digest>().ok());
    let Some(digest) = digest else {
        let message = "provided digest is invalid";
        return RegistryResponse::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    };
    if !parts.is_whole {
        let session = content.sessions.get_mut(id).expect("the session exists");
        session.bytes.extend_from_slice(parts.body);
        return unknown_upload();
    }
    let mut session = content.sessions.remove(id).expect("the session exists");
    session.bytes.extend_from_slice(parts.body);
    if Digest::of(digest.algorithm(), &session.bytes) != digest {
        let message = "provided digest did not match uploaded content";
        return RegistryResponse::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    }
    let repository = session.repository;
    let blobs = &mut content.repository_mut(&repository).blobs;
    blobs.insert(digest, Bytes::from(session.bytes));
    created(&repository, &digest, protocol)
}

fn created(repository: &str, digest: &Digest, protocol: &ProtocolOptions) -> RegistryResponse {
    let at = format!("{}/{repository}/blobs/{digest}", protocol.root);
    RegistryResponse::new(StatusCode::CREATED, "text/plain", "")
        .with(LOCATION, &at)
        .with(DIGEST_HEADER, &digest.to_string())
}

/// Returns the progress of an upload with the location of the next chunk: relative, with a query that the
/// client has to keep.
fn progress(
    status: StatusCode,
    id: &str,
    session: &UploadSession,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    let UploadSession {
        repository, bytes, ..
    } = session;
    let root = &protocol.root;
    let at = format!(
        "{root}/{repository}/blobs/uploads/{id}?_state={}",
        session.state()
    );
    let last = bytes.len().saturating_sub(1);
    RegistryResponse::new(status, "text/plain", "")
        .with(LOCATION, &at)
        .with(RANGE, &format!("0-{last}"))
}

fn unknown_upload() -> RegistryResponse {
    let message = "blob upload unknown to registry";
    RegistryResponse::error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
}

/// Returns a digest in a manifest that does not exist in the repository. Layers with URLs may be elsewhere.
fn missing(repository: &StoredRepository, document: &Value) -> Option<String> {
    let list = |name: &str| document[name].as_array().cloned().unwrap_or_default();
    let has_digest = |entry: &Value| entry["digest"].is_string();
    let blobs = [list("layers"), vec![document["config"].clone()]].concat();
    let blobs = blobs.iter().filter(|blob| blob["urls"].is_null());
    let manifests = list("manifests");
    let all = blobs
        .map(|blob| (blob, true))
        .chain(manifests.iter().map(|manifest| (manifest, false)));
    all.filter(|(entry, _)| has_digest(entry))
        .find(|(entry, is_blob)| {
            let digest = entry["digest"].as_str().unwrap_or_default().parse();
            digest.is_ok_and(|digest: Digest| match is_blob {
                true => !repository.blobs.contains_key(&digest),
                false => !repository.manifests.contains_key(&digest),
            })
        })
        .map(|(entry, _)| entry["digest"].to_string())
}

fn parameter(parts: &RequestParts<'_>, name: &str) -> Option<String> {
    let mut pairs = parts.query?.split('&');
    pairs.find_map(|pair| Some(decoded(pair.strip_prefix(name)?.strip_prefix('=')?)))
}

impl UploadSession {
    /// Returns an opaque state that the client has to send back; it changes with each step.
    fn state(&self) -> String {
        let digest = Digest::of(Algorithm::Sha256, &self.bytes);
        digest.hex()[..12].to_owned()
    }
}
