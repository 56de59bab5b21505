//! What a pull would come to.

use serde::Serialize;
use windlass::Preview;

/// What a pull would do to what its reference names here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Forecast {
    /// It names nothing here.
    New,
    /// It names another image here.
    Newer,
    /// It names this image, of which something is missing.
    Incomplete,
    /// Everything would stay as it is.
    UpToDate,
}

impl Forecast {
    /// Says what the pull of `preview` would do.
    pub(crate) fn of(preview: &Preview) -> Self {
        match (preview.is_newer, preview.current, preview.image_id) {
            (false, _, _) => Self::UpToDate,
            (true, None, _) => Self::New,
            (true, Some(current), Some(image)) if current == image => Self::Incomplete,
            (true, Some(_), _) => Self::Newer,
        }
    }

    /// Returns what people read.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Newer => "newer",
            Self::Incomplete => "incomplete",
            Self::UpToDate => "up to date",
        }
    }

    /// Returns about how much space layers of `bytes` compressed bytes take: these are kept, and unpacked
    /// layers are usually two to three times as large.
    pub(crate) fn disk(bytes: u64) -> u64 {
        bytes.saturating_add(bytes.saturating_mul(5) / 2)
    }
}
