//! A pull, step by step: resolve, fetch, commit.

use std::time::Instant;

use crate::error::PullError;
use crate::events::{PullEvent, PullEvents};
use crate::pull_context::PullContext;
use crate::puller::Puller;
use crate::request::{PullOutcome, PullRequest, Pulled};

impl Puller {
    /// Pulls one image. When this returns `Ok`, the image is verified, unpacked, durable and tagged.
    pub async fn pull(
        &self,
        request: &PullRequest,
        events: &PullEvents,
    ) -> Result<Pulled, PullError> {
        let started = Instant::now();
        let context = PullContext::new(&self.remote(), request, events)?;
        let resolver = context.resolver(&self.store);
        let named = resolver.resolve_reference(&context.reference).await?;
        let endpoint = named.endpoint.origin().clone();
        let complete = self.fetch_image(&context, named).await?;
        let artifacts = self.fetch_artifacts(&context).await?;

        events.send(PullEvent::Committing);
        let fetched = &complete.layers.fetched;
        let unpacked_bytes = fetched.iter().map(|layer| layer.size).sum();
        let mut pulled = Pulled {
            digest: complete.resolved.digest,
            platform: complete.resolved.config.platform(),
            downloaded_bytes: complete.downloaded_bytes,
            reused_bytes: complete.reused_bytes,
            unpacked_bytes,
            image_id: complete.resolved.image_id(),
            outcome: PullOutcome::UpToDate,
            missing_artifacts: artifacts.missing,
            duration: started.elapsed(),
            endpoint,
            reference: context.reference.clone(),
        };
        pulled.outcome = self
            .commit(&pulled.reference, complete, artifacts.blobs)
            .await?;
        pulled.duration = started.elapsed();
        Ok(pulled)
    }
}
