//! A repository in a registry as the source of a copy.

use std::io::{self, Read};

use windlass_layout::Artifact;
use windlass_oci::{Descriptor, Digest, ManifestLinks, MediaType, Tag};
use windlass_operation::ChunkReader;
use windlass_pull::{PullError, RemoteRepository};
use windlass_registry::{RawManifest, RegistryError, TagOrDigest, referrers_tag};

use super::{ContentSource, SourceError, check_size};
use crate::events::CopyContext;

/// A repository whose images are copied.
#[derive(Clone, Debug)]
pub struct RegistrySource {
    repository: RemoteRepository,
    context: CopyContext,
}

/// Suffixes of the tags under which cosign stores artifacts of a manifest.
const COSIGN_SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];

impl RegistrySource {
    /// Creates a source that reads `repository`.
    pub fn new(repository: RemoteRepository, context: CopyContext) -> Self {
        Self {
            repository,
            context,
        }
    }

    /// Finds the manifest or index that `target` names; `None` if it has Docker's schema 1, which cannot be copied.
    pub fn root(&self, target: &TagOrDigest) -> Result<Option<Descriptor>, SourceError> {
        let found = self.wait(self.repository.document(target))?;
        Ok(found.map(|found| descriptor(&found)))
    }

    fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, PullError>>,
    ) -> Result<T, SourceError> {
        Ok(self.context.wait(request)??)
    }
}

impl ContentSource for RegistrySource {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        let is_manifest = descriptor.media_type.is_manifest() || descriptor.media_type.is_index();
        if is_manifest || descriptor.media_type == MediaType::Unspecified {
            let target = TagOrDigest::Digest(descriptor.digest);
            let found = match self.wait(self.repository.document(&target)) {
                // An index may name manifests that the registry does not have.
                Err(SourceError::Registry(error)) if is_missing(&error) => return Ok(None),
                found => found?,
            };
            let Some(found) = found else { return Ok(None) };
            check_size(descriptor, &found.bytes)?;
            return Ok(Some(found.bytes.into()));
        }
        let bytes = self.wait(self.repository.small_blob(descriptor))?;
        Ok(Some(bytes.into()))
    }

    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let download = self.repository.blob(blob, position);
        let no_endpoint = || io::Error::other("no endpoint is configured to pull from");
        let mut download = download.ok_or_else(no_endpoint)?;
        // The task of the connection and the kernel read ahead. A queue of 4 MiB for each blob saved no time.
        Ok(Box::new(ChunkReader::new(move || {
            let chunk = self.context.wait(download.next_chunk());
            chunk.map_err(io::Error::other)?.map_err(io::Error::other)
        })))
    }

    fn has(&self, _: &Descriptor) -> bool {
        false
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError> {
        let listed = self.wait(self.repository.referrers(subject))?;
        let listed = listed.into_iter().map(|root| Artifact { root, tag: None });
        let mut found: Vec<_> = listed.collect();
        for suffix in COSIGN_SUFFIXES {
            let tag = format!("{}.{suffix}", referrers_tag(subject));
            let tag: Tag = tag
                .parse()
                .expect("the tag has no more than 128 characters");
            if let Some(tagged) = self.wait(self.repository.tagged(&tag))? {
                let root = descriptor(&tagged);
                found.push(Artifact {
                    root,
                    tag: Some(tag),
                });
            }
        }
        Ok(found)
    }
}

fn is_missing(error: &PullError) -> bool {
    let PullError::Registry(error) = error else {
        return false;
    };
    matches!(
        *error.error,
        RegistryError::ManifestUnknown { .. } | RegistryError::NameUnknown { .. }
    )
}

fn descriptor(RawManifest { bytes, digest }: &RawManifest) -> Descriptor {
    Descriptor::new(
        ManifestLinks::parse(bytes).unwrap_or_default().media_type,
        *digest,
        bytes.len() as u64,
    )
}
