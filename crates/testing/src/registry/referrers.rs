//! The referrers of a manifest (OCI distribution specification, "Listing Referrers").

use hyper::StatusCode;
use hyper::header::LINK;
use serde_json::{Value, json};

use super::ProtocolOptions;
use super::content::StoredRepository;
use super::response::{RegistryResponse, RequestParts};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Lists the manifests whose subject is `digest`, one page at a time.
pub(super) fn referrers(
    repository: Option<&StoredRepository>,
    name: &str,
    digest: &str,
    parts: &RequestParts<'_>,
    protocol: &ProtocolOptions,
) -> RegistryResponse {
    let Some(per_page) = protocol.referrers else {
        return RegistryResponse::new(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n");
    };
    let manifests = repository.into_iter().flat_map(|stored| &stored.manifests);
    let mut found: Vec<Value> = manifests
        .filter_map(|(of, manifest)| {
            let document: Value = serde_json::from_slice(&manifest.bytes).ok()?;
            let is_about = document["subject"]["digest"] == digest;
            let kind = match &document["artifactType"] {
                Value::Null => document["config"]["mediaType"].clone(),
                kind => kind.clone(),
            };
            is_about.then(|| {
                json!({
                    "mediaType": manifest.media_type,
                    "digest": of,
                    "size": manifest.bytes.len(),
                    "artifactType": kind,
                })
            })
        })
        .collect();
    found.sort_by_key(|entry| entry["digest"].to_string());
    let query = parts.query.unwrap_or_default();
    let skipped = query
        .strip_prefix("skip=")
        .and_then(|skipped| skipped.parse().ok())
        .unwrap_or(0);
    let total = found.len();
    let page: Vec<_> = found.into_iter().skip(skipped).take(per_page).collect();
    let next = skipped + page.len();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": page });
    let reply = RegistryResponse::new(StatusCode::OK, INDEX, index.to_string());
    if next >= total {
        return reply;
    }
    let root = &protocol.root;
    let link = format!("<{root}/{name}/referrers/{digest}?skip={next}>; rel=\"next\"");
    reply.with(LINK, &link)
}
