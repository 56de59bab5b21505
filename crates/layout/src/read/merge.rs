//! Merges the list of Docker, `manifest.json`, into the list of OCI, `index.json`.
//!
//! Docker's list refers to configs, OCI's to manifests or indexes of several images. An image is the same in both lists
//! if it has the same config.

use std::collections::HashMap;

use windlass_oci::{Descriptor, Digest, Manifest, Reference};

use super::entry::NamedImage;
use super::layout::Layout;
use super::referrers::DocumentBudget;

/// The names that `manifest.json` gives to an image.
pub(super) struct AssignedNames {
    /// The positions of the entries that contain the image; at least one.
    pub positions: Vec<usize>,
    /// The digest of the config of the image.
    pub config: Digest,
    pub names: Vec<Reference>,
}

/// The limit on the depth of indexes in indexes.
const MAX_DEPTH: usize = 4;

impl Layout {
    /// Returns the positions of the entries that contain an image, by the digest of its config. Documents that are
    /// missing or invalid are skipped; they are reported when they are used.
    pub(super) fn listed_configs(&self) -> HashMap<Digest, Vec<usize>> {
        let mut listed: HashMap<Digest, Vec<usize>> = HashMap::new();
        let mut budget = DocumentBudget::default();
        for (position, entry) in self.entries.iter().enumerate() {
            for config in self.configs_below(&entry.root, &mut budget) {
                let positions = listed.entry(config).or_default();
                if positions.last() != Some(&position) {
                    positions.push(position);
                }
            }
        }
        listed
    }

    /// Returns the digests of the configs of all images that `root` leads to.
    fn configs_below(&self, root: &Descriptor, budget: &mut DocumentBudget) -> Vec<Digest> {
        let (mut configs, mut pending) = (Vec::new(), vec![(root.clone(), 0)]);
        while let Some((descriptor, depth)) = pending.pop() {
            let document = budget.take(&descriptor).then(|| self.document(&descriptor));
            let Some(Ok(Some(bytes))) = document else {
                continue;
            };
            match Manifest::parse(&bytes, None) {
                Ok(Manifest::Image(manifest)) => configs.push(manifest.config.digest),
                Ok(Manifest::Index(index)) if depth < MAX_DEPTH => {
                    let children = index.manifests.into_iter();
                    pending.extend(children.map(|child| (child, depth + 1)));
                }
                Ok(Manifest::Index(_)) | Err(_) => {}
            }
        }
        configs
    }

    /// Gives names to an image, and takes them from entries that do not contain it: `manifest.json` names single
    /// images, so it is more exact than `index.json`.
    pub(super) fn assign(&mut self, assigned: AssignedNames) {
        let AssignedNames {
            positions,
            config,
            names,
        } = assigned;
        for name in names {
            self.take_name(&name, &positions);
            let has_name = |position: &&usize| self.entries[**position].names.contains(&name);
            let position = positions.iter().find(has_name).unwrap_or(&positions[0]);
            let entry = &mut self.entries[*position];
            entry.add_name(name.clone());
            if entry.named_images.iter().all(|image| image.name != name) {
                entry.named_images.push(NamedImage { name, config });
            }
        }
    }

    /// Removes `name` from all entries of `index.json` except those at the positions `kept`.
    fn take_name(&mut self, name: &Reference, kept: &[usize]) {
        for (position, entry) in self.entries.iter_mut().enumerate() {
            let is_assigned = entry.named_images.iter().any(|image| image.name == *name);
            let is_other = !kept.contains(&position) && !is_assigned;
            if is_other && entry.names.contains(name) {
                entry.names.retain(|other| other != name);
                tracing::warn!(
                    %name,
                    "index.json and manifest.json give this name to different images; manifest.json is used"
                );
            }
        }
    }
}
