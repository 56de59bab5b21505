//! The types of manifests and their limits.

use std::collections::BTreeMap;

use crate::{Descriptor, MediaType};

/// The largest manifest that is accepted, in bytes (T21).
pub const MAX_MANIFEST_SIZE: usize = 4 << 20;

/// The largest number of layers of an image (T21).
pub const MAX_LAYERS: usize = 500;

/// The largest number of entries of an index (T21).
pub const MAX_INDEX_ENTRIES: usize = 4096;

/// An image manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a pull holds one or two, never an array of them"
)]
pub enum Manifest {
    /// The manifest of one image.
    Image(ImageManifest),
    /// A list of manifests, usually one per platform.
    Index(Index),
}

/// The manifest of one image: its config and its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageManifest {
    /// [`MediaType::DockerManifest`] or [`MediaType::OciManifest`].
    pub media_type: MediaType,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, base first; at most [`MAX_LAYERS`], possibly none (S2-8).
    pub layers: Vec<Descriptor>,
    /// Arbitrary metadata.
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, usually one per platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// [`MediaType::DockerManifestList`] or [`MediaType::OciIndex`].
    pub media_type: MediaType,
    /// The manifests, in the order of the document; at most [`MAX_INDEX_ENTRIES`].
    pub manifests: Vec<Descriptor>,
    /// Arbitrary metadata.
    pub annotations: BTreeMap<String, String>,
}
