//! OCI layouts (OCI image specification, "Image Layout"), with the names that containerd and Docker add.

use std::collections::HashMap;

use serde::Deserialize;
use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, Manifest, Reference, json};

use super::referrers::Left;
use super::{INDEX, LARGEST_LIST, Layout, LayoutEntry, OCI_LAYOUT, manifest};
use crate::contents::Contents;
use crate::error::{LayoutDefect, LayoutError};
use crate::kind::LayoutKind;
use crate::path::InnerPath;

/// The annotation with a name or a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation with a full name.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// The largest `oci-layout`, in bytes.
const LARGEST_MARKER: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

pub(super) fn read(kind: LayoutKind, contents: Contents) -> Result<Layout, LayoutError> {
    check_version(&contents)?;
    let path = InnerPath::of_name(INDEX);
    let bytes = contents.read(&path, LARGEST_LIST)?;
    let Manifest::Index(index) = manifest(&path, &bytes)? else {
        return Err(LayoutDefect::NoImages.into());
    };
    let mut layout = Layout {
        kind,
        contents,
        entries: Vec::new(),
        made: HashMap::new(),
        artifacts: HashMap::new(),
        places: HashMap::new(),
    };
    let (mut artifacts, mut places) = (Vec::new(), HashMap::new());
    let mut left = Left::default();
    let listed = index.manifests.into_iter().filter(|descriptor| {
        descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
    });
    for descriptor in listed {
        let (name, ref_name) = names(&descriptor);
        if name.is_none() && layout.take_artifact(&descriptor, ref_name.as_deref(), &mut left) {
            artifacts.push((descriptor, ref_name));
            continue;
        }
        add(
            &mut layout.entries,
            &mut places,
            descriptor,
            (name, ref_name),
        );
    }
    // Where there is nothing else, they are what is meant.
    if layout.entries.is_empty() {
        for (descriptor, ref_name) in artifacts {
            add(
                &mut layout.entries,
                &mut places,
                descriptor,
                (None, ref_name),
            );
        }
    }
    Ok(layout)
}

/// Lists an image; one that is listed already has some names more.
fn add(
    entries: &mut Vec<LayoutEntry>,
    places: &mut HashMap<Digest, usize>,
    mut root: Descriptor,
    (name, ref_name): (Option<Reference>, Option<String>),
) {
    root.annotations.clear();
    let at = *places.entry(root.digest).or_insert(entries.len());
    if at == entries.len() {
        let (names, ref_names) = (Vec::new(), Vec::new());
        entries.push(LayoutEntry {
            root,
            names,
            ref_names,
        });
    }
    entries[at].names.extend(name);
    entries[at].ref_names.extend(ref_name);
}

fn check_version(contents: &Contents) -> Result<(), LayoutError> {
    let path = InnerPath::of_name(OCI_LAYOUT);
    let bytes = contents.read(&path, LARGEST_MARKER)?;
    let marker: Marker = json::parse(&bytes, &["imageLayoutVersion"]).map_err(|source| {
        let path = path.shown();
        LayoutDefect::Json { path, source }
    })?;
    let version = &*marker.image_layout_version;
    if version != "1.0.0" {
        let version = sanitize(version);
        return Err(LayoutDefect::Version { version }.into());
    }
    Ok(())
}

/// Returns the full name and the ref_name that an image is listed with. A ref_name alone is no name: nobody can tell of
/// which repository `latest` is meant to be.
fn names(descriptor: &Descriptor) -> (Option<Reference>, Option<String>) {
    let ref_name = descriptor.annotations.get(REF_NAME).cloned();
    let full = descriptor.annotations.get(IMAGE_NAME);
    let full = full.or(ref_name
        .as_ref()
        .filter(|ref_name| ref_name.contains(['/', ':'])));
    let name = full.and_then(|name| name.parse::<Reference>().ok());
    let name = name.map(|name| name.without_digest().or_latest());
    (name, ref_name)
}
