//! OCI layouts (OCI image specification, "Image Layout"), with the names that containerd and Docker add.

use std::collections::HashMap;

use serde::Deserialize;
use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, Manifest, Reference, json};

use super::referrers::Left;
use super::{Entry, INDEX, LARGEST_LIST, Layout, OCI_LAYOUT, manifest};
use crate::contents::Contents;
use crate::error::{Defect, LayoutError};
use crate::kind::Kind;
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

pub(super) fn read(kind: Kind, contents: Contents) -> Result<Layout, LayoutError> {
    check_version(&contents)?;
    let path = InnerPath::of_name(INDEX);
    let bytes = contents.read(&path, LARGEST_LIST)?;
    let Manifest::Index(index) = manifest(&path, &bytes)? else {
        return Err(Defect::NoImages.into());
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
        let (name, word) = names(&descriptor);
        if name.is_none() && layout.take_artifact(&descriptor, word.as_deref(), &mut left) {
            artifacts.push((descriptor, word));
            continue;
        }
        add(&mut layout.entries, &mut places, descriptor, (name, word));
    }
    // Where there is nothing else, they are what is meant.
    if layout.entries.is_empty() {
        for (descriptor, word) in artifacts {
            add(&mut layout.entries, &mut places, descriptor, (None, word));
        }
    }
    Ok(layout)
}

/// Lists an image; one that is listed already has some names more.
fn add(
    entries: &mut Vec<Entry>,
    places: &mut HashMap<Digest, usize>,
    mut root: Descriptor,
    (name, word): (Option<Reference>, Option<String>),
) {
    root.annotations.clear();
    let at = *places.entry(root.digest).or_insert(entries.len());
    if at == entries.len() {
        let (names, words) = (Vec::new(), Vec::new());
        entries.push(Entry { root, names, words });
    }
    entries[at].names.extend(name);
    entries[at].words.extend(word);
}

fn check_version(contents: &Contents) -> Result<(), LayoutError> {
    let path = InnerPath::of_name(OCI_LAYOUT);
    let bytes = contents.read(&path, LARGEST_MARKER)?;
    let marker: Marker = json::parse(&bytes, &["imageLayoutVersion"]).map_err(|source| {
        let path = path.shown();
        Defect::Json { path, source }
    })?;
    let version = &*marker.image_layout_version;
    if version != "1.0.0" {
        let version = sanitize(version);
        return Err(Defect::Version { version }.into());
    }
    Ok(())
}

/// Returns the full name and the word that an image is listed with. A word alone is no name: nobody can tell of
/// which repository `latest` is meant to be.
fn names(descriptor: &Descriptor) -> (Option<Reference>, Option<String>) {
    let word = descriptor.annotations.get(REF_NAME).cloned();
    let full = descriptor.annotations.get(IMAGE_NAME);
    let full = full.or(word.as_ref().filter(|word| word.contains(['/', ':'])));
    let name = full.and_then(|name| name.parse::<Reference>().ok());
    let name = name.map(|name| name.without_digest().or_latest());
    (name, word)
}
