//! Responses with the content of the store.

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
use windlass::error::ContentError;
use windlass::image::{Digest, RepositoryName, Tag};
use windlass::store::{RepositoryLookup, StoredBlob, StoredContent, StoredManifest};

use crate::AllowedHosts;
use crate::body::RegistryBody;
use crate::error_response::RegistryErrorResponse;
use crate::json_response::{JSON, json_response};
use crate::range::RangeSelection;
use crate::request::{CatalogRequest, RegistryRequest, RepositoryPath, RepositoryResource};

/// The longest path with its query, in bytes. The longest valid one has fewer than 1200.
const MAX_TARGET: usize = 4096;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const INDEX: HeaderValue = HeaderValue::from_static("application/vnd.oci.image.index.v1+json");
/// Content that is named by its digest never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");
/// A tag may move at any time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The characters to escape in the value of a query parameter, without those that are common in names and need no
/// escaping.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

type ResponseResult = Result<Response<RegistryBody>, RegistryErrorResponse>;

/// Answers a request. Its body is not read.
pub(crate) async fn respond(
    content: &Arc<StoredContent>,
    hosts: &AllowedHosts,
    request: &Parts,
) -> Response<RegistryBody> {
    let mut response = match find_response(content, hosts, request).await {
        Ok(response) => response,
        Err(error) => error.into_response().map(RegistryBody::bytes),
    };
    let is_head = request.method == Method::HEAD;
    if is_head {
        *response.body_mut() = RegistryBody::bytes(Bytes::new());
    }
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

async fn find_response(
    content: &Arc<StoredContent>,
    hosts: &AllowedHosts,
    request: &Parts,
) -> ResponseResult {
    check_host(hosts, &request.uri, &request.headers)?;
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Err(RegistryErrorResponse::method_not_allowed());
    }
    let target = request.uri.path_and_query();
    if target.is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return Err(RegistryErrorResponse::target_too_long());
    }
    let parsed = RegistryRequest::parse(request.uri.path(), request.uri.query())?;
    let (content, headers) = (Arc::clone(content), request.headers.clone());
    let response = spawn_blocking(move || look_up(&content, &headers, parsed)).await;
    response.unwrap_or_else(|error| {
        tracing::error!(%error, "a request failed because of a bug");
        Err(RegistryErrorResponse::store_unreadable())
    })
}

/// Checks that the request is addressed to one allowed host.
fn check_host(
    hosts: &AllowedHosts,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), RegistryErrorResponse> {
    let mut values = headers.get_all(HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else {
        return Err(RegistryErrorResponse::host_missing());
    };
    let is_allowed = |authority: &str| hosts.allows(authority);
    let is_valid = host.to_str().is_ok_and(is_allowed)
        && uri
            .authority()
            .is_none_or(|authority| is_allowed(authority.as_str()));
    is_valid
        .then_some(())
        .ok_or_else(RegistryErrorResponse::host_not_allowed)
}

/// Looks the resource up in the store. Blocks.
fn look_up(
    content: &StoredContent,
    headers: &HeaderMap,
    request: RegistryRequest,
) -> ResponseResult {
    let (path, resource) = match request {
        RegistryRequest::Version => return Ok(json_response("{}".into()).map(RegistryBody::bytes)),
        RegistryRequest::Catalog(catalog) => return list_repositories(content, &catalog),
        RegistryRequest::Resource(path, resource) => (path, resource),
    };
    let repository = &path.repository;
    match resource {
        RepositoryResource::Tag(tag) => tagged_manifest(content, headers, &path, &tag),
        RepositoryResource::Manifest(digest) => {
            let found = content.manifest(repository, &digest)?;
            let found = require(found, &path, || {
                RegistryErrorResponse::manifest_unknown(&digest.to_string())
            })?;
            Ok(manifest(found, headers, IMMUTABLE))
        }
        RepositoryResource::Blob(digest) => {
            let found = content.blob(repository, &digest)?;
            let found = require(found, &path, || {
                RegistryErrorResponse::blob_unknown(&digest.to_string())
            })?;
            blob(found, headers)
        }
        RepositoryResource::Tags { limit, after } => {
            list_tags(content, &path, limit, after.as_ref())
        }
        RepositoryResource::Referrers {
            subject,
            artifact_type,
        } => referrers(content, &path, &subject, artifact_type.as_deref()),
    }
}

fn tagged_manifest(
    content: &StoredContent,
    headers: &HeaderMap,
    path: &RepositoryPath,
    tag: &Tag,
) -> ResponseResult {
    let unknown = || RegistryErrorResponse::manifest_unknown(tag.as_str());
    let target = content.target(&path.repository, tag)?;
    let target = require(target, path, unknown)?;
    let found = content.manifest(&path.repository, &target)?;
    let found = require(found, path, unknown)?;
    Ok(manifest(found, headers, REVALIDATE))
}

fn manifest(
    found: StoredManifest,
    headers: &HeaderMap,
    caching: HeaderValue,
) -> Response<RegistryBody> {
    let media_type = HeaderValue::try_from(found.media_type.as_str()).unwrap_or(JSON);
    let mut response = response_for(&found.digest, caching);
    if matches_etag(headers, &found.digest) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, media_type);
    fields.insert(CONTENT_LENGTH, found.bytes.len().into());
    *response.body_mut() = RegistryBody::bytes(found.bytes.into());
    response
}

fn blob(found: StoredBlob, headers: &HeaderMap) -> ResponseResult {
    let mut response = response_for(&found.digest, IMMUTABLE);
    if matches_etag(headers, &found.digest) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let part = match requested_range(headers, &found) {
        RangeSelection::Whole => 0..found.size,
        RangeSelection::Bytes(part) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {}-{}/{}", part.start, part.end - 1, found.size);
            let range = HeaderValue::try_from(range).expect("digits are valid in a header");
            response.headers_mut().insert(CONTENT_RANGE, range);
            part
        }
        RangeSelection::Unsatisfiable => {
            return Err(RegistryErrorResponse::range_not_satisfiable(found.size));
        }
    };
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, OCTETS);
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(CONTENT_LENGTH, (part.end - part.start).into());
    *response.body_mut() = RegistryBody::file(found.file, part);
    Ok(response)
}

/// Returns the requested range. `If-Range` limits it to the blob that the client has a part of.
fn requested_range(headers: &HeaderMap, found: &StoredBlob) -> RangeSelection {
    let mut ranges = headers.get_all(RANGE).iter();
    let range = match (ranges.next(), ranges.next()) {
        (Some(range), None) => range.to_str().ok(),
        _ => None,
    };
    match headers.get(IF_RANGE) {
        Some(condition) if *condition != etag(&found.digest) => RangeSelection::Whole,
        _ => RangeSelection::of(range, found.size),
    }
}

fn list_repositories(content: &StoredContent, catalog: &CatalogRequest) -> ResponseResult {
    let registry = catalog.registry.as_deref();
    let name = |repository: &RepositoryName| match registry {
        Some(_) => repository.path().to_owned(),
        None => repository.to_string(),
    };
    let (limit, after) = (catalog.limit, catalog.after.as_ref());
    let found = content.repositories(registry, after, limit + 1)?;
    let (names, has_more) = page(found.iter().map(name).collect(), limit);
    let list = json!({ "repositories": names });
    let path = "/v2/_catalog";
    Ok(list_response(
        &list,
        path,
        limit,
        names.last().filter(|_| has_more),
        registry,
    ))
}

fn list_tags(
    content: &StoredContent,
    path: &RepositoryPath,
    limit: usize,
    after: Option<&Tag>,
) -> ResponseResult {
    let found = content.tags(&path.repository, after, limit + 1)?;
    let found = require(found, path, RegistryErrorResponse::no_such_resource)?;
    let (tags, has_more) = page(found.iter().map(Tag::to_string).collect(), limit);
    let list = json!({ "name": path.name, "tags": tags });
    let target = format!("/v2/{}/tags/list", path.name);
    let last = tags.last().filter(|_| has_more);
    Ok(list_response(
        &list,
        &target,
        limit,
        last,
        path.registry.as_deref(),
    ))
}

/// Cuts a list that has up to one entry more than the page; returns whether there are more pages.
fn page(mut names: Vec<String>, limit: usize) -> (Vec<String>, bool) {
    let has_more = names.len() > limit;
    names.truncate(limit);
    (names, has_more)
}

/// Returns a list, with a link to the page after `last` if there is one.
fn list_response(
    list: &serde_json::Value,
    path: &str,
    limit: usize,
    last: Option<&String>,
    registry: Option<&str>,
) -> Response<RegistryBody> {
    let mut response = json_response(list.to_string().into()).map(RegistryBody::bytes);
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
    content: &StoredContent,
    path: &RepositoryPath,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> ResponseResult {
    let found = content.referrers(&path.repository, subject)?;
    let mut found = require(found, path, RegistryErrorResponse::no_such_resource)?;
    if let Some(artifact_type) = artifact_type {
        found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(artifact_type));
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": found,
    });
    let mut response = json_response(index.to_string().into()).map(RegistryBody::bytes);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, INDEX);
    if artifact_type.is_some() {
        fields.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

/// Returns what was found, or the error for the part of the request that is missing.
fn require<T>(
    found: RepositoryLookup<T>,
    path: &RepositoryPath,
    missing: impl FnOnce() -> RegistryErrorResponse,
) -> Result<T, RegistryErrorResponse> {
    match found {
        RepositoryLookup::Found(found) => Ok(found),
        RepositoryLookup::Missing => Err(missing()),
        RepositoryLookup::NoRepository => {
            Err(RegistryErrorResponse::repository_unknown(&path.name))
        }
    }
}

impl From<ContentError> for RegistryErrorResponse {
    fn from(error: ContentError) -> Self {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "cannot read the store");
        Self::store_unreadable()
    }
}

/// Returns the response for content with a digest, without the content.
fn response_for(digest: &Digest, caching: HeaderValue) -> Response<RegistryBody> {
    let mut response = Response::new(RegistryBody::bytes(Bytes::new()));
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

/// Returns whether the client has the content already (`If-None-Match`).
fn matches_etag(headers: &HeaderMap, digest: &Digest) -> bool {
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
