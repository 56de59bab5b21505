//! The JSON records of progress.
//!
//! The serialised names are a stable interface: names are added and never changed. Every object has a `type`, and an
//! object about one image has its full `reference`. Sizes are integers in bytes, and times are integers in milliseconds.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use windlass::image::{Digest, ImageId};
use windlass::transfer::{LayerStatus, PlannedLayer, PullView, Setback};
use windlass::{Preview, PullEvent, PullOutcome, Pulled, text};
use windlass_error_report::ErrorReport;

use crate::preview_status::{PreviewStatus, estimated_disk_bytes};

/// One line of `windlass pull --json`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ProgressRecord<'a> {
    Resolving {
        reference: &'a str,
    },
    /// A request for a manifest or config failed. It is sent to another endpoint, or to the same one again.
    Setback {
        reference: &'a str,
        endpoint: String,
        /// The time until the retry, or `null` if another endpoint is used.
        after_ms: Option<u64>,
        error: String,
    },
    Resolved {
        reference: &'a str,
        digest: Digest,
        platform: String,
        endpoint: String,
    },
    Planned {
        reference: &'a str,
        layers: &'a [PlannedLayer],
        bytes_missing: u64,
        bytes_reused: u64,
        /// The part of the missing bytes that an earlier pull downloaded.
        bytes_resumed: u64,
    },
    /// The progress of all layers, once a second while it changes.
    Progress {
        reference: &'a str,
        bytes_missing: u64,
        bytes_downloaded: u64,
        bytes_unpacked: u64,
        bytes_reused: u64,
        bytes_resumed: u64,
        /// `null` until the throughput can be measured.
        bytes_per_second: Option<u64>,
        eta_ms: Option<u64>,
    },
    Layer {
        reference: &'a str,
        digest: Digest,
        #[serde(flatten)]
        status: LayerStatusRecord,
    },
    Committing {
        reference: &'a str,
    },
    Done {
        reference: &'a str,
        status: &'static str,
        digest: Digest,
        image_id: ImageId,
        platform: String,
        bytes_downloaded: u64,
        bytes_reused: u64,
        bytes_unpacked: u64,
        duration_ms: u64,
        /// The endpoint that resolved the reference.
        endpoint: String,
        /// The layers that were downloaded.
        layers: Vec<FetchedLayerRecord>,
        /// The manifests of the index that were left out.
        #[serde(skip_serializing_if = "<[Digest]>::is_empty")]
        missing_artifacts: &'a [Digest],
    },
    /// The result of a dry run.
    Preview {
        reference: &'a str,
        status: PreviewStatus,
        digest: Digest,
        image_id: Option<ImageId>,
        current_image_id: Option<ImageId>,
        platform: String,
        endpoint: String,
        layers: &'a [PlannedLayer],
        bytes_missing: u64,
        bytes_reused: u64,
        bytes_resumed: u64,
        bytes_disk_estimate: u64,
        bytes_free: Option<u64>,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        code: &'a str,
        message: &'a str,
        /// The errors of the other endpoints, such as mirrors.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        tried: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
}

/// A layer that was downloaded.
#[derive(Debug, Serialize)]
pub(crate) struct FetchedLayerRecord {
    digest: Digest,
    size: u64,
    /// The endpoint that sent the last part.
    source: Option<String>,
}

/// The status of a layer.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum LayerStatusRecord {
    Queued,
    Resumed {
        bytes: u64,
    },
    Paused {
        after_ms: u64,
        attempt: u32,
    },
    Connecting {
        attempt: u32,
        endpoint: String,
    },
    Moving {
        bytes_downloaded: u64,
        bytes_unpacked: u64,
    },
    Downloaded,
    Verifying,
    Retrying {
        after_ms: u64,
        attempt: u32,
        error: String,
    },
    Unpacked {
        size: u64,
        skipped_devices: u64,
        skipped_xattrs: u64,
    },
}

impl<'a> ProgressRecord<'a> {
    /// Writes the record on one line.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let json = serde_json::to_string(self)?;
        writeln!(out, "{}", text::escape_json(&json))
    }

    /// Returns the record of an event.
    pub(crate) fn from_event(reference: &'a str, event: &'a PullEvent) -> Self {
        match event {
            PullEvent::Resolving { .. } => Self::Resolving { reference },
            PullEvent::Setback(Setback {
                endpoint,
                after,
                reason,
            }) => Self::Setback {
                reference,
                endpoint: endpoint.to_string(),
                after_ms: after.map(millis),
                error: text::error_chain(&*reason.0),
            },
            PullEvent::Resolved {
                endpoint,
                digest,
                platform,
            } => Self::Resolved {
                reference,
                digest: *digest,
                platform: platform.to_string(),
                endpoint: endpoint.to_string(),
            },
            PullEvent::Planned {
                layers,
                missing_bytes,
                reused_bytes,
                resumed_bytes,
            } => Self::Planned {
                reference,
                layers,
                bytes_missing: *missing_bytes,
                bytes_reused: *reused_bytes,
                bytes_resumed: *resumed_bytes,
            },
            PullEvent::Layer { digest, status } => Self::Layer {
                reference,
                digest: *digest,
                status: LayerStatusRecord::of(status),
            },
            PullEvent::Committing => Self::Committing { reference },
        }
    }

    /// Returns the record of the progress of all layers.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is not negative, and the conversion saturates"
    )]
    pub(crate) fn progress(reference: &'a str, view: &PullView, now: Duration) -> Self {
        Self::Progress {
            reference,
            bytes_missing: view.missing_bytes(),
            bytes_downloaded: view.downloaded(),
            bytes_unpacked: view.unpacked(),
            bytes_reused: view.reused_bytes(),
            bytes_resumed: view.resumed(),
            bytes_per_second: view.rate(now).map(|rate| rate as u64),
            eta_ms: view.time_left(now).map(millis),
        }
    }

    /// Returns the last record of a successful pull.
    pub(crate) fn done(reference: &'a str, pulled: &'a Pulled, view: &PullView) -> Self {
        let fetched = view.layers().iter().map(|layer| FetchedLayerRecord {
            digest: layer.digest,
            size: layer.size,
            source: layer.source.as_ref().map(ToString::to_string),
        });
        Self::Done {
            reference,
            status: match pulled.outcome {
                PullOutcome::Downloaded => "downloaded",
                PullOutcome::UpToDate => "up_to_date",
            },
            digest: pulled.digest,
            image_id: pulled.image_id,
            platform: pulled.platform.to_string(),
            bytes_downloaded: pulled.downloaded_bytes,
            bytes_reused: pulled.reused_bytes,
            bytes_unpacked: pulled.unpacked_bytes,
            duration_ms: millis(pulled.duration),
            endpoint: pulled.endpoint.to_string(),
            layers: fetched.collect(),
            missing_artifacts: &pulled.missing_artifacts,
        }
    }

    /// Returns the record of a dry run. `free` is the free space of the disk in bytes.
    pub(crate) fn preview(reference: &'a str, preview: &'a Preview, free: Option<u64>) -> Self {
        Self::Preview {
            reference,
            status: PreviewStatus::from_preview(preview),
            digest: preview.digest,
            image_id: preview.image_id,
            current_image_id: preview.current,
            platform: preview.platform.to_string(),
            endpoint: preview.endpoint.origin().to_string(),
            layers: &preview.layers,
            bytes_missing: preview.missing_bytes,
            bytes_reused: preview.reused_bytes,
            bytes_resumed: preview.resumed_bytes,
            bytes_disk_estimate: estimated_disk_bytes(preview.missing_bytes),
            bytes_free: free,
        }
    }

    /// Returns the record of the failure of a pull, or of the whole command.
    pub(crate) fn error(reference: Option<&'a str>, report: &'a ErrorReport) -> Self {
        Self::Error {
            reference,
            code: report.code.as_str(),
            message: &report.message,
            tried: &report.tried,
            hint: report.hint.as_deref(),
        }
    }
}

impl LayerStatusRecord {
    fn of(status: &LayerStatus) -> Self {
        match status {
            LayerStatus::Queued => Self::Queued,
            LayerStatus::Resumed { bytes } => Self::Resumed { bytes: *bytes },
            LayerStatus::Paused { after, attempt } => Self::Paused {
                after_ms: millis(*after),
                attempt: *attempt,
            },
            LayerStatus::Connecting { endpoint, attempt } => Self::Connecting {
                attempt: *attempt,
                endpoint: endpoint.to_string(),
            },
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => Self::Moving {
                bytes_downloaded: *downloaded,
                bytes_unpacked: *unpacked,
            },
            LayerStatus::Downloaded => Self::Downloaded,
            LayerStatus::Verifying => Self::Verifying,
            LayerStatus::Retrying {
                after,
                attempt,
                reason,
            } => Self::Retrying {
                after_ms: millis(*after),
                attempt: *attempt,
                error: text::error_chain(&*reason.0),
            },
            LayerStatus::Unpacked {
                size,
                skipped_devices,
                skipped_xattrs,
            } => Self::Unpacked {
                size: *size,
                skipped_devices: *skipped_devices,
                skipped_xattrs: *skipped_xattrs,
            },
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
