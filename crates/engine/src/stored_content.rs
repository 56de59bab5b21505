//! What a store holds, by repository: what there is to be served to other machines and programs.

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

use crate::Engine;

/// What a store holds, by repository. Everything here blocks.
///
/// No lock is taken: pulls and removals go on beside it. What vanishes between two questions was there for the first
/// and is not for the second; a file that was handed out stays readable.
#[derive(Debug)]
pub struct StoredContent {
    store: Mutex<Arc<Store>>,
    /// Where to look again, as long as there is no store yet.
    root: Option<PathBuf>,
}

/// A manifest or index that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// What its bytes hash to.
    pub digest: Digest,
    /// What it says it is.
    pub media_type: MediaType,
    /// The exact bytes.
    pub bytes: Vec<u8>,
}

/// A blob that is held.
#[derive(Debug)]
pub struct StoredBlob {
    /// What its bytes hashed to when it was stored.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The open file, which is as long as `size` says.
    pub file: File,
}

/// Why it could not be found out what is held.
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

/// How many manifests of a repository are read to find those that refer to another.
const MOST_REFERRING: usize = 256;

/// The parts of a manifest that a descriptor of it repeats.
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
    /// Returns what the store holds, by repository.
    pub fn stored_content(&self) -> StoredContent {
        StoredContent {
            store: Mutex::new(Arc::clone(&self.store)),
            root: None,
        }
    }
}

impl StoredContent {
    /// Looks at the store at `root`. One that does not exist holds nothing until somebody makes it.
    pub fn at(root: PathBuf) -> Result<Self, ContentError> {
        let store = look(&root)?;
        Ok(Self {
            store: Mutex::new(Arc::new(store)),
            root: Some(root),
        })
    }

    /// Returns the repositories behind `after`, in the order of their full names; at most `limit`. With `registry`,
    /// only those of this registry.
    pub fn repositories(
        &self,
        registry: Option<&str>,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, ContentError> {
        Ok(self.store()?.repositories(registry, after, limit)?)
    }

    /// Returns the tags of a repository behind `after`, in order; at most `limit`.
    pub fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<RepositoryLookup<Vec<Tag>>, ContentError> {
        Ok(self.store()?.tags_of(repository, after, limit)?)
    }

    /// Returns the digest of the manifest or index that a tag stands for: what it stood for where it was pulled.
    pub fn target(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<RepositoryLookup<Digest>, ContentError> {
        Ok(self.store()?.target(repository, tag)?)
    }

    /// Reads a manifest or index, if an image keeps it that `repository` leads to. It is hashed again.
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

    /// Opens a blob, if an image keeps it that `repository` leads to.
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

    /// Describes the manifests of a repository that say they belong to `subject` (OCI distribution specification,
    /// "Listing Referrers"), as far as they are held: of its first 256, and no more than fits into one manifest.
    pub fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<RepositoryLookup<Vec<Descriptor>>, ContentError> {
        let store = self.store()?;
        let manifests = match store.manifests_of(repository, MOST_REFERRING)? {
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
            *store = Arc::new(look(root)?);
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

fn look(root: &std::path::Path) -> Result<Store, StoreOpenError> {
    Store::open(root, OpenMode::Unlocked, |_| WhenBusy::Fail)
}

/// Reads a document, if it is there and can be read as a manifest.
fn read(store: &Store, digest: &Digest) -> Result<Option<StoredManifest>, ContentError> {
    let Some(bytes) = present(store.read_blob(digest))? else {
        return Ok(None);
    };
    let media_type = match Manifest::parse(&bytes, None) {
        Ok(manifest) => manifest.media_type().clone(),
        // An attestation or a signature.
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

/// What is gone or damaged counts as absent: who asks for it can get it elsewhere.
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
