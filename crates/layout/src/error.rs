//! Errors of reading images in files.

use std::io;

use windlass_archive::UnpackError;
use windlass_oci::text::Sanitized;
use windlass_oci::{Digest, ImageConfigError, JsonError, ManifestError};

use crate::verifying_reader::ContentMismatch;

/// The reason why a layout or archive cannot be read. The caller adds its path to the message.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file operation failed.
    #[error("cannot {action}")]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a tar, or a malformed one.
    #[error("it is not an archive of images")]
    Tar(#[from] UnpackError),
    /// The content is inconsistent or not allowed.
    #[error(transparent)]
    Defect(#[from] LayoutDefect),
}

/// A defect of a layout or an archive.
#[derive(Debug, thiserror::Error)]
pub enum LayoutDefect {
    /// None of the files by which the format is detected exists.
    #[error("it contains no images: it has none of oci-layout, manifest.json and index.json")]
    NoImages,
    /// The lists of images exist, but no image is listed.
    #[error("it contains no images: its lists are empty")]
    EmptyLists,
    /// `index.json` is not an index.
    #[error("index.json is a manifest, not a list of images")]
    NoIndex,
    /// The archive has the format of Docker before 1.10, which has no manifests.
    #[error(
        "it was saved by Docker before 1.10: load it with that version and save it with a newer one"
    )]
    LegacyFormat,
    /// A path is empty or leads outside.
    #[error("{path:?} is not a path within it")]
    Path {
        /// The path.
        path: Sanitized,
    },
    /// Two members have the same name and different content.
    #[error("it contains {path} twice")]
    DuplicateMember {
        /// The path.
        path: Sanitized,
    },
    /// The archive has too many members, or their names are too long in total.
    #[error("it has more than {limit} members")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// A file that a document refers to does not exist.
    #[error("{path} is missing")]
    Missing {
        /// The path.
        path: Sanitized,
    },
    /// A file is not a regular file, or a link is broken or part of a loop.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// The path.
        path: Sanitized,
    },
    /// A link in a directory leads out of it.
    #[error("{path} is a link that leads out of the directory: copy the directory with `cp -rL`")]
    LinkOutside {
        /// The path.
        path: Sanitized,
    },
    /// A document exceeds its size limit.
    #[error("{path} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The path.
        path: Sanitized,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A document is not valid JSON, or does not have the expected fields.
    #[error("{path} is invalid")]
    Json {
        /// The path.
        path: Sanitized,
        /// The defect.
        source: JsonError,
    },
    /// The version in `oci-layout` is not supported.
    #[error("its layout has version {version:?}, not \"1.0.0\"")]
    Version {
        /// The version.
        version: Sanitized,
    },
    /// A manifest is invalid.
    #[error("{path} is invalid")]
    Manifest {
        /// The path.
        path: Sanitized,
        /// The defect.
        source: ManifestError,
    },
    /// An image config is invalid.
    #[error("{path} is invalid")]
    Config {
        /// The path.
        path: Sanitized,
        /// The defect.
        source: ImageConfigError,
    },
    /// The content does not match the digest or size in the name or the descriptor.
    #[error("{path}: {mismatch}")]
    Content {
        /// The path.
        path: Sanitized,
        /// The mismatch.
        mismatch: ContentMismatch,
    },
    /// A layer has a compression that layers cannot have.
    #[error("the layer {path}")]
    Layer {
        /// The path.
        path: Sanitized,
        /// The compression.
        source: UnpackError,
    },
    /// The number of layers does not match the config.
    #[error("{path} has {diff_ids} diff IDs, but {layers} layers are listed")]
    LayerCount {
        /// The path of the config.
        path: Sanitized,
        /// The number of diff IDs in the config.
        diff_ids: usize,
        /// The number of layers in the list.
        layers: usize,
    },
    /// A manifest or index does not exist.
    #[error("the manifest {digest} is missing")]
    MissingManifest {
        /// Its digest.
        digest: Digest,
    },
    /// No image has the requested name.
    #[error("it contains no image named {name:?}{}", AvailableNames(.others))]
    UnknownImage {
        /// The name.
        name: Sanitized,
        /// The names of the images.
        others: Vec<String>,
    },
    /// There are several images, and the caller did not choose one.
    #[error("it contains {count} images: choose one{}", AvailableNames(.others))]
    SeveralImages {
        /// The number of images.
        count: usize,
        /// The names of the images.
        others: Vec<String>,
    },
}

/// Appends a list of names to an error message.
struct AvailableNames<'a>(&'a [String]);

/// The number of names that a message lists.
const MAX_LISTED_NAMES: usize = 8;

impl std::fmt::Display for AvailableNames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let listed = &self.0[..self.0.len().min(MAX_LISTED_NAMES)];
        if listed.is_empty() {
            return Ok(());
        }
        write!(f, "; available: {}", listed.join(", "))?;
        match self.0.len() - listed.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl LayoutError {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
