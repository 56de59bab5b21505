//! Images whose manifest is of Docker's schema 1, which has no config and no diff IDs.
//!
//! The layers are fetched first. Their diff IDs complete the config (S1-6), and a manifest of schema 2 is written for
//! config and layers. The payload of the signed document is stored under the digest that the reference names, like an
//! index with one manifest.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::task;
use windlass_oci::{
    Descriptor, DiffId, Digest, ImageConfig, LayerEncoding, Manifest, MediaType, Reference,
};
use windlass_registry::{Repository, TagOrDigest};
use windlass_schema1::{ExpectedManifest, ExpectedVersion, Schema1};
use windlass_store::{Layer, PartialBlob, Store};

use crate::blocking::blocking_result;
use crate::documents::{RawDocument, ResolvedImage};
use crate::endpoint_need::EndpointNeed;
use crate::error::PullError;
use crate::events::PlannedLayer;
use crate::plan::{MissingLayer, PlanSummary, partial_bytes, unique};
use crate::sources::Sources;

/// The media type of all layers of schema 1.
const LAYER: MediaType = MediaType::DockerLayer(LayerEncoding::Gzip);

/// A blob of a manifest of schema 1.
#[derive(Clone, Debug)]
pub(crate) struct Schema1Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The stored layer of the blob.
    pub(crate) layer: Option<Layer>,
}

/// Verifies a manifest of schema 1: its signature, and that it is the requested one (S1-1, MF-2).
pub(crate) fn verify(
    bytes: &[u8],
    reference: &Reference,
    sources: &Sources,
) -> Result<Schema1, PullError> {
    let target = TagOrDigest::of(reference);
    let version = match &target {
        TagOrDigest::Tag(tag) => ExpectedVersion::Tag(tag),
        TagOrDigest::Digest(digest) => ExpectedVersion::Digest(digest),
    };
    let expected = ExpectedManifest {
        repository: sources.name().path(),
        version,
    };
    Ok(Schema1::parse(bytes, &expected)?)
}

/// Returns the blobs of a manifest, each once, with their stored layers. The sizes of the others are requested.
pub(crate) async fn find_blobs(
    schema1: &Schema1,
    store: &Arc<Store>,
    sources: &Sources,
) -> Result<Vec<Schema1Blob>, PullError> {
    let mut blobs = Vec::new();
    for digest in unique(schema1.layers().iter().map(|layer| layer.blob)) {
        blobs.push(match find_stored(Arc::clone(store), digest).await? {
            Some(stored) => stored,
            None => Schema1Blob {
                digest,
                size: fetch_size(sources, digest).await?,
                layer: None,
            },
        });
    }
    Ok(blobs)
}

/// Returns a stored blob with its stored layer, if both are stored.
async fn find_stored(store: Arc<Store>, digest: Digest) -> Result<Option<Schema1Blob>, PullError> {
    blocking_result(task::spawn_blocking(move || {
        let (layer, blob) = (store.layer_of_blob(&digest)?, store.blob(&digest)?);
        Ok(layer.zip(blob).map(|(layer, blob)| Schema1Blob {
            digest,
            size: blob.size(),
            layer: Some(layer),
        }))
    }))
    .await
}

async fn fetch_size(sources: &Sources, digest: Digest) -> Result<u64, PullError> {
    let size = |repository: Repository| async move { repository.blob_size(&digest).await };
    Ok(sources.try_each(EndpointNeed::Pull, size).await?.content)
}

/// Summarizes the layers, base first. Repeated layers are listed again, but their bytes are counted once.
pub(crate) fn summary(
    schema1: &Schema1,
    blobs: &[Schema1Blob],
    partials: &[PartialBlob],
) -> PlanSummary {
    let by_digest: HashMap<Digest, &Schema1Blob> =
        blobs.iter().map(|blob| (blob.digest, blob)).collect();
    let layers = schema1.layers().iter().map(|layer| {
        let blob = by_digest[&layer.blob];
        PlannedLayer {
            digest: blob.digest,
            size: blob.size,
            exists: blob.layer.is_some(),
        }
    });
    let mut summary = PlanSummary {
        layers: layers.collect(),
        missing_bytes: 0,
        reused_bytes: 0,
        resumed_bytes: 0,
    };
    for blob in blobs {
        if blob.layer.is_some() {
            summary.reused_bytes = summary.reused_bytes.saturating_add(blob.size);
        } else {
            summary.missing_bytes = summary.missing_bytes.saturating_add(blob.size);
            summary.resumed_bytes += partial_bytes(partials, &blob.digest, blob.size);
        }
    }
    summary
}

/// Returns the layers that are not stored.
pub(crate) fn missing_layers(blobs: &[Schema1Blob]) -> Vec<MissingLayer> {
    let missing = blobs.iter().filter(|blob| blob.layer.is_none());
    missing
        .map(|blob| MissingLayer {
            descriptor: Descriptor::new(LAYER, blob.digest, blob.size),
            diff_id: None,
        })
        .collect()
}

/// Writes the config and the manifest of an image. `fetched` has the diff IDs of all blobs without a stored layer.
pub(crate) fn convert(
    schema1: &Schema1,
    blobs: &[Schema1Blob],
    fetched: HashMap<Digest, DiffId>,
) -> Result<ResolvedImage, PullError> {
    let mut diff_ids = fetched;
    for blob in blobs {
        if let Some(layer) = &blob.layer {
            diff_ids.insert(blob.digest, *layer.diff_id());
        }
    }
    let diff_ids: Vec<DiffId> = (schema1.layers().iter())
        .map(|layer| diff_ids[&layer.blob])
        .collect();
    let config = RawDocument::new(schema1.config(&diff_ids)?);
    let manifest = RawDocument::new(manifest(schema1, blobs, &config));
    let payload = Bytes::copy_from_slice(schema1.payload());
    let Manifest::Image(parsed) =
        Manifest::parse(&manifest.bytes, None).map_err(PullError::Converted)?
    else {
        unreachable!("the media type is that of an image manifest");
    };
    Ok(ResolvedImage {
        digest: schema1.digest(),
        indexes: vec![RawDocument {
            digest: schema1.digest(),
            bytes: payload,
        }],
        manifest: parsed,
        config: ImageConfig::parse(&config.bytes)?,
        manifest_bytes: manifest,
        config_bytes: config,
    })
}

fn manifest(schema1: &Schema1, blobs: &[Schema1Blob], config: &RawDocument) -> Vec<u8> {
    let sizes: HashMap<Digest, u64> = blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
    let layers = schema1.layers().iter().map(|layer| {
        json!({
            "mediaType": LAYER.to_string(),
            "size": sizes[&layer.blob],
            "digest": layer.blob.to_string(),
        })
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::DockerManifest.to_string(),
        "config": {
            "mediaType": MediaType::DockerConfig.to_string(),
            "size": config.bytes.len(),
            "digest": config.digest.to_string(),
        },
        "layers": layers.collect::<Vec<_>>(),
    });
    manifest.to_string().into_bytes()
}
