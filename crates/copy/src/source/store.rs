//! A store as the source of a copy.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use serde_json::Value;
use windlass_layout::{Artifact, FileSection};
use windlass_oci::{Descriptor, Digest, Manifest, MediaType};
use windlass_store::{ContentLease, Image, ReadError, Store};

use super::{ContentSource, SourceError, check_size};

/// A store whose images are copied.
#[derive(Debug)]
pub struct StoreSource {
    store: Arc<Store>,
    /// Manifests written for images whose original blobs are not stored, by digest.
    rewritten: HashMap<Digest, Vec<u8>>,
    /// Protects the blobs that will be read, even if their images are removed meanwhile.
    leases: Vec<ContentLease>,
}

/// The document at the top of an image.
#[derive(Clone, Debug)]
pub struct ImageRoot {
    /// The manifest of the image, or the index from which the image was chosen.
    pub descriptor: Descriptor,
    /// Whether the manifest is not the original one. It is rewritten if the store has a layer only in another compression
    /// than the original, because the layer was stored already when the image came.
    pub is_rewritten: bool,
}

impl StoreSource {
    /// Creates a source that reads `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            rewritten: HashMap::new(),
            leases: Vec::new(),
        }
    }

    /// Protects these blobs from removal until the source is dropped.
    pub fn lease(&mut self, blobs: impl IntoIterator<Item = Digest>) -> Result<(), SourceError> {
        let lease = self.store.lease_blobs(blobs).map_err(ReadError::from)?;
        self.leases.push(lease);
        Ok(())
    }

    /// Returns the manifest of `image`; if `index` is set and the image came with an index, returns the index.
    pub fn root(&mut self, image: &Image, index: bool) -> Result<ImageRoot, SourceError> {
        if index && let Some(index) = &image.index {
            return Ok(ImageRoot {
                descriptor: self.describe(*index, MediaType::OciIndex)?,
                is_rewritten: false,
            });
        }
        let manifest = self.describe(image.manifest, MediaType::OciManifest)?;
        if self.has_all_blobs(image)? {
            return Ok(ImageRoot {
                descriptor: manifest,
                is_rewritten: false,
            });
        }
        let bytes = self.rewrite_manifest(image)?;
        let descriptor = Descriptor {
            digest: Digest::sha256(&bytes),
            size: bytes.len() as u64,
            ..manifest
        };
        self.rewritten.insert(descriptor.digest, bytes);
        Ok(ImageRoot {
            descriptor,
            is_rewritten: true,
        })
    }

    /// Returns whether the store has every blob that the manifest of `image` names.
    fn has_all_blobs(&self, image: &Image) -> Result<bool, SourceError> {
        for layer in &image.layers {
            if self.store.blob(&layer.blob)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Replaces the layers in the manifest of `image` by the blobs that are stored. All other fields are unchanged.
    fn rewrite_manifest(&self, image: &Image) -> Result<Vec<u8>, SourceError> {
        let bytes = self.store.read_blob(&image.manifest)?;
        let damaged = || {
            let digest = image.manifest;
            SourceError::Store(ReadError::Damaged { digest })
        };
        let mut manifest: Value = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let layers = manifest["layers"].as_array_mut().ok_or_else(damaged)?;
        for (layer, stored) in layers.iter_mut().zip(&image.layers) {
            if self.store.blob(&stored.blob)?.is_some() {
                continue;
            }
            let digest = stored.stored_blob.unwrap_or(stored.blob);
            let (mut file, size) = self.store.open_blob(&digest)?;
            let encoding = windlass_layout::detect_encoding(&mut file).map_err(|_| damaged())?;
            *layer = serde_json::json!({
                "mediaType": MediaType::OciLayer(encoding).as_str(),
                "digest": digest,
                "size": size,
            });
        }
        Ok(manifest.to_string().into_bytes())
    }

    /// Returns the descriptor of a stored manifest; `fallback` is the media type of one that cannot be parsed.
    fn describe(&self, digest: Digest, fallback: MediaType) -> Result<Descriptor, SourceError> {
        let bytes = self.store.read_blob(&digest)?;
        let media_type = match Manifest::parse(&bytes, None) {
            Ok(manifest) => manifest.media_type().clone(),
            Err(_) => fallback,
        };
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }
}

impl ContentSource for StoreSource {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        if let Some(bytes) = self.rewritten.get(&descriptor.digest) {
            return Ok(Some(bytes.clone()));
        }
        let bytes = match self.store.read_blob(&descriptor.digest) {
            Err(ReadError::Unknown { .. }) => return Ok(None),
            bytes => bytes?,
        };
        check_size(descriptor, &bytes)?;
        Ok(Some(bytes))
    }

    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let (file, size) = self
            .store
            .open_blob(&blob.digest)
            .map_err(io::Error::other)?;
        Ok(Box::new(
            FileSection::new(Arc::new(file), 0, size).read_from(position),
        ))
    }

    fn has(&self, blob: &Descriptor) -> bool {
        let stored = self.store.blob(&blob.digest);
        stored.is_ok_and(|stored| stored.is_some_and(|stored| stored.size() == blob.size))
    }

    /// A store has no artifacts.
    fn referrers(&self, _: &Digest) -> Result<Vec<Artifact>, SourceError> {
        Ok(Vec::new())
    }
}
