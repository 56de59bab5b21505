//! What happens while images are carried.

use serde::{Deserialize, Serialize};
use windlass_oci::{Digest, RepositoryName};

/// Who is told what happens, by any thread.
pub type Tell<'a> = &'a (dyn Fn(CopyEvent) + Sync);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyEvent {
    /// These blobs are to be carried: their digests and sizes.
    Planned(Vec<(Digest, u64)>),
    /// A blob is in another state now.
    Blob {
        /// The blob.
        digest: Digest,
        /// Its state.
        status: BlobStatus,
    },
    /// So many more bytes came of an archive that cannot be read before all of it is here.
    Received(u64),
    /// So many more bytes of a blob were carried.
    Moved {
        /// The blob.
        digest: Digest,
        /// How many.
        bytes: u64,
    },
}

/// How far a blob is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobStatus {
    /// It is to be pushed.
    Preparing,
    /// Others are pushed before it.
    Waiting,
    /// It is being carried.
    Carrying,
    /// It was there already.
    Exists,
    /// The registry took it over from another of its repositories.
    Mounted {
        /// From which.
        from: RepositoryName,
    },
    /// Something failed, and it is tried again from this byte on.
    Again {
        /// From which byte on.
        position: u64,
        /// What failed; nothing, if the registry only wanted another token.
        error: String,
    },
    /// It is there.
    Carried,
}
