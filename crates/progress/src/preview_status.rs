//! The result of a dry run.

use serde::Serialize;
use windlass::Preview;

/// The state of the local image compared with the image in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewStatus {
    /// The store has no image with this reference.
    New,
    /// The reference names another image in the store.
    Newer,
    /// The reference names this image in the store, and some of its content is missing.
    Incomplete,
    /// A pull would change nothing.
    UpToDate,
}

impl PreviewStatus {
    /// Returns the status of a preview.
    pub fn from_preview(preview: &Preview) -> Self {
        match (preview.is_newer, preview.current, preview.image_id) {
            (false, _, _) => Self::UpToDate,
            (true, None, _) => Self::New,
            (true, Some(current), Some(image)) if current == image => Self::Incomplete,
            (true, Some(_), _) => Self::Newer,
        }
    }

    /// Returns the status for people. JSON has its serialised form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Newer => "newer",
            Self::Incomplete => "incomplete",
            Self::UpToDate => "up to date",
        }
    }
}

/// Estimates the disk space of layers from their compressed size in bytes. The compressed blobs are stored too, and
/// unpacked layers are usually two to three times as large.
pub fn estimated_disk_bytes(compressed: u64) -> u64 {
    compressed.saturating_add(compressed.saturating_mul(5) / 2)
}
