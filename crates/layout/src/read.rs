//! Reads the list of images in an archive or directory, and their documents and blobs.

mod directory;
mod docker;
mod merge;
mod oci;
mod referrers;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, Reference};

use crate::contents::LayoutContents;
use crate::error::{LayoutDefect, LayoutError};
use crate::kind::LayoutKind;
use crate::path::InnerPath;
use crate::section::FileSection;
use crate::spool::{self, Spool};
use crate::verifying_reader::ContentMismatch;
use crate::write::Artifact;

/// Images in an archive or a directory.
#[derive(Debug)]
pub struct Layout {
    kind: LayoutKind,
    contents: LayoutContents,
    entries: Vec<LayoutEntry>,
    /// Manifests that were generated for images without one, by digest.
    generated: HashMap<Digest, Vec<u8>>,
    /// Signatures and other artifacts, by the digest of their subject.
    artifacts: HashMap<Digest, Vec<Artifact>>,
    /// The paths of blobs that are not stored under their digest.
    blob_paths: HashMap<Digest, InnerPath>,
}

/// An image or index in the list of an archive or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutEntry {
    /// The manifest or index.
    pub root: Descriptor,
    /// The full names of the image.
    pub names: Vec<Reference>,
    /// The `org.opencontainers.image.ref.name` annotations: any strings, usually tags.
    pub ref_names: Vec<String>,
    /// The images below the index `root` that `manifest.json` gives names to. Other names belong to the whole index.
    pub named_images: Vec<NamedImage>,
}

/// A name that belongs to one image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedImage {
    /// The full name. It is one of the names of the entry as well.
    pub name: Reference,
    /// The digest of the config of the image.
    pub config: Digest,
}

// The files by which the format is detected.
const OCI_LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
const MANIFEST: &str = "manifest.json";
const REPOSITORIES: &str = "repositories";
const VERSION: &str = "version";

/// The limit on the size of the list of images, in bytes.
const MAX_LIST_SIZE: usize = MAX_MANIFEST_SIZE;

impl Layout {
    /// Opens the archive or directory at `path`. A compressed archive is copied by means of `spool`.
    pub fn open(path: &Path, spool: Spool<'_>) -> Result<Self, LayoutError> {
        // Opening a fifo must not block until another process opens it for writing.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let opened = opened.map_err(|error| LayoutError::io("open it")(error.into()))?;
        let stat = rustix::fs::fstat(opened.as_fd());
        let stat = stat.map_err(|error| LayoutError::io("read it")(error.into()))?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
            return Self::from_contents(LayoutContents::Directory(opened));
        }
        let flags = rustix::fs::fcntl_getfl(&opened).and_then(|flags| {
            let blocking = flags.difference(OFlags::NONBLOCK);
            rustix::fs::fcntl_setfl(&opened, blocking)
        });
        flags.map_err(|error| LayoutError::io("read it")(error.into()))?;
        Self::from_file(opened.into(), spool)
    }

    /// Opens the archive in `file`, which may be a pipe. It is read from the current position; a pipe is read to its
    /// end.
    pub fn from_file(file: File, spool: Spool<'_>) -> Result<Self, LayoutError> {
        Self::from_contents(LayoutContents::archive(spool::seekable(file, spool)?)?)
    }

    /// Detects the format and reads all lists of images: an archive may have OCI's and Docker's, and either may be
    /// incomplete.
    fn from_contents(contents: LayoutContents) -> Result<Self, LayoutError> {
        let exists = |name| {
            contents
                .find(&InnerPath::of_name(name))
                .map(|file| file.is_some())
        };
        let is_archive = matches!(contents, LayoutContents::Archive(..));
        let (has_marker, has_index) = (exists(OCI_LAYOUT)?, exists(INDEX)?);
        let has_list = exists(MANIFEST)?;
        if has_list && !is_archive && !has_marker && exists(VERSION)? {
            return directory::read(contents);
        }
        if !has_index && !has_list {
            return Err(match exists(REPOSITORIES)? {
                true => LayoutDefect::LegacyFormat.into(),
                false => LayoutDefect::NoImages.into(),
            });
        }
        let kind = match (has_index, is_archive) {
            (true, true) => LayoutKind::OciArchive,
            (true, false) => LayoutKind::OciDirectory,
            (false, _) => LayoutKind::DockerArchive,
        };
        let mut layout = Self::empty(kind, contents);
        if has_marker {
            oci::check_version(&layout.contents)?;
        }
        let artifacts = match has_index {
            true => layout.add_oci_images()?,
            false => Vec::new(),
        };
        if has_list {
            layout.add_docker_images()?;
        }
        if layout.entries.is_empty() {
            layout.list_artifacts(artifacts);
        }
        if layout.entries.is_empty() {
            return Err(LayoutDefect::EmptyLists.into());
        }
        Ok(layout)
    }

    fn empty(kind: LayoutKind, contents: LayoutContents) -> Self {
        Self {
            kind,
            contents,
            entries: Vec::new(),
            generated: HashMap::new(),
            artifacts: HashMap::new(),
            blob_paths: HashMap::new(),
        }
    }

    /// Returns the format.
    pub fn kind(&self) -> LayoutKind {
        self.kind
    }

    /// Returns the images in the order of the list.
    pub fn entries(&self) -> &[LayoutEntry] {
        &self.entries
    }

    /// Returns the artifacts whose subject is the manifest `subject`.
    pub fn artifacts_of(&self, subject: &Digest) -> &[Artifact] {
        self.artifacts.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Returns the image with this name. Without a name, there must be exactly one image.
    pub fn find(&self, name: Option<&str>) -> Result<&LayoutEntry, LayoutError> {
        let others = || {
            self.entries
                .iter()
                .flat_map(LayoutEntry::display_names)
                .collect()
        };
        match (name, &*self.entries) {
            (None, [only]) => Ok(only),
            (None, entries) => {
                let (count, others) = (entries.len(), others());
                Err(LayoutDefect::SeveralImages { count, others }.into())
            }
            (Some(name), entries) => {
                let found = entries.iter().find(|entry| entry.has_name(name));
                let (name, others) = (sanitize(name), others());
                Ok(found.ok_or(LayoutDefect::UnknownImage { name, others })?)
            }
        }
    }

    /// Removes all other images from the list than the one that [`Self::find`] returns.
    pub fn select(mut self, name: Option<&str>) -> Result<Self, LayoutError> {
        self.entries = vec![self.find(name)?.clone()];
        Ok(self)
    }

    /// Reads and verifies a manifest, index or config. Returns `None` if it does not exist.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, LayoutError> {
        if let Some(generated) = self.generated.get(&descriptor.digest) {
            return Ok(Some(generated.clone()));
        }
        let path = self.path_of(&descriptor.digest);
        if self.contents.find(&path)?.is_none() {
            return Ok(None);
        }
        let bytes = self.contents.read(&path, MAX_MANIFEST_SIZE)?;
        let (expected, actual) = (descriptor.size, bytes.len() as u64);
        if expected != actual {
            return Err(mismatch(&path, ContentMismatch::Size { expected, actual }));
        }
        verify_digest(&path, descriptor.digest, &bytes)?;
        Ok(Some(bytes))
    }

    /// Returns a blob, or `None` if it does not exist. Its size is verified; the caller has to verify its digest.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Option<FileSection>, LayoutError> {
        let path = self.path_of(&descriptor.digest);
        let Some(section) = self.contents.find(&path)? else {
            return Ok(None);
        };
        let (expected, actual) = (descriptor.size, section.size());
        if expected != actual {
            return Err(mismatch(&path, ContentMismatch::Size { expected, actual }));
        }
        Ok(Some(section))
    }

    fn path_of(&self, digest: &Digest) -> InnerPath {
        let path = self.blob_paths.get(digest).cloned();
        path.unwrap_or_else(|| match self.kind {
            LayoutKind::Directory => InnerPath::of_name(&digest.hex()),
            _ => InnerPath::of_blob(digest),
        })
    }
}

impl LayoutEntry {
    /// Returns an image without names.
    fn unnamed(root: Descriptor) -> Self {
        Self {
            root,
            names: Vec::new(),
            ref_names: Vec::new(),
            named_images: Vec::new(),
        }
    }

    /// Adds a name unless the image has it.
    fn add_name(&mut self, name: Reference) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Returns the names by which a user can choose the image.
    fn display_names(&self) -> Vec<String> {
        let names = self.names.iter().map(Reference::familiar);
        let ref_names = self
            .ref_names
            .iter()
            .map(|ref_name| sanitize(ref_name).to_string());
        let mut all: Vec<_> = names.chain(ref_names).collect();
        all.dedup();
        if all.is_empty() {
            all.push(self.root.digest.to_string());
        }
        all
    }

    fn has_name(&self, name: &str) -> bool {
        let is_ref_name = self.ref_names.iter().any(|ref_name| ref_name == name);
        let parsed = name.parse::<Reference>().ok().map(Reference::or_latest);
        let is_name = parsed.is_some_and(|name| self.names.contains(&name));
        let is_digest = name.parse() == Ok(self.root.digest);
        is_ref_name || is_name || is_digest
    }
}

/// Returns the name under which an image is listed. A name with a digest and no tag is none: it identifies content, and
/// must not become a tag that the archive does not contain.
fn tagged_name(name: Reference) -> Option<Reference> {
    let name = name.or_latest();
    name.tag().is_some().then(|| name.without_digest())
}

/// Verifies that the `bytes` at `path` have the `expected` digest.
fn verify_digest(path: &InnerPath, expected: Digest, bytes: &[u8]) -> Result<(), LayoutError> {
    let actual = Digest::of(expected.algorithm(), bytes);
    if expected != actual {
        return Err(mismatch(path, ContentMismatch::Digest { expected, actual }));
    }
    Ok(())
}

fn mismatch(path: &InnerPath, mismatch: ContentMismatch) -> LayoutError {
    let path = path.sanitized();
    LayoutDefect::Content { path, mismatch }.into()
}

fn parse_manifest(path: &InnerPath, bytes: &[u8]) -> Result<Manifest, LayoutError> {
    Manifest::parse(bytes, None).map_err(|source| {
        let path = path.sanitized();
        LayoutDefect::Manifest { path, source }.into()
    })
}

/// Returns a descriptor of the document `bytes`.
fn descriptor(media_type: windlass_oci::MediaType, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type,
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::new(),
        platform: None,
        artifact_type: None,
    }
}
