//! Types of container images: references, digests, manifests, configs and platforms.
//!
//! Parsing and arithmetic only, no I/O. Untrusted input is parsed once, into a type that can only hold valid values;
//! its size, nesting depth and number of elements are bounded.

mod config;
mod descriptor;
mod digest;
mod image_name;
pub mod json;
mod manifest;
mod media_type;
mod platform;
mod reference;
pub mod text;

pub use config::{History, ImageConfig, ImageConfigError, MAX_CONFIG_SIZE, RootFs, RuntimeConfig};
pub use descriptor::{Descriptor, MAX_BLOB_SIZE};
pub use digest::{Algorithm, ChainId, DiffId, Digest, DigestError, Hasher, ImageId};
pub use image_name::{IdPrefix, ImageName};
pub use json::JsonError;
pub use manifest::{
    ArtifactKind, ImageManifest, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_SIZE, Manifest,
    ManifestAmbiguity, ManifestError, ManifestLinks, NoMatchingPlatform,
};
pub use media_type::{LayerEncoding, MANIFEST_TYPES, MediaType};
pub use platform::{Platform, PlatformError};
pub use reference::{
    DEFAULT_REGISTRY, Reference, ReferenceError, ReferenceProblem, RepositoryName, Tag, TagError,
};
