//! What a pull is told in (PG-1, MF-6, ST-1, ST-5).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use windlass::{Digest, LayerStatus, Outcome, PullEvent, Pulled, Reference};
use windlass_engine_api::ProgressMessage;

use crate::stream::MessageQueue;

/// Turns what happens in one pull into lines.
#[derive(Debug)]
pub(crate) struct PullMessages {
    reference: Reference,
    layers: HashMap<Digest, Layer>,
    /// Layers that wait for another attempt, and until when.
    waits: HashMap<Digest, Wait>,
    has_begun: bool,
    /// Nothing is to be fetched. Whether the image is here as well is not known yet: then its layers are not told.
    all_exist: Vec<Digest>,
}

#[derive(Debug, Default)]
struct Layer {
    size: u64,
    downloaded: u64,
    is_downloaded: bool,
}

#[derive(Debug)]
struct Wait {
    until: Instant,
    /// The seconds that were told last.
    told: Option<u64>,
}

/// How much more has to have come before it is told: a hundredth, or this many bytes (PG-2).
const STEP: u64 = 512 << 10;

impl PullMessages {
    /// Begins with a pull of `reference`, which has a tag or a digest.
    pub(crate) fn new(reference: Reference) -> Self {
        Self {
            reference,
            layers: HashMap::new(),
            waits: HashMap::new(),
            has_begun: false,
            all_exist: Vec::new(),
        }
    }

    /// Says whether the image was found: from here on a failure is told in the stream.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Tells what happened.
    pub(crate) fn event(&mut self, event: &PullEvent, now: Instant, lines: &MessageQueue) {
        match event {
            PullEvent::Resolved { .. } if !self.has_begun => {
                self.has_begun = true;
                lines.push(pulling_from(&self.reference));
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
                    let known = Layer {
                        size: layer.size,
                        ..Layer::default()
                    };
                    if self.layers.insert(layer.digest, known).is_none() {
                        let words = match layer.exists {
                            true => "Already exists",
                            false => "Pulling fs layer",
                        };
                        lines.push(ProgressMessage::progress(
                            &layer.digest.short(),
                            words,
                            0,
                            0,
                        ));
                    }
                }
            }
            PullEvent::Layer { digest, status } => self.layer(*digest, status, now, lines),
            PullEvent::Resolving { .. }
            | PullEvent::Resolved { .. }
            | PullEvent::Setback(_)
            | PullEvent::Committing => {}
        }
    }

    fn layer(&mut self, digest: Digest, status: &LayerStatus, now: Instant, lines: &MessageQueue) {
        let id = digest.short();
        let layer = self.layers.entry(digest).or_default();
        if !matches!(
            status,
            LayerStatus::Retrying { .. } | LayerStatus::Paused { .. }
        ) {
            self.waits.remove(&digest);
        }
        let step = |words: &str| lines.push(ProgressMessage::progress(&id, words, 0, 0));
        match status {
            LayerStatus::Queued => step("Waiting"),
            LayerStatus::Resumed { bytes } => {
                layer.downloaded = *bytes;
                lines.count(&id, "Downloading", *bytes, layer.size);
            }
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => {
                if layer.is_downloaded {
                    lines.count(&id, "Extracting", *unpacked, layer.size);
                } else if is_worth_telling(layer.downloaded, *downloaded, layer.size) {
                    layer.downloaded = *downloaded;
                    lines.count(&id, "Downloading", *downloaded, layer.size);
                }
            }
            LayerStatus::Downloaded => {
                if !std::mem::replace(&mut layer.is_downloaded, true) {
                    lines.count(&id, "Downloading", layer.size, layer.size);
                    step("Verifying Checksum");
                    step("Download complete");
                }
            }
            LayerStatus::Verifying => lines.count(&id, "Extracting", layer.size, layer.size),
            LayerStatus::Unpacked { .. } => step("Pull complete"),
            LayerStatus::Retrying { after, .. } | LayerStatus::Paused { after, .. } => {
                let until = now + *after;
                self.waits.insert(digest, Wait { until, told: None });
                self.tick(now, lines);
            }
            LayerStatus::Connecting { .. } => {}
        }
    }

    /// Tells how long it is until layers are tried again, once a second (DM-10).
    pub(crate) fn tick(&mut self, now: Instant, lines: &MessageQueue) {
        for (digest, wait) in &mut self.waits {
            let left = wait.until.saturating_duration_since(now);
            let seconds = whole_seconds(left);
            if seconds > 0 && wait.told != Some(seconds) {
                wait.told = Some(seconds);
                let plural = if seconds == 1 { "" } else { "s" };
                let words = format!("Retrying in {seconds} second{plural}");
                lines.push(ProgressMessage::progress(&digest.short(), &words, 0, 0));
            }
        }
    }

    /// Tells the digest of what was pulled, and of an image that is new which layers were here.
    pub(crate) fn pulled(&mut self, pulled: &Pulled, lines: &MessageQueue) {
        if !self.has_begun {
            self.has_begun = true;
            lines.push(pulling_from(&self.reference));
        }
        if pulled.outcome == Outcome::Downloaded {
            for digest in &self.all_exist {
                lines.push(ProgressMessage::progress(
                    &digest.short(),
                    "Already exists",
                    0,
                    0,
                ));
            }
        }
        lines.push(ProgressMessage::status(format!(
            "Digest: {}",
            pulled.digest
        )));
    }
}

/// Returns the last line: whether anything is newer than what was here.
pub(crate) fn ending(name: &str, outcome: Outcome) -> ProgressMessage {
    ProgressMessage::status(match outcome {
        Outcome::Downloaded => format!("Status: Downloaded newer image for {name}"),
        Outcome::UpToDate => format!("Status: Image is up to date for {name}"),
    })
}

/// Returns the first line: which tag, or the whole name if that has a digest, and the path of its repository.
fn pulling_from(reference: &Reference) -> ProgressMessage {
    let id = match (reference.digest(), reference.tag()) {
        (Some(_), _) => reference.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => "latest".to_owned(),
    };
    // Docker names no registry here.
    ProgressMessage::about(
        id,
        format!("Pulling from {}", reference.repository().path()),
    )
}

fn is_worth_telling(before: u64, now: u64, size: u64) -> bool {
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
    use windlass::PlannedLayer;

    use super::*;

    const SIZE: u64 = 10 << 20;

    fn digest() -> Digest {
        format!("sha256:{}", "a".repeat(64)).parse().unwrap()
    }

    fn layer(status: LayerStatus) -> PullEvent {
        let digest = digest();
        PullEvent::Layer { digest, status }
    }

    /// Returns the words that `events` are told in, each with how far it is.
    fn told(events: &[PullEvent]) -> Vec<String> {
        let reference: Reference = "alpine:3".parse().unwrap();
        let (mut words, lines) = (PullMessages::new(reference), MessageQueue::default());
        let mut told = Vec::new();
        for event in events {
            words.event(event, Instant::now(), &lines);
            let taken = String::from_utf8(lines.take().to_vec()).unwrap();
            told.extend(taken.lines().map(|line| {
                let message: ProgressMessage = serde_json::from_str(line).unwrap();
                assert_eq!(message.id.as_deref(), Some("aaaaaaaaaaaa"));
                let status = message.status.unwrap();
                match message.progress_detail.filter(|detail| detail.total > 0) {
                    Some(detail) => format!("{status} {}/{}", detail.current, detail.total),
                    None => status,
                }
            }));
        }
        told
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

    /// PG-1, DM-13: each step once, in the order that clients know.
    #[test]
    fn a_layer_is_told_step_by_step() {
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
            // Less than is worth telling.
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
        assert_eq!(told(&events), expected);
    }

    /// DM-10.
    #[test]
    fn another_attempt_is_counted_down_to() {
        let paused = |seconds| {
            layer(LayerStatus::Paused {
                after: Duration::from_secs(seconds),
                attempt: 2,
            })
        };
        let events = [planned(), paused(2), paused(1)];
        let told = told(&events);
        assert_eq!(told[1..], ["Retrying in 2 seconds", "Retrying in 1 second"]);
    }
}
