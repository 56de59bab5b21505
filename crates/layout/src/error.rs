//! Why images in files cannot be read.

use std::io;

use windlass_archive::UnpackError;
use windlass_oci::text::Sanitized;
use windlass_oci::{Digest, ImageConfigError, JsonError, ManifestError};

use crate::verified::ContentMismatch;

/// Why a layout or an archive cannot be read. Who asked knows which one it is.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file system failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It is no tar, or a damaged one.
    #[error("it is not an archive of images")]
    Tar(#[from] UnpackError),
    /// It contradicts itself, or wants what is not allowed.
    #[error(transparent)]
    Defect(#[from] LayoutDefect),
}

/// What is wrong with a layout or an archive.
#[derive(Debug, thiserror::Error)]
pub enum LayoutDefect {
    /// There is nothing in it by which its form could be told.
    #[error("it has none of oci-layout, manifest.json and index.json: these are no images")]
    NoImages,
    /// It is of a time before images had manifests.
    #[error("it was saved by a Docker before 1.10: load it there and save it again")]
    TooOld,
    /// A path that leads out, or is none.
    #[error("{path:?} is not a path within it")]
    Path {
        /// The path.
        path: Sanitized,
    },
    /// Two members have one name.
    #[error("{path} is in it twice")]
    Twice {
        /// The name.
        path: Sanitized,
    },
    /// There are more members than any archive of images has.
    #[error("it has more than {limit} members")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// Something that a document names is not there, or is no plain file.
    #[error("{path} is not in it")]
    Missing {
        /// The name.
        path: Sanitized,
    },
    /// A link leads nowhere or in a circle, or to something that is no file.
    #[error("{path} is no plain file")]
    NotAFile {
        /// The name.
        path: Sanitized,
    },
    /// A document is larger than any such document.
    #[error("{path} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The name.
        path: Sanitized,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A document is not JSON of the right form.
    #[error("{path} is invalid")]
    Json {
        /// The name.
        path: Sanitized,
        /// What is wrong with it.
        source: JsonError,
    },
    /// `oci-layout` has a version that is not known.
    #[error("its layout has version {version:?}, not \"1.0.0\"")]
    Version {
        /// The version.
        version: Sanitized,
    },
    /// A manifest is none.
    #[error("{path} is invalid")]
    Manifest {
        /// The name.
        path: Sanitized,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// An image config is none.
    #[error("{path} is invalid")]
    Config {
        /// The name.
        path: Sanitized,
        /// What is wrong with it.
        source: ImageConfigError,
    },
    /// The content is not what the name or the descriptor says.
    #[error("{path}: {mismatch}")]
    Content {
        /// The name.
        path: Sanitized,
        /// In what they differ.
        mismatch: ContentMismatch,
    },
    /// A config and the list of layers beside it do not fit.
    #[error("{path} has {diff_ids} diff IDs, but {layers} layers are listed")]
    LayerCount {
        /// The name of the config.
        path: Sanitized,
        /// Diff IDs in the config.
        diff_ids: usize,
        /// Layers in the list.
        layers: usize,
    },
    /// A manifest or an index that should be there is not.
    #[error("the manifest {digest} is not in it")]
    NoDocument {
        /// Its digest.
        digest: Digest,
    },
    /// No image in it has that name.
    #[error("no image in it is called {name:?}{}", Others(.others))]
    Unknown {
        /// The name.
        name: Sanitized,
        /// The names that there are.
        others: Vec<String>,
    },
    /// There are several images, and none was named.
    #[error("there are {count} images in it: say which one{}", Others(.others))]
    Several {
        /// How many.
        count: usize,
        /// Their names.
        others: Vec<String>,
    },
}

struct Others<'a>(&'a [String]);

/// How many names a message has.
const SHOWN: usize = 8;

impl std::fmt::Display for Others<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        if shown.is_empty() {
            return Ok(());
        }
        write!(f, "; there is {}", shown.join(", "))?;
        match self.0.len() - shown.len() {
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
