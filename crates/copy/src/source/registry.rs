//! A repository in a registry.

use std::io::{self, Read};

use bytes::Bytes;
use tokio::runtime::Handle;
use windlass_oci::{Descriptor, MediaType};
use windlass_pull::{RemoteBlob, RemoteRepository};
use windlass_registry::{RawManifest, Target};

use super::{Source, SourceError, check_size};

/// A repository whose images are carried elsewhere.
#[derive(Clone, Debug)]
pub struct RegistrySource {
    repository: RemoteRepository,
    runtime: Handle,
}

/// Reads a blob as it is fetched: the next piece when the last one is used up. The connection is read ahead of that by
/// its own task and by the kernel; a queue between gained no time, and took 4 MiB for each blob.
struct Fetching {
    blob: RemoteBlob,
    runtime: Handle,
    piece: Bytes,
}

impl RegistrySource {
    /// Reads what `repository` has; `runtime` is where its requests run.
    pub fn new(repository: RemoteRepository, runtime: Handle) -> Self {
        Self {
            repository,
            runtime,
        }
    }

    /// Finds what `target` names; `None` if it is of Docker's schema 1, which is not carried.
    pub fn root(&self, target: &Target) -> Result<Option<Descriptor>, SourceError> {
        let found = self.runtime.block_on(self.repository.document(target))?;
        let Some(RawManifest { bytes, digest }) = found else {
            return Ok(None);
        };
        let links = windlass_oci::Links::parse(&bytes).unwrap_or_default();
        Ok(Some(Descriptor {
            media_type: links.media_type,
            digest,
            size: bytes.len() as u64,
            urls: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }))
    }

    /// Returns the repository.
    pub fn repository(&self) -> &RemoteRepository {
        &self.repository
    }
}

impl Source for RegistrySource {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        let is_manifest = descriptor.media_type.is_manifest() || descriptor.media_type.is_index();
        if is_manifest || descriptor.media_type == MediaType::Unspecified {
            let target = Target::Digest(descriptor.digest);
            let found = self.runtime.block_on(self.repository.document(&target))?;
            let Some(found) = found else { return Ok(None) };
            check_size(descriptor, &found.bytes)?;
            return Ok(Some(found.bytes.into()));
        }
        let bytes = self
            .runtime
            .block_on(self.repository.small_blob(descriptor))?;
        Ok(Some(bytes.into()))
    }

    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send>> {
        let fetch = self.repository.blob(blob, position);
        let nobody = || io::Error::other("no endpoint is configured to pull from");
        Ok(Box::new(Fetching {
            blob: fetch.ok_or_else(nobody)?,
            runtime: self.runtime.clone(),
            piece: Bytes::new(),
        }))
    }
}

impl Read for Fetching {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let next = self.runtime.block_on(self.blob.next_chunk());
            match next.map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
