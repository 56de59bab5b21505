//! Blobs: bytes that hashed to their digest, held or about to be.

mod writer;

use std::fs::File;
use std::io::{IoSlice, Read as _};
use std::sync::{Arc, OnceLock};

use rusqlite::OptionalExtension as _;
use rustix::fs::OFlags;
use windlass_oci::Digest;

use crate::Store;
use crate::database::{TextColumn, from_integer};
use crate::error::{At, DatabaseError, FileError, NotWritable, impl_is_no_space};
use crate::ingest::PartialFile;
use crate::lease::{Lease, LeasedContent, Leases};
use crate::root::{StoreArea, fresh_name};

pub use writer::BlobWriter;

/// A blob that is held. It stays as long as this is not dropped.
#[derive(Clone, Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
    _lease: Lease,
}

/// A blob that was verified and waits for the commit of an image. Clones are the same one; the file goes
/// when the last is dropped without a commit.
#[derive(Clone, Debug)]
pub struct BlobDraft {
    digest: Digest,
    size: u64,
    /// Owns the [`PartialFile`], alone or within an ingest.
    file: Arc<dyn DraftFile>,
    /// Once an image was committed with it: whoever else has it may commit it, too.
    lease: Arc<OnceLock<Lease>>,
}

/// Why bytes could not be put into the store.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The bytes hash to something else.
    #[error("the bytes given for {expected} hash to {actual}")]
    Digest {
        /// What they were said to be.
        expected: Digest,
        /// What they are.
        actual: Digest,
    },
    /// The store is not ours to write to.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a blob could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store does not hold it.
    #[error("{digest} is not in the store")]
    Unknown {
        /// The blob.
        digest: Digest,
    },
    /// What is on the disk is not what was stored (IM-2).
    #[error("{digest} is damaged on disk; pull the image again")]
    Damaged {
        /// The blob.
        digest: Digest,
    },
    /// It is too large to be held in memory.
    #[error("{digest} has {size} bytes, more than the {limit} that are read at once")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(PutError, ReadError);

/// What a draft's file lives in.
pub(crate) trait DraftFile: Send + Sync + std::fmt::Debug {
    fn file(&self) -> &PartialFile;
}

impl DraftFile for PartialFile {
    fn file(&self) -> &PartialFile {
        self
    }
}

/// The largest blob that [`Store::read_blob`] reads: manifests, indexes and configs, in bytes.
const READ_LIMIT: u64 = 16 << 20;

impl Store {
    /// Returns the blob called `digest` if it is held, file and all.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ReadError> {
        let Some((size, lease)) = self.lease_blob(digest)? else {
            return Ok(None);
        };
        match self.open_blob(digest) {
            Ok(_) => Ok(Some(Blob {
                digest: *digest,
                size,
                _lease: lease,
            })),
            // Known by name only: whoever pulls it again repairs it.
            Err(ReadError::Unknown { .. } | ReadError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps `bytes` for the commit of an image, if they hash to `digest`.
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

    /// Reads a manifest, index or config, and hashes it again (IM-2).
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let (file, size) = self.open_blob(digest)?;
        if size > READ_LIMIT {
            let (digest, limit) = (*digest, READ_LIMIT);
            return Err(ReadError::TooLarge {
                digest,
                size,
                limit,
            });
        }
        let mut bytes = Vec::new();
        let at = || self.inner().root().content_path(StoreArea::Blobs, digest);
        file.take(size).read_to_end(&mut bytes).at("read", at)?;
        if Digest::of(digest.algorithm(), &bytes) != *digest {
            return Err(ReadError::Damaged { digest: *digest });
        }
        Ok(bytes)
    }

    /// Opens a blob of any size. Its length is right; its bytes are as the disk has them.
    pub fn open_blob(&self, digest: &Digest) -> Result<(File, u64), ReadError> {
        let unknown = || ReadError::Unknown { digest: *digest };
        let size = self
            .database()
            .query(|transaction| blob_size(transaction, digest))?;
        let size = size.ok_or_else(unknown)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let file = self
            .inner()
            .root()
            .open_content(StoreArea::Blobs, digest, flags)?
            .ok_or_else(unknown)?;
        let file = File::from(file);
        let facts = file.metadata().at("examine", || {
            self.inner().root().content_path(StoreArea::Blobs, digest)
        })?;
        if !facts.is_file() || facts.len() != size {
            return Err(ReadError::Damaged { digest: *digest });
        }
        Ok((file, size))
    }

    fn lease_blob(&self, digest: &Digest) -> Result<Option<(u64, Lease)>, DatabaseError> {
        self.database().query(|transaction| {
            let size = blob_size(transaction, digest)?;
            // Still under the lock of the database: no deletion comes in between.
            let lease = || self.inner().leases().take(LeasedContent::Blob(*digest));
            Ok(size.map(|size| (size, lease())))
        })
    }
}

impl Blob {
    /// Returns what its bytes hash to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
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

    /// Returns what its bytes hash to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Has the bytes go with the last of the drafts in any case, and not be kept for another pull.
    pub fn discard(&self) {
        self.file().discard();
    }

    pub(crate) fn file(&self) -> &PartialFile {
        self.file.file()
    }

    /// Keeps the blob that this becomes from being deleted while anybody has the draft.
    pub(crate) fn lease(&self, leases: &Arc<Leases>) {
        self.lease
            .get_or_init(|| leases.take(LeasedContent::Blob(self.digest)));
    }
}

pub(crate) fn blob_size(
    connection: &rusqlite::Connection,
    digest: &Digest,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT size FROM blobs WHERE digest = ?";
    connection
        .query_row(sql, [TextColumn(digest)], |row| {
            row.get(0).map(from_integer)
        })
        .optional()
}
