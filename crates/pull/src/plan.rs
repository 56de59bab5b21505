//! What an image is made of, decided before a layer byte moves.
//!
//! Everything that manifest and config can contradict each other about fails here (S2-6, S2-7, T20): a
//! [`Plan`] that exists can be carried out, shown, summed up.

use std::collections::HashSet;

use windlass_oci::{ChainId, Descriptor, DiffId, ImageConfig, ImageManifest};
use windlass_store::{Layer, PartialBlob};

use crate::events::{PlannedLayer, PullEvent};
use crate::space::partial_bytes;

/// The layers of an image, base first.
#[derive(Clone, Debug)]
pub(crate) struct ImagePlan {
    layers: Vec<LayerPlan>,
}

/// One place in the stack.
#[derive(Clone, Debug)]
pub(crate) struct LayerPlan {
    /// The blob, as the manifest has it.
    pub(crate) descriptor: Descriptor,
    /// The tar that the blob must hold, as the config has it.
    pub(crate) diff_id: DiffId,
    /// The stack up to this layer.
    pub(crate) chain_id: ChainId,
}

/// A layer that has to be fetched.
#[derive(Clone, Debug)]
pub(crate) struct MissingLayer {
    /// The blob.
    pub(crate) descriptor: Descriptor,
    /// The tar that it must hold, where that is known beforehand.
    pub(crate) diff_id: Option<DiffId>,
}

/// A plan in numbers.
#[derive(Clone, Debug)]
pub(crate) struct PlanSummary {
    pub(crate) layers: Vec<PlannedLayer>,
    /// Bytes to download.
    pub(crate) missing_bytes: u64,
    /// Compressed bytes of layers that are here.
    pub(crate) reused_bytes: u64,
    /// Of the bytes to download, those that are here from an earlier pull.
    pub(crate) resumed_bytes: u64,
}

/// How manifest and config contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// They disagree about the number of layers.
    #[error("the manifest has {layers} layers, the config {diff_ids} diff IDs")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff IDs in the config.
        diff_ids: usize,
    },
    /// A layer's media type is not that of a layer tar.
    #[error("layer {index} has media type {media_type}, which is not a layer")]
    NotALayer {
        /// Which layer, from 0 at the base.
        index: usize,
        /// The descriptor in the manifest.
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
    /// Returns the entry for the `Planned` event.
    pub(crate) fn planned(self) -> PullEvent {
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
        let mut seen = HashSet::new();
        let diff_ids = self.layers.iter().map(|layer| layer.diff_id);
        diff_ids.filter(|diff_id| seen.insert(*diff_id)).collect()
    }

    /// Returns the layers that are neither in the store nor here otherwise, each once, bases first.
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

    /// Sums up what is to be done where the store has `held`, and parts of blobs: `kept`. A layer that stands
    /// twice counts once.
    pub(crate) fn summary(&self, stored: &[Layer], partials: &[PartialBlob]) -> PlanSummary {
        let stored: HashSet<_> = stored.iter().map(|layer| *layer.diff_id()).collect();
        let mut counted = HashSet::new();
        let mut summary = PlanSummary {
            layers: Vec::new(),
            missing_bytes: 0,
            reused_bytes: 0,
            resumed_bytes: 0,
        };
        for LayerPlan {
            descriptor,
            diff_id,
            ..
        } in &self.layers
        {
            let (digest, size, exists) =
                (descriptor.digest, descriptor.size, stored.contains(diff_id));
            summary.layers.push(PlannedLayer {
                digest,
                size,
                exists,
            });
            if counted.insert(diff_id) {
                let sum = if exists {
                    &mut summary.reused_bytes
                } else {
                    &mut summary.missing_bytes
                };
                *sum = sum.saturating_add(size);
                if !exists {
                    summary.resumed_bytes += partial_bytes(partials, &digest, size);
                }
            }
        }
        summary
    }

    /// Returns the layers, base first.
    pub(crate) fn layers(&self) -> &[LayerPlan] {
        &self.layers
    }
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
            panic!("it is the manifest of an image");
        };
        ImagePlan::new(&manifest, &ImageConfig::parse(&packed.config).unwrap())
    }

    fn layer(name: &str, size: u64) -> PackedLayer {
        let packed = LayerBuilder::new().file(name, b"").pack();
        PackedLayer { size, ..packed }
    }

    /// S2-8.
    #[test]
    fn no_layers_are_a_plan() {
        let plan = plan(&ImageBuilder::new()).unwrap();
        assert!(plan.layers().is_empty() && plan.diff_ids().is_empty());
        let summary = plan.summary(&[], &[]);
        assert_eq!((summary.missing_bytes, summary.reused_bytes), (0, 0));
    }

    /// DM-4: what stands twice counts once, and is shown twice. Each place has a chain ID of its own.
    #[test]
    fn layers_count_once() {
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
    fn contradictions_are_no_plan() {
        let image = ImageBuilder::new()
            .layer(layer("a", 1))
            .layer(layer("b", 1));
        let count = |diff_ids| PlanError::LayerCount {
            layers: 2,
            diff_ids,
        };
        let none = image.clone().config(|config| {
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().clear();
        });
        assert_eq!(plan(&none).unwrap_err(), count(0));
        let more = image.clone().config(|config| {
            let diff_ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
            diff_ids.push(diff_ids[0].clone());
        });
        assert_eq!(plan(&more).unwrap_err(), count(3));
        let odd = image.manifest(|manifest| {
            manifest["layers"][1]["mediaType"] = "application/vnd.cncf.helm.chart".into();
        });
        let expected = PlanError::NotALayer {
            index: 1,
            media_type: "application/vnd.cncf.helm.chart".to_owned(),
        };
        assert_eq!(plan(&odd).unwrap_err(), expected);
    }
}
