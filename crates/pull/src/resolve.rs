//! Resolves a reference to the manifest and config of one image.
//!
//! Stored documents are not fetched again by digest. The digest that the reference names is always requested: with HEAD if
//! the reference is stored, so that a pull of an up-to-date image sends one small request.

use bytes::Bytes;
use windlass_oci::{
    Descriptor, Digest, ImageConfig, ImageManifest, ImageName, MAX_CONFIG_SIZE, Manifest,
    NoMatchingPlatform, Platform, Reference,
};
use windlass_registry::{Endpoint, ManifestResponse, TagOrDigest};
use windlass_store::{FindError, ReadError, Store};

use crate::documents::{ManifestContent, NamedManifest, RawDocument, ResolvedImage};
use crate::endpoint_need::EndpointNeed;
use crate::error::PullError;
use crate::sources::{EndpointResponse, Sources};

/// The maximum depth of indexes within indexes (T21).
const MAX_DEPTH: usize = 4;

/// The maximum number of documents that are read below an index (T21).
const MAX_DOCUMENTS: usize = 16;

/// Reads documents from the store, or from the endpoints of a repository if they are not stored.
pub(crate) struct Resolver<'a> {
    pub(crate) sources: &'a Sources,
    /// The store to read from; `None` to fetch every document.
    pub(crate) store: Option<&'a Store>,
}

/// A descriptor in an index, and the indexes around it.
struct IndexEntry {
    descriptor: Descriptor,
    indexes: Vec<RawDocument>,
}

impl Resolver<'_> {
    /// Returns the document that `reference` names.
    ///
    /// If the reference is stored, its digest is requested first. If that has not changed, nothing else is requested
    /// (MF-3, ST-5).
    pub(crate) async fn resolve_reference(
        &self,
        reference: &Reference,
    ) -> Result<NamedManifest, PullError> {
        let target = &TagOrDigest::of(reference);
        let should_send_head =
            self.is_reference_stored(reference)? || self.sources.has_separate_resolver();
        if should_send_head && let Some((digest, endpoint)) = self.fetch_digest(target).await? {
            let stored = match self.is_digest_of_repository(&digest)? {
                true => self.stored_manifest(&digest)?,
                false => None,
            };
            let content = match stored {
                Some((document, manifest)) => {
                    ManifestContent::Manifest(document, Box::new(manifest))
                }
                // A document with a digest can be fetched from any endpoint.
                None => self.fetch(&TagOrDigest::Digest(digest)).await?.content,
            };
            return Ok(NamedManifest { endpoint, content });
        }
        self.fetch(target).await
    }

    /// Selects the image for `platform`, or for this machine's platform, and reads its config.
    pub(crate) async fn select_image(
        &self,
        document: RawDocument,
        manifest: Manifest,
        platform: Option<&Platform>,
    ) -> Result<ResolvedImage, PullError> {
        let digest = document.digest;
        let (indexes, manifest_bytes, manifest) =
            self.select_manifest(document, manifest, platform).await?;
        let config_bytes = self.config(&manifest.config).await?;
        let config = ImageConfig::parse(&config_bytes.bytes)?;
        check_platform(platform, &config.platform())?;
        Ok(ResolvedImage {
            digest,
            indexes,
            manifest_bytes,
            manifest,
            config_bytes,
            config,
        })
    }

    /// Selects the manifest of one image. Returns the indexes around it, its bytes, and the parsed manifest.
    pub(crate) async fn select_manifest(
        &self,
        document: RawDocument,
        manifest: Manifest,
        platform: Option<&Platform>,
    ) -> Result<(Vec<RawDocument>, RawDocument, ImageManifest), PullError> {
        match manifest {
            Manifest::Image(manifest) => Ok((Vec::new(), document, manifest)),
            Manifest::Index(index) => {
                let host = Platform::host();
                let platform = platform.unwrap_or(&host);
                let entries = index_entries(index.candidates(platform)?, &[document]).collect();
                self.search_indexes(entries, platform).await
            }
        }
    }

    /// Checks that a manifest that is not in an index is for `platform`.
    pub(crate) async fn check_manifest_platform(
        &self,
        manifest: &ImageManifest,
        platform: &Platform,
    ) -> Result<(), PullError> {
        let config = ImageConfig::parse(&self.config(&manifest.config).await?.bytes)?;
        Ok(check_platform(Some(platform), &config.platform())?)
    }

    /// Fetches the digest of `target` with HEAD. `None` if the response has no usable digest; then the document has to be
    /// fetched.
    pub(crate) async fn fetch_digest(
        &self,
        target: &TagOrDigest,
    ) -> Result<Option<(Digest, Endpoint)>, PullError> {
        let response = self
            .sources
            .try_each(need(target), |repository| async move {
                repository.head(target).await
            });
        let EndpointResponse { endpoint, content } = response.await?;
        let digest = content.map(|head| head.digest);
        let is_expected = |digest: &Digest| match target {
            TagOrDigest::Digest(expected) => expected == digest,
            TagOrDigest::Tag(_) => true,
        };
        Ok(digest.filter(is_expected).map(|digest| (digest, endpoint)))
    }

    /// Fetches the document that `target` names.
    pub(crate) async fn fetch(&self, target: &TagOrDigest) -> Result<NamedManifest, PullError> {
        let response = self
            .sources
            .try_each(need(target), |repository| async move {
                repository.manifest(target).await
            });
        let EndpointResponse { endpoint, content } = response.await?;
        let content = match content {
            ManifestResponse::Manifest(fetched) => {
                let (digest, bytes) = (fetched.digest, fetched.bytes);
                ManifestContent::Manifest(RawDocument { digest, bytes }, Box::new(fetched.manifest))
            }
            ManifestResponse::Schema1 { bytes, .. } => ManifestContent::Schema1(bytes),
        };
        Ok(NamedManifest { endpoint, content })
    }

    /// Returns whether an image of this repository with this digest is stored.
    ///
    /// Images of other repositories do not count: a digest alone does not prove access to them (C7, D13).
    fn is_digest_of_repository(&self, digest: &Digest) -> Result<bool, PullError> {
        let name = self.sources.name().clone();
        self.is_reference_stored(&name.reference().with_digest(*digest))
    }

    /// Returns whether a stored image has the name `reference`.
    fn is_reference_stored(&self, reference: &Reference) -> Result<bool, PullError> {
        let Some(store) = self.store else {
            return Ok(false);
        };
        match store.image(&ImageName::Reference(reference.clone())) {
            Ok(_) => Ok(true),
            Err(FindError::Unknown { .. } | FindError::Ambiguous { .. }) => Ok(false),
            Err(FindError::Database(error)) => Err(PullError::StoredLayers(error.into())),
        }
    }

    /// Returns a stored manifest or index. A document of another form (schema 1) counts as absent.
    fn stored_manifest(
        &self,
        digest: &Digest,
    ) -> Result<Option<(RawDocument, Manifest)>, PullError> {
        let Some(bytes) = self.stored(digest)? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(&bytes, None).ok();
        let digest = *digest;
        Ok(manifest.map(|manifest| (RawDocument { digest, bytes }, manifest)))
    }

    /// Reads the `pending` entries, the last one first, and those of nested indexes, up to the first image.
    async fn search_indexes(
        &self,
        mut pending: Vec<IndexEntry>,
        platform: &Platform,
    ) -> Result<(Vec<RawDocument>, RawDocument, ImageManifest), PullError> {
        let mut no_match = None;
        for _ in 0..MAX_DOCUMENTS {
            let Some(IndexEntry {
                descriptor,
                mut indexes,
            }) = pending.pop()
            else {
                return Err(no_match.expect("the last index had no match"));
            };
            let (document, manifest) = self.fetch_indexed(&descriptor).await?;
            match manifest {
                Manifest::Image(manifest) => return Ok((indexes, document, manifest)),
                Manifest::Index(_) if indexes.len() >= MAX_DEPTH => {
                    return Err(PullError::TooDeep { limit: MAX_DEPTH });
                }
                Manifest::Index(index) => {
                    indexes.push(document);
                    match index.candidates(platform) {
                        Ok(candidates) => pending.extend(index_entries(candidates, &indexes)),
                        Err(error) => no_match = Some(PullError::NoMatchingPlatform(error)),
                    }
                }
            }
        }
        Err(PullError::TooDeep {
            limit: MAX_DOCUMENTS,
        })
    }

    /// Reads the manifest or index of a descriptor in an index.
    async fn fetch_indexed(
        &self,
        descriptor: &Descriptor,
    ) -> Result<(RawDocument, Manifest), PullError> {
        let digest = descriptor.digest;
        let (document, manifest) = match self.stored_manifest(&digest)? {
            Some(stored) => stored,
            None => match self.fetch(&TagOrDigest::Digest(digest)).await?.content {
                ManifestContent::Manifest(document, manifest) => (document, *manifest),
                ManifestContent::Schema1(_) => return Err(PullError::Schema1BelowIndex { digest }),
            },
        };
        check_size(descriptor, &document.bytes)?;
        Ok((document, manifest))
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<RawDocument, PullError> {
        let digest = descriptor.digest;
        if let Some(bytes) = self.stored(&digest)? {
            check_size(descriptor, &bytes)?;
            return Ok(RawDocument { digest, bytes });
        }
        let limit = MAX_CONFIG_SIZE as u64;
        let response = self
            .sources
            .try_each(EndpointNeed::Pull, |repository| async move {
                repository.blob_bytes(descriptor, limit).await
            });
        let bytes = response.await?.content;
        Ok(RawDocument { digest, bytes })
    }

    /// Returns a stored document.
    ///
    /// Documents are small, and reading one blocks for less time than a request takes. So it is read on this thread.
    fn stored(&self, digest: &Digest) -> Result<Option<Bytes>, PullError> {
        let Some(store) = self.store else {
            return Ok(None);
        };
        match store.read_blob(digest) {
            Ok(bytes) => Ok(Some(bytes.into())),
            // A damaged document is fetched again, and the commit replaces it.
            Err(ReadError::Unknown { .. } | ReadError::Damaged { .. }) => Ok(None),
            Err(error) => Err(PullError::Read(error)),
        }
    }
}

/// Returns the need for endpoints: tags are resolved only by endpoints that may do so, digests by all.
fn need(target: &TagOrDigest) -> EndpointNeed {
    match target {
        TagOrDigest::Tag(_) => EndpointNeed::Resolve,
        TagOrDigest::Digest(_) => EndpointNeed::Pull,
    }
}

/// Returns an entry for each of the `candidates` (best first), in the order to push them on a stack.
fn index_entries(
    candidates: Vec<&Descriptor>,
    indexes: &[RawDocument],
) -> impl Iterator<Item = IndexEntry> {
    candidates.into_iter().rev().map(|descriptor| IndexEntry {
        descriptor: descriptor.clone(),
        indexes: indexes.to_vec(),
    })
}

/// Checks the size of a document that was not fetched by its descriptor (T16).
pub(crate) fn check_size(descriptor: &Descriptor, bytes: &Bytes) -> Result<(), PullError> {
    let (expected, actual) = (descriptor.size, bytes.len() as u64);
    if actual == expected {
        return Ok(());
    }
    Err(PullError::Size {
        digest: descriptor.digest,
        expected,
        actual,
    })
}

/// Checks the platform of an image that was not selected from an index, if a platform is requested.
pub(crate) fn check_platform(
    requested: Option<&Platform>,
    found: &Platform,
) -> Result<(), NoMatchingPlatform> {
    match requested {
        Some(requested) if requested.rank(found).is_none() => Err(NoMatchingPlatform {
            wanted: Box::new(requested.clone()),
            offered: vec![found.clone()],
        }),
        Some(_) | None => Ok(()),
    }
}
