//! Where images are.

mod registry;
mod store;

use std::io::{self, Read};

use windlass_layout::{Artifact, Layout, LayoutError};
use windlass_oci::{Descriptor, Digest};
use windlass_operation::Cancelled;
use windlass_pull::PullError;
use windlass_store::ReadError;

pub use registry::RegistrySource;
pub use store::{ImageRoot, StoreSource};

/// Something that has images.
pub trait ContentSource: Sync {
    /// Reads a manifest, index or config, proved by its digest; `None` if it is not there.
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError>;

    /// Opens a blob for reading from `position` on. Its bytes are not verified.
    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>>;

    /// Returns whether the source certainly has the blob.
    fn has(&self, blob: &Descriptor) -> bool;

    /// Returns the artifacts that are listed for the manifest `subject`. Their subject is not verified.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError>;
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The archive or directory.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The store.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// The copy was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A document has another size than its descriptor requires.
    #[error("{digest} has {actual} bytes, its descriptor says {expected}")]
    Size {
        /// The document.
        digest: Digest,
        /// Bytes according to the descriptor.
        expected: u64,
        /// Bytes that it has.
        actual: u64,
    },
}

impl From<Cancelled> for SourceError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl ContentSource for Layout {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(Self::document(self, descriptor)?)
    }

    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let found = self.blob(blob).map_err(io::Error::other)?;
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it is not in the archive");
        Ok(Box::new(found.ok_or_else(missing)?.read_from(position)))
    }

    fn has(&self, blob: &Descriptor) -> bool {
        self.blob(blob).is_ok_and(|found| found.is_some())
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError> {
        Ok(self.artifacts_of(subject).to_vec())
    }
}

/// Holds the size of a document against its descriptor.
fn check_size(descriptor: &Descriptor, bytes: &[u8]) -> Result<(), SourceError> {
    let (expected, actual) = (descriptor.size, bytes.len() as u64);
    if expected == actual {
        return Ok(());
    }
    let digest = descriptor.digest;
    Err(SourceError::Size {
        digest,
        expected,
        actual,
    })
}
