//! The result of a commit.

use windlass_oci::ImageId;

/// The result of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The image.
    pub image_id: ImageId,
    /// Whether a name changed its image.
    pub outcome: CommitOutcome,
    /// The image that the digest reference already referred to, and still does (ST-4): a digest refers to one
    /// image, and another platform of the same index does not replace it.
    pub digest_stays_with: Option<ImageId>,
    /// The image that had the tag before [`Store::commit_as`](crate::Store::commit_as).
    pub tag_taken_from: Option<ImageId>,
}

/// The effect of a pull on its name (ST-2..ST-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The name is new, or referred to another image.
    Downloaded,
    /// The name already referred to this image.
    UpToDate,
}
