//! Uploads one blob to a registry.

use std::time::Duration;

use tokio::time;
use windlass_oci::Descriptor;
use windlass_pull::Attempts;
use windlass_registry::{
    NextStep, RegistryError, RequestKind, SendOutcome, StreamingBody, Upload, UploadStart,
};

use super::attempt::{AttemptError, pause_for, wait};
use super::body_feed::BodyFeed;
use super::target::PushTarget;
use crate::error::{CopyError, PushError};
use crate::events::{BlobStatus, CopyContext, CopyEvent, report_status};
use crate::source::{ContentSource, open_verified};

/// Blobs up to this size, in bytes, are sent in one request: resuming them would save little.
const MAX_SINGLE_REQUEST: u64 = 1 << 20;
/// The maximum number of times that the same bytes are sent because the registry requires another token.
const MAX_TOKENS: usize = 2;
/// The timeout of the request that cancels an upload.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// The upload of one blob.
pub(super) struct BlobUpload<'a> {
    pub(super) to: &'a PushTarget,
    pub(super) source: &'a dyn ContentSource,
    pub(super) blob: &'a Descriptor,
    pub(super) context: &'a CopyContext,
}

impl BlobUpload<'_> {
    /// Uploads the blob, with retries.
    pub(super) fn run(&self) -> Result<(), CopyError> {
        let mut upload = None;
        let outcome = self.retry(&mut upload);
        self.cancel(upload);
        report_status(self.context, self.blob.digest, outcome?);
        Ok(())
    }

    /// Repeats attempts until one succeeds, fails permanently or has no successor. An interrupted upload remains in
    /// `upload`.
    fn retry(&self, upload: &mut Option<Upload>) -> Result<BlobStatus, CopyError> {
        let mut attempts = Attempts::new(self.to.retry);
        let mut furthest = 0;
        loop {
            let start = upload.as_ref().map_or(0, Upload::offset);
            let error = match self.attempt(upload) {
                Ok(status) => return Ok(status),
                Err(AttemptError::Permanent(error)) => return Err(error),
                Err(AttemptError::Registry(error)) => error,
            };
            if !matches!(error.next_step(), NextStep::Retry { .. }) {
                return Err(PushError::from(error).into());
            }
            if !is_resumable(&error) {
                self.cancel(upload.take());
            }
            let position = self.resume(upload, start)?;
            // Only an offset beyond all earlier ones counts as progress.
            if position > furthest {
                furthest = position;
                attempts.reset();
            }
            let Some(pause) = attempts.pause_after(&error) else {
                return Err(PushError::from(error).into());
            };
            self.report_retry(position, windlass_oci::text::error_chain(&error));
            pause_for(pause, self.context)?;
        }
    }

    /// Queries the offset of an interrupted upload and returns it. An upload that cannot be resumed starts anew, and so
    /// does one that was resumed at `start` and made no progress.
    fn resume(&self, upload: &mut Option<Upload>, start: u64) -> Result<u64, CopyError> {
        let Some(interrupted) = upload else {
            return Ok(0);
        };
        match wait(interrupted.resume(), self.context) {
            Err(AttemptError::Permanent(error)) => return Err(error),
            Ok(()) if interrupted.offset() <= self.blob.size => {
                let offset = interrupted.offset();
                if start == 0 || offset > start {
                    return Ok(offset);
                }
            }
            Ok(()) | Err(AttemptError::Registry(_)) => {}
        }
        self.cancel(upload.take());
        Ok(0)
    }

    /// Cancels a failed upload. The timeout is short because registries remove such uploads after some time anyway.
    fn cancel(&self, upload: Option<Upload>) {
        let Some(upload) = upload else { return };
        let cancel = async { time::timeout(CANCEL_TIMEOUT, upload.cancel()).await };
        if self.context.runtime().block_on(cancel).is_err() {
            tracing::debug!(digest = %self.blob.digest, "cancelling an upload timed out");
        }
    }

    /// Uploads the blob, or the rest of it that the registry does not have yet.
    fn attempt(&self, upload: &mut Option<Upload>) -> Result<BlobStatus, AttemptError> {
        let (to, blob) = (self.to, self.blob);
        if upload.is_none() {
            if wait(to.repository.has_blob(blob), self.context)? {
                return Ok(BlobStatus::Exists);
            }
            let other = to.mount_sources.get(&blob.digest);
            let start = to.repository.begin_upload(&blob.digest, other);
            match wait(start, self.context)? {
                UploadStart::Upload(started) => *upload = Some(started),
                UploadStart::Mounted => {
                    let from = other.unwrap_or_else(|| to.repository.name()).clone();
                    return Ok(BlobStatus::Mounted { from });
                }
            }
            report_status(self.context, blob.digest, BlobStatus::Transferring);
        }
        self.send(upload.as_mut().expect("the upload was started"))?;
        *upload = None;
        Ok(BlobStatus::Transferred)
    }

    /// Sends what the registry does not have yet.
    fn send(&self, upload: &mut Upload) -> Result<(), AttemptError> {
        let (to, size) = (self.to, self.blob.size);
        if size <= MAX_SINGLE_REQUEST && upload.offset() == 0 {
            return self.send_range(0, size, async |body| upload.put(body).await);
        }
        let max_length = to
            .chunk_size
            .map_or(u64::MAX, |size| size.max(upload.min_chunk()));
        while upload.offset() < size {
            let offset = upload.offset();
            let length = (size - offset).min(max_length);
            self.send_range(offset, length, async |body| upload.send(body, length).await)?;
        }
        wait(upload.finish(), self.context)
    }

    /// Sends `length` bytes from `offset` on with `send`, and repeats that if the registry requires another token.
    fn send_range(
        &self,
        offset: u64,
        length: u64,
        mut send: impl AsyncFnMut(StreamingBody) -> Result<SendOutcome, RegistryError>,
    ) -> Result<(), AttemptError> {
        for _ in 0..MAX_TOKENS {
            match self.send_range_once(offset, length, &mut send)? {
                SendOutcome::Accepted => return Ok(()),
                SendOutcome::Resend => self.report_retry(offset, String::new()),
            }
        }
        let context = self
            .to
            .repository
            .context(RequestKind::Upload(self.blob.digest));
        Err(AttemptError::Registry(RegistryError::Unauthorized {
            context: Box::new(context),
            reason: "the registry rejects every token".to_owned(),
        }))
    }

    fn send_range_once(
        &self,
        offset: u64,
        length: u64,
        send: &mut impl AsyncFnMut(StreamingBody) -> Result<SendOutcome, RegistryError>,
    ) -> Result<SendOutcome, AttemptError> {
        let digest = self.blob.digest;
        let read_error = |source| CopyError::from(PushError::Read { digest, source });
        let is_whole_blob = offset == 0 && length == self.blob.size;
        // A part of a blob cannot be verified here. The registry verifies the digest at the end of the upload.
        let reader = match is_whole_blob {
            true => open_verified(self.source, self.blob, self.context),
            false => self.source.open(self.blob, offset),
        };
        let feed = BodyFeed {
            reader: reader.map_err(read_error)?,
            length,
            is_whole_blob,
        };
        let on_queued = |bytes| self.context.send(CopyEvent::Moved { digest, bytes });
        let (sent, failed_read) = feed.send_with(on_queued, |body| wait(send(body), self.context));
        match (sent, failed_read) {
            (Err(AttemptError::Permanent(error)), _) => Err(error.into()),
            (_, Some(error)) => Err(read_error(error).into()),
            (sent, None) => sent,
        }
    }

    fn report_retry(&self, position: u64, error: String) {
        let status = BlobStatus::Retrying { position, error };
        report_status(self.context, self.blob.digest, status);
    }
}

/// Returns whether an upload can be resumed after `error`. It cannot if the registry rejected the range of a chunk.
fn is_resumable(error: &RegistryError) -> bool {
    !matches!(error, RegistryError::Unexpected { status: 416, .. })
}
