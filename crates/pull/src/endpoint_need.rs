//! The purposes that endpoints are used for.

use std::fmt;

/// The purpose that an endpoint is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointNeed {
    /// Fetching a manifest by digest, or a blob.
    Pull,
    /// Resolving a tag, or listing tags.
    Resolve,
    /// Pushing an image. Mirrors are not used for this.
    Push,
}

impl fmt::Display for EndpointNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pull from",
            Self::Resolve => "resolve tags",
            Self::Push => "push to",
        })
    }
}
