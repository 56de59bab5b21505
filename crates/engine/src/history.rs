//! The history of an image, from its config.

use windlass_oci::{ImageConfig, ImageId, ImageName};

use crate::engine::Engine;
use crate::store_error::StoreError;

/// One step of the build of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image that the step resulted in; only the last step has one.
    pub id: Option<ImageId>,
    /// The time.
    pub created: Option<String>,
    /// The command.
    pub created_by: String,
    /// Bytes of file content in the layer of the step.
    pub size: u64,
    /// A comment.
    pub comment: String,
    /// Whether the step has no layer.
    pub empty: bool,
}

impl Engine {
    /// Returns the steps of an image, the last first.
    pub fn history(&self, name: &ImageName) -> Result<Vec<HistoryEntry>, StoreError> {
        let image = self.store.image(name)?;
        let config = ImageConfig::parse(&self.store.read_blob(image.id.digest())?)?;
        let sizes: Vec<u64> = image.layers.iter().map(|layer| layer.size).collect();
        Ok(steps(config, &sizes, image.id))
    }
}

/// Assigns the layers to the steps. Layers without a step follow, without a command.
fn steps(config: ImageConfig, sizes: &[u64], id: ImageId) -> Vec<HistoryEntry> {
    let mut sizes = sizes.iter().copied();
    let mut steps: Vec<_> = config
        .history
        .into_iter()
        .map(|step| HistoryEntry {
            id: None,
            created: step.created,
            created_by: step.created_by.unwrap_or_default(),
            size: if step.empty_layer {
                0
            } else {
                sizes.next().unwrap_or(0)
            },
            comment: step.comment.unwrap_or_default(),
            empty: step.empty_layer,
        })
        .collect();
    steps.extend(sizes.map(|size| HistoryEntry {
        id: None,
        created: None,
        created_by: String::new(),
        size,
        comment: String::new(),
        empty: false,
    }));
    if let Some(last) = steps.last_mut() {
        last.id = Some(id);
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_assigned_to_the_steps_with_one() {
        let config = ImageConfig::parse(
            br#"{"rootfs":{"type":"layers","diff_ids":[]},"history":[
                {"created_by":"ADD rootfs"},
                {"created_by":"CMD sh","empty_layer":true},
                {"created_by":"COPY app"}]}"#,
        )
        .unwrap();
        let id = ImageId::new(windlass_oci::Digest::sha256(b"config"));
        let steps = steps(config, &[10, 20, 30], id);
        let shown: Vec<_> = steps
            .iter()
            .map(|step| (step.created_by.as_str(), step.size, step.id))
            .collect();
        assert_eq!(
            shown,
            [
                ("", 30, Some(id)),
                ("COPY app", 20, None),
                ("CMD sh", 0, None),
                ("ADD rootfs", 10, None)
            ]
        );
    }
}
