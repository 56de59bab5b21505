//! Copies an image from a registry into the store. This is a pull whose events are converted into those of a copy.

use std::collections::HashMap;

use windlass_copy::{BlobStatus, CopyContext, CopyEvent, ImageChoice};
use windlass_oci::{Digest, ImageName, Reference};
use windlass_pull::{LayerStatus, Platforms, PullEvent, PullRequest, Pulled, Throttle};

use super::{CopyImageError, Copying};
use crate::engine::Engine;

/// Converts the events of a pull into those of a copy.
struct PullEventConverter<'a> {
    context: &'a CopyContext,
    /// The number of received bytes of each layer.
    moved: HashMap<Digest, u64>,
}

impl Copying<'_> {
    /// Pulls the image, or all images of its index. The one that fits this machine best gets the tag `name`.
    pub(super) fn pull(
        &self,
        engine: &Engine,
        reference: &Reference,
        name: &Reference,
    ) -> Result<Digest, CopyImageError> {
        let first = self.pull_all(engine, reference)?;
        self.context.begin_commit()?;
        engine.tag(&ImageName::Id(first.image_id), name)?;
        Ok(first.digest)
    }

    fn pull_all(&self, engine: &Engine, reference: &Reference) -> Result<Pulled, CopyImageError> {
        let (remote, caller) = (&self.with.remote, &self.request.caller);
        // Pulled by its digest, so that the image gets no other name than the requested one.
        let digest = self.wait(remote.digest(reference, caller))?;
        let request = PullRequest {
            reference: reference.without_tag().without_digest().with_digest(digest),
            platform: match &self.request.choice {
                ImageChoice::One(platform) => platform.clone(),
                ImageChoice::All | ImageChoice::AllIfComplete => None,
            },
            artifacts: Vec::new(),
            caller: caller.clone(),
            throttle: Throttle::unlimited(),
        };
        let mut others = match &self.request.choice {
            ImageChoice::One(_) => vec![request],
            ImageChoice::All | ImageChoice::AllIfComplete => {
                self.wait(remote.for_platforms(&request, &Platforms::All))?
            }
        }
        .into_iter();
        let first = others.next().ok_or(CopyImageError::Cancelled)?;
        let first = self.pull_one(engine, &first)?;
        for other in others {
            self.pull_one(engine, &other)?;
        }
        Ok(first)
    }

    fn pull_one(&self, engine: &Engine, request: &PullRequest) -> Result<Pulled, CopyImageError> {
        let mut converter = PullEventConverter {
            context: self.context,
            moved: HashMap::new(),
        };
        let pull = engine.pull(request.clone()).start();
        self.wait(pull.drive(|event| converter.convert(event)))
    }
}

impl PullEventConverter<'_> {
    fn convert(&mut self, event: PullEvent) {
        match event {
            PullEvent::Planned { layers, .. } => {
                let blobs = layers.iter().map(|layer| (layer.digest, layer.size));
                self.context.send(CopyEvent::Planned(blobs.collect()));
                for layer in layers.iter().filter(|layer| layer.exists) {
                    self.status(layer.digest, BlobStatus::Exists);
                }
            }
            PullEvent::Layer { digest, status } => self.layer(digest, status),
            PullEvent::Resolving { .. }
            | PullEvent::Setback(_)
            | PullEvent::Resolved { .. }
            | PullEvent::Committing => {}
        }
    }

    fn layer(&mut self, digest: Digest, status: LayerStatus) {
        match status {
            LayerStatus::Queued => self.status(digest, BlobStatus::Waiting),
            LayerStatus::Connecting { attempt: 1, .. } => {
                self.status(digest, BlobStatus::Transferring);
            }
            LayerStatus::Resumed { bytes } => self.moved(digest, bytes),
            LayerStatus::Moving { downloaded, .. } => self.moved(digest, downloaded),
            LayerStatus::Retrying { reason, .. } => {
                let position = self.moved.get(&digest).copied().unwrap_or_default();
                let error = windlass_oci::text::error_chain(&*reason.0);
                self.status(digest, BlobStatus::Retrying { position, error });
            }
            LayerStatus::Unpacked { .. } => self.status(digest, BlobStatus::Transferred),
            LayerStatus::Connecting { .. }
            | LayerStatus::Paused { .. }
            | LayerStatus::Downloaded
            | LayerStatus::Verifying => {}
        }
    }

    fn moved(&mut self, digest: Digest, now: u64) {
        let before = self.moved.insert(digest, now).unwrap_or_default();
        if let Some(bytes) = now.checked_sub(before).filter(|bytes| *bytes > 0) {
            self.context.send(CopyEvent::Moved { digest, bytes });
        }
    }

    fn status(&self, digest: Digest, status: BlobStatus) {
        self.context.send(CopyEvent::Blob { digest, status });
    }
}
