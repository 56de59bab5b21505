//! Verified blobs that wait for the commit of an image.

use std::io::IoSlice;
use std::sync::{Arc, OnceLock};

use windlass_oci::Digest;

use crate::Store;
use crate::error::{FileError, NotWritable, impl_is_no_space};
use crate::lease::{Lease, LeasedContent, Leases};
use crate::partial_file::{DraftFile, PartialFile};
use crate::store_root::fresh_name;

/// A verified blob that waits for the commit of an image. Clones share one file, which is removed when the last
/// of them is dropped without a commit.
#[derive(Clone, Debug)]
pub struct BlobDraft {
    digest: Digest,
    size: u64,
    /// The [`PartialFile`], alone or within an ingest.
    file: Arc<dyn DraftFile>,
    /// Set when an image was committed with it; other holders of the draft may commit it, too.
    lease: Arc<OnceLock<Lease>>,
}

/// Why bytes could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The bytes have another digest.
    #[error("the bytes given for {expected} have the digest {actual}")]
    Digest {
        /// The expected digest.
        expected: Digest,
        /// The digest of the bytes.
        actual: Digest,
    },
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl_is_no_space!(PutError);

impl Store {
    /// Stores `bytes` for the commit of an image, if they have the digest `digest`.
    pub fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<BlobDraft, PutError> {
        let actual = Digest::of(digest.algorithm(), bytes);
        if actual != *digest {
            let expected = *digest;
            return Err(PutError::Digest { expected, actual });
        }
        let file = PartialFile::create(self.writable()?, fresh_name())?;
        file.write_at(&[IoSlice::new(bytes)], 0)?;
        Ok(BlobDraft::new(actual, bytes.len() as u64, Arc::new(file)))
    }
}

impl BlobDraft {
    pub(crate) fn new(digest: Digest, size: u64, file: Arc<dyn DraftFile>) -> Self {
        Self {
            digest,
            size,
            file,
            lease: Arc::default(),
        }
    }

    /// Returns the digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Removes the file when the last draft is dropped, instead of retaining it for another pull.
    pub fn discard(&self) {
        self.file().discard();
    }

    pub(crate) fn file(&self) -> &PartialFile {
        self.file.file()
    }

    /// Leases the blob that this becomes, so that it is not deleted while the draft exists.
    pub(crate) fn lease(&self, leases: &Arc<Leases>) {
        self.lease
            .get_or_init(|| leases.take(LeasedContent::Blob(self.digest)));
    }
}
