//! The layers of an image, planned before any layer is downloaded.
//!
//! Contradictions between manifest and config are found here (S2-6, S2-7, T20): an [`ImagePlan`] exists only if they
//! match.

use std::collections::HashSet;
use std::hash::Hash;

use windlass_oci::{ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageManifest};
use windlass_store::{Layer, PartialBlob};

use crate::events::{PlannedLayer, PullEvent};

/// The layers of an image, base first.
#[derive(Clone, Debug)]
pub(crate) struct ImagePlan {
    layers: Vec<LayerPlan>,
}

/// One layer of the stack.
#[derive(Clone, Debug)]
pub(crate) struct LayerPlan {
    /// The blob, from the manifest.
    pub(crate) descriptor: Descriptor,
    /// The tar that the blob must contain, from the config.
    pub(crate) diff_id: DiffId,
    /// The stack up to and including this layer.
    pub(crate) chain_id: ChainId,
}

/// A layer that has to be fetched.
#[derive(Clone, Debug)]
pub(crate) struct MissingLayer {
    /// The blob.
    pub(crate) descriptor: Descriptor,
    /// The tar that the blob must contain; `None` if it is not known before the download (schema 1).
    pub(crate) diff_id: Option<DiffId>,
}

/// The layers of a plan, and how many bytes are to be downloaded for them.
#[derive(Clone, Debug)]
pub(crate) struct PlanSummary {
    pub(crate) layers: Vec<PlannedLayer>,
    /// Bytes to download.
    pub(crate) missing_bytes: u64,
    /// Compressed bytes of stored layers.
    pub(crate) reused_bytes: u64,
    /// The part of `missing_bytes` that an earlier pull has downloaded.
    pub(crate) resumed_bytes: u64,
}

/// A contradiction between manifest and config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Their numbers of layers differ.
    #[error("the manifest has {layers} layers, the config {diff_ids} diff IDs")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff IDs in the config.
        diff_ids: usize,
    },
    /// The media type of a layer is not a layer type.
    #[error("layer {index} has media type {media_type}, which is not a layer")]
    NotALayer {
        /// The index of the layer, from 0 at the base.
        index: usize,
        /// The media type in the manifest.
        media_type: String,
    },
}

/// Matches the layers of `manifest` with the diff IDs of `config`, base first.
pub fn match_layers(
    manifest: &ImageManifest,
    config: &ImageConfig,
) -> Result<Vec<(Descriptor, DiffId)>, PlanError> {
    let layers = ImagePlan::new(manifest, config)?.layers.into_iter();
    Ok(layers
        .map(|layer| (layer.descriptor, layer.diff_id))
        .collect())
}

impl PlanSummary {
    /// Returns the event that reports the plan.
    pub(crate) fn into_event(self) -> PullEvent {
        PullEvent::Planned {
            layers: self.layers,
            missing_bytes: self.missing_bytes,
            reused_bytes: self.reused_bytes,
            resumed_bytes: self.resumed_bytes,
        }
    }
}

impl ImagePlan {
    /// Matches the manifest's layers with the config's diff IDs.
    pub(crate) fn new(manifest: &ImageManifest, config: &ImageConfig) -> Result<Self, PlanError> {
        let diff_ids = &config.rootfs.diff_ids;
        if manifest.layers.len() != diff_ids.len() {
            return Err(PlanError::LayerCount {
                layers: manifest.layers.len(),
                diff_ids: diff_ids.len(),
            });
        }
        let mut layers: Vec<LayerPlan> = Vec::with_capacity(diff_ids.len());
        for (index, (descriptor, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
            if !descriptor.media_type.is_layer() {
                let media_type = descriptor.media_type.to_string();
                return Err(PlanError::NotALayer { index, media_type });
            }
            let below = layers.last().map(|layer| &layer.chain_id);
            let chain_id = ChainId::stacked(below, diff_id);
            layers.push(LayerPlan {
                descriptor: descriptor.clone(),
                diff_id: *diff_id,
                chain_id,
            });
        }
        Ok(Self { layers })
    }

    /// Returns the diff IDs, each once, base first.
    pub(crate) fn diff_ids(&self) -> Vec<DiffId> {
        unique(self.layers.iter().map(|layer| layer.diff_id))
    }

    /// Returns the layers that are not in `present`, each once, base first.
    pub(crate) fn missing(&self, present: impl IntoIterator<Item = DiffId>) -> Vec<MissingLayer> {
        let mut present: HashSet<_> = present.into_iter().collect();
        let missing = self
            .layers
            .iter()
            .filter(|layer| present.insert(layer.diff_id));
        missing
            .map(|layer| MissingLayer {
                descriptor: layer.descriptor.clone(),
                diff_id: Some(layer.diff_id),
            })
            .collect()
    }

    /// Summarizes the plan, with the stored layers and the partial blobs. Repeated layers are counted once.
    pub(crate) fn summary(&self, stored: &[Layer], partials: &[PartialBlob]) -> PlanSummary {
        let stored: HashSet<_> = stored.iter().map(|layer| *layer.diff_id()).collect();
        let mut counted = HashSet::new();
        let mut summary = PlanSummary {
            layers: Vec::new(),
            missing_bytes: 0,
            reused_bytes: 0,
            resumed_bytes: 0,
        };
        for layer in &self.layers {
            let (digest, size) = (layer.descriptor.digest, layer.descriptor.size);
            let exists = stored.contains(&layer.diff_id);
            summary.layers.push(PlannedLayer {
                digest,
                size,
                exists,
            });
            if !counted.insert(layer.diff_id) {
                continue;
            }
            if exists {
                summary.reused_bytes = summary.reused_bytes.saturating_add(size);
            } else {
                summary.missing_bytes = summary.missing_bytes.saturating_add(size);
                summary.resumed_bytes += partial_bytes(partials, &digest, size);
            }
        }
        summary
    }

    /// Returns the layers, base first.
    pub(crate) fn layers(&self) -> &[LayerPlan] {
        &self.layers
    }
}

/// Returns how many bytes of a blob of `size` bytes an earlier pull has left.
pub(crate) fn partial_bytes(partials: &[PartialBlob], digest: &Digest, size: u64) -> u64 {
    let mut of_blob = partials
        .iter()
        .filter(|it| it.digest == *digest && it.size == size);
    of_blob.next().map_or(0, |blob| blob.stored.min(size))
}

/// Returns each item once, at the place of its first occurrence.
pub(crate) fn unique<T: Hash + Eq + Copy>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(*item)).collect()
}

#[cfg(test)]
mod tests {
    use windlass_oci::Manifest;
    use windlass_testing::{ImageBuilder, LayerBuilder, PackedLayer};

    use super::*;

    fn plan(image: &ImageBuilder) -> Result<ImagePlan, PlanError> {
        let packed = image.pack();
        let manifest = Manifest::parse(&packed.manifest, None).unwrap();
        let Manifest::Image(manifest) = manifest else {
            panic!("not the manifest of an image");
        };
        ImagePlan::new(&manifest, &ImageConfig::parse(&packed.config).unwrap())
    }

    fn layer(name: &str, size: u64) -> PackedLayer {
        let packed = LayerBuilder::new().file(name, b"").pack();
        PackedLayer { size, ..packed }
    }

    /// S2-8.
    #[test]
    fn an_image_without_layers_has_an_empty_plan() {
        let plan = plan(&ImageBuilder::new()).unwrap();
        assert!(plan.layers().is_empty() && plan.diff_ids().is_empty());
        let summary = plan.summary(&[], &[]);
        assert_eq!((summary.missing_bytes, summary.reused_bytes), (0, 0));
    }

    /// DM-4: a repeated layer is counted once and listed twice. Each occurrence has its own chain ID.
    #[test]
    fn repeated_layers_are_counted_once() {
        let [a, b] = [layer("a", 10), layer("b", 5)];
        let plan = plan(&ImageBuilder::new().layer(&a).layer(&b).layer(&a)).unwrap();
        assert_eq!(plan.diff_ids(), [a.diff_id, b.diff_id]);
        let summary = plan.summary(&[], &[]);
        assert_eq!((summary.missing_bytes, summary.reused_bytes), (15, 0));
        let sizes: Vec<_> = summary.layers.iter().map(|layer| layer.size).collect();
        assert_eq!(sizes, [10, 5, 10]);
        let chains: HashSet<_> = plan.layers().iter().map(|layer| layer.chain_id).collect();
        assert_eq!(chains.len(), 3);
    }

    /// S2-6, S2-7, T20.
    #[test]
    fn contradictions_are_rejected() {
        let image = ImageBuilder::new()
            .layer(layer("a", 1))
            .layer(layer("b", 1));
        let wrong_count = |diff_ids| PlanError::LayerCount {
            layers: 2,
            diff_ids,
        };
        let none = image.clone().config(|config| {
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().clear();
        });
        assert_eq!(plan(&none).unwrap_err(), wrong_count(0));
        let more = image.clone().config(|config| {
            let diff_ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
            diff_ids.push(diff_ids[0].clone());
        });
        assert_eq!(plan(&more).unwrap_err(), wrong_count(3));
        let not_a_layer = image.manifest(|manifest| {
            manifest["layers"][1]["mediaType"] = "application/vnd.cncf.helm.chart".into();
        });
        let expected = PlanError::NotALayer {
            index: 1,
            media_type: "application/vnd.cncf.helm.chart".to_owned(),
        };
        assert_eq!(plan(&not_a_layer).unwrap_err(), expected);
    }
}
