//! The state that the writers and readers of one blob share.

use std::sync::Arc;

use windlass_oci::Digest;

use crate::error::FileError;
use crate::partial::{Checkpoint, IngestProgress, NameClaim, RecordDraft};
use crate::partial_file::{DraftFile, PartialFile};

/// The state that writers and readers of one blob share.
#[derive(Debug)]
pub(super) struct IngestShared {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) progress: Arc<IngestProgress>,
    /// The hash checkpoint that was loaded when the blob was opened.
    pub(super) hashed: Option<Checkpoint>,
    pub(super) file: PartialFile,
    /// Declared last, so that the name is released after the file. `None` for a second ingest of the same blob,
    /// whose file is never retained.
    pub(super) name_claim: Option<NameClaim>,
}

impl IngestShared {
    /// Counts bytes that were appended or read towards the next sync in the background.
    pub(super) fn record_io(&self, bytes: u64) {
        let inner = self.file.inner();
        inner
            .background_sync()
            .record_io(inner.root().dir(), inner.active_ingests(), bytes);
    }

    /// Writes the record, for the case of a crash. If this fails, more has to be downloaded again.
    pub(super) fn save_record(&self, record: RecordDraft) {
        if self.name_claim.is_some() {
            let record = record.in_boot(self.file.inner().boot());
            if let Err(error) = self.file.write_record(&record) {
                tracing::debug!(%error, "cannot write the record of a partial blob");
            }
        }
    }

    /// Retains the file with its record for the next pull.
    fn retain(&self) -> Result<(), FileError> {
        self.file.sync()?;
        self.progress.mark_durable(&self.progress.stored_ranges());
        let record = self.progress.record().in_boot(self.file.inner().boot());
        self.file.write_record(&record)?;
        self.file.sync_record()?;
        self.file.retain();
        Ok(())
    }
}

impl Drop for IngestShared {
    fn drop(&mut self) {
        let is_unused = self.name_claim.is_some() && !self.file.is_released();
        if is_unused
            && !self.file.is_discarded()
            && self.progress.stored_bytes() > 0
            && let Err(error) = self.retain()
        {
            tracing::warn!(path = %self.file.path().display(), %error, "cannot retain a partial blob");
        }
    }
}

impl DraftFile for IngestShared {
    fn file(&self) -> &PartialFile {
        &self.file
    }
}
