//! Uploads one blob to a registry.

use std::time::Duration;

use tokio::time;
use windlass_oci::Descriptor;
use windlass_pull::Attempts;
use windlass_registry::{
    NextStep, RegistryError, RequestKind, SendOutcome, StreamingBody, Upload, UploadStart,
};

use super::feed::Feed;
use super::{Failure, PushError, PushTarget, pause_for};
use crate::events::{BlobStatus, CopyContext, CopyEvent};
use crate::files::{CopyError, open, status};
use crate::source::ContentSource;

/// Blobs up to this size are sent in one request, for there is nothing to go on with.
const SMALL: u64 = 1 << 20;
/// How often the same bytes are sent because the registry first required another token.
const MOST_TOKENS: usize = 2;
/// Timeout of the request that cancels an upload.
const CANCEL_TIMEOUT: Duration = Duration::from_millis(500);

/// One blob on its way.
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
        let outcome = self.persist(&mut upload);
        self.cancel(upload);
        status(self.context, self.blob.digest, outcome?);
        Ok(())
    }

    fn persist(&self, upload: &mut Option<Upload>) -> Result<BlobStatus, CopyError> {
        let mut attempts = Attempts::new(self.to.retry);
        let mut furthest = 0;
        loop {
            let began_at = upload.as_ref().map_or(0, Upload::offset);
            let error = match self.attempt(upload) {
                Ok(how) => return Ok(how),
                Err(Failure::Last(error)) => return Err(error),
                Err(Failure::Registry(error)) => error,
            };
            if !matches!(error.next_step(), NextStep::Retry { .. }) {
                return Err(PushError::from(error).into());
            }
            if !is_resumable(&error) {
                self.cancel(upload.take());
            }
            let position = self.resume(upload, began_at)?;
            // Only an offset beyond all earlier ones counts as progress.
            if position > furthest {
                furthest = position;
                attempts.reset();
            }
            let Some(pause) = attempts.pause_after(&error) else {
                return Err(PushError::from(error).into());
            };
            self.again(position, windlass_oci::text::error_chain(&error));
            pause_for(pause, self.context)?;
        }
    }

    /// Queries how far the interrupted upload got. An upload that cannot be resumed starts anew, and so does one that
    /// was resumed at `began_at` and did not get further.
    fn resume(&self, upload: &mut Option<Upload>, began_at: u64) -> Result<u64, CopyError> {
        let Some(broken) = upload else { return Ok(0) };
        match PushTarget::wait(broken.resume(), self.context) {
            Err(Failure::Last(error)) => return Err(error),
            Ok(()) if broken.offset() <= self.blob.size => {
                let offset = broken.offset();
                if began_at == 0 || offset > began_at {
                    return Ok(offset);
                }
            }
            Ok(()) | Err(Failure::Registry(_)) => {}
        }
        self.cancel(upload.take());
        Ok(0)
    }

    /// Cancels a failed upload, with a short timeout: the registry expires it later anyway.
    fn cancel(&self, upload: Option<Upload>) {
        let Some(upload) = upload else { return };
        let cancel = async { time::timeout(CANCEL_TIMEOUT, upload.cancel()).await };
        if self.context.runtime().block_on(cancel).is_err() {
            tracing::debug!(digest = %self.blob.digest, "an upload was not cancelled in time");
        }
    }

    /// Uploads the blob, or its missing rest.
    fn attempt(&self, upload: &mut Option<Upload>) -> Result<BlobStatus, Failure> {
        let (to, blob) = (self.to, self.blob);
        if upload.is_none() {
            if PushTarget::wait(to.repository.has_blob(blob), self.context)? {
                return Ok(BlobStatus::Exists);
            }
            let known = to.known.get(&blob.digest);
            let begin = to.repository.begin_upload(&blob.digest, known);
            match PushTarget::wait(begin, self.context)? {
                UploadStart::Upload(begun) => *upload = Some(begun),
                UploadStart::Mounted => {
                    let from = known.unwrap_or_else(|| to.repository.name()).clone();
                    return Ok(BlobStatus::Mounted { from });
                }
            }
            status(self.context, blob.digest, BlobStatus::Transferring);
        }
        self.send(upload.as_mut().expect("it was begun"))?;
        *upload = None;
        Ok(BlobStatus::Transferred)
    }

    /// Sends what the registry does not have yet.
    fn send(&self, upload: &mut Upload) -> Result<(), Failure> {
        let (to, size) = (self.to, self.blob.size);
        if size <= SMALL && upload.offset() == 0 {
            return self.feed(0, size, async |body| upload.put(body).await);
        }
        let most = to
            .chunk
            .map_or(u64::MAX, |chunk| chunk.max(upload.min_chunk()));
        while upload.offset() < size {
            let offset = upload.offset();
            let length = (size - offset).min(most);
            self.feed(offset, length, async |body| upload.send(body, length).await)?;
        }
        PushTarget::wait(upload.finish(), self.context)
    }

    /// Reads `length` bytes from `offset` on while `send` sends them, and repeats that if the registry requires it.
    fn feed(
        &self,
        offset: u64,
        length: u64,
        mut send: impl AsyncFnMut(StreamingBody) -> Result<SendOutcome, RegistryError>,
    ) -> Result<(), Failure> {
        for _ in 0..MOST_TOKENS {
            match self.feed_once(offset, length, &mut send)? {
                SendOutcome::Accepted => return Ok(()),
                SendOutcome::Resend => self.again(offset, String::new()),
            }
        }
        let context = self
            .to
            .repository
            .context(RequestKind::Upload(self.blob.digest));
        Err(Failure::Registry(RegistryError::Unauthorized {
            context: Box::new(context),
            reason: "every token is refused".to_owned(),
        }))
    }

    fn feed_once(
        &self,
        offset: u64,
        length: u64,
        send: &mut impl AsyncFnMut(StreamingBody) -> Result<SendOutcome, RegistryError>,
    ) -> Result<SendOutcome, Failure> {
        let digest = self.blob.digest;
        let unread = |source| CopyError::from(PushError::Read { digest, source });
        let is_whole = offset == 0 && length == self.blob.size;
        // A part proves nothing: then the registry does, at the end.
        let reader = match is_whole {
            true => open(self.source, self.blob, self.context),
            false => self.source.open(self.blob, offset),
        };
        let feed = Feed {
            reader: reader.map_err(unread)?,
            length,
            is_whole,
        };
        let moved = |bytes| self.context.send(CopyEvent::Moved { digest, bytes });
        let (sent, failed) =
            feed.while_sending(moved, |body| PushTarget::wait(send(body), self.context));
        match (sent, failed) {
            (Err(Failure::Last(error)), _) => Err(error.into()),
            (_, Some(error)) => Err(unread(error).into()),
            (sent, None) => sent,
        }
    }

    fn again(&self, position: u64, error: String) {
        let again = BlobStatus::Retrying { position, error };
        status(self.context, self.blob.digest, again);
    }
}

/// Returns whether an upload can go on after `error`. It cannot if the registry refused the range of a chunk.
fn is_resumable(error: &RegistryError) -> bool {
    !matches!(error, RegistryError::Unexpected { status: 416, .. })
}
