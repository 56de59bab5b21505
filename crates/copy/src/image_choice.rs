//! The choice of images from an index.

use serde::{Deserialize, Serialize};
use windlass_oci::{Descriptor, Platform};

/// The images of an index to copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageChoice {
    /// The best image for this platform. `None` stands for the platform of this machine; if no image is for that, it is
    /// the first image that the source has.
    One(Option<Platform>),
    /// All images that the source has.
    All,
    /// All images if the source has everything that the index names, and otherwise [`One(None)`](Self::One).
    AllIfComplete,
}

/// How well the platform of an index entry matches. Entries without a platform, such as nested indexes, come after
/// those that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EntryRank {
    OtherPlatform,
    NoPlatform,
    Match(u32),
}

impl ImageChoice {
    /// Returns the platform of the image to choose; `None` for all images.
    pub(crate) fn target(&self) -> Option<Platform> {
        match self {
            Self::One(platform) => Some(platform.clone().unwrap_or_else(Platform::host)),
            Self::All | Self::AllIfComplete => None,
        }
    }

    /// Returns the entries of an index that may lead to a chosen image, the best ones first.
    pub(crate) fn candidates(&self, entries: &[Descriptor]) -> Vec<Descriptor> {
        let mut candidates: Vec<_> = entries
            .iter()
            .filter(|entry| self.is_candidate(entry))
            .cloned()
            .collect();
        if let Some(target) = self.target() {
            // The sort is stable: equal matches stay in the order of the index.
            candidates.sort_by_key(|entry| std::cmp::Reverse(EntryRank::of(entry, &target)));
        }
        candidates
    }

    fn is_candidate(&self, entry: &Descriptor) -> bool {
        match (self, &entry.platform) {
            (_, None) => true,
            (Self::One(Some(requested)), Some(platform)) => requested.rank(platform).is_some(),
            // Attestations have the platform `unknown/unknown`.
            (Self::One(None) | Self::All | Self::AllIfComplete, Some(platform)) => {
                !platform.is_unknown()
            }
        }
    }
}

impl EntryRank {
    fn of(entry: &Descriptor, target: &Platform) -> Self {
        match &entry.platform {
            None => Self::NoPlatform,
            Some(platform) => match target.rank(platform) {
                None => Self::OtherPlatform,
                Some(rank) => Self::Match(rank),
            },
        }
    }
}
