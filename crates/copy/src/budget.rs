//! Limits on the documents that are read while a tree of manifests is walked.

/// Limits the number and the total size of the documents that one copy reads, because it holds all of them in memory.
#[derive(Debug, Default)]
pub struct Budget {
    documents: usize,
    bytes: usize,
}

/// A tree has more documents, or larger ones, than a [`Budget`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_DOCUMENTS} documents, or more than {MAX_BYTES} bytes of documents")]
pub struct BudgetExceeded;

/// The maximum number of documents. The number of entries of one index is limited separately.
const MAX_DOCUMENTS: usize = 8192;
/// The maximum total size of the documents in bytes.
const MAX_BYTES: usize = 256 << 20;

impl Budget {
    /// Counts a document that was read, or requested in vain.
    pub(crate) fn count(&mut self, document: Option<&[u8]>) -> Result<(), BudgetExceeded> {
        self.documents += 1;
        self.bytes += document.map_or(0, <[u8]>::len);
        match self.documents > MAX_DOCUMENTS || self.bytes > MAX_BYTES {
            true => Err(BudgetExceeded),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_documents_is_limited() {
        let mut budget = Budget::default();
        for _ in 0..MAX_DOCUMENTS {
            budget.count(None).unwrap();
        }
        assert_eq!(budget.count(Some(&[])), Err(BudgetExceeded));
    }

    #[test]
    fn the_size_of_the_documents_is_limited() {
        let mut budget = Budget::default();
        let half = vec![0; MAX_BYTES / 2];
        budget.count(Some(&half)).unwrap();
        budget.count(Some(&half)).unwrap();
        assert_eq!(budget.count(Some(&[0])), Err(BudgetExceeded));
    }
}
