//! What a push is told in.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use windlass::{BlobStatus, CopyEvent, Digest, Pushed, Reference};
use windlass_engine_api::{self as api, ProgressMessage};

use crate::stream::MessageQueue;

/// Turns what happens in one push into lines. Many threads tell it at once.
#[derive(Debug, Default)]
pub(crate) struct PushMessages(Mutex<HashMap<Digest, Blob>>);

#[derive(Debug, Default)]
struct Blob {
    size: u64,
    moved: u64,
}

impl PushMessages {
    /// Tells what happened.
    pub(crate) fn event(&self, event: &CopyEvent, lines: &MessageQueue) {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CopyEvent::Planned(planned) => {
                for (digest, size) in planned {
                    let blob = Blob {
                        size: *size,
                        moved: 0,
                    };
                    blobs.insert(*digest, blob);
                }
            }
            CopyEvent::Received(_) => {}
            CopyEvent::Blob { digest, status } => match status {
                BlobStatus::Preparing => step(lines, digest, "Preparing"),
                BlobStatus::Waiting => step(lines, digest, "Waiting"),
                BlobStatus::Carrying => {}
                BlobStatus::Exists => step(lines, digest, "Layer already exists"),
                BlobStatus::Mounted { from } => {
                    step(lines, digest, &format!("Mounted from {}", from.path()));
                }
                BlobStatus::Again { position, .. } => {
                    blobs.entry(*digest).or_default().moved = *position;
                }
                BlobStatus::Carried => step(lines, digest, "Pushed"),
            },
            CopyEvent::Moved { digest, bytes } => {
                let blob = blobs.entry(*digest).or_default();
                blob.moved += bytes;
                lines.count(
                    &digest.short(),
                    "Pushing",
                    blob.moved.min(blob.size),
                    blob.size,
                );
            }
        }
    }
}

/// Returns the first line.
pub(crate) fn pushing_to(reference: &Reference) -> ProgressMessage {
    let repository = reference.without_tag().without_digest();
    let repository = repository.repository();
    let name = format!("{}/{}", repository.registry(), repository.path());
    ProgressMessage::status(format!("The push refers to repository [{name}]"))
}

/// Returns the last lines: in words, and for programs.
pub(crate) fn pushed(pushed: &Pushed) -> [ProgressMessage; 2] {
    let tag = pushed
        .reference
        .tag()
        .map(ToString::to_string)
        .unwrap_or_default();
    let (digest, size) = (pushed.digest.to_string(), pushed.size);
    let words = ProgressMessage::status(format!("{tag}: digest: {digest} size: {size}"));
    let aux = api::PushResult { tag, digest, size };
    let aux = ProgressMessage {
        progress_detail: Some(api::ProgressDetail::default()),
        aux: serde_json::to_value(aux).ok(),
        ..ProgressMessage::default()
    };
    [words, aux]
}

fn step(lines: &MessageQueue, digest: &Digest, words: &str) {
    lines.push(ProgressMessage::progress(&digest.short(), words, 0, 0));
}
