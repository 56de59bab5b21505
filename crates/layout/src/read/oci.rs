//! Reads OCI layouts (OCI image specification, "Image Layout"), including the annotations of containerd and Docker
//! for names.

use std::collections::HashMap;

use serde::Deserialize;
use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, Manifest, Reference, json};

use super::referrers::DocumentBudget;
use super::{INDEX, Layout, LayoutEntry, MAX_LIST_SIZE, OCI_LAYOUT, parse_manifest};
use crate::contents::LayoutContents;
use crate::error::{LayoutDefect, LayoutError};
use crate::kind::LayoutKind;
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

/// The annotations of an entry that name the image.
struct NameAnnotations {
    /// The full name.
    name: Option<Reference>,
    ref_name: Option<String>,
}

pub(super) fn read(kind: LayoutKind, contents: LayoutContents) -> Result<Layout, LayoutError> {
    check_version(&contents)?;
    let path = InnerPath::of_name(INDEX);
    let bytes = contents.read(&path, MAX_LIST_SIZE)?;
    let Manifest::Index(index) = parse_manifest(&path, &bytes)? else {
        return Err(LayoutDefect::NoImages.into());
    };
    let mut layout = Layout {
        kind,
        contents,
        entries: Vec::new(),
        generated: HashMap::new(),
        artifacts: HashMap::new(),
        blob_paths: HashMap::new(),
    };
    let (mut artifacts, mut indexes) = (Vec::new(), HashMap::new());
    let mut budget = DocumentBudget::default();
    let listed = index.manifests.into_iter().filter(|descriptor| {
        descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
    });
    for descriptor in listed {
        let names = NameAnnotations::of(&descriptor);
        let ref_name = names.ref_name.as_deref();
        if names.name.is_none() && layout.add_artifact(&descriptor, ref_name, &mut budget) {
            artifacts.push((descriptor, names));
            continue;
        }
        add(&mut layout.entries, &mut indexes, descriptor, names);
    }
    // If the layout only contains artifacts, they are listed as images.
    if layout.entries.is_empty() {
        for (descriptor, names) in artifacts {
            add(&mut layout.entries, &mut indexes, descriptor, names);
        }
    }
    Ok(layout)
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
        let (names, ref_names) = (Vec::new(), Vec::new());
        entries.push(LayoutEntry {
            root,
            names,
            ref_names,
        });
    }
    entries[index].names.extend(annotations.name);
    entries[index].ref_names.extend(annotations.ref_name);
}

fn check_version(contents: &LayoutContents) -> Result<(), LayoutError> {
    let path = InnerPath::of_name(OCI_LAYOUT);
    let bytes = contents.read(&path, MAX_MARKER_SIZE)?;
    let marker: OciLayoutFile = json::parse(&bytes, &["imageLayoutVersion"]).map_err(|source| {
        let path = path.sanitized();
        LayoutDefect::Json { path, source }
    })?;
    let version = &*marker.image_layout_version;
    if version != "1.0.0" {
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
        let name = full.and_then(|name| name.parse::<Reference>().ok());
        let name = name.map(|name| name.without_digest().or_latest());
        Self { name, ref_name }
    }
}
