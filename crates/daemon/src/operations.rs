//! The operations that clients of the API and of the control socket share: each records its events and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use windlass::error::{ImportError, LoadError, PruneError, PullError, RemoveError, TagImageError};
use windlass::image::{ImageName, ImageSummary, Reference};
use windlass::{
    CopyEvent, Event, ImportOptions, ImportSource, LoadFrom, LoadOptions, Loaded, Operation, Prune,
    Pruned, PullEvent, PullRequest, Pulled, Removal, RemoveOptions, Removed,
};

use crate::Daemon;
use crate::event_log::ImageAction;
use crate::image_events::RemovedBy;

impl Daemon {
    /// Pulls an image on the thread of transfers.
    pub fn start_pull(
        self: &Arc<Self>,
        request: PullRequest,
    ) -> Operation<PullEvent, Pulled, PullError> {
        let pull = self.pull(request).keep_until_done(self.transfers.token());
        pull.run_on(&self.transfer_runtime)
    }

    /// Pulls an image on the thread that polls.
    pub(crate) fn pull(
        self: &Arc<Self>,
        request: PullRequest,
    ) -> Operation<PullEvent, Pulled, PullError> {
        let daemon = Arc::clone(self);
        Operation::new(|events| async move {
            let running = daemon.metrics.start_pull();
            let name = request.reference.clone().or_latest().familiar();
            let pull = daemon.engine.pull(request).start();
            let outcome = pull.drive(|event| {
                daemon.metrics.count_event(&event);
                events.send(event);
            });
            let outcome = outcome.await;
            match &outcome {
                Ok(pulled) => {
                    daemon
                        .record_transfer(ImageAction::Pull, &pulled.reference)
                        .await;
                    running.succeeded(pulled);
                    tracing::info!(
                        reference = %name,
                        digest = %pulled.digest,
                        bytes = pulled.downloaded_bytes,
                        milliseconds = u64::try_from(pulled.duration.as_millis()).unwrap_or(u64::MAX),
                        from = %pulled.endpoint,
                        "pulled"
                    );
                }
                Err(error) => {
                    running.failed();
                    let error = windlass::text::error_chain(error);
                    tracing::info!(reference = %name, %error, "pull failed");
                }
            }
            outcome
        })
    }

    /// Waits until an operation that depends on a client or a registry may start. It holds its permit until its work has
    /// ended.
    pub async fn permitted<E: Event, T: Send + 'static, X: Send + 'static>(
        &self,
        operation: Operation<E, T, X>,
    ) -> Operation<E, T, X> {
        let permit = Arc::clone(&self.long_running).acquire_owned().await;
        operation.keep_until_done(permit)
    }

    /// Returns the runtime that transfers run on.
    pub fn runtime(&self) -> Handle {
        self.transfer_runtime.clone()
    }

    /// Adds a name to an image. Blocks.
    pub fn tag(&self, source: &ImageName, target: &Reference) -> Result<(), TagImageError> {
        let target = target.clone().or_latest();
        self.engine.tag(source, &target)?;
        self.record_tag(&target);
        Ok(())
    }

    /// Removes a name, and with the last name the image. Blocks.
    pub fn remove(&self, name: &ImageName, how: RemoveOptions) -> Result<Removal, RemoveError> {
        let image = self.engine.image(name);
        let image = image.map(|image| (image.id, self.labels(&image), removed_by(name, &image)));
        let removal = self.engine.remove(name, how)?;
        if let Ok((id, labels, how)) = image {
            self.record_removal(&id, &labels, &removal.removed, how);
        }
        Ok(removal)
    }

    /// Removes unused images. Blocks.
    pub fn prune(&self, what: &Prune) -> Result<Pruned, PruneError> {
        let images = self.engine.images()?.into_iter();
        let labels: BTreeMap<_, _> = images
            .map(|image| (*image.id.digest(), (image.id, self.labels(&image))))
            .collect();
        let pruned = self.engine.prune(what)?;
        // Of each image, the names come first, then the image, then its layers.
        let mut names = 0;
        for (at, removed) in pruned.removed.iter().enumerate() {
            let Removed::Deleted(digest) = removed else {
                continue;
            };
            if let Some((id, labels)) = labels.get(digest) {
                let removed = &pruned.removed[names..=at];
                self.record_removal(id, labels, removed, RemovedBy::Name);
            }
            names = at + 1;
        }
        let reclaimed = BTreeMap::from([("reclaimed".to_owned(), pruned.freed.to_string())]);
        self.events.record(ImageAction::Prune, "", reclaimed);
        Ok(pruned)
    }

    /// Loads the images of an archive or a directory.
    pub fn load(
        self: &Arc<Self>,
        from: LoadFrom,
        options: LoadOptions,
    ) -> Operation<CopyEvent, Vec<Loaded>, LoadError> {
        let daemon = Arc::clone(self);
        // On the thread of the work: a committed load is recorded even if its client has disconnected.
        self.engine.load(from, options).map(move |loaded| {
            for image in &loaded {
                daemon.record_id(ImageAction::Load, &image.image_id);
            }
            loaded
        })
    }

    /// Imports a tar as an image.
    pub fn import(
        self: &Arc<Self>,
        source: ImportSource,
        options: ImportOptions,
    ) -> Operation<CopyEvent, Loaded, ImportError> {
        let daemon = Arc::clone(self);
        self.engine.import(source, options).map(move |image| {
            for name in &image.names {
                daemon.record_tag(name);
            }
            daemon.record_id(ImageAction::Import, &image.image_id);
            image
        })
    }

    fn record_tag(&self, target: &Reference) {
        if let Ok(image) = self.engine.image(&ImageName::Reference(target.clone())) {
            let labels = self.labels(&image);
            self.record_with(
                ImageAction::Tag,
                &image.id.to_string(),
                labels,
                &target.familiar(),
            );
        }
    }
}

/// Returns whether `name`, which led to `image`, is its ID or one of its names.
fn removed_by(name: &ImageName, image: &ImageSummary) -> RemovedBy {
    let reference = match name {
        ImageName::Id(_) | ImageName::IdPrefix(_) => return RemovedBy::Id,
        ImageName::Reference(_) => return RemovedBy::Name,
        ImageName::ReferenceOrPrefix(reference, _) => reference.clone().or_latest(),
    };
    match image.names.contains(&reference) {
        true => RemovedBy::Name,
        false => RemovedBy::Id,
    }
}
