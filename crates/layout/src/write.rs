//! Writes archives as a stream, and directories blob by blob.

mod archive;
mod atomic_file;
mod directory;
mod documents;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use windlass_oci::{
    Descriptor, Digest, ImageManifest, Manifest, ManifestError, ManifestLinks, Reference, Tag,
};

pub use archive::{ArchiveEvent, ArchiveWriter};
pub use atomic_file::AtomicFile;
pub use directory::LayoutDirectory;

/// A set of images that is written to one archive or directory.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The images, in the order in which they are listed.
    pub images: Vec<BatchImage>,
    /// The manifests and indexes of the images, by digest, including the manifests of the indexes. Manifests of an
    /// index that are missing here are not written.
    pub documents: BTreeMap<Digest, Vec<u8>>,
    /// The configs, layers and other blobs of the documents.
    pub blobs: BTreeMap<Digest, Descriptor>,
    /// Foreign (non-distributable) layers. The manifests refer to them, but they are not written.
    pub foreign: BTreeMap<Digest, Descriptor>,
    /// Signatures, attestations and other artifacts of the images.
    pub artifacts: Vec<Artifact>,
}

/// An artifact whose subject is an image, such as a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The manifest or index of the artifact.
    pub root: Descriptor,
    /// The tag, derived from the digest of the subject, if the manifest has no subject: for example `sha256-….sig`.
    pub tag: Option<Tag>,
}

/// An image of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchImage {
    /// The manifest or index of the image.
    pub root: Descriptor,
    /// The names of the image.
    pub names: Vec<Reference>,
    /// The `org.opencontainers.image.ref.name` annotation in an OCI layout if it differs from the tag, or if the image
    /// has no name.
    pub ref_name: Option<String>,
}

/// The reason why images could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error("cannot {action}")]
    Write {
        /// The operation that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The source of a blob failed.
    #[error("cannot read {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// The cause.
        source: io::Error,
    },
    /// A manifest is invalid.
    #[error("the manifest {digest} is invalid")]
    Manifest {
        /// The digest of the manifest.
        digest: Digest,
        /// The defect.
        source: ManifestError,
    },
    /// The directory has other content.
    #[error("it is neither empty nor {expected}")]
    Occupied {
        /// The expected format, with an article.
        expected: &'static str,
    },
    /// The format supports only one image.
    #[error("a directory of this form holds one image, not {count}")]
    OneImage {
        /// The number of images to be written.
        count: usize,
    },
    /// The existing layout is invalid.
    #[error("cannot add to the existing layout")]
    ExistingLayout(#[from] crate::LayoutError),
}

/// The size of the copy buffer in bytes.
const BUFFER_SIZE: usize = 256 << 10;

/// Copies the content of `blob` from `reader`, which verifies it at its end. Calls `on_write` with the length of each
/// piece.
///
/// Never writes more than the size of the blob, because more members of a tar follow.
fn copy_blob(
    blob: &Descriptor,
    reader: &mut dyn Read,
    out: &mut dyn Write,
    on_write: &mut dyn FnMut(u64),
) -> Result<(), WriteError> {
    let digest = blob.digest;
    let read_error = |source| WriteError::Read { digest, source };
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut left = blob.size;
    loop {
        let read = match reader.read(&mut buffer) {
            // The reader has verified the content when it reports the end.
            Ok(0) if left == 0 => return Ok(()),
            Ok(0) => return Err(read_error(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        let rest = left.checked_sub(read as u64);
        left = rest.ok_or_else(|| read_error(io::ErrorKind::InvalidData.into()))?;
        let written = out.write_all(&buffer[..read]);
        written.map_err(WriteError::write("write a blob"))?;
        on_write(read as u64);
    }
}

impl WriteError {
    fn write(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { action, source }
    }

    /// Returns whether the output is a pipe whose reading end is closed.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

impl Batch {
    /// Adds a manifest or index, and the blobs to which it refers. Returns its links.
    pub fn add(&mut self, digest: Digest, bytes: Vec<u8>) -> Result<ManifestLinks, WriteError> {
        let links = ManifestLinks::parse(&bytes);
        let links = links.map_err(|source| WriteError::Manifest { digest, source })?;
        for blob in &links.blobs {
            let blobs = match blob.media_type.is_foreign_layer() {
                true => &mut self.foreign,
                false => &mut self.blobs,
            };
            blobs.insert(blob.digest, blob.clone());
        }
        self.documents.insert(digest, bytes);
        Ok(links)
    }

    /// Adds everything in `other`.
    pub fn extend(&mut self, other: Self) {
        self.images.extend(other.images);
        self.documents.extend(other.documents);
        self.blobs.extend(other.blobs);
        self.foreign.extend(other.foreign);
        self.artifacts.extend(other.artifacts);
    }

    /// Includes the foreign layers for which `filter` returns true in the output.
    pub fn include_foreign_layers(&mut self, filter: impl Fn(&Descriptor) -> bool) {
        let foreign = std::mem::take(&mut self.foreign);
        let (included, rest) = foreign.into_iter().partition(|(_, blob)| filter(blob));
        self.foreign = rest;
        self.blobs.extend::<BTreeMap<_, _>>(included);
    }

    /// Returns the image manifests of `root`, in the order of its indexes, as far as they are part of the batch.
    fn image_manifests(&self, root: &Digest) -> Vec<ImageManifest> {
        /// The limit on the nesting of indexes.
        const MAX_DEPTH: usize = 4;
        let mut found = Vec::new();
        let mut pending = vec![(*root, 0)];
        while let Some((digest, depth)) = pending.pop() {
            let Some(bytes) = self.documents.get(&digest) else {
                continue;
            };
            match Manifest::parse(bytes, None) {
                Ok(Manifest::Image(image)) => found.push(image),
                Ok(Manifest::Index(index)) if depth < MAX_DEPTH => {
                    let children = index.manifests.iter().rev();
                    pending.extend(children.map(|child| (child.digest, depth + 1)));
                }
                _ => {}
            }
        }
        found
    }
}
