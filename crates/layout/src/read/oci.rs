//! OCI layouts (OCI image specification, "Image Layout"), with the names that containerd and Docker add.

use std::collections::HashMap;

use serde::Deserialize;
use windlass_oci::text::shown;
use windlass_oci::{Descriptor, Manifest, Reference, json};

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
    let mut entries: Vec<Entry> = Vec::new();
    let Manifest::Index(index) = manifest(&path, &bytes)? else {
        return Err(Defect::NoImages.into());
    };
    let images = index.manifests.into_iter().filter(|descriptor| {
        descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
    });
    for mut descriptor in images {
        let (name, word) = names(&descriptor);
        descriptor.annotations.clear();
        let same = |entry: &&mut Entry| entry.root.digest == descriptor.digest;
        let entry = match entries.iter_mut().find(same) {
            Some(entry) => entry,
            None => {
                let (names, words) = (Vec::new(), Vec::new());
                let root = descriptor;
                entries.push(Entry { root, names, words });
                entries.last_mut().expect("it was pushed just now")
            }
        };
        entry.names.extend(name);
        entry.words.extend(word);
    }
    Ok(Layout {
        kind,
        contents,
        entries,
        made: HashMap::new(),
        places: HashMap::new(),
    })
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
        let version = shown(version);
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
