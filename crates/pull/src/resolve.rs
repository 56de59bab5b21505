//! From a reference to one image's manifest and config.
//!
//! A document that is asked for by digest and is in the store already is not fetched: its digest says
//! all that a registry could. What a *tag* names is always asked.

use bytes::Bytes;
use tokio::time;
use windlass_oci::{
    Descriptor, Digest, ImageConfig, ImageManifest, MAX_CONFIG_SIZE, Manifest, NoMatch, Platform,
};
use windlass_registry::{RegistryError, Repository, Target};
use windlass_store::{ReadError, Store};

use crate::error::PullError;
use crate::retry::{Attempts, RetryPolicy};

/// Indexes within indexes, at most (T21).
const DEPTH: usize = 4;

/// Documents that are looked into below an index, at most (T21).
const LOOKS: usize = 16;

/// What a reference names, on one platform.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The digest of what the reference names: an index, or the manifest itself.
    pub(crate) digest: Digest,
    /// The indexes on the way to the manifest, outermost first.
    pub(crate) indexes: Vec<Document>,
    pub(crate) manifest_bytes: Document,
    pub(crate) manifest: ImageManifest,
    pub(crate) config_bytes: Document,
    pub(crate) config: ImageConfig,
}

/// Bytes, and the digest that they were seen to hash to.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

/// Asks one repository, and the store before it.
pub(crate) struct Resolver<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) store: &'a Store,
    pub(crate) retry: RetryPolicy,
}

/// A descriptor in an index that may lead to the image, and the indexes that led to it.
struct Lead {
    descriptor: Descriptor,
    indexes: Vec<Document>,
}

impl Resolver<'_> {
    /// Finds the image that `target` names on `platform`, or on this machine's where that is `None`.
    pub(crate) async fn resolve(
        &self,
        target: &Target,
        platform: Option<&Platform>,
    ) -> Result<Resolved, PullError> {
        let fetched = retrying(self.retry, || self.repository.manifest(target)).await?;
        let document = Document {
            digest: fetched.digest,
            bytes: fetched.bytes,
        };
        let digest = document.digest;
        let (indexes, manifest_bytes, manifest) = match fetched.manifest {
            Manifest::Image(manifest) => (Vec::new(), document, manifest),
            Manifest::Index(index) => {
                let host = Platform::host();
                let wanted = platform.unwrap_or(&host);
                let leads = leads(index.candidates(wanted)?, &[document]).collect();
                self.search(leads, wanted).await?
            }
        };
        let config_bytes = self.config(&manifest.config).await?;
        let config = ImageConfig::parse(&config_bytes.bytes)?;
        if let Some(wanted) = platform {
            check_platform(wanted, &config)?;
        }
        Ok(Resolved {
            digest,
            indexes,
            manifest_bytes,
            manifest,
            config_bytes,
            config,
        })
    }

    /// Follows `leads`, the last one first, into nested indexes, to the first image.
    async fn search(
        &self,
        mut leads_left: Vec<Lead>,
        wanted: &Platform,
    ) -> Result<(Vec<Document>, Document, ImageManifest), PullError> {
        let mut no_match = None;
        for _ in 0..LOOKS {
            let Some(Lead {
                descriptor,
                mut indexes,
            }) = leads_left.pop()
            else {
                return Err(no_match.expect("leads end where an index had no match"));
            };
            let (document, manifest) = self.below_an_index(&descriptor).await?;
            match manifest {
                Manifest::Image(manifest) => return Ok((indexes, document, manifest)),
                Manifest::Index(_) if indexes.len() >= DEPTH => {
                    return Err(PullError::TooDeep { limit: DEPTH });
                }
                Manifest::Index(index) => {
                    indexes.push(document);
                    match index.candidates(wanted) {
                        Ok(candidates) => leads_left.extend(leads(candidates, &indexes)),
                        Err(error) => no_match = Some(PullError::NoMatch(error)),
                    }
                }
            }
        }
        Err(PullError::TooDeep { limit: LOOKS })
    }

    /// Gets the manifest or index that an index describes.
    async fn below_an_index(
        &self,
        descriptor: &Descriptor,
    ) -> Result<(Document, Manifest), PullError> {
        let digest = descriptor.digest;
        let (bytes, manifest) = match self.stored(&digest)? {
            Some(bytes) => {
                let manifest = Manifest::parse(&bytes, None)
                    .map_err(|source| PullError::Manifest { digest, source })?;
                (bytes, manifest)
            }
            None => {
                let target = Target::Digest(digest);
                let get = || self.repository.manifest(&target);
                let fetched = retrying(self.retry, get).await?;
                (fetched.bytes, fetched.manifest)
            }
        };
        check_size(descriptor, &bytes)?;
        Ok((Document { digest, bytes }, manifest))
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<Document, PullError> {
        let digest = descriptor.digest;
        if let Some(bytes) = self.stored(&digest)? {
            check_size(descriptor, &bytes)?;
            return Ok(Document { digest, bytes });
        }
        let limit = MAX_CONFIG_SIZE as u64;
        let get = || self.repository.blob_bytes(descriptor, limit);
        Ok(Document {
            digest,
            bytes: retrying(self.retry, get).await?,
        })
    }

    /// Returns a document that the store has.
    ///
    /// Small and rare: reading it here blocks for less than a request would take.
    fn stored(&self, digest: &Digest) -> Result<Option<Bytes>, PullError> {
        match self.store.read_blob(digest) {
            Ok(bytes) => Ok(Some(bytes.into())),
            // What is damaged is fetched again, and the commit mends it.
            Err(ReadError::Unknown { .. } | ReadError::Damaged { .. }) => Ok(None),
            Err(error) => Err(PullError::Read(error)),
        }
    }
}

/// Makes leads of `candidates` (best first), in the order in which a stack is filled.
fn leads(candidates: Vec<&Descriptor>, indexes: &[Document]) -> impl Iterator<Item = Lead> {
    candidates.into_iter().rev().map(|descriptor| Lead {
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

/// A manifest that no index led to says its platform in the config only.
fn check_platform(wanted: &Platform, config: &ImageConfig) -> Result<(), NoMatch> {
    let found = config.platform();
    match wanted.rank(&found) {
        Some(_) => Ok(()),
        None => Err(NoMatch {
            wanted: Box::new(wanted.clone()),
            offered: vec![found],
        }),
    }
}

/// Tries a small request as often as `policy` and the errors allow.
async fn retrying<T, F: Future<Output = Result<T, RegistryError>>>(
    policy: RetryPolicy,
    request: impl Fn() -> F,
) -> Result<T, RegistryError> {
    let mut attempts = Attempts::new(policy);
    loop {
        let error = match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match attempts.pause_after(&error) {
            Some(pause) => time::sleep(pause).await,
            None => return Err(error),
        }
    }
}
