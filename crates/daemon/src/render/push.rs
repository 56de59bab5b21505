//! The progress messages of a push.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use windlass::{BlobStatus, CopyEvent, Digest, Pushed, Reference};
use windlass_engine_api::{self as api, ProgressMessage};

use crate::stream::MessageQueue;

/// Renders the events of one push, from any number of threads.
#[derive(Debug, Default)]
pub(crate) struct PushMessages(Mutex<HashMap<Digest, BlobProgress>>);

#[derive(Debug, Default)]
struct BlobProgress {
    size: u64,
    moved: u64,
}

impl PushMessages {
    /// Queues the messages of an event.
    pub(crate) fn event(&self, event: &CopyEvent, queue: &MessageQueue) {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CopyEvent::Planned(planned) => {
                for (digest, size) in planned {
                    let blob = BlobProgress {
                        size: *size,
                        moved: 0,
                    };
                    blobs.insert(*digest, blob);
                }
            }
            CopyEvent::Received(_) => {}
            CopyEvent::Blob { digest, status } => match status {
                BlobStatus::Preparing => step(queue, digest, "Preparing"),
                BlobStatus::Waiting => step(queue, digest, "Waiting"),
                BlobStatus::Carrying => {}
                BlobStatus::Exists => step(queue, digest, "Layer already exists"),
                BlobStatus::Mounted { from } => {
                    step(queue, digest, &format!("Mounted from {}", from.path()));
                }
                BlobStatus::Again { position, .. } => {
                    blobs.entry(*digest).or_default().moved = *position;
                }
                BlobStatus::Carried => step(queue, digest, "Pushed"),
            },
            CopyEvent::Moved { digest, bytes } => {
                let blob = blobs.entry(*digest).or_default();
                blob.moved += bytes;
                queue.push_progress(
                    &digest.short(),
                    "Pushing",
                    blob.moved.min(blob.size),
                    blob.size,
                );
            }
        }
    }
}

/// Returns the first message.
pub(crate) fn pushing_to(reference: &Reference) -> ProgressMessage {
    let repository = reference.without_tag().without_digest();
    let repository = repository.repository();
    let name = format!("{}/{}", repository.registry(), repository.path());
    ProgressMessage::status(format!("The push refers to repository [{name}]"))
}

/// Returns the last messages: one for people, one for programs.
pub(crate) fn pushed(pushed: &Pushed) -> [ProgressMessage; 2] {
    let tag = pushed
        .reference
        .tag()
        .map(ToString::to_string)
        .unwrap_or_default();
    let (digest, size) = (pushed.digest.to_string(), pushed.size);
    let message = ProgressMessage::status(format!("{tag}: digest: {digest} size: {size}"));
    let aux = api::PushResult { tag, digest, size };
    let aux = ProgressMessage {
        progress_detail: Some(api::ProgressDetail::default()),
        aux: serde_json::to_value(aux).ok(),
        ..ProgressMessage::default()
    };
    [message, aux]
}

fn step(queue: &MessageQueue, digest: &Digest, status: &str) {
    queue.push(ProgressMessage::progress(&digest.short(), status, 0, 0));
}
