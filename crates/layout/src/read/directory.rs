//! Reads skopeo's `dir:` format: one manifest, and blobs named by the hex form of their digests.

use std::collections::HashMap;

use super::document::{MAX_LIST_SIZE, descriptor, parse_manifest};
use super::entry::LayoutEntry;
use super::file_name::MANIFEST;
use super::layout::Layout;
use crate::contents::LayoutContents;
use crate::error::LayoutError;
use crate::kind::LayoutKind;
use crate::path::InnerPath;

/// Reads the directory with these `contents`.
pub(super) fn read(contents: LayoutContents) -> Result<Layout, LayoutError> {
    let path = InnerPath::of_name(MANIFEST);
    let bytes = contents.read(&path, MAX_LIST_SIZE)?;
    let parsed = parse_manifest(&path, &bytes)?;
    let root = descriptor(parsed.media_type().clone(), &bytes);
    let mut blob_paths = HashMap::new();
    if let windlass_oci::Manifest::Index(index) = &parsed {
        // The manifests of an index are named differently from blobs.
        for child in &index.manifests {
            let name = InnerPath::of_name(&format!("{}.manifest.json", child.digest.hex()));
            blob_paths.insert(child.digest, name);
        }
    }
    let digest = root.digest;
    Ok(Layout {
        entries: vec![LayoutEntry::unnamed(root)],
        generated: HashMap::from([(digest, bytes)]),
        blob_paths,
        ..Layout::empty(LayoutKind::Directory, contents)
    })
}
