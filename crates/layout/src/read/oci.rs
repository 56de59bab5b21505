//! Reads OCI layouts (OCI image specification, "Image Layout"), including the annotations of containerd and Docker
//! for names.

use std::collections::HashMap;

use serde::Deserialize;
use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, Manifest, Reference, json};

use super::document::{MAX_LIST_SIZE, parse_manifest};
use super::entry::{LayoutEntry, tagged_name};
use super::file_name::{INDEX, OCI_LAYOUT};
use super::layout::Layout;
use super::referrers::DocumentBudget;
use crate::contents::LayoutContents;
use crate::error::{LayoutDefect, LayoutError};
use crate::path::InnerPath;

/// The annotation with a tag or name.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation of containerd with the full name.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// The limit on the size of `oci-layout`, in bytes.
const MAX_MARKER_SIZE: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciLayoutFile {
    image_layout_version: String,
}

/// An entry of `index.json` that is an artifact, such as a signature.
pub(super) struct ListedArtifact {
    root: Descriptor,
    names: NameAnnotations,
}

/// The annotations of an entry that name the image.
struct NameAnnotations {
    /// The full name, if it has a tag.
    name: Option<Reference>,
    /// Whether there is a full name, with a tag or without.
    has_full_name: bool,
    ref_name: Option<String>,
}

impl Layout {
    /// Adds the images of `index.json` to the list. Returns the entries that are artifacts.
    pub(super) fn add_oci_images(&mut self) -> Result<Vec<ListedArtifact>, LayoutError> {
        let path = InnerPath::of_name(INDEX);
        let bytes = self.contents.read(&path, MAX_LIST_SIZE)?;
        let Manifest::Index(index) = parse_manifest(&path, &bytes)? else {
            return Err(LayoutDefect::NoIndex.into());
        };
        let (mut artifacts, mut indexes) = (Vec::new(), HashMap::new());
        let mut budget = DocumentBudget::default();
        let listed = index.manifests.into_iter().filter(|descriptor| {
            descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
        });
        for root in listed {
            let names = NameAnnotations::of(&root);
            let ref_name = names.ref_name.as_deref();
            if !names.has_full_name && self.add_artifact(&root, ref_name, &mut budget) {
                artifacts.push(ListedArtifact { root, names });
                continue;
            }
            add(&mut self.entries, &mut indexes, root, names);
        }
        Ok(artifacts)
    }

    /// Lists artifacts as images, for a layout that only contains artifacts.
    pub(super) fn list_artifacts(&mut self, artifacts: Vec<ListedArtifact>) {
        let mut indexes = HashMap::new();
        for ListedArtifact { root, names } in artifacts {
            add(&mut self.entries, &mut indexes, root, names);
        }
    }
}

/// Adds an image to the list, or more names to an image in the list. `indexes` has the positions of images in the
/// list.
fn add(
    entries: &mut Vec<LayoutEntry>,
    indexes: &mut HashMap<Digest, usize>,
    mut root: Descriptor,
    annotations: NameAnnotations,
) {
    root.annotations.clear();
    let index = *indexes.entry(root.digest).or_insert(entries.len());
    if index == entries.len() {
        entries.push(LayoutEntry::unnamed(root));
    }
    if let Some(name) = annotations.name {
        entries[index].add_name(name);
    }
    entries[index].ref_names.extend(annotations.ref_name);
}

/// Verifies the version in `oci-layout`.
pub(super) fn check_version(contents: &LayoutContents) -> Result<(), LayoutError> {
    let path = InnerPath::of_name(OCI_LAYOUT);
    let bytes = contents.read(&path, MAX_MARKER_SIZE)?;
    let marker: OciLayoutFile = json::parse(&bytes, &["imageLayoutVersion"]).map_err(|source| {
        let path = path.sanitized();
        LayoutDefect::Json { path, source }
    })?;
    let version = &*marker.image_layout_version;
    // A minor version does not change the meaning of existing files.
    if !version.starts_with("1.") {
        let version = sanitize(version);
        return Err(LayoutDefect::Version { version }.into());
    }
    Ok(())
}

impl NameAnnotations {
    /// Reads the annotations of an entry. A ref name without a repository, such as `latest`, is not a full name.
    fn of(descriptor: &Descriptor) -> Self {
        let ref_name = descriptor.annotations.get(REF_NAME).cloned();
        let full = descriptor.annotations.get(IMAGE_NAME);
        let full = full.or(ref_name.as_ref().filter(|name| name.contains(['/', ':'])));
        let full = full.and_then(|name| name.parse::<Reference>().ok());
        Self {
            has_full_name: full.is_some(),
            name: full.and_then(tagged_name),
            ref_name,
        }
    }
}
