//! Fills a registry with images, indexes and layers, also with invalid ones.

use bytes::Bytes;
use windlass_oci::Digest;

use super::Registry;
use super::content::{StoredManifest, is_tag};
use crate::{PackedImage, PackedIndex, PackedLayer, PackedSchema1};

impl Registry {
    /// Stores an image with its blobs; `name` is `repository` or `repository:tag`.
    pub fn push(&self, image: impl Into<PackedImage>, name: &str) -> PackedImage {
        let image = image.into();
        let (repository, tag) = split(name);
        self.put_image(repository, &image);
        self.tag_if_any(repository, tag, &image.digest);
        image
    }

    /// Stores an index with its images; `name` is `repository` or `repository:tag`.
    pub fn push_index(&self, index: impl Into<PackedIndex>, name: &str) -> PackedIndex {
        let index = index.into();
        let (repository, tag) = split(name);
        self.put_index(repository, &index);
        self.tag_if_any(repository, tag, &index.digest);
        index
    }

    /// Stores a signed manifest of Docker's schema 1 with its layers, under the digest of the signed content,
    /// which is not the digest of the bytes served. `name` is `repository` or `repository:tag`.
    pub fn push_schema1(&self, image: impl Into<PackedSchema1>, name: &str) -> PackedSchema1 {
        let image = image.into();
        let (repository, tag) = split(name);
        for layer in &image.layers {
            self.put_blob_as(repository, &layer.digest, layer.bytes.clone());
        }
        let bytes = image.bytes.clone();
        self.put_manifest_as(repository, &image.digest, &image.media_type, bytes);
        self.tag_if_any(repository, tag, &image.digest);
        image
    }

    /// Stores a layer without a manifest.
    pub fn push_layer(&self, layer: impl Into<PackedLayer>, repository: &str) -> Digest {
        let layer = layer.into();
        self.put_blob_as(repository, &layer.digest, layer.bytes);
        layer.digest
    }

    /// Stores a blob.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        self.put_blob_as(repository, &digest, bytes);
        digest
    }

    /// Stores bytes under any digest.
    pub fn put_blob_as(&self, repository: &str, digest: &Digest, bytes: impl Into<Bytes>) {
        let mut content = self.shared.content();
        let blobs = &mut content.repository_mut(repository).blobs;
        blobs.insert(*digest, bytes.into());
    }

    /// Stores any manifest or index.
    pub fn put_manifest(
        &self,
        repository: &str,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        self.put_manifest_as(repository, &digest, media_type, bytes);
        digest
    }

    /// Stores a manifest under any digest.
    pub fn put_manifest_as(
        &self,
        repository: &str,
        digest: &Digest,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) {
        let manifest = StoredManifest {
            media_type: media_type.to_owned(),
            bytes: bytes.into(),
        };
        let mut content = self.shared.content();
        let manifests = &mut content.repository_mut(repository).manifests;
        manifests.insert(*digest, manifest);
    }

    /// Sets a tag to a digest.
    ///
    /// # Panics
    /// If the tag is invalid.
    pub fn tag(&self, repository: &str, tag: &str, digest: &Digest) {
        assert!(is_tag(tag), "{tag:?} is not a tag");
        let mut content = self.shared.content();
        let tags = &mut content.repository_mut(repository).tags;
        tags.insert(tag.to_owned(), *digest);
    }

    /// Removes a blob from every repository.
    pub fn remove_blob(&self, digest: &Digest) {
        self.shared.content().remove_blob(digest);
    }

    /// Serves bytes at a path outside the protocol without authorization, as a CDN does. If `path` has a query,
    /// only that query is served.
    pub fn put_path(&self, path: &str, bytes: impl Into<Bytes>) {
        let mut content = self.shared.content();
        content.paths.insert(path.to_owned(), bytes.into());
    }

    fn put_image(&self, repository: &str, image: &PackedImage) {
        for layer in &image.layers {
            self.put_blob_as(repository, &layer.digest, layer.bytes.clone());
        }
        self.put_blob_as(repository, &image.config_digest, image.config.clone());
        let (digest, bytes) = (&image.digest, image.manifest.clone());
        self.put_manifest_as(repository, digest, &image.media_type, bytes);
    }

    fn put_index(&self, repository: &str, index: &PackedIndex) {
        for image in &index.images {
            self.put_image(repository, image);
        }
        for inner in &index.indexes {
            self.put_index(repository, inner);
        }
        let (digest, bytes) = (&index.digest, index.bytes.clone());
        self.put_manifest_as(repository, digest, &index.media_type, bytes);
    }

    fn tag_if_any(&self, repository: &str, tag: Option<&str>, digest: &Digest) {
        if let Some(tag) = tag {
            self.tag(repository, tag, digest);
        }
    }
}

/// Splits `repository:tag`; the tag may be missing.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    }
}
