//! Resolves a reference to the manifest and config of one image.
//!
//! A stored document that is requested by digest is not fetched. What the *reference* names is always requested: by HEAD
//! if it named something before, so that an image which is up to date costs one small request.

use bytes::Bytes;
use windlass_oci::{
    Descriptor, Digest, ImageConfig, ImageId, ImageManifest, ImageName, MAX_CONFIG_SIZE, Manifest,
    NoMatchingPlatform, Platform, Reference,
};
use windlass_registry::{Endpoint, ManifestResponse, TagOrDigest};
use windlass_store::{FindError, ReadError, Store};

use crate::error::PullError;
use crate::sources::{EndpointNeed, EndpointResponse, Sources};

/// Indexes within indexes, at most (T21).
const MAX_DEPTH: usize = 4;

/// Documents that are looked into below an index, at most (T21).
const MAX_DOCUMENTS: usize = 16;

/// What a reference names, on one platform.
#[derive(Debug)]
pub(crate) struct ResolvedImage {
    /// The digest of what the reference names: an index, or the manifest itself.
    pub(crate) digest: Digest,
    /// What led to the manifest, outermost first: indexes, or the manifest of schema 1 that it was made of.
    pub(crate) indexes: Vec<RawDocument>,
    pub(crate) manifest_bytes: RawDocument,
    pub(crate) manifest: ImageManifest,
    pub(crate) config_bytes: RawDocument,
    pub(crate) config: ImageConfig,
}

/// What a reference names, before anything is made of it.
#[derive(Debug)]
pub(crate) struct NamedManifest {
    /// The endpoint that resolved it.
    pub(crate) endpoint: Endpoint,
    pub(crate) content: ManifestContent,
}

/// The document that a reference names.
#[derive(Debug)]
pub(crate) enum ManifestContent {
    /// A manifest or an index.
    Manifest(RawDocument, Box<Manifest>),
    /// A manifest of schema 1, its signature yet to be verified.
    Schema1(Bytes),
}

/// Bytes, and the digest that they were seen to hash to.
#[derive(Clone, Debug)]
pub(crate) struct RawDocument {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

impl ResolvedImage {
    /// Returns the image: the digest of its config (IM-1).
    pub(crate) fn image_id(&self) -> ImageId {
        ImageId::new(self.config_bytes.digest)
    }
}

impl RawDocument {
    /// Takes bytes that were made here.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            digest: Digest::sha256(&bytes),
            bytes: bytes.into(),
        }
    }
}

/// Reads documents from the store, or else from the endpoints of a repository.
pub(crate) struct Resolver<'a> {
    pub(crate) sources: &'a Sources,
    /// What is here already, if that is of any interest.
    pub(crate) store: Option<&'a Store>,
}

/// A descriptor in an index that may lead to the image, and the indexes that led to it.
struct IndexEntry {
    descriptor: Descriptor,
    indexes: Vec<RawDocument>,
}

impl Resolver<'_> {
    /// Resolves `target`.
    ///
    /// With `has_stored_name`, the target named something before. Then its digest is requested, and nothing else if that is
    /// still the same (MF-3, ST-5).
    pub(crate) async fn resolve_name(
        &self,
        target: &TagOrDigest,
        has_stored_name: bool,
    ) -> Result<NamedManifest, PullError> {
        let should_send_head = has_stored_name || self.sources.has_separate_resolver();
        if should_send_head && let Some((digest, endpoint)) = self.fetch_digest(target).await? {
            let stored = match self.was_named_before(&digest)? {
                true => self.stored_manifest(&digest)?,
                false => None,
            };
            let content = match stored {
                Some((document, manifest)) => {
                    ManifestContent::Manifest(document, Box::new(manifest))
                }
                // By digest, it can come from wherever it is nearest.
                None => self.fetch(&TagOrDigest::Digest(digest)).await?.content,
            };
            return Ok(NamedManifest { endpoint, content });
        }
        self.fetch(target).await
    }

    /// Finds the image that `named` leads to on `platform`, or on this machine's where that is `None`.
    pub(crate) async fn resolve(
        &self,
        document: RawDocument,
        manifest: Manifest,
        platform: Option<&Platform>,
    ) -> Result<ResolvedImage, PullError> {
        let digest = document.digest;
        let (indexes, manifest_bytes, manifest) = self.choose(document, manifest, platform).await?;
        let config_bytes = self.config(&manifest.config).await?;
        let config = ImageConfig::parse(&config_bytes.bytes)?;
        if let Some(wanted) = platform {
            check_platform(wanted, &config.platform())?;
        }
        Ok(ResolvedImage {
            digest,
            indexes,
            manifest_bytes,
            manifest,
            config_bytes,
            config,
        })
    }

    /// Goes from what a reference names to the manifest of one image, through indexes if there are any.
    pub(crate) async fn choose(
        &self,
        document: RawDocument,
        manifest: Manifest,
        platform: Option<&Platform>,
    ) -> Result<(Vec<RawDocument>, RawDocument, ImageManifest), PullError> {
        match manifest {
            Manifest::Image(manifest) => Ok((Vec::new(), document, manifest)),
            Manifest::Index(index) => {
                let host = Platform::host();
                let wanted = platform.unwrap_or(&host);
                let index_entries = index_entries(index.candidates(wanted)?, &[document]).collect();
                self.search(index_entries, wanted).await
            }
        }
    }

    /// Checks that a manifest outside an index is for `platform`, if one is requested.
    pub(crate) async fn check_manifest_platform(
        &self,
        manifest: &ImageManifest,
        platform: Option<&Platform>,
    ) -> Result<(), PullError> {
        if let Some(wanted) = platform {
            let config = ImageConfig::parse(&self.config(&manifest.config).await?.bytes)?;
            check_platform(wanted, &config.platform())?;
        }
        Ok(())
    }

    /// Fetches the digest of `target` by HEAD. `None` if no endpoint sends it: then the document has to be fetched.
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
        let fits = |digest: &Digest| match target {
            TagOrDigest::Digest(wanted) => wanted == digest,
            TagOrDigest::Tag(_) => true,
        };
        Ok(digest.filter(fits).map(|digest| (digest, endpoint)))
    }

    /// Fetches what `target` names.
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

    /// Returns whether `digest` named something in this repository before.
    ///
    /// Content from other repositories does not count: a digest alone does not prove access to it (C7, D13).
    fn was_named_before(&self, digest: &Digest) -> Result<bool, PullError> {
        let Some(store) = self.store else {
            return Ok(false);
        };
        let name = self.sources.name().clone().reference().with_digest(*digest);
        is_name_stored(store, &name)
    }

    /// Returns a manifest or index that the store has. One that it has in another form (of schema 1) counts
    /// as absent.
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

    /// Follows `leads`, the last one first, into nested indexes, to the first image.
    async fn search(
        &self,
        mut pending: Vec<IndexEntry>,
        wanted: &Platform,
    ) -> Result<(Vec<RawDocument>, RawDocument, ImageManifest), PullError> {
        let mut no_match = None;
        for _ in 0..MAX_DOCUMENTS {
            let Some(IndexEntry {
                descriptor,
                mut indexes,
            }) = pending.pop()
            else {
                return Err(no_match.expect("index_entries end where an index had no match"));
            };
            let (document, manifest) = self.fetch_indexed(&descriptor).await?;
            match manifest {
                Manifest::Image(manifest) => return Ok((indexes, document, manifest)),
                Manifest::Index(_) if indexes.len() >= MAX_DEPTH => {
                    return Err(PullError::TooDeep { limit: MAX_DEPTH });
                }
                Manifest::Index(index) => {
                    indexes.push(document);
                    match index.candidates(wanted) {
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

    /// Gets the manifest or index that an index describes.
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

    /// Returns a document that the store has.
    ///
    /// Small and rare: reading it here blocks for less than a request would take.
    fn stored(&self, digest: &Digest) -> Result<Option<Bytes>, PullError> {
        let Some(store) = self.store else {
            return Ok(None);
        };
        match store.read_blob(digest) {
            Ok(bytes) => Ok(Some(bytes.into())),
            // What is damaged is fetched again, and the commit mends it.
            Err(ReadError::Unknown { .. } | ReadError::Damaged { .. }) => Ok(None),
            Err(error) => Err(PullError::Read(error)),
        }
    }
}

/// Returns whether `name` leads to a stored image.
pub(crate) fn is_name_stored(store: &Store, name: &Reference) -> Result<bool, PullError> {
    match store.image(&ImageName::Reference(name.clone())) {
        Ok(_) => Ok(true),
        Err(FindError::Unknown { .. } | FindError::Ambiguous { .. }) => Ok(false),
        Err(FindError::Database(error)) => Err(PullError::Held(error.into())),
    }
}

/// Only endpoints that may resolve tags are used for a tag; a digest means the same everywhere.
fn need(target: &TagOrDigest) -> EndpointNeed {
    match target {
        TagOrDigest::Tag(_) => EndpointNeed::Resolve,
        TagOrDigest::Digest(_) => EndpointNeed::Pull,
    }
}

/// Makes leads of `candidates` (best first), in the order in which a stack is filled.
fn index_entries(
    candidates: Vec<&Descriptor>,
    indexes: &[RawDocument],
) -> impl Iterator<Item = IndexEntry> {
    candidates.into_iter().rev().map(|descriptor| IndexEntry {
        descriptor: descriptor.clone(),
        indexes: indexes.to_vec(),
    })
}

/// What was not fetched by its descriptor has yet to be held against it (T16).
fn check_size(descriptor: &Descriptor, bytes: &Bytes) -> Result<(), PullError> {
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

/// Checks the platform of a manifest outside an index, which is in its config only.
pub(crate) fn check_platform(
    wanted: &Platform,
    found: &Platform,
) -> Result<(), NoMatchingPlatform> {
    match wanted.rank(found) {
        Some(_) => Ok(()),
        None => Err(NoMatchingPlatform {
            wanted: Box::new(wanted.clone()),
            offered: vec![found.clone()],
        }),
    }
}
