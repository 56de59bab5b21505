//! Limits on the documents read while an image tree is walked.

use windlass_oci::Digest;

use crate::tree::TreeError;

/// Limits how many documents are read for all images of one copy, and their bytes: all of them are held in memory.
#[derive(Debug, Default)]
pub struct Budget {
    documents: usize,
    bytes: usize,
}

/// How many documents are read. An index itself bounds its number of entries.
const MOST_DOCUMENTS: usize = 8192;
/// How many bytes they have together.
const MOST_BYTES: usize = 256 << 20;

impl Budget {
    /// Counts a document of so many bytes, found below `root`.
    pub(crate) fn take(&mut self, root: &Digest, bytes: usize) -> Result<(), TreeError> {
        self.documents += 1;
        self.bytes += bytes;
        if self.documents > MOST_DOCUMENTS || self.bytes > MOST_BYTES {
            return Err(Self::exceeded(root));
        }
        Ok(())
    }

    /// Returns the error for a tree below `root` that exceeds the limits.
    pub(crate) fn exceeded(root: &Digest) -> TreeError {
        TreeError::TooMany {
            digest: *root,
            limit: MOST_DOCUMENTS,
            bytes: MOST_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_limited_by_number() {
        let (mut budget, root) = (Budget::default(), Digest::sha256(b"root"));
        for _ in 0..MOST_DOCUMENTS {
            budget.take(&root, 0).unwrap();
        }
        let error = budget.take(&root, 0).unwrap_err();
        assert!(matches!(error, TreeError::TooMany { digest, .. } if digest == root));
    }

    #[test]
    fn documents_are_limited_by_their_bytes() {
        let (mut budget, root) = (Budget::default(), Digest::sha256(b"root"));
        budget.take(&root, MOST_BYTES - 1).unwrap();
        budget.take(&root, 1).unwrap();
        let error = budget.take(&root, 1).unwrap_err();
        assert!(matches!(error, TreeError::TooMany { digest, .. } if digest == root));
    }
}
