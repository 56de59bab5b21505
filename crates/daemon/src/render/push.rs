//! The progress messages of a push.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use windlass::image::{Digest, Reference};
use windlass::transfer::BlobStatus;
use windlass::{CopyEvent, Pushed};
use windlass_docker_api::{self as api, ProgressMessage};

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
                BlobStatus::Transferring => {}
                BlobStatus::Exists => step(queue, digest, "Layer already exists"),
                BlobStatus::Mounted { from } => {
                    step(queue, digest, &format!("Mounted from {}", from.path()));
                }
                BlobStatus::Retrying { position, .. } => {
                    blobs.entry(*digest).or_default().moved = *position;
                }
                BlobStatus::Transferred => step(queue, digest, "Pushed"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn render(events: impl IntoIterator<Item = CopyEvent>) -> Vec<String> {
        let (messages, queue) = (PushMessages::default(), MessageQueue::default());
        let mut rendered = Vec::new();
        for event in events {
            messages.event(&event, &queue);
            let lines = String::from_utf8(queue.take().to_vec()).unwrap();
            rendered.extend(lines.lines().map(|line| {
                let message: ProgressMessage = serde_json::from_str(line).unwrap();
                let (id, status) = (message.id.unwrap(), message.status.unwrap());
                match message.progress_detail.filter(|detail| detail.total > 0) {
                    Some(detail) => format!("{id} {status} {}/{}", detail.current, detail.total),
                    None => format!("{id} {status}"),
                }
            }));
        }
        rendered
    }

    #[test]
    fn a_blob_passes_through_the_statuses_in_order() {
        let digest = Digest::sha256("x");
        let blob = |status| CopyEvent::Blob { digest, status };
        let moved = |bytes| CopyEvent::Moved { digest, bytes };
        let again = BlobStatus::Retrying {
            position: 2,
            error: "reset".to_owned(),
        };
        let rendered = render([
            CopyEvent::Planned(vec![(digest, 10)]),
            blob(BlobStatus::Preparing),
            blob(BlobStatus::Waiting),
            moved(4),
            moved(4),
            // A retry starts at an earlier byte.
            blob(again),
            moved(8),
            // More than was planned is not reported.
            moved(1),
            blob(BlobStatus::Transferred),
        ]);
        let id = digest.short();
        let expected = [
            "Preparing",
            "Waiting",
            "Pushing 4/10",
            "Pushing 8/10",
            "Pushing 10/10",
            "Pushing 10/10",
            "Pushed",
        ];
        assert_eq!(rendered, expected.map(|status| format!("{id} {status}")));
    }

    #[test]
    fn a_blob_that_is_not_sent_has_one_status() {
        let digest = Digest::sha256("x");
        let id = digest.short();
        let from: Reference = "ghcr.io/x/y:1".parse().unwrap();
        let from = from.repository().clone();
        let mounted = CopyEvent::Blob {
            digest,
            status: BlobStatus::Mounted { from },
        };
        assert_eq!(render([mounted]), [format!("{id} Mounted from x/y")]);
        let exists = CopyEvent::Blob {
            digest,
            status: BlobStatus::Exists,
        };
        assert_eq!(render([exists]), [format!("{id} Layer already exists")]);
    }

    #[test]
    fn the_first_message_names_the_repository() {
        let reference: Reference = "alpine:3".parse().unwrap();
        let status = pushing_to(&reference).status.unwrap();
        let expected = "The push refers to repository [docker.io/library/alpine]";
        assert_eq!(status, expected);
    }
}
