//! A repository in a registry.

use std::io::{self, Read};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};
use windlass_oci::{Descriptor, MediaType};
use windlass_pull::{EndpointsError, RemoteBlob, RemoteRepository};
use windlass_registry::{RawManifest, Target};

use super::{Source, SourceError, check_size};

/// A repository whose images are carried elsewhere.
#[derive(Clone, Debug)]
pub struct RegistrySource {
    repository: RemoteRepository,
    runtime: Handle,
}

/// How many pieces wait between the wire and who reads.
const WAITING: usize = 16;

/// Reads what a task fetches.
struct Fetching {
    pieces: Receiver<Result<Bytes, EndpointsError>>,
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
        let fetch = fetch.ok_or_else(nobody)?;
        let (send, pieces) = channel(WAITING);
        self.runtime.spawn(run(fetch, send));
        let piece = Bytes::new();
        Ok(Box::new(Fetching { pieces, piece }))
    }
}

/// Fetches until nobody reads any more.
async fn run(mut blob: RemoteBlob, send: tokio::sync::mpsc::Sender<Result<Bytes, EndpointsError>>) {
    loop {
        let next = tokio::select! {
            biased;
            () = send.closed() => return,
            next = blob.next_chunk() => next,
        };
        let (next, is_last) = match next {
            Ok(None) => return,
            Ok(Some(piece)) => (Ok(piece), false),
            Err(error) => (Err(error), true),
        };
        if send.send(next).await.is_err() || is_last {
            return;
        }
    }
}

impl Read for Fetching {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
