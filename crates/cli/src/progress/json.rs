//! Progress for programs: one JSON object a line.
//!
//! The names here are an interface: add, do not rename. Every object has a `type` and, where it is about
//! one image, its `reference` in full; sizes are bytes and times milliseconds, as integers.

use std::time::Duration;

use serde::Serialize;
use windlass::{Digest, ImageId, LayerStatus, Outcome, PlannedLayer, PullEvent, Pulled};

use crate::error::Report;

/// One line of `windlass pull --json`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Record<'a> {
    Resolving {
        reference: &'a str,
    },
    Resolved {
        reference: &'a str,
        digest: Digest,
        platform: String,
    },
    Planned {
        reference: &'a str,
        layers: &'a [PlannedLayer],
        bytes_missing: u64,
        bytes_reused: u64,
    },
    Layer {
        reference: &'a str,
        digest: Digest,
        #[serde(flatten)]
        status: Status<'a>,
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
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        code: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
}

/// Where a layer stands.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum Status<'a> {
    Waiting,
    Connecting {
        attempt: u32,
    },
    Moving {
        bytes_downloaded: u64,
        bytes_unpacked: u64,
    },
    Downloaded,
    Retrying {
        after_ms: u64,
        attempt: u32,
        error: &'a str,
    },
    Unpacked {
        size: u64,
        skipped_devices: u64,
        skipped_xattrs: u64,
    },
}

impl<'a> Record<'a> {
    /// Returns what is written for `event` of the pull of `reference`.
    pub(super) fn of_event(reference: &'a str, event: &'a PullEvent) -> Self {
        match event {
            PullEvent::Resolving { .. } => Self::Resolving { reference },
            PullEvent::Resolved { digest, platform } => Self::Resolved {
                reference,
                digest: *digest,
                platform: platform.to_string(),
            },
            PullEvent::Planned {
                layers,
                missing_bytes,
                reused_bytes,
            } => Self::Planned {
                reference,
                layers,
                bytes_missing: *missing_bytes,
                bytes_reused: *reused_bytes,
            },
            PullEvent::Layer { digest, status } => Self::Layer {
                reference,
                digest: *digest,
                status: Status::of(status),
            },
            PullEvent::Committing => Self::Committing { reference },
        }
    }

    /// Returns the last record of a pull that succeeded.
    pub(super) fn done(reference: &'a str, pulled: &Pulled) -> Self {
        Self::Done {
            reference,
            status: match pulled.outcome {
                Outcome::Downloaded => "downloaded",
                Outcome::UpToDate => "up_to_date",
            },
            digest: pulled.digest,
            image_id: pulled.image_id,
            platform: pulled.platform.to_string(),
            bytes_downloaded: pulled.downloaded_bytes,
            bytes_reused: pulled.reused_bytes,
            bytes_unpacked: pulled.unpacked_bytes,
            duration_ms: millis(pulled.duration),
        }
    }

    /// Returns the record of a failure, of one pull or of the whole command.
    pub(crate) fn error(reference: Option<&'a str>, report: &'a Report) -> Self {
        Self::Error {
            reference,
            code: report.code,
            message: &report.message,
            hint: report.hint.as_deref(),
        }
    }
}

impl<'a> Status<'a> {
    fn of(status: &'a LayerStatus) -> Self {
        match status {
            LayerStatus::Waiting => Self::Waiting,
            LayerStatus::Connecting { attempt } => Self::Connecting { attempt: *attempt },
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => Self::Moving {
                bytes_downloaded: *downloaded,
                bytes_unpacked: *unpacked,
            },
            LayerStatus::Downloaded => Self::Downloaded,
            LayerStatus::Retrying {
                after,
                attempt,
                error,
            } => Self::Retrying {
                after_ms: millis(*after),
                attempt: *attempt,
                error,
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
