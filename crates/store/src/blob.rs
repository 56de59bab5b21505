//! Stored blobs.

use std::fs::File;
use std::io::Read as _;

use rusqlite::OptionalExtension as _;
use rustix::fs::OFlags;
use windlass_oci::Digest;

use crate::Store;
use crate::database::{TextColumn, from_integer};
use crate::error::{DatabaseError, FileError, FileErrorContext, impl_is_no_space};
use crate::lease::{Lease, LeasedContent};
use crate::store_root::StoreArea;

/// A stored blob. It is not deleted before this is dropped.
#[derive(Clone, Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
    _lease: Lease,
}

/// Why a blob could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The blob is not in the store.
    #[error("{digest} is not in the store")]
    Unknown {
        /// The blob.
        digest: Digest,
    },
    /// The file differs from what was stored (IM-2).
    #[error("{digest} is damaged on disk; pull the image again")]
    Damaged {
        /// The blob.
        digest: Digest,
    },
    /// It is too large to be read into memory.
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

impl_is_no_space!(ReadError);

/// The largest blob that [`Store::read_blob`] reads: manifests, indexes and configs, in bytes.
const READ_LIMIT: u64 = 16 << 20;

impl Store {
    /// Returns the blob `digest` if its row and its file are present.
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
            // A row without a valid file counts as absent; the next pull repairs it.
            Err(ReadError::Unknown { .. } | ReadError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a manifest, index or config, and verifies its digest (IM-2).
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

    /// Opens a blob of any size. Its length is checked, its bytes are not.
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
        let metadata = file.metadata().at("examine", || {
            self.inner().root().content_path(StoreArea::Blobs, digest)
        })?;
        if !metadata.is_file() || metadata.len() != size {
            return Err(ReadError::Damaged { digest: *digest });
        }
        Ok((file, size))
    }

    fn lease_blob(&self, digest: &Digest) -> Result<Option<(u64, Lease)>, DatabaseError> {
        self.database().query(|transaction| {
            let size = blob_size(transaction, digest)?;
            // The database is still locked, so no deletion can happen in between.
            let lease = || self.inner().leases().take(LeasedContent::Blob(*digest));
            Ok(size.map(|size| (size, lease())))
        })
    }
}

impl Blob {
    /// Returns the digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
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
