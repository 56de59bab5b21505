//! The form `dir:` of skopeo: one manifest, and its blobs under the hex of their digests.

use std::collections::HashMap;

use super::{LARGEST_LIST, Layout, LayoutEntry, MANIFEST, descriptor, manifest};
use crate::contents::Contents;
use crate::error::LayoutError;
use crate::kind::LayoutKind;
use crate::path::InnerPath;

pub(super) fn read(contents: Contents) -> Result<Layout, LayoutError> {
    let path = InnerPath::of_name(MANIFEST);
    let bytes = contents.read(&path, LARGEST_LIST)?;
    let parsed = manifest(&path, &bytes)?;
    let root = descriptor(parsed.media_type().clone(), &bytes);
    let mut places = HashMap::new();
    if let windlass_oci::Manifest::Index(index) = &parsed {
        // Where an index is kept, its manifests have names of their own.
        for child in &index.manifests {
            let name = InnerPath::of_name(&format!("{}.manifest.json", child.digest.hex()));
            places.insert(child.digest, name);
        }
    }
    let entry = LayoutEntry {
        root: root.clone(),
        names: Vec::new(),
        ref_names: Vec::new(),
    };
    Ok(Layout {
        kind: LayoutKind::Directory,
        contents,
        entries: vec![entry],
        made: HashMap::from([(root.digest, bytes)]),
        artifacts: HashMap::new(),
        places,
    })
}
