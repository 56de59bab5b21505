//! Reading: which images are there, and where their bytes lie.

mod directory;
mod docker;
mod oci;
mod referrers;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use windlass_oci::text::sanitize;
use windlass_oci::{Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, Reference};

use crate::contents::Contents;
use crate::error::{LayoutDefect, LayoutError};
use crate::extent::FileSection;
use crate::kind::LayoutKind;
use crate::path::InnerPath;
use crate::spool::{self, Spool};
use crate::verified::ContentMismatch;
use crate::write::Artifact;

/// Images in an archive or a directory.
#[derive(Debug)]
pub struct Layout {
    kind: LayoutKind,
    contents: Contents,
    entries: Vec<LayoutEntry>,
    /// Manifests that were made for images that came without, by digest.
    made: HashMap<Digest, Vec<u8>>,
    /// What belongs to manifests and is no part of them, by what it belongs to.
    artifacts: HashMap<Digest, Vec<Artifact>>,
    /// Where blobs lie that are not under their digest.
    places: HashMap<Digest, InnerPath>,
}

/// An image, or a choice of them, as its archive lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutEntry {
    /// Its manifest or index.
    pub root: Descriptor,
    /// The full names that the archive has for it.
    pub names: Vec<Reference>,
    /// What else it is called: in an OCI layout that may be any ref_name, mostly a tag.
    pub ref_names: Vec<String>,
}

const OCI_LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
const MANIFEST: &str = "manifest.json";
const REPOSITORIES: &str = "repositories";
const VERSION: &str = "version";

/// The largest list of images that is read, in bytes.
const LARGEST_LIST: usize = MAX_MANIFEST_SIZE;

impl Layout {
    /// Opens the archive or directory at `path`; an archive that is compressed, by way of `spool`.
    pub fn open(path: &Path, spool: Spool<'_>) -> Result<Self, LayoutError> {
        // Of a pipe nobody may have the other end yet: that is not waited for here.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let opened = opened.map_err(|error| LayoutError::io("open it")(error.into()))?;
        let facts = rustix::fs::fstat(opened.as_fd());
        let facts = facts.map_err(|error| LayoutError::io("read it")(error.into()))?;
        if rustix::fs::FileType::from_raw_mode(facts.st_mode).is_dir() {
            return Self::of(Contents::Directory(opened));
        }
        let flags = rustix::fs::fcntl_getfl(&opened).and_then(|flags| {
            let waits = flags.difference(OFlags::NONBLOCK);
            rustix::fs::fcntl_setfl(&opened, waits)
        });
        flags.map_err(|error| LayoutError::io("read it")(error.into()))?;
        Self::from_file(opened.into(), spool)
    }

    /// Opens the archive that `file` is, from where it stands: a file, or a pipe, which is read to its end.
    pub fn from_file(file: File, spool: Spool<'_>) -> Result<Self, LayoutError> {
        Self::of(Contents::archive(spool::seekable(file, spool)?)?)
    }

    fn of(contents: Contents) -> Result<Self, LayoutError> {
        let is_there = |name| {
            contents
                .find(&InnerPath::of_name(name))
                .map(|file| file.is_some())
        };
        let is_archive = matches!(contents, Contents::Archive(..));
        if is_there(OCI_LAYOUT)? && is_there(INDEX)? {
            let kind = if is_archive {
                LayoutKind::OciArchive
            } else {
                LayoutKind::OciDirectory
            };
            return oci::read(kind, contents);
        }
        if is_there(MANIFEST)? {
            if is_there(VERSION)? && !is_archive {
                return directory::read(contents);
            }
            return docker::read(contents);
        }
        if is_there(REPOSITORIES)? {
            return Err(LayoutDefect::TooOld.into());
        }
        Err(LayoutDefect::NoImages.into())
    }

    /// Returns what form the images are in.
    pub fn kind(&self) -> LayoutKind {
        self.kind
    }

    /// Returns the images, in the order of their list.
    pub fn entries(&self) -> &[LayoutEntry] {
        &self.entries
    }

    /// Returns what is listed as belonging to the manifest `subject`.
    pub fn artifacts_of(&self, subject: &Digest) -> &[Artifact] {
        self.artifacts.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Returns the image with this name; the only one, if none is given.
    pub fn find(&self, name: Option<&str>) -> Result<&LayoutEntry, LayoutError> {
        let others = || self.entries.iter().flat_map(LayoutEntry::shown).collect();
        match (name, &*self.entries) {
            (None, [only]) => Ok(only),
            (None, entries) => {
                let (count, others) = (entries.len(), others());
                Err(LayoutDefect::Several { count, others }.into())
            }
            (Some(name), entries) => {
                let found = entries.iter().find(|entry| entry.is_called(name));
                let (name, others) = (sanitize(name), others());
                Ok(found.ok_or(LayoutDefect::Unknown { name, others })?)
            }
        }
    }

    /// Leaves nothing listed but the image with this name; the only one, if none is given.
    pub fn select(mut self, name: Option<&str>) -> Result<Self, LayoutError> {
        self.entries = vec![self.find(name)?.clone()];
        Ok(self)
    }

    /// Reads a manifest, index or config, proves it, and returns it; none if it is not there.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, LayoutError> {
        if let Some(made) = self.made.get(&descriptor.digest) {
            return Ok(Some(made.clone()));
        }
        let path = self.path_of(&descriptor.digest);
        if self.contents.find(&path)?.is_none() {
            return Ok(None);
        }
        let bytes = self.contents.read(&path, MAX_MANIFEST_SIZE)?;
        let (expected, actual) = (descriptor.size, bytes.len() as u64);
        if expected != actual {
            return Err(content(&path, ContentMismatch::Size { expected, actual }));
        }
        prove(&path, descriptor.digest, &bytes)?;
        Ok(Some(bytes))
    }

    /// Finds a blob; none if it is not there. Its length is right, its bytes are for the reader to prove.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Option<FileSection>, LayoutError> {
        let path = self.path_of(&descriptor.digest);
        let Some(extent) = self.contents.find(&path)? else {
            return Ok(None);
        };
        let (expected, actual) = (descriptor.size, extent.size());
        if expected != actual {
            return Err(content(&path, ContentMismatch::Size { expected, actual }));
        }
        Ok(Some(extent))
    }

    fn path_of(&self, digest: &Digest) -> InnerPath {
        let place = self.places.get(digest).cloned();
        place.unwrap_or_else(|| match self.kind {
            LayoutKind::Directory => InnerPath::of_name(&digest.hex()),
            _ => InnerPath::of_blob(digest),
        })
    }
}

impl LayoutEntry {
    /// Returns what people may call it.
    fn shown(&self) -> Vec<String> {
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

    fn is_called(&self, name: &str) -> bool {
        let is_ref_name = self.ref_names.iter().any(|ref_name| ref_name == name);
        let parsed = name.parse::<Reference>().ok().map(Reference::or_latest);
        let is_name = parsed.is_some_and(|name| self.names.contains(&name));
        let is_digest = name.parse() == Ok(self.root.digest);
        is_ref_name || is_name || is_digest
    }
}

/// Checks that `bytes`, found at `path`, are what `expected` stands for.
fn prove(path: &InnerPath, expected: Digest, bytes: &[u8]) -> Result<(), LayoutError> {
    let actual = Digest::of(expected.algorithm(), bytes);
    if expected != actual {
        return Err(content(path, ContentMismatch::Digest { expected, actual }));
    }
    Ok(())
}

fn content(path: &InnerPath, mismatch: ContentMismatch) -> LayoutError {
    let path = path.shown();
    LayoutDefect::Content { path, mismatch }.into()
}

fn manifest(path: &InnerPath, bytes: &[u8]) -> Result<Manifest, LayoutError> {
    Manifest::parse(bytes, None).map_err(|source| {
        let path = path.shown();
        LayoutDefect::Manifest { path, source }.into()
    })
}

/// Returns the descriptor of a document that stands by itself.
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
