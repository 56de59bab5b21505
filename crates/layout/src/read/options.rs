//! How an archive or a directory is read.

use std::fmt;

use windlass_oci::{Descriptor, DiffId};

use crate::spool::Spool;

/// Returns the descriptor of a blob of a layer that is stored elsewhere, if there is one.
pub type StoredLayer<'a> = &'a dyn Fn(&DiffId) -> Option<Descriptor>;

/// How to read an archive or a directory.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// How to copy an archive that is compressed or comes from a pipe.
    pub spool: Spool<'a>,
    /// The layers that need not be in a Docker archive (tools remove the layers that a daemon has).
    pub stored_layer: StoredLayer<'a>,
}

/// Every layer has to be in the archive.
impl<'a> From<Spool<'a>> for ReadOptions<'a> {
    fn from(spool: Spool<'a>) -> Self {
        Self {
            spool,
            stored_layer: &|_| None,
        }
    }
}

impl fmt::Debug for ReadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOptions").finish_non_exhaustive()
    }
}
