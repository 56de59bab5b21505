//! Hard links between layers.

/// A hard link whose target is in a lower layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowerLink {
    /// The path of the link, relative to the root of the image.
    pub path: Vec<u8>,
    /// The target, as written in the tar.
    pub target: Vec<u8>,
}
