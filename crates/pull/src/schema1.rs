//! Images whose manifest is of Docker's schema 1: there is no config before the layers are here.
//!
//! The manifest names blobs, and nothing of what is in them. So the layers are fetched first; what their tars
//! hash to completes the config (S1-6), and a manifest of today is written for both. What is stored under the
//! digest of the name is the signed document's payload, as if it were an index of one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::task;
use windlass_oci::{
    Descriptor, DiffId, Digest, ImageConfig, LayerEncoding, Manifest, MediaType, Reference,
};
use windlass_registry::{Origin, TagOrDigest};
use windlass_schema1::{ExpectedManifest, ExpectedVersion, Schema1};
use windlass_store::{Layer, PartialBlob};

use crate::error::PullError;
use crate::events::{PlannedLayer, PullEvent};
use crate::plan::{ImagePlan, MissingLayer, PlanSummary};
use crate::puller::{CompleteImage, ImageLayers, PullContext, Puller, blocking_result, unique};
use crate::resolve::{RawDocument, ResolvedImage, check_platform};
use crate::sources::{EndpointNeed, Sources};
use crate::space::partial_bytes;

/// What the layers of schema 1 are.
const LAYER: MediaType = MediaType::DockerLayer(LayerEncoding::Gzip);

/// A blob of the manifest, as far as it is known before it is fetched.
#[derive(Clone, Debug)]
pub(crate) struct V1Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The layer that it was seen to unpack to, if that is here.
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

impl Puller {
    /// Gets everything that a manifest of schema 1 leads to.
    pub(crate) async fn fetch_schema1_image(
        &self,
        context: &PullContext<'_>,
        origin: &Origin,
        bytes: &[u8],
    ) -> Result<CompleteImage, PullError> {
        let schema1 = verify(bytes, context.reference, context.sources)?;
        if let Some(wanted) = &context.request.platform {
            check_platform(wanted, schema1.platform())?;
        }
        context.events.send(PullEvent::Resolved {
            endpoint: origin.clone(),
            digest: schema1.digest(),
            platform: schema1.platform().clone(),
        });

        let blobs = self.v1_blobs(&schema1, context.sources).await?;
        let partials = self.partial_blobs().await?;
        let summary = summary(&schema1, &blobs, &partials);
        let (downloaded_bytes, reused_bytes) = (summary.missing_bytes, summary.reused_bytes);
        context.events.send(summary.planned());
        let wanted = blobs.iter().filter(|blob| blob.layer.is_none()).map(wanted);
        let stored = blobs.iter().filter_map(|blob| blob.layer.clone()).collect();
        let layers = self
            .fetch(context, wanted.collect(), &partials, stored)
            .await?;

        let resolved = converted(&schema1, &blobs, &layers)?;
        let plan = ImagePlan::new(&resolved.manifest, &resolved.config)?;
        Ok(CompleteImage {
            resolved,
            plan,
            layers,
            downloaded_bytes,
            reused_bytes,
        })
    }

    /// Finds out what is known of the blobs, each once: which are here, and of the others how large they are.
    pub(crate) async fn v1_blobs(
        &self,
        schema1: &Schema1,
        sources: &Sources,
    ) -> Result<Vec<V1Blob>, PullError> {
        let mut blobs = Vec::new();
        for digest in unique(schema1.layers().iter().map(|layer| layer.blob)) {
            blobs.push(match self.stored_v1_blob(digest).await? {
                Some(stored) => stored,
                None => V1Blob {
                    digest,
                    size: blob_size(sources, digest).await?,
                    layer: None,
                },
            });
        }
        Ok(blobs)
    }

    /// The blob, if both it and the layer that it gives are here.
    async fn stored_v1_blob(&self, digest: Digest) -> Result<Option<V1Blob>, PullError> {
        let store = Arc::clone(&self.store);
        blocking_result(task::spawn_blocking(move || {
            let (layer, blob) = (store.layer_of_blob(&digest)?, store.blob(&digest)?);
            Ok(layer.zip(blob).map(|(layer, blob)| V1Blob {
                digest,
                size: blob.size(),
                layer: Some(layer),
            }))
        }))
        .await
    }
}

async fn blob_size(sources: &Sources, digest: Digest) -> Result<u64, PullError> {
    let size = |repository: windlass_registry::Repository| async move {
        repository.blob_size(&digest).await
    };
    Ok(sources.try_each(EndpointNeed::Pull, size).await?.content)
}

/// Sums up what is to be done: all layers, base first, one that stands twice twice.
pub(crate) fn summary(
    schema1: &Schema1,
    blobs: &[V1Blob],
    partials: &[PartialBlob],
) -> PlanSummary {
    let sum = |is_present: bool| {
        let blobs = blobs
            .iter()
            .filter(|blob| blob.layer.is_some() == is_present);
        blobs.fold(0, |sum: u64, blob| sum.saturating_add(blob.size))
    };
    let known: HashMap<Digest, &V1Blob> = blobs.iter().map(|blob| (blob.digest, blob)).collect();
    let layers = schema1.layers().iter().map(|layer| known[&layer.blob]);
    let planned = |blob: &V1Blob| PlannedLayer {
        digest: blob.digest,
        size: blob.size,
        exists: blob.layer.is_some(),
    };
    PlanSummary {
        layers: layers.map(planned).collect(),
        missing_bytes: sum(false),
        reused_bytes: sum(true),
        resumed_bytes: { blobs.iter() }
            .filter(|blob| blob.layer.is_none())
            .map(|blob| partial_bytes(partials, &blob.digest, blob.size))
            .sum(),
    }
}

fn wanted(blob: &V1Blob) -> MissingLayer {
    MissingLayer {
        descriptor: Descriptor {
            media_type: LAYER,
            digest: blob.digest,
            size: blob.size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        },
        diff_id: None,
    }
}

/// Writes config and manifest of an image whose layers are all here.
fn converted(
    schema1: &Schema1,
    blobs: &[V1Blob],
    layers: &ImageLayers,
) -> Result<ResolvedImage, PullError> {
    let mut diff_ids: HashMap<Digest, DiffId> = HashMap::new();
    for blob in blobs {
        if let Some(layer) = &blob.layer {
            diff_ids.insert(blob.digest, *layer.diff_id());
        }
    }
    for layer in &layers.fetched {
        diff_ids.insert(*layer.blob.digest(), layer.diff_id);
    }
    diff_ids.extend(layers.stored_blobs.iter().copied());
    let diff_ids: Vec<DiffId> = (schema1.layers().iter())
        .map(|layer| diff_ids[&layer.blob])
        .collect();
    let config = RawDocument::new(schema1.config(&diff_ids)?);
    let manifest = RawDocument::new(manifest(schema1, blobs, &config));
    let payload = Bytes::copy_from_slice(schema1.payload());
    let Manifest::Image(parsed) =
        Manifest::parse(&manifest.bytes, None).map_err(PullError::Converted)?
    else {
        unreachable!("what was written is the manifest of an image");
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

fn manifest(schema1: &Schema1, blobs: &[V1Blob], config: &RawDocument) -> Vec<u8> {
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
