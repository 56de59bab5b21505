//! Why an image could not be committed.

use std::path::PathBuf;

use windlass_oci::{DiffId, Digest, ImageConfigError, Reference};

use crate::blob::ReadError;
use crate::error::{DatabaseError, FileError, NotWritable, impl_is_no_space};

/// Why an image could not be committed. None of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The layers differ from those in the config (C15).
    #[error("layer {position} is {given:?}, but the config has {expected:?}")]
    Chain {
        /// The position of the layer, counted from 0 at the base.
        position: usize,
        /// The layer that was given.
        given: Option<DiffId>,
        /// The layer in the config.
        expected: Option<DiffId>,
    },
    /// The digest in the name is not the digest that was pulled (C6).
    #[error("{reference} does not refer to {target}")]
    Pin {
        /// The name.
        reference: Reference,
        /// The manifest or index that was pulled.
        target: Digest,
    },
    /// The target of a hard link is in no lower layer.
    #[error(
        "layer {diff_id}: {:?} is a hard link to {:?}, which is in no lower layer",
        String::from_utf8_lossy(.path), String::from_utf8_lossy(.target)
    )]
    UnresolvedLink {
        /// The layer.
        diff_id: DiffId,
        /// The name of the link.
        path: Vec<u8>,
        /// The target of the link.
        target: Vec<u8>,
    },
    /// A path of the layer contains a NUL byte, which no file name can have.
    #[error("layer {diff_id} has a path with a NUL byte")]
    Path {
        /// The layer.
        diff_id: DiffId,
    },
    /// The config is malformed.
    #[error("invalid image config")]
    Config(#[source] ImageConfigError),
    /// The stored config could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An earlier write failed in a way that leaves the content of the disk unknown.
    #[error("the store accepts no more images because a write to {} failed: check the disk and restart", .path.display())]
    Degraded {
        /// The store.
        path: PathBuf,
    },
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(CommitError);
