//! Writing: archives in one stream, directories blob by blob.

mod archive;
mod directory;
mod file;
mod lists;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use windlass_oci::{
    Descriptor, Digest, ImageManifest, Manifest, ManifestError, ManifestLinks, Reference, Tag,
};

pub use archive::{ArchiveEvent, ArchiveWriter};
pub use directory::LayoutDirectory;
pub use file::AtomicFile;

/// Images that are written together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The images, in the order of their list.
    pub images: Vec<BatchImage>,
    /// Manifests and indexes by their digests, the images' own and those that their indexes lead to. What an
    /// index names and is not here is left out.
    pub documents: BTreeMap<Digest, Vec<u8>>,
    /// Configs, layers and whatever else the documents name.
    pub blobs: BTreeMap<Digest, Descriptor>,
    /// Layers that may not be distributed freely: they are named, and not carried.
    pub foreign: BTreeMap<Digest, Descriptor>,
    /// What belongs to the images: signatures, attestations and the like.
    pub artifacts: Vec<Artifact>,
}

/// Something that belongs to an image and is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its manifest or index.
    pub root: Descriptor,
    /// The tag that it is found by where its manifest does not name a subject, such as `sha256-….sig`.
    pub tag: Option<Tag>,
}

/// An image of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchImage {
    /// Its manifest or index.
    pub root: Descriptor,
    /// What it is to be called.
    pub names: Vec<Reference>,
    /// What it is to be called in an OCI layout where it has no name; any ref_name.
    pub ref_name: Option<String>,
}

/// Why images could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Where it was to be written failed.
    #[error("cannot {action}")]
    Write {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// What was to be written could not be had.
    #[error("cannot read {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A manifest is none.
    #[error("the manifest {digest} is invalid")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The directory holds something else.
    #[error("it is not empty, and not {expected}")]
    Occupied {
        /// What it would have to be.
        expected: &'static str,
    },
    /// Only one image fits.
    #[error("a directory of this form holds one image, not {count}")]
    OneImage {
        /// How many were to be written.
        count: usize,
    },
    /// The layout that is there cannot be added to.
    #[error("what is there cannot be added to")]
    There(#[from] crate::LayoutError),
}

/// How much is read and written at a time.
const BUFFER: usize = 256 << 10;

/// Writes the bytes of `blob`, which `reader` proves at its end, and tells `wrote` of each piece.
///
/// Never writes more than the blob has: a tar goes on behind it.
fn carry(
    blob: &Descriptor,
    reader: &mut dyn Read,
    out: &mut dyn Write,
    wrote: &mut dyn FnMut(u64),
) -> Result<(), WriteError> {
    let digest = blob.digest;
    let unread = |source| WriteError::Read { digest, source };
    let mut buffer = vec![0; BUFFER];
    let mut left = blob.size;
    loop {
        let read = match reader.read(&mut buffer) {
            // Only at its end it is proved.
            Ok(0) if left == 0 => return Ok(()),
            Ok(0) => return Err(unread(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unread(error)),
        };
        let rest = left.checked_sub(read as u64);
        left = rest.ok_or_else(|| unread(io::ErrorKind::InvalidData.into()))?;
        let written = out.write_all(&buffer[..read]);
        written.map_err(WriteError::write("write a blob"))?;
        wrote(read as u64);
    }
}

impl WriteError {
    fn write(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { action, source }
    }

    /// Says whether nobody reads any more what is written.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

impl Batch {
    /// Adds a manifest or index, and the blobs that it names.
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

    /// Adds all that is in `other`.
    pub fn extend(&mut self, other: Self) {
        self.images.extend(other.images);
        self.documents.extend(other.documents);
        self.blobs.extend(other.blobs);
        self.foreign.extend(other.foreign);
        self.artifacts.extend(other.artifacts);
    }

    /// Has those of the layers carried, too, that may not be distributed freely, as `which` says.
    pub fn include_foreign_layers(&mut self, which: impl Fn(&Descriptor) -> bool) {
        let foreign = std::mem::take(&mut self.foreign);
        let (carried, left) = foreign.into_iter().partition(|(_, blob)| which(blob));
        self.foreign = left;
        self.blobs.extend::<BTreeMap<_, _>>(carried);
    }

    /// Returns the manifests of images below `root`, in order, as far as they are here.
    fn image_manifests(&self, root: &Digest) -> Vec<ImageManifest> {
        /// How deep indexes are nested at most.
        const DEEPEST: usize = 4;
        let mut found = Vec::new();
        let mut waiting = vec![(*root, 0)];
        while let Some((digest, depth)) = waiting.pop() {
            let Some(bytes) = self.documents.get(&digest) else {
                continue;
            };
            match Manifest::parse(bytes, None) {
                Ok(Manifest::Image(image)) => found.push(image),
                Ok(Manifest::Index(index)) if depth < DEEPEST => {
                    let children = index.manifests.iter().rev();
                    waiting.extend(children.map(|child| (child.digest, depth + 1)));
                }
                _ => {}
            }
        }
        found
    }
}
