//! Searches a registry's catalogue, where it has one: the one thing that is left of the first protocol.

use serde::Deserialize;
use url::Url;
use windlass_oci::DEFAULT_REGISTRY;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::exchange::{Ask, Party};
use crate::login::AccessError;

/// A repository that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FoundRepository {
    /// Its name there.
    pub name: String,
    /// What it is, in its owner's words.
    pub description: String,
    /// How many like it.
    #[serde(rename = "star_count")]
    pub stars: i64,
    /// Whether the registry curates it.
    pub is_official: bool,
    /// Whether it is built there.
    pub is_automated: bool,
}

/// The answer.
#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    results: Vec<FoundRepository>,
}

/// Docker Hub's catalogue is not where its images are.
const HUB: &str = "https://index.docker.io";
/// The largest answer that is read, in bytes.
const LARGEST: u64 = 4 << 20;

impl Client {
    /// Asks `registry` (`host`, `host:port`, `docker.io` for Docker Hub) for repositories that fit `term`, at most
    /// `limit` of them. Nobody is shown who asks.
    pub async fn search(
        &self,
        registry: &str,
        term: &str,
        limit: u32,
    ) -> Result<Vec<FoundRepository>, AccessError> {
        let endpoint = match registry {
            DEFAULT_REGISTRY => Endpoint::parse(HUB)?,
            _ => {
                let endpoints = Endpoint::of_server(registry, self.config())?;
                endpoints
                    .into_iter()
                    .next()
                    .expect("every registry has an endpoint")
            }
        };
        Ok(self.search_at(&endpoint, term, limit).await?)
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
        let patience = self.config().timeouts.response;
        let ask = Ask::get(&context, Party::Endpoint(endpoint), url, patience);
        let answer = self.send(&ask, None).await?;
        let (status, headers) = (answer.response.status(), answer.response.headers().clone());
        let body = self.body(answer.response);
        if !status.is_success() {
            let refusal = Refusal {
                context: &context,
                status,
                headers: &headers,
                body: &body.read_prefix(LARGEST_ERROR_BODY).await,
            };
            return Err(refusal.into_error());
        }
        let body = body.read_to_end(LARGEST).await;
        let body = body.map_err(|error| context.body_failed(error))?;
        let found: Found = serde_json::from_slice(&body).map_err(|_| RegistryError::Malformed {
            context: context.boxed(),
            reason: "it is no list of repositories".to_owned(),
        })?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(found.results.into_iter().take(most).collect())
    }
}
