//! A repository in a registry.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use windlass_layout::Artifact;
use windlass_oci::{Descriptor, Digest, Links, MediaType, Tag};
use windlass_pull::{EndpointsError, PullError, RemoteBlob, RemoteRepository};
use windlass_registry::{RawManifest, Target, referrers_tag};

use super::{Source, SourceError, check_size};
use crate::files::Stop;
use crate::wait::wait;

/// A repository whose images are carried elsewhere.
#[derive(Clone, Debug)]
pub struct RegistrySource<'a> {
    repository: RemoteRepository,
    runtime: Handle,
    stop: &'a Stop,
}

/// How many pieces wait between the wire and who reads.
const WAITING: usize = 16;
/// With what the tags end by which cosign finds what belongs to a manifest.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

/// Reads what a task fetches.
struct Fetching<'a> {
    pieces: Receiver<Result<Bytes, EndpointsError>>,
    piece: Bytes,
    runtime: &'a Handle,
    stop: &'a Stop,
}

impl<'a> RegistrySource<'a> {
    /// Reads what `repository` has, until told to stop; `runtime` is where its requests run.
    pub fn new(repository: RemoteRepository, runtime: Handle, stop: &'a Stop) -> Self {
        Self {
            repository,
            runtime,
            stop,
        }
    }

    /// Finds what `target` names; `None` if it is of Docker's schema 1, which is not carried.
    pub fn root(&self, target: &Target) -> Result<Option<Descriptor>, SourceError> {
        let found = self.ask(self.repository.document(target))?;
        Ok(found.map(|found| described(&found)))
    }

    fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, PullError>>,
    ) -> Result<T, SourceError> {
        let answer = wait(&self.runtime, self.stop, question);
        Ok(answer.ok_or(SourceError::Cancelled)??)
    }
}

impl Source for RegistrySource<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        let is_manifest = descriptor.media_type.is_manifest() || descriptor.media_type.is_index();
        if is_manifest || descriptor.media_type == MediaType::Unspecified {
            let target = Target::Digest(descriptor.digest);
            let found = self.ask(self.repository.document(&target))?;
            let Some(found) = found else { return Ok(None) };
            check_size(descriptor, &found.bytes)?;
            return Ok(Some(found.bytes.into()));
        }
        let bytes = self.ask(self.repository.small_blob(descriptor))?;
        Ok(Some(bytes.into()))
    }

    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let fetch = self.repository.blob(blob, position);
        let nobody = || io::Error::other("no endpoint is configured to pull from");
        let fetch = fetch.ok_or_else(nobody)?;
        let (send, pieces) = channel(WAITING);
        self.runtime.spawn(run(fetch, send));
        Ok(Box::new(Fetching {
            pieces,
            piece: Bytes::new(),
            runtime: &self.runtime,
            stop: self.stop,
        }))
    }

    fn has(&self, _: &Descriptor) -> bool {
        false
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError> {
        let listed = self.ask(self.repository.referrers(subject))?;
        let listed = listed.into_iter().map(|root| Artifact { root, tag: None });
        let mut found: Vec<_> = listed.collect();
        for ending in COSIGN {
            let tag = format!("{}.{ending}", referrers_tag(subject));
            let tag: Tag = tag
                .parse()
                .expect("a tag that has become no longer than 128");
            if let Some(tagged) = self.ask(self.repository.tagged(&tag))? {
                let root = described(&tagged);
                found.push(Artifact {
                    root,
                    tag: Some(tag),
                });
            }
        }
        Ok(found)
    }
}

fn described(RawManifest { bytes, digest }: &RawManifest) -> Descriptor {
    Descriptor {
        media_type: Links::parse(bytes).unwrap_or_default().media_type,
        digest: *digest,
        size: bytes.len() as u64,
        urls: Vec::new(),
        annotations: BTreeMap::new(),
        platform: None,
        artifact_type: None,
    }
}

/// Fetches until nobody reads any more.
async fn run(mut blob: RemoteBlob, send: Sender<Result<Bytes, EndpointsError>>) {
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

impl Read for Fetching<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let next = match self.pieces.try_recv() {
                Ok(next) => Some(next),
                // A registry may be silent for long.
                Err(_) => wait(self.runtime, self.stop, self.pieces.recv())
                    .ok_or_else(|| io::Error::other("cancelled"))?,
            };
            match next {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
