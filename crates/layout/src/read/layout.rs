//! The images of an archive or directory, and their documents and blobs.

use std::collections::HashMap;

use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, MAX_MANIFEST_SIZE};

use super::document::{mismatch, verify_digest};
use super::entry::LayoutEntry;
use crate::contents::LayoutContents;
use crate::error::{LayoutDefect, LayoutError};
use crate::kind::LayoutKind;
use crate::path::InnerPath;
use crate::section::FileSection;
use crate::verifying_reader::ContentMismatch;
use crate::write::Artifact;

/// Images in an archive or a directory.
#[derive(Debug)]
pub struct Layout {
    pub(super) kind: LayoutKind,
    pub(super) contents: LayoutContents,
    pub(super) entries: Vec<LayoutEntry>,
    /// Manifests that were generated for images without one, by digest.
    pub(super) generated: HashMap<Digest, Vec<u8>>,
    /// Signatures and other artifacts, by the digest of their subject.
    pub(super) artifacts: HashMap<Digest, Vec<Artifact>>,
    /// The paths of blobs that are not stored under their digest.
    pub(super) blob_paths: HashMap<Digest, InnerPath>,
}

impl Layout {
    /// Returns a layout without images.
    pub(super) fn empty(kind: LayoutKind, contents: LayoutContents) -> Self {
        Self {
            kind,
            contents,
            entries: Vec::new(),
            generated: HashMap::new(),
            artifacts: HashMap::new(),
            blob_paths: HashMap::new(),
        }
    }

    /// Returns the format.
    pub fn kind(&self) -> LayoutKind {
        self.kind
    }

    /// Returns the images in the order of the list.
    pub fn entries(&self) -> &[LayoutEntry] {
        &self.entries
    }

    /// Returns the artifacts whose subject is the manifest `subject`.
    pub fn artifacts_of(&self, subject: &Digest) -> &[Artifact] {
        self.artifacts.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Returns the image with this name. Without a name, there must be exactly one image.
    pub fn find(&self, name: Option<&str>) -> Result<&LayoutEntry, LayoutError> {
        let others = || {
            self.entries
                .iter()
                .flat_map(LayoutEntry::display_names)
                .collect()
        };
        match (name, &*self.entries) {
            (None, [only]) => Ok(only),
            (None, entries) => {
                let (count, others) = (entries.len(), others());
                Err(LayoutDefect::SeveralImages { count, others }.into())
            }
            (Some(name), entries) => {
                let found = entries.iter().find(|entry| entry.has_name(name));
                let (name, others) = (sanitize(name), others());
                Ok(found.ok_or(LayoutDefect::UnknownImage { name, others })?)
            }
        }
    }

    /// Removes all other images from the list than the one that [`Self::find`] returns.
    pub fn select(mut self, name: Option<&str>) -> Result<Self, LayoutError> {
        self.entries = vec![self.find(name)?.clone()];
        Ok(self)
    }

    /// Reads and verifies a manifest, index or config. Returns `None` if it does not exist.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, LayoutError> {
        if let Some(generated) = self.generated.get(&descriptor.digest) {
            return Ok(Some(generated.clone()));
        }
        let path = self.path_of(&descriptor.digest);
        if self.contents.find(&path)?.is_none() {
            return Ok(None);
        }
        let bytes = self.contents.read(&path, MAX_MANIFEST_SIZE)?;
        let (expected, actual) = (descriptor.size, bytes.len() as u64);
        if expected != actual {
            return Err(mismatch(&path, ContentMismatch::Size { expected, actual }));
        }
        verify_digest(&path, descriptor.digest, &bytes)?;
        Ok(Some(bytes))
    }

    /// Returns a blob, or `None` if it does not exist. Its size is verified; the caller has to verify its digest.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Option<FileSection>, LayoutError> {
        let path = self.path_of(&descriptor.digest);
        let Some(section) = self.contents.find(&path)? else {
            return Ok(None);
        };
        let (expected, actual) = (descriptor.size, section.size());
        if expected != actual {
            return Err(mismatch(&path, ContentMismatch::Size { expected, actual }));
        }
        Ok(Some(section))
    }

    fn path_of(&self, digest: &Digest) -> InnerPath {
        let path = self.blob_paths.get(digest).cloned();
        path.unwrap_or_else(|| match self.kind {
            LayoutKind::Directory => InnerPath::of_name(&digest.hex()),
            LayoutKind::DockerArchive | LayoutKind::OciArchive | LayoutKind::OciDirectory => {
                InnerPath::of_blob(digest)
            }
        })
    }
}
