//! The content of a store by repository, to be served to other machines and programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use windlass_oci::{
    Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, ManifestError, ManifestLinks, MediaType,
    RepositoryName, Tag,
};
use windlass_store::{
    ContentKind, DatabaseError, OpenMode, ReadError, RepositoryLookup, Store, StoreOpenError,
    WhenBusy,
};

use crate::engine::Engine;

/// The content of a store by repository. All methods block.
///
/// No lock is taken, so the store may change between two calls. An open file stays readable after its blob was
/// removed.
#[derive(Debug)]
pub struct StoredContent {
    store: Mutex<Arc<Store>>,
    /// The directory to open again, as long as it contains no store.
    root: Option<PathBuf>,
}

/// A stored manifest or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The digest of its bytes.
    pub digest: Digest,
    /// The media type that it has in its own bytes.
    pub media_type: MediaType,
    /// The exact bytes.
    pub bytes: Vec<u8>,
}

/// A stored blob.
#[derive(Debug)]
pub struct StoredBlob {
    /// Its digest, verified when it was stored.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The open file; its length is `size`.
    pub file: File,
}

/// Why the content of a store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// The metadata could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A blob could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The maximum number of manifests of a repository that are read to find referrers.
const MAX_MANIFESTS: usize = 256;

/// The fields of a manifest that its descriptor repeats.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: Option<String>,
}

impl Engine {
    /// Returns the content of the store by repository.
    pub fn stored_content(&self) -> StoredContent {
        StoredContent {
            store: Mutex::new(Arc::clone(&self.store)),
            root: None,
        }
    }
}

impl StoredContent {
    /// Opens the store at `root` for reading. A directory without a store has no content until a store is created there.
    pub fn at(root: PathBuf) -> Result<Self, ContentError> {
        let store = open_unlocked(&root)?;
        Ok(Self {
            store: Mutex::new(Arc::new(store)),
            root: Some(root),
        })
    }

    /// Returns the repositories after `after`, in the order of their full names; at most `limit`. With `registry`,
    /// only those of this registry.
    pub fn repositories(
        &self,
        registry: Option<&str>,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, ContentError> {
        Ok(self.store()?.repositories(registry, after, limit)?)
    }

    /// Returns the tags of a repository after `after`, in order; at most `limit`.
    pub fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<RepositoryLookup<Vec<Tag>>, ContentError> {
        Ok(self.store()?.tags_of(repository, after, limit)?)
    }

    /// Returns the digest of the manifest or index that a tag was pulled as.
    pub fn target(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<RepositoryLookup<Digest>, ContentError> {
        Ok(self.store()?.target(repository, tag)?)
    }

    /// Reads a manifest or index that belongs to an image of `repository`, and verifies its digest.
    pub fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<RepositoryLookup<StoredManifest>, ContentError> {
        let store = self.store()?;
        match store.lookup_content(repository, digest, ContentKind::Manifest)? {
            RepositoryLookup::Found(()) => Ok(match read(&store, digest)? {
                Some(manifest) => RepositoryLookup::Found(manifest),
                None => RepositoryLookup::Missing,
            }),
            RepositoryLookup::Missing => Ok(RepositoryLookup::Missing),
            RepositoryLookup::NoRepository => Ok(RepositoryLookup::NoRepository),
        }
    }

    /// Opens a blob that belongs to an image of `repository`.
    pub fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<RepositoryLookup<StoredBlob>, ContentError> {
        let store = self.store()?;
        match store.lookup_content(repository, digest, ContentKind::Blob)? {
            RepositoryLookup::Found(()) => {}
            RepositoryLookup::Missing => return Ok(RepositoryLookup::Missing),
            RepositoryLookup::NoRepository => return Ok(RepositoryLookup::NoRepository),
        }
        match present(store.open_blob(digest))? {
            Some((file, size)) => Ok(RepositoryLookup::Found(StoredBlob {
                digest: *digest,
                size,
                file,
            })),
            None => Ok(RepositoryLookup::Missing),
        }
    }

    /// Returns descriptors of the stored manifests of a repository with the subject `subject` (OCI distribution
    /// specification, "Listing Referrers"): among its first 256 manifests, and no more than fit into one index.
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<RepositoryLookup<Vec<Descriptor>>, ContentError> {
        let store = self.store()?;
        let manifests = match store.manifests_of(repository, MAX_MANIFESTS)? {
            RepositoryLookup::Found(manifests) => manifests,
            RepositoryLookup::Missing => return Ok(RepositoryLookup::Missing),
            RepositoryLookup::NoRepository => return Ok(RepositoryLookup::NoRepository),
        };
        let mut referrers = Vec::new();
        let mut size = 0;
        for digest in manifests {
            let Some(manifest) = read(&store, &digest)? else {
                continue;
            };
            let links = ManifestLinks::parse(&manifest.bytes).ok();
            let belongs_to = links.and_then(|links| links.subject);
            if belongs_to.is_some_and(|descriptor| descriptor.digest == *subject) {
                size += manifest.bytes.len();
                if size > MAX_MANIFEST_SIZE {
                    break;
                }
                referrers.push(manifest.describe());
            }
        }
        Ok(RepositoryLookup::Found(referrers))
    }

    fn store(&self) -> Result<Arc<Store>, ContentError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(root)) = (store.path(), &self.root) {
            *store = Arc::new(open_unlocked(root)?);
        }
        Ok(Arc::clone(&store))
    }
}

impl StoredManifest {
    fn describe(&self) -> Descriptor {
        let described: Described = serde_json::from_slice(&self.bytes).unwrap_or_default();
        let config = described.config.and_then(|config| config.media_type);
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.bytes.len() as u64,
            urls: Vec::new(),
            annotations: described.annotations,
            platform: None,
            artifact_type: described.artifact_type.or(config),
        }
    }
}

fn open_unlocked(root: &std::path::Path) -> Result<Store, StoreOpenError> {
    Store::open(root, OpenMode::Unlocked, |_| WhenBusy::Fail)
}

/// Reads a stored manifest; returns `None` if it is missing or malformed.
fn read(store: &Store, digest: &Digest) -> Result<Option<StoredManifest>, ContentError> {
    let Some(bytes) = present(store.read_blob(digest))? else {
        return Ok(None);
    };
    let media_type = match Manifest::parse(&bytes, None) {
        Ok(manifest) => manifest.media_type().clone(),
        // Attestations and signatures.
        Err(ManifestError::NotAnImage(_)) => match ManifestLinks::parse(&bytes) {
            Ok(links) => links.media_type,
            Err(_) => return Ok(None),
        },
        Err(_) => return Ok(None),
    };
    Ok(Some(StoredManifest {
        digest: *digest,
        media_type,
        bytes,
    }))
}

/// Missing and damaged content counts as absent: clients can fetch it from another registry.
fn present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error @ ReadError::Damaged { .. }) => {
            tracing::warn!(%error, "not served");
            Ok(None)
        }
        Err(ReadError::Unknown { .. } | ReadError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
