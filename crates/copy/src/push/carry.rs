//! One blob on its way to a registry.

use std::time::Duration;

use tokio::time;
use windlass_oci::{Descriptor, RepositoryName};
use windlass_pull::Attempts;
use windlass_registry::{Begun, NextStep, Outgoing, RegistryError, Sent, Upload};

use super::feed::Feed;
use super::{PushError, PushTo};
use crate::events::{BlobStatus, CopyEvent, Tell};
use crate::files::{CopyError, Stop, open, status};
use crate::source::Source;

/// Blobs up to this size are sent in one request, for there is nothing to go on with.
const SMALL: u64 = 1 << 20;
/// How often the same bytes are sent because the registry wanted another token first.
const MOST_TOKENS: usize = 2;
/// For how long a registry is waited for that is told to forget what it has.
const FORGET: Duration = Duration::from_millis(500);

/// One blob on its way.
pub(super) struct Carrying<'a> {
    pub(super) to: &'a PushTo,
    pub(super) source: &'a dyn Source,
    pub(super) blob: &'a Descriptor,
    pub(super) stop: &'a Stop,
    pub(super) tell: Tell<'a>,
}

impl Carrying<'_> {
    /// Carries it, as often as it takes and is worth it.
    pub(super) fn carry(&self) -> Result<(), CopyError> {
        let mut upload = None;
        let carried = self.persist(&mut upload);
        if let Some(left) = upload {
            // Whoever gives up says so, and waits for nobody.
            let forget = async { time::timeout(FORGET, left.cancel()).await };
            if self.to.runtime.block_on(forget).is_err() {
                tracing::debug!(digest = %self.blob.digest, "an upload is left behind");
            }
        }
        status(self.tell, self.blob.digest, carried?);
        Ok(())
    }

    fn persist(&self, upload: &mut Option<Upload>) -> Result<BlobStatus, CopyError> {
        let mut attempts = Attempts::new(self.to.retry);
        let mut furthest = 0;
        loop {
            let error = match self.attempt(upload)? {
                Ok(how) => return Ok(how),
                Err(error) => error,
            };
            if !matches!(error.next_step(), NextStep::Retry { .. }) {
                return Err(PushError::from(error).into());
            }
            let position = self.resume(upload)?;
            // Further than ever: one who goes to and fro gets nowhere.
            if position > furthest {
                furthest = position;
                attempts.progressed();
            }
            let Some(pause) = attempts.pause_after(&error) else {
                return Err(PushError::from(error).into());
            };
            let error = windlass_oci::text::chain(&error);
            let again = BlobStatus::Again { position, error };
            status(self.tell, self.blob.digest, again);
            self.to.pause(pause, self.stop)?;
        }
    }

    /// Asks how far the broken upload got. One that cannot be gone on with is begun anew.
    fn resume(&self, upload: &mut Option<Upload>) -> Result<u64, CopyError> {
        let Some(broken) = upload else { return Ok(0) };
        match self.to.wait(broken.resume(), self.stop)? {
            Ok(()) if broken.offset() <= self.blob.size => Ok(broken.offset()),
            _ => {
                *upload = None;
                Ok(0)
            }
        }
    }

    fn attempt(
        &self,
        upload: &mut Option<Upload>,
    ) -> Result<Result<BlobStatus, RegistryError>, CopyError> {
        /// Returns what the registry said, to be judged, where it is an error.
        macro_rules! answered {
            ($answer:expr) => {
                match $answer? {
                    Ok(answer) => answer,
                    Err(error) => return Ok(Err(error)),
                }
            };
        }
        let (to, blob) = (self.to, self.blob);
        if upload.is_none() {
            if answered!(to.wait(to.repository.has_blob(blob), self.stop)) {
                return Ok(Ok(BlobStatus::Exists));
            }
            match answered!(self.begin()) {
                Ok(begun) => *upload = Some(begun),
                Err(from) => return Ok(Ok(BlobStatus::Mounted { from })),
            }
            status(self.tell, blob.digest, BlobStatus::Carrying);
        }
        let begun = upload.as_mut().expect("it was begun");
        if blob.size <= SMALL && begun.offset() == 0 {
            answered!(self.feed(0, blob.size, async |body| begun.put(body).await));
            *upload = None;
            return Ok(Ok(BlobStatus::Carried));
        }
        let most = to
            .chunk
            .map_or(u64::MAX, |chunk| chunk.max(begun.min_chunk()));
        while begun.offset() < blob.size {
            let offset = begun.offset();
            let length = (blob.size - offset).min(most);
            answered!(self.feed(offset, length, async |body| begun.send(body, length).await));
        }
        answered!(to.wait(begun.finish(), self.stop));
        *upload = None;
        Ok(Ok(BlobStatus::Carried))
    }

    /// Begins an upload, or has the blob taken over from another repository: that one is returned as the error.
    #[expect(
        clippy::type_complexity,
        reason = "three ways to end, each for another"
    )]
    fn begin(&self) -> Result<Result<Result<Upload, RepositoryName>, RegistryError>, CopyError> {
        let known = self.to.known.get(&self.blob.digest);
        let begin = self.to.repository.begin_upload(&self.blob.digest, known);
        let begun = self.to.wait(begin, self.stop)?;
        let name = || known.unwrap_or_else(|| self.to.repository.name()).clone();
        Ok(begun.map(|begun| match begun {
            Begun::Upload(upload) => Ok(upload),
            Begun::Mounted => Err(name()),
        }))
    }

    /// Reads `length` bytes from `offset` on, while `send` sends them; and once more if that is asked for.
    fn feed(
        &self,
        offset: u64,
        length: u64,
        mut send: impl AsyncFnMut(Outgoing) -> Result<Sent, RegistryError>,
    ) -> Result<Result<(), RegistryError>, CopyError> {
        for _ in 0..MOST_TOKENS {
            match self.feed_once(offset, length, &mut send)? {
                Ok(Sent::Taken) => return Ok(Ok(())),
                Ok(Sent::Again) => {
                    let error = String::new();
                    let again = BlobStatus::Again {
                        position: offset,
                        error,
                    };
                    status(self.tell, self.blob.digest, again);
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        let what = windlass_registry::What::Upload(self.blob.digest);
        Ok(Err(RegistryError::Unauthorized {
            asked: Box::new(self.to.repository.asked(what)),
            reason: "every token is refused".to_owned(),
        }))
    }

    fn feed_once(
        &self,
        offset: u64,
        length: u64,
        send: &mut impl AsyncFnMut(Outgoing) -> Result<Sent, RegistryError>,
    ) -> Result<Result<Sent, RegistryError>, CopyError> {
        let digest = self.blob.digest;
        let unread = |source| CopyError::from(PushError::Read { digest, source });
        let is_whole = offset == 0 && length == self.blob.size;
        // A part proves nothing: then the registry does, at the end.
        let reader = match is_whole {
            true => open(self.source, self.blob, self.stop),
            false => self.source.open(self.blob, offset),
        };
        let feed = Feed {
            reader: reader.map_err(unread)?,
            length,
            is_whole,
        };
        let moved = |bytes| (self.tell)(CopyEvent::Moved { digest, bytes });
        let (sent, failed) = feed.while_sending(moved, |body| self.to.wait(send(body), self.stop));
        match (sent, failed) {
            (Err(CopyError::Cancelled), _) => Err(CopyError::Cancelled),
            (_, Some(error)) => Err(unread(error)),
            (sent, None) => sent,
        }
    }
}
