//! Searches the catalogue of a registry with the v1 search API.

use serde::{Deserialize, Deserializer};
use url::Url;
use windlass_oci::DEFAULT_REGISTRY;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::login::AccessError;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RequestPeer, RequestSpec};

/// A search result. A member that is missing or `null` has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FoundRepository {
    /// The name of the repository.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The description by its owner.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// The number of stars.
    #[serde(rename = "star_count", deserialize_with = "or_default")]
    pub stars: i64,
    /// Whether the registry maintains it.
    #[serde(deserialize_with = "or_default")]
    pub is_official: bool,
    /// Whether the registry builds it.
    #[serde(deserialize_with = "or_default")]
    pub is_automated: bool,
}

/// The response.
#[derive(Deserialize)]
struct SearchResults {
    #[serde(default, deserialize_with = "or_default")]
    results: Vec<FoundRepository>,
}

fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The host of Docker Hub's search API, which differs from that of its registry.
const HUB: &str = "https://index.docker.io";
/// The maximum size of a response, in bytes.
const MAX_RESPONSE_SIZE: u64 = 4 << 20;

impl Client {
    /// Searches `registry` (`host`, `host:port`, `docker.io` for Docker Hub) for repositories that match
    /// `term`; returns at most `limit`. No credentials are sent.
    pub async fn search(
        &self,
        registry: &str,
        term: &str,
        limit: u32,
    ) -> Result<Vec<FoundRepository>, AccessError> {
        let endpoints = match registry {
            DEFAULT_REGISTRY => vec![Endpoint::parse(HUB)?],
            _ => Endpoint::of_server(registry, self.config())?,
        };
        let search = |endpoint| async move { self.search_at(&endpoint, term, limit).await };
        Ok(self.try_endpoints(&endpoints, search).await?)
    }

    async fn search_at(
        &self,
        endpoint: &Endpoint,
        term: &str,
        limit: u32,
    ) -> Result<Vec<FoundRepository>, RegistryError> {
        let context = RequestContext {
            origin: endpoint.origin().clone(),
            repository: String::new(),
            kind: RequestKind::Search,
        };
        let mut url: Url = endpoint.origin().url().clone();
        url.set_path("/v1/search");
        url.query_pairs_mut()
            .append_pair("q", term)
            .append_pair("n", &limit.to_string());
        let response_timeout = self.config().timeouts.response;
        let spec = RequestSpec::get(
            &context,
            RequestPeer::Endpoint(endpoint),
            url,
            response_timeout,
        );
        let response = self.send(&spec, None).await?;
        let (status, headers) = (response.http.status(), response.http.headers().clone());
        let body = self.body(response.http);
        if !status.is_success() {
            let failed = FailedResponse {
                context: &context,
                status,
                headers: &headers,
                body: &body.read_prefix(MAX_ERROR_BODY).await,
            };
            return Err(failed.into_error());
        }
        let body = body.read_to_end(MAX_RESPONSE_SIZE).await;
        let body = body.map_err(|error| context.body_failed(error))?;
        let found: SearchResults = serde_json::from_slice(&body)
            .map_err(|_| RegistryError::malformed(&context, "it is not a list of repositories"))?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(found.results.into_iter().take(most).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Docker Hub sends `null` for repositories without a description.
    #[test]
    fn members_may_be_null_or_missing() {
        let text = r#"{"results":[{"name":"a","description":null,"star_count":null,"is_official":null},{}]}"#;
        let found: SearchResults = serde_json::from_str(text).unwrap();
        let named = FoundRepository {
            name: "a".to_owned(),
            ..FoundRepository::default()
        };
        assert_eq!(found.results, [named, FoundRepository::default()]);
        for text in ["{}", r#"{"results":null}"#] {
            let found: SearchResults = serde_json::from_str(text).unwrap();
            assert_eq!(found.results, []);
        }
    }
}
