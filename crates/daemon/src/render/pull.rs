//! The progress messages of a pull (PG-1, MF-6, ST-1, ST-5).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use windlass::image::{Digest, Reference};
use windlass::transfer::LayerStatus;
use windlass::{PullEvent, PullOutcome, Pulled};
use windlass_docker_api::ProgressMessage;

use crate::stream::MessageQueue;

/// Renders the events of one pull.
#[derive(Debug)]
pub(crate) struct PullMessages {
    reference: Reference,
    layers: HashMap<Digest, LayerProgress>,
    /// Layers that wait for a retry.
    waits: HashMap<Digest, RetryWait>,
    has_started: bool,
    /// The layers of a pull that downloads none. Whether the image is new decides if they are listed, and that is not
    /// known before the end.
    all_exist: Vec<Digest>,
}

#[derive(Debug, Default)]
struct LayerProgress {
    size: u64,
    downloaded: u64,
    is_downloaded: bool,
}

#[derive(Debug)]
struct RetryWait {
    until: Instant,
    /// The seconds in the last message.
    sent: Option<u64>,
}

/// How many more bytes have to arrive before progress is sent: this many, or a hundredth of the layer (PG-2).
const STEP: u64 = 512 << 10;

impl PullMessages {
    /// Renders a pull of `reference`, which has a tag or a digest.
    pub(crate) fn new(reference: Reference) -> Self {
        Self {
            reference,
            layers: HashMap::new(),
            waits: HashMap::new(),
            has_started: false,
            all_exist: Vec::new(),
        }
    }

    /// Returns whether the image was found: from then on a failure is a message in the stream.
    pub(crate) fn has_started(&self) -> bool {
        self.has_started
    }

    /// Queues the messages of an event.
    pub(crate) fn event(&mut self, event: &PullEvent, now: Instant, queue: &MessageQueue) {
        match event {
            PullEvent::Resolved { .. } if !self.has_started => {
                self.has_started = true;
                queue.push(pulling_from(&self.reference));
            }
            PullEvent::Planned { layers, .. } if layers.iter().all(|layer| layer.exists) => {
                for layer in layers {
                    if !self.all_exist.contains(&layer.digest) {
                        self.all_exist.push(layer.digest);
                    }
                }
            }
            PullEvent::Planned { layers, .. } => {
                for layer in layers {
                    let progress = LayerProgress {
                        size: layer.size,
                        ..LayerProgress::default()
                    };
                    if self.layers.insert(layer.digest, progress).is_none() {
                        let status = match layer.exists {
                            true => "Already exists",
                            false => "Pulling fs layer",
                        };
                        queue.push(ProgressMessage::progress(
                            &layer.digest.short(),
                            status,
                            0,
                            0,
                        ));
                    }
                }
            }
            PullEvent::Layer { digest, status } => self.layer(*digest, status, now, queue),
            PullEvent::Resolving { .. }
            | PullEvent::Resolved { .. }
            | PullEvent::Setback(_)
            | PullEvent::Committing => {}
        }
    }

    fn layer(&mut self, digest: Digest, status: &LayerStatus, now: Instant, queue: &MessageQueue) {
        let id = digest.short();
        let layer = self.layers.entry(digest).or_default();
        if !matches!(
            status,
            LayerStatus::Retrying { .. } | LayerStatus::Paused { .. }
        ) {
            self.waits.remove(&digest);
        }
        let step = |status: &str| queue.push(ProgressMessage::progress(&id, status, 0, 0));
        match status {
            LayerStatus::Queued => step("Waiting"),
            LayerStatus::Resumed { bytes } => {
                layer.downloaded = *bytes;
                queue.push_progress(&id, "Downloading", *bytes, layer.size);
            }
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => {
                if layer.is_downloaded {
                    queue.push_progress(&id, "Extracting", *unpacked, layer.size);
                } else if is_worth_sending(layer.downloaded, *downloaded, layer.size) {
                    layer.downloaded = *downloaded;
                    queue.push_progress(&id, "Downloading", *downloaded, layer.size);
                }
            }
            LayerStatus::Downloaded => {
                if !std::mem::replace(&mut layer.is_downloaded, true) {
                    queue.push_progress(&id, "Downloading", layer.size, layer.size);
                    step("Verifying Checksum");
                    step("Download complete");
                }
            }
            LayerStatus::Verifying => {
                queue.push_progress(&id, "Extracting", layer.size, layer.size);
            }
            LayerStatus::Unpacked { .. } => step("Pull complete"),
            LayerStatus::Retrying { after, .. } | LayerStatus::Paused { after, .. } => {
                let until = now + *after;
                self.waits.insert(digest, RetryWait { until, sent: None });
                self.tick(now, queue);
            }
            LayerStatus::Connecting { .. } => {}
        }
    }

    /// Queues the time until layers are retried, once a second (DM-10).
    pub(crate) fn tick(&mut self, now: Instant, queue: &MessageQueue) {
        for (digest, wait) in &mut self.waits {
            let left = wait.until.saturating_duration_since(now);
            let seconds = whole_seconds(left);
            if seconds > 0 && wait.sent != Some(seconds) {
                wait.sent = Some(seconds);
                let plural = if seconds == 1 { "" } else { "s" };
                let status = format!("Retrying in {seconds} second{plural}");
                queue.push(ProgressMessage::progress(&digest.short(), &status, 0, 0));
            }
        }
    }

    /// Queues the digest of the pulled image. A new image whose layers all existed lists them first.
    pub(crate) fn pulled(&mut self, pulled: &Pulled, queue: &MessageQueue) {
        if !self.has_started {
            self.has_started = true;
            queue.push(pulling_from(&self.reference));
        }
        if pulled.outcome == PullOutcome::Downloaded {
            for digest in &self.all_exist {
                queue.push(ProgressMessage::progress(
                    &digest.short(),
                    "Already exists",
                    0,
                    0,
                ));
            }
        }
        queue.push(ProgressMessage::status(format!(
            "Digest: {}",
            pulled.digest
        )));
    }
}

/// Returns the last message: whether a newer image was downloaded.
pub(crate) fn final_message(name: &str, outcome: PullOutcome) -> ProgressMessage {
    ProgressMessage::status(match outcome {
        PullOutcome::Downloaded => format!("Status: Downloaded newer image for {name}"),
        PullOutcome::UpToDate => format!("Status: Image is up to date for {name}"),
    })
}

/// Returns the first message: the tag, or the whole reference if it has a digest, and the path of the repository.
fn pulling_from(reference: &Reference) -> ProgressMessage {
    let id = match (reference.digest(), reference.tag()) {
        (Some(_), _) => reference.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => "latest".to_owned(),
    };
    // Docker leaves the registry out.
    ProgressMessage::about(
        id,
        format!("Pulling from {}", reference.repository().path()),
    )
}

fn is_worth_sending(before: u64, now: u64, size: u64) -> bool {
    let step = (size / 100).min(STEP);
    now >= before.saturating_add(step) || now == size
}

fn whole_seconds(left: Duration) -> u64 {
    left.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use windlass::transfer::PlannedLayer;

    use super::*;

    const SIZE: u64 = 10 << 20;

    fn digest() -> Digest {
        format!("sha256:{}", "a".repeat(64)).parse().unwrap()
    }

    fn layer(status: LayerStatus) -> PullEvent {
        let digest = digest();
        PullEvent::Layer { digest, status }
    }

    /// Returns the status of each message for `events`, with its progress.
    fn render(events: &[PullEvent]) -> Vec<String> {
        let reference: Reference = "alpine:3".parse().unwrap();
        let (mut messages, queue) = (PullMessages::new(reference), MessageQueue::default());
        let mut rendered = Vec::new();
        for event in events {
            messages.event(event, Instant::now(), &queue);
            let taken = String::from_utf8(queue.take().to_vec()).unwrap();
            rendered.extend(taken.lines().map(|line| {
                let message: ProgressMessage = serde_json::from_str(line).unwrap();
                assert_eq!(message.id.as_deref(), Some("aaaaaaaaaaaa"));
                let status = message.status.unwrap();
                match message.progress_detail.filter(|detail| detail.total > 0) {
                    Some(detail) => format!("{status} {}/{}", detail.current, detail.total),
                    None => status,
                }
            }));
        }
        rendered
    }

    fn planned() -> PullEvent {
        PullEvent::Planned {
            layers: vec![PlannedLayer {
                digest: digest(),
                size: SIZE,
                exists: false,
            }],
            missing_bytes: SIZE,
            reused_bytes: 0,
            resumed_bytes: 0,
        }
    }

    /// PG-1, DM-13: each status once, in Docker's order.
    #[test]
    fn a_layer_passes_through_the_statuses_in_order() {
        let moving = |downloaded, unpacked| {
            layer(LayerStatus::Moving {
                downloaded,
                unpacked,
            })
        };
        let events = [
            planned(),
            layer(LayerStatus::Queued),
            moving(SIZE / 2, 5),
            // Too little progress to send.
            moving(SIZE / 2 + 1, 6),
            layer(LayerStatus::Downloaded),
            moving(SIZE, SIZE / 2),
            layer(LayerStatus::Verifying),
            layer(LayerStatus::Unpacked {
                size: 1,
                skipped_devices: 0,
                skipped_xattrs: 0,
            }),
        ];
        let expected = [
            "Pulling fs layer",
            "Waiting",
            "Downloading 5242880/10485760",
            "Downloading 10485760/10485760",
            "Verifying Checksum",
            "Download complete",
            "Extracting 5242880/10485760",
            "Extracting 10485760/10485760",
            "Pull complete",
        ];
        assert_eq!(render(&events), expected);
    }

    /// DM-10.
    #[test]
    fn a_retry_is_counted_down() {
        let paused = |seconds| {
            layer(LayerStatus::Paused {
                after: Duration::from_secs(seconds),
                attempt: 2,
            })
        };
        let events = [planned(), paused(2), paused(1)];
        let rendered = render(&events);
        assert_eq!(
            rendered[1..],
            ["Retrying in 2 seconds", "Retrying in 1 second"]
        );
    }
}
