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
    /// Manifests that were made for images whose own blobs are not stored.
    made: HashMap<Digest, Vec<u8>>,
    /// Protects the blobs that will be read, even if their images are removed meanwhile.
    leases: Vec<ContentLease>,
}

/// Where an image can be begun to be read.
#[derive(Clone, Debug)]
pub struct ImageRoot {
    /// Its manifest, or the index that it was chosen from.
    pub descriptor: Descriptor,
    /// Whether the manifest is another than the one it came with: it came with layers that the store had in
    /// another compression already, and has only that.
    pub is_rewritten: bool,
}

impl StoreSource {
    /// Reads what is in `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            made: HashMap::new(),
            leases: Vec::new(),
        }
    }

    /// Protects these blobs from removal until the source is dropped.
    pub fn lease(&mut self, blobs: impl IntoIterator<Item = Digest>) -> Result<(), SourceError> {
        let lease = self.store.lease_blobs(blobs).map_err(ReadError::from)?;
        self.leases.push(lease);
        Ok(())
    }

    /// Returns where `image` begins: at its manifest, or with `index` at the index that it came with.
    pub fn root(&mut self, image: &Image, index: bool) -> Result<ImageRoot, SourceError> {
        if index && let Some(index) = &image.index {
            return Ok(ImageRoot {
                descriptor: self.describe(*index, MediaType::OciIndex)?,
                is_rewritten: false,
            });
        }
        let manifest = self.describe(image.manifest, MediaType::OciManifest)?;
        if self.is_whole(image)? {
            return Ok(ImageRoot {
                descriptor: manifest,
                is_rewritten: false,
            });
        }
        let bytes = self.rewritten(image)?;
        let descriptor = Descriptor {
            digest: Digest::sha256(&bytes),
            size: bytes.len() as u64,
            ..manifest
        };
        self.made.insert(descriptor.digest, bytes);
        Ok(ImageRoot {
            descriptor,
            is_rewritten: true,
        })
    }

    /// Returns whether the store has every blob that the manifest of `image` names.
    fn is_whole(&self, image: &Image) -> Result<bool, SourceError> {
        for layer in &image.layers {
            if self.store.blob(&layer.blob)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes the manifest that names the blobs that are held. All else in it stays as it was.
    fn rewritten(&self, image: &Image) -> Result<Vec<u8>, SourceError> {
        let bytes = self.store.read_blob(&image.manifest)?;
        let damaged = || {
            let digest = image.manifest;
            SourceError::Store(ReadError::Damaged { digest })
        };
        let mut manifest: Value = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let layers = manifest["layers"].as_array_mut().ok_or_else(damaged)?;
        for (layer, held) in layers.iter_mut().zip(&image.layers) {
            if self.store.blob(&held.blob)?.is_some() {
                continue;
            }
            let digest = held.stored_blob.unwrap_or(held.blob);
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

    /// Returns the descriptor of a manifest that is held.
    fn describe(&self, digest: Digest, usual: MediaType) -> Result<Descriptor, SourceError> {
        let bytes = self.store.read_blob(&digest)?;
        let media_type = match Manifest::parse(&bytes, None) {
            Ok(manifest) => manifest.media_type().clone(),
            Err(_) => usual,
        };
        Ok(Descriptor {
            media_type,
            digest,
            size: bytes.len() as u64,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform: None,
            artifact_type: None,
        })
    }
}

impl ContentSource for StoreSource {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        if let Some(made) = self.made.get(&descriptor.digest) {
            return Ok(Some(made.clone()));
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
        let held = self.store.blob(&blob.digest);
        held.is_ok_and(|held| held.is_some_and(|held| held.size() == blob.size))
    }

    /// A store keeps images, and nothing about them.
    fn referrers(&self, _: &Digest) -> Result<Vec<Artifact>, SourceError> {
        Ok(Vec::new())
    }
}
