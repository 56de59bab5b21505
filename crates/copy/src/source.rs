//! The sources of a copy: archives, directories, stores and registries.

mod registry;
mod store;

use std::io::{self, Read};

use windlass_layout::{Artifact, Layout, LayoutError, VerifyingReader};
use windlass_oci::{Descriptor, Digest};
use windlass_operation::Cancelled;
use windlass_pull::PullError;
use windlass_store::ReadError;

use crate::events::CopyContext;

pub use registry::RegistrySource;
pub use store::{ImageRoot, StoreSource};

/// A source of images.
pub trait ContentSource: Sync {
    /// Reads a manifest, index or config and verifies its digest. Returns `None` if the source does not have it.
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError>;

    /// Opens a blob for reading from `position` on. The bytes are not verified.
    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>>;

    /// Returns whether the source is certain to have the blob.
    fn has(&self, blob: &Descriptor) -> bool;

    /// Returns the artifacts that the source lists for the manifest `subject`. Their subject is not verified.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError>;
}

/// The reason why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Reading the archive or directory failed.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Reading the store failed.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The request to the registry failed.
    #[error(transparent)]
    Registry(#[from] PullError),
    /// The copy was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A document does not have the size in its descriptor.
    #[error("{digest} has {actual} bytes, expected {expected}")]
    Size {
        /// The document.
        digest: Digest,
        /// The size in the descriptor, in bytes.
        expected: u64,
        /// The actual size in bytes.
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
        let missing = || io::Error::new(io::ErrorKind::NotFound, "the archive does not have it");
        Ok(Box::new(found.ok_or_else(missing)?.read_from(position)))
    }

    fn has(&self, blob: &Descriptor) -> bool {
        self.blob(blob).is_ok_and(|found| found.is_some())
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError> {
        Ok(self.artifacts_of(subject).to_vec())
    }
}

/// Opens a blob; the reader verifies its size and digest, and fails when the copy is cancelled.
pub(crate) fn open_verified<'a>(
    source: &'a dyn ContentSource,
    blob: &Descriptor,
    context: &CopyContext,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let inner = context.reader(source.open(blob, 0)?);
    Ok(Box::new(VerifyingReader::new(
        inner,
        blob.digest,
        blob.size,
    )))
}

/// Returns an error if the size of a document differs from its descriptor.
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
