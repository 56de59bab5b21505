//! Requests to registries: logins, manifests, searches.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use windlass::image::{DEFAULT_REGISTRY, Reference};
use windlass::registry::Credentials;
use windlass_docker_api as api;

use super::parameters::reference;
use crate::Daemon;
use crate::auth;
use crate::render;
use crate::request::{ApiRequest, QueryParameters};
use crate::response::{ApiError, ApiResponse, json};

/// `POST /auth`
pub(super) async fn log_in(
    daemon: &Arc<Daemon>,
    mut request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let document = ApiRequest::document(&mut request.body).await?;
    let config = api::AuthConfig::parse(&document);
    let config = config.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let registry = auth::server(&config.serveraddress)
        .unwrap_or(DEFAULT_REGISTRY)
        .to_owned();
    let credentials = auth::credentials(&config);
    if credentials == Credentials::Anonymous {
        return Err(ApiError::bad_request(
            "a login needs a user name and a password, or an identity token",
        ));
    }
    let remote = daemon.engine.remote();
    let logged_in = remote.client().log_in(&registry, &credentials).await;
    let logged_in = logged_in.map_err(|error| render::error::of_login(&error))?;
    let token = logged_in.identity_token;
    Ok(json(&api::AuthResponse {
        status: "Login Succeeded".to_owned(),
        identity_token: token
            .map(|token| token.expose().to_owned())
            .unwrap_or_default(),
    }))
}

/// The fields of a manifest or index that name platforms.
#[derive(Deserialize)]
struct DistributionManifest {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<PlatformEntry>,
}

#[derive(Deserialize)]
struct PlatformEntry {
    platform: Option<api::OciPlatform>,
}

/// `GET /distribution/{name}/json`
pub(super) async fn inspect(
    daemon: &Arc<Daemon>,
    name: &str,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let reference: Reference = reference(name)?.or_latest();
    let caller = auth::caller(&request.headers, reference.repository().registry());
    let remote = daemon.engine.remote();
    let failed = |error| render::error::of_pull(&error, &reference);
    let found = remote
        .manifest(&reference, None, &caller)
        .await
        .map_err(failed)?;
    let document: DistributionManifest = serde_json::from_slice(&found.bytes)
        .map_err(|_| ApiError::internal("the manifest is malformed"))?;
    let is_index = !document.manifests.is_empty();
    let platforms = match is_index {
        true => document
            .manifests
            .into_iter()
            .filter_map(|entry| entry.platform)
            .collect(),
        false => platform(daemon, &reference, &caller).await?,
    };
    let usual = match is_index {
        true => "application/vnd.oci.image.index.v1+json",
        false => "application/vnd.oci.image.manifest.v1+json",
    };
    Ok(json(&api::DistributionInspect {
        descriptor: api::OciDescriptor {
            media_type: document.media_type.unwrap_or_else(|| usual.to_owned()),
            digest: found.digest.to_string(),
            size: found.bytes.len().try_into().unwrap_or(i64::MAX),
            platform: None,
            annotations: BTreeMap::new(),
        },
        platforms,
    }))
}

/// Returns the platform of a manifest without an index, from its config.
async fn platform(
    daemon: &Arc<Daemon>,
    reference: &Reference,
    caller: &windlass::registry::Caller,
) -> Result<Vec<api::OciPlatform>, ApiError> {
    let request = windlass::PullRequest {
        reference: reference.clone(),
        platform: None,
        artifacts: Vec::new(),
        caller: caller.clone(),
        throttle: windlass::transfer::Throttle::unlimited(),
    };
    let preview = daemon.engine.preview(request).await;
    let preview = preview.map_err(|error| render::error::of_pull(&error, reference))?;
    let platform = preview.platform;
    Ok(vec![api::OciPlatform {
        architecture: platform.architecture,
        os: platform.os,
        os_version: platform.os_version.unwrap_or_default(),
        variant: platform.variant.unwrap_or_default(),
    }])
}

/// The default number of search results, as in Docker.
const DEFAULT_RESULTS: u32 = 25;
/// The maximum number of search results, as in Docker.
const MAX_RESULTS: u32 = 100;

/// `GET /images/search`
pub(super) async fn search(
    daemon: &Arc<Daemon>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let term = request.query.get("term").unwrap_or_default();
    let limit = match request.query.get("limit").map(str::parse::<u32>) {
        None | Some(Ok(0)) => DEFAULT_RESULTS,
        Some(Ok(limit)) if limit <= MAX_RESULTS => limit,
        _ => return Err(ApiError::bad_request("limit has to be between 1 and 100")),
    };
    let filters = filters(&request.query)?;
    // As in image references, a first component that looks like a host is a registry.
    let (registry, term) = match term.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
        _ => (DEFAULT_REGISTRY, term),
    };
    let remote = daemon.engine.remote();
    let found = remote.client().search(registry, term, limit).await;
    let found = found.map_err(|error| ApiError::internal(windlass::text::error_chain(&error)))?;
    let found = found.into_iter().filter(|found| filters.matches(found));
    let found = found.map(|found| api::SearchResult {
        star_count: found.stars,
        is_official: found.is_official,
        name: found.name,
        is_automated: found.is_automated,
        description: found.description,
    });
    Ok(json(&found.collect::<Vec<_>>()))
}

/// Filters of the search results.
#[derive(Debug, Default)]
struct SearchFilters {
    stars: i64,
    is_official: Option<bool>,
    is_automated: Option<bool>,
}

fn filters(query: &QueryParameters) -> Result<SearchFilters, ApiError> {
    let values = api::FilterValues::parse(query.get("filters"));
    let values =
        values.map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?;
    let mut filters = SearchFilters::default();
    for (key, values) in &values.0 {
        let bad = |value: &str| ApiError::bad_request(format!("invalid filter '{key}={value}'"));
        for value in values {
            match key.as_str() {
                "stars" => filters.stars = value.parse().map_err(|_| bad(value))?,
                "is-official" => {
                    filters.is_official = Some(value.parse().map_err(|_| bad(value))?);
                }
                "is-automated" => {
                    filters.is_automated = Some(value.parse().map_err(|_| bad(value))?);
                }
                key => return Err(ApiError::bad_request(format!("invalid filter '{key}'"))),
            }
        }
    }
    Ok(filters)
}

impl SearchFilters {
    fn matches(&self, found: &windlass::registry::FoundRepository) -> bool {
        found.stars >= self.stars
            && self
                .is_official
                .is_none_or(|wanted| found.is_official == wanted)
            && self
                .is_automated
                .is_none_or(|wanted| found.is_automated == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(filters: &str) -> Result<SearchFilters, String> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("filters", filters)
            .finish();
        super::filters(&QueryParameters::parse(&query)).map_err(|error| error.message)
    }

    #[test]
    fn search_results_are_filtered() {
        let found = windlass::registry::FoundRepository {
            name: "alpine".to_owned(),
            description: String::new(),
            stars: 10,
            is_official: true,
            is_automated: false,
        };
        for (filters, expected) in [
            ("{}", true),
            (r#"{"stars":["10"]}"#, true),
            (r#"{"stars":["11"]}"#, false),
            (r#"{"is-official":["true"],"is-automated":["false"]}"#, true),
            (r#"{"is-official":["false"]}"#, false),
        ] {
            let filters = parse(filters).unwrap();
            assert_eq!(filters.matches(&found), expected, "{filters:?}");
        }
        let unknown = "invalid filter 'x'";
        assert_eq!(parse(r#"{"x":["1"]}"#).unwrap_err(), unknown);
        let odd = "invalid filter 'stars=many'";
        assert_eq!(parse(r#"{"stars":["many"]}"#).unwrap_err(), odd);
    }
}
