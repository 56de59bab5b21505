//! Searches the catalogue of a registry with the v1 search API.

use serde::Deserialize;
use url::Url;
use windlass_oci::DEFAULT_REGISTRY;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::login::AccessError;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RequestPeer, RequestSpec};

/// A search result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FoundRepository {
    /// The name of the repository.
    pub name: String,
    /// The description by its owner.
    pub description: String,
    /// The number of stars.
    #[serde(rename = "star_count")]
    pub stars: i64,
    /// Whether the registry maintains it.
    pub is_official: bool,
    /// Whether the registry builds it.
    pub is_automated: bool,
}

/// The response.
#[derive(Deserialize)]
struct SearchResults {
    #[serde(default)]
    results: Vec<FoundRepository>,
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
