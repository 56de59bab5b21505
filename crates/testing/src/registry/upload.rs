//! The pushing half of the protocol: sessions, pieces, mounts and manifests, as strict as the specification allows.

use bytes::Bytes;
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use hyper::{Method, StatusCode};
use serde_json::Value;
use windlass_oci::{Algorithm, Digest};

use super::Layout;
use super::auth::decoded;
use super::content::{Content, Repository, Session, StoredManifest, is_repository_name, is_tag};
use super::reply::{Asked, DIGEST_HEADER, Reply};

/// How a registry takes what is pushed to it.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    /// The fewest bytes of a piece that is not the last.
    pub(super) min_chunk: Option<usize>,
    /// Whether blobs are taken over from other repositories.
    pub(super) mounts: bool,
}

pub(super) const SUBJECT_HEADER: HeaderName = HeaderName::from_static("oci-subject");
const MIN_CHUNK_HEADER: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// Answers a request for an upload: one to begin, if there is no `session` yet.
pub(super) fn upload(
    content: &mut Content,
    (repository, session): (&str, Option<&str>),
    asked: &Asked<'_>,
    layout: &Layout,
) -> Reply {
    let Some(rules) = &layout.uploads else {
        return read_only();
    };
    if !is_repository_name(repository) {
        let message = "invalid repository name";
        return Reply::error(StatusCode::BAD_REQUEST, "NAME_INVALID", message);
    }
    let Some(id) = session else {
        return match *asked.method {
            Method::POST => begin(content, repository, asked, layout, rules),
            _ => Reply::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "POST it"),
        };
    };
    let Some(session) = content.sessions.get_mut(id) else {
        return gone();
    };
    // Who asks how far it got does not know what came since.
    let state = parameter(asked, "_state");
    let knows_how_far = *asked.method == Method::GET || state == Some(session.state());
    if session.repository != repository || state.is_none() || !knows_how_far {
        return gone();
    }
    match *asked.method {
        Method::GET => progress(StatusCode::NO_CONTENT, id, session, layout),
        Method::DELETE => {
            content.sessions.remove(id);
            Reply::new(StatusCode::NO_CONTENT, "text/plain", "")
        }
        Method::PATCH => piece(id, session, asked, layout, rules),
        Method::PUT => end(content, id, asked, layout),
        _ => Reply::error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "what is that?",
        ),
    }
}

/// Takes in a manifest, if all that it names is here.
pub(super) fn put_manifest(
    content: &mut Content,
    (repository, reference): (&str, &str),
    asked: &Asked<'_>,
    layout: &Layout,
) -> Reply {
    if layout.uploads.is_none() {
        return read_only();
    }
    let bad = |code: &str, message: &str| Reply::error(StatusCode::BAD_REQUEST, code, message);
    if !is_repository_name(repository) {
        return bad("NAME_INVALID", "invalid repository name");
    }
    let Ok(document) = serde_json::from_slice::<Value>(asked.body) else {
        return bad("MANIFEST_INVALID", "the manifest is no JSON");
    };
    let digest = match reference.parse::<Digest>() {
        Ok(digest) => digest,
        Err(_) if is_tag(reference) => Digest::sha256(asked.body),
        Err(_) => return bad("TAG_INVALID", "neither a tag nor a digest"),
    };
    if digest != Digest::of(digest.algorithm(), asked.body) {
        return bad(
            "DIGEST_INVALID",
            "provided digest did not match uploaded content",
        );
    }
    let held = content.repository_mut(repository);
    if let Some(missing) = missing(held, &document) {
        let message = format!("blob unknown to registry: {missing}");
        return bad("MANIFEST_BLOB_UNKNOWN", &message);
    }
    let media_type = asked.headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|text| text.to_str().ok());
    let manifest = StoredManifest {
        media_type: media_type.unwrap_or_default().to_owned(),
        bytes: asked.body.clone(),
    };
    held.manifests.insert(digest, manifest);
    if is_tag(reference) {
        held.tags.insert(reference.to_owned(), digest);
    }
    let at = format!("{}/{repository}/manifests/{digest}", layout.root);
    let reply = Reply::new(StatusCode::CREATED, "text/plain", "")
        .with(LOCATION, &at)
        .with(DIGEST_HEADER, &digest.to_string());
    match document["subject"]["digest"].as_str() {
        Some(subject) if layout.referrers.is_some() => reply.with(SUBJECT_HEADER, subject),
        _ => reply,
    }
}

/// What a registry says that only serves.
pub(super) fn read_only() -> Reply {
    let message = "this registry is read-only";
    Reply::error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
}

fn begin(
    content: &mut Content,
    repository: &str,
    asked: &Asked<'_>,
    layout: &Layout,
    rules: &Uploads,
) -> Reply {
    let mount = parameter(asked, "mount").and_then(|digest| digest.parse::<Digest>().ok());
    if let (Some(digest), Some(from), true) = (mount, parameter(asked, "from"), rules.mounts) {
        let held = content.repository(&from);
        if let Some(bytes) = held.and_then(|held| held.blobs.get(&digest)).cloned() {
            let blobs = &mut content.repository_mut(repository).blobs;
            blobs.insert(digest, bytes);
            return created(repository, &digest, layout);
        }
    }
    content.began += 1;
    let id = format!("session-{}", content.began);
    let session = Session {
        repository: repository.to_owned(),
        bytes: Vec::new(),
        is_short: false,
    };
    let reply = progress(StatusCode::ACCEPTED, &id, &session, layout);
    content.sessions.insert(id, session);
    match rules.min_chunk {
        Some(min) => reply.with(MIN_CHUNK_HEADER, &min.to_string()),
        None => reply,
    }
}

fn piece(
    id: &str,
    session: &mut Session,
    asked: &Asked<'_>,
    layout: &Layout,
    rules: &Uploads,
) -> Reply {
    let held = session.bytes.len();
    let range = asked.headers.get(CONTENT_RANGE);
    let start = range.map(|range| {
        let text = range.to_str().unwrap_or_default();
        text.split('-').next().and_then(|start| start.parse().ok())
    });
    if start.is_some_and(|start| start != Some(held)) {
        return progress(StatusCode::RANGE_NOT_SATISFIABLE, id, session, layout);
    }
    if session.is_short {
        let message = "the piece before was smaller than OCI-Chunk-Min-Length";
        return Reply::error(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message);
    }
    session.bytes.extend_from_slice(asked.body);
    session.is_short = asked.is_whole && rules.min_chunk.is_some_and(|min| asked.body.len() < min);
    progress(StatusCode::ACCEPTED, id, session, layout)
}

fn end(content: &mut Content, id: &str, asked: &Asked<'_>, layout: &Layout) -> Reply {
    let digest = parameter(asked, "digest").and_then(|digest| digest.parse::<Digest>().ok());
    let Some(digest) = digest else {
        let message = "provided digest is invalid";
        return Reply::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    };
    if !asked.is_whole {
        let session = content.sessions.get_mut(id).expect("it was found");
        session.bytes.extend_from_slice(asked.body);
        return gone();
    }
    let mut session = content.sessions.remove(id).expect("it was found");
    session.bytes.extend_from_slice(asked.body);
    if Digest::of(digest.algorithm(), &session.bytes) != digest {
        let message = "provided digest did not match uploaded content";
        return Reply::error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    }
    let repository = session.repository;
    let blobs = &mut content.repository_mut(&repository).blobs;
    blobs.insert(digest, Bytes::from(session.bytes));
    created(&repository, &digest, layout)
}

fn created(repository: &str, digest: &Digest, layout: &Layout) -> Reply {
    let at = format!("{}/{repository}/blobs/{digest}", layout.root);
    Reply::new(StatusCode::CREATED, "text/plain", "")
        .with(LOCATION, &at)
        .with(DIGEST_HEADER, &digest.to_string())
}

/// Says how much is here, and where what comes next is to go: relative, with a query that has to be kept.
fn progress(status: StatusCode, id: &str, session: &Session, layout: &Layout) -> Reply {
    let Session {
        repository, bytes, ..
    } = session;
    let root = &layout.root;
    let at = format!(
        "{root}/{repository}/blobs/uploads/{id}?_state={}",
        session.state()
    );
    let last = bytes.len().saturating_sub(1);
    Reply::new(status, "text/plain", "")
        .with(LOCATION, &at)
        .with(RANGE, &format!("0-{last}"))
}

fn gone() -> Reply {
    let message = "blob upload unknown to registry";
    Reply::error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
}

/// Finds what a manifest names and is not here. Layers with URLs may lie elsewhere.
fn missing(repository: &Repository, document: &Value) -> Option<String> {
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

fn parameter(asked: &Asked<'_>, name: &str) -> Option<String> {
    let mut pairs = asked.query?.split('&');
    pairs.find_map(|pair| Some(decoded(pair.strip_prefix(name)?.strip_prefix('=')?)))
}

impl Session {
    /// What a client has to give back, whatever it is: another one after each step.
    fn state(&self) -> String {
        let digest = Digest::of(Algorithm::Sha256, &self.bytes);
        digest.hex()[..12].to_owned()
    }
}
