//! The destination of a download.

use std::sync::Arc;

use tokio_util::task::TaskTracker;
use windlass_oci::Descriptor;
use windlass_store::IngestWriter;

use crate::byte_counters::ByteCounters;
use crate::rate_limit::TransferLimits;

/// The destination of a download: the partial blob, its counters and limits.
pub(crate) struct DownloadTarget<'a> {
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) writer: &'a IngestWriter,
    pub(crate) counters: Arc<ByteCounters>,
    pub(crate) limits: &'a TransferLimits,
    /// The running writes, on blocking threads.
    pub(crate) writes: TaskTracker,
}

impl DownloadTarget<'_> {
    /// Waits until no thread writes to the partial blob.
    pub(super) async fn wait_for_writes(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.writes.reopen();
    }
}
