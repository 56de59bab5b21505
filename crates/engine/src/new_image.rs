//! Steps that loading and importing an image have in common.

use windlass_oci::{Digest, ImageId, ImageName};
use windlass_store::{BlobSource, FindError, PutError, ReadError};

use crate::engine::Engine;

impl Engine {
    /// Returns whether the store has the image.
    pub(crate) fn has_image(&self, id: ImageId) -> Result<bool, FindError> {
        match self.store.image(&ImageName::Id(id)) {
            Ok(_) => Ok(true),
            Err(FindError::Unknown { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a document, unless the store has it.
    pub(crate) fn put_document<E: From<ReadError> + From<PutError>>(
        &self,
        digest: &Digest,
        bytes: &[u8],
    ) -> Result<BlobSource, E> {
        Ok(match self.store.blob(digest)? {
            Some(blob) => BlobSource::Stored(blob),
            None => BlobSource::New(self.store.put_blob(digest, bytes)?),
        })
    }
}
