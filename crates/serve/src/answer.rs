//! Answers.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, LINK, RANGE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::task::spawn_blocking;
use windlass::{
    Digest, HeldBlob, HeldManifest, Holdings, HoldingsError, RepositoryLookup, RepositoryName, Tag,
};

use crate::Hosts;
use crate::body::Body;
use crate::range::Part;
use crate::refusal::Refusal;
use crate::request::{Asked, Catalog, Wanted, What};

/// How long a path with its query may be, in bytes. The longest that means something has fewer than 1200.
const LONGEST_TARGET: usize = 4096;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const INDEX: HeaderValue = HeaderValue::from_static("application/vnd.oci.image.index.v1+json");
/// What a digest names never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");
/// What a tag names may be another thing the next moment.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// What has to be escaped in a query's value; names of repositories are mostly made of other things.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

type Answer = Result<Response<Body>, Refusal>;

/// Answers a request; of its body nothing is read.
pub(crate) async fn answer(
    holdings: &Arc<Holdings>,
    hosts: &Hosts,
    request: &Parts,
) -> Response<Body> {
    let mut response = match answered(holdings, hosts, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response().map(Body::bytes),
    };
    let is_head = request.method == Method::HEAD;
    if is_head {
        *response.body_mut() = Body::bytes(Bytes::new());
    }
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

async fn answered(holdings: &Arc<Holdings>, hosts: &Hosts, request: &Parts) -> Answer {
    check_host(hosts, &request.uri, &request.headers)?;
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(Refusal::read_only());
    }
    let target = request.uri.path_and_query();
    if target.is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return Err(Refusal::too_long());
    }
    let wanted = Wanted::parse(request.uri.path(), request.uri.query())?;
    let (holdings, headers) = (Arc::clone(holdings), request.headers.clone());
    let looked = spawn_blocking(move || look(&holdings, &headers, wanted)).await;
    looked.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not answered");
        Err(Refusal::failed())
    })
}

/// Checks that the request is addressed to this server, by one name.
fn check_host(hosts: &Hosts, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut named = headers.get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err(Refusal::no_host());
    };
    let is_admitted = |authority: &str| hosts.admit(authority);
    let is_right = host.to_str().is_ok_and(is_admitted)
        && uri
            .authority()
            .is_none_or(|authority| is_admitted(authority.as_str()));
    is_right.then_some(()).ok_or_else(Refusal::other_host)
}

/// Finds what is wanted. Blocks.
fn look(holdings: &Holdings, headers: &HeaderMap, wanted: Wanted) -> Answer {
    let (asked, what) = match wanted {
        Wanted::Version => return Ok(json_response("{}".into()).map(Body::bytes)),
        Wanted::Catalog(catalog) => return list_repositories(holdings, &catalog),
        Wanted::Of(asked, what) => (asked, what),
    };
    let repository = &asked.repository;
    match what {
        What::Tagged(tag) => tagged(holdings, headers, &asked, &tag),
        What::Manifest(digest) => {
            let found = holdings.manifest(repository, &digest)?;
            let found = held(found, &asked, || {
                Refusal::manifest_unknown(&digest.to_string())
            })?;
            Ok(manifest(found, headers, FOR_EVER))
        }
        What::Blob(digest) => {
            let found = holdings.blob(repository, &digest)?;
            let found = held(found, &asked, || Refusal::blob_unknown(&digest.to_string()))?;
            blob(found, headers)
        }
        What::Tags { limit, after } => list_tags(holdings, &asked, limit, after.as_ref()),
        What::Referrers {
            subject,
            artifact_type,
        } => referrers(holdings, &asked, &subject, artifact_type.as_deref()),
    }
}

fn tagged(holdings: &Holdings, headers: &HeaderMap, asked: &Asked, tag: &Tag) -> Answer {
    let unknown = || Refusal::manifest_unknown(tag.as_str());
    let target = holdings.target(&asked.repository, tag)?;
    let target = held(target, asked, unknown)?;
    let found = holdings.manifest(&asked.repository, &target)?;
    let found = held(found, asked, unknown)?;
    Ok(manifest(found, headers, ASK_AGAIN))
}

fn manifest(found: HeldManifest, headers: &HeaderMap, caching: HeaderValue) -> Response<Body> {
    let media_type = HeaderValue::try_from(found.media_type.as_str()).unwrap_or(JSON);
    let mut response = described(&found.digest, caching);
    if is_known(headers, &found.digest) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, media_type);
    fields.insert(CONTENT_LENGTH, found.bytes.len().into());
    *response.body_mut() = Body::bytes(found.bytes.into());
    response
}

fn blob(found: HeldBlob, headers: &HeaderMap) -> Answer {
    let mut response = described(&found.digest, FOR_EVER);
    if is_known(headers, &found.digest) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let part = match wanted_part(headers, &found) {
        Part::Whole => 0..found.size,
        Part::Bytes(part) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {}-{}/{}", part.start, part.end - 1, found.size);
            let range = HeaderValue::try_from(range).expect("digits can stand in a header");
            response.headers_mut().insert(CONTENT_RANGE, range);
            part
        }
        Part::Unsatisfiable => return Err(Refusal::range(found.size)),
    };
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, OCTETS);
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(CONTENT_LENGTH, (part.end - part.start).into());
    *response.body_mut() = Body::file(found.file, part);
    Ok(response)
}

/// A range counts only while the blob is the one that the client has a part of: the same digest.
fn wanted_part(headers: &HeaderMap, found: &HeldBlob) -> Part {
    let mut ranges = headers.get_all(RANGE).iter();
    let range = match (ranges.next(), ranges.next()) {
        (Some(range), None) => range.to_str().ok(),
        _ => None,
    };
    match headers.get(IF_RANGE) {
        Some(condition) if *condition != etag(&found.digest) => Part::Whole,
        _ => Part::of(range, found.size),
    }
}

fn list_repositories(holdings: &Holdings, catalog: &Catalog) -> Answer {
    let registry = catalog.registry.as_deref();
    let name = |repository: &RepositoryName| match registry {
        Some(_) => repository.path().to_owned(),
        None => repository.to_string(),
    };
    let (limit, after) = (catalog.limit, catalog.after.as_ref());
    let found = holdings.repositories(registry, after, limit + 1)?;
    let (names, more) = page(found.iter().map(name).collect(), limit);
    let list = json!({ "repositories": names });
    let path = "/v2/_catalog";
    Ok(listed(
        &list,
        path,
        limit,
        names.last().filter(|_| more),
        registry,
    ))
}

fn list_tags(holdings: &Holdings, asked: &Asked, limit: usize, after: Option<&Tag>) -> Answer {
    let found = holdings.tags(&asked.repository, after, limit + 1)?;
    let found = held(found, asked, Refusal::no_such_resource)?;
    let (tags, more) = page(found.iter().map(Tag::to_string).collect(), limit);
    let list = json!({ "name": asked.name, "tags": tags });
    let path = format!("/v2/{}/tags/list", asked.name);
    let last = tags.last().filter(|_| more);
    Ok(listed(&list, &path, limit, last, asked.registry.as_deref()))
}

/// Cuts a list that was asked for one thing more than there should be; tells whether there is more.
fn page(mut names: Vec<String>, limit: usize) -> (Vec<String>, bool) {
    let more = names.len() > limit;
    names.truncate(limit);
    (names, more)
}

/// Answers with a list, and with the way to the next page if there is something behind `last`.
fn listed(
    list: &serde_json::Value,
    path: &str,
    limit: usize,
    last: Option<&String>,
    registry: Option<&str>,
) -> Response<Body> {
    let mut response = json_response(list.to_string().into()).map(Body::bytes);
    if let Some(last) = last {
        let escaped = |text| utf8_percent_encode(text, ESCAPED);
        let ns = registry.map(|registry| format!("&ns={}", escaped(registry)));
        let ns = ns.unwrap_or_default();
        let next = format!(
            "<{path}?n={limit}&last={}{ns}>; rel=\"next\"",
            escaped(last)
        );
        let next = HeaderValue::try_from(next).expect("names are ASCII");
        response.headers_mut().insert(LINK, next);
    }
    response
}

fn referrers(
    holdings: &Holdings,
    asked: &Asked,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Answer {
    let found = holdings.referrers(&asked.repository, subject)?;
    let mut found = held(found, asked, Refusal::no_such_resource)?;
    if let Some(wanted) = artifact_type {
        found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(wanted));
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": found,
    });
    let mut response = json_response(index.to_string().into()).map(Body::bytes);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, INDEX);
    if artifact_type.is_some() {
        fields.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

/// Takes what was found, or says which of the names leads nowhere.
fn held<T>(
    found: RepositoryLookup<T>,
    asked: &Asked,
    missing: impl FnOnce() -> Refusal,
) -> Result<T, Refusal> {
    match found {
        RepositoryLookup::Found(found) => Ok(found),
        RepositoryLookup::Missing => Err(missing()),
        RepositoryLookup::NoRepository => Err(Refusal::repository_unknown(&asked.name)),
    }
}

impl From<HoldingsError> for Refusal {
    fn from(error: HoldingsError) -> Self {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "the store could not be read");
        Self::failed()
    }
}

/// Begins an answer about something that has a digest.
fn described(digest: &Digest, caching: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::bytes(Bytes::new()));
    let text = HeaderValue::try_from(digest.to_string()).expect("a digest is ASCII");
    let fields = response.headers_mut();
    fields.insert(CONTENT_DIGEST, text);
    fields.insert(ETAG, etag(digest));
    fields.insert(CACHE_CONTROL, caching);
    response
}

fn etag(digest: &Digest) -> HeaderValue {
    HeaderValue::try_from(format!("\"{digest}\"")).expect("a digest is ASCII")
}

/// Tells whether the client has it already (`If-None-Match`).
fn is_known(headers: &HeaderMap, digest: &Digest) -> bool {
    let tag = format!("\"{digest}\"");
    let fields = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    tags.any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
    })
}

/// Answers with a document.
pub(crate) fn json_response(document: Bytes) -> Response<Bytes> {
    let length = document.len();
    let mut response = Response::new(document);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, JSON);
    fields.insert(CONTENT_LENGTH, length.into());
    response
}
