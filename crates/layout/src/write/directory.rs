//! Directories: OCI layouts, which are added to, and skopeo's, which hold one image.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use windlass_oci::{Descriptor, Digest, Manifest};

use super::lists;
use super::{BUFFER, Batch, NewFile, WriteError, carry};
use crate::kind::Kind;
use crate::verified::Verified;

/// A directory that images are written into, blob by blob, by any number of threads.
///
/// What lists an image is written last: until then the directory is what it was, with some blobs more.
#[derive(Debug)]
pub struct LayoutDir {
    kind: Kind,
    path: PathBuf,
}

const INDEX: &str = "index.json";
const MARKER: &str = "oci-layout";
const MANIFEST: &str = "manifest.json";
const VERSION: &str = "version";
const VERSION_TEXT: &[u8] = b"Directory Transport Version: 1.1\n";

impl LayoutDir {
    /// Makes the directory at `path`, or finds one of the same form there.
    pub fn open(kind: Kind, path: &Path) -> Result<Self, WriteError> {
        let made = fs::create_dir(path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(WriteError::write("make it")(error));
            }
            _ => {}
        }
        let (mark, expected) = match kind {
            Kind::Directory => (VERSION, "an image directory"),
            _ => (MARKER, "an OCI layout"),
        };
        let mut there = fs::read_dir(path).map_err(WriteError::write("read it"))?;
        if there.next().is_some() && !path.join(mark).is_file() {
            return Err(WriteError::Occupied { expected });
        }
        let path = path.to_owned();
        Ok(Self { kind, path })
    }

    /// Says whether a blob is there, whole. It is read to find out.
    pub fn has(&self, blob: &Descriptor) -> bool {
        let Ok(file) = File::open(self.place(&blob.digest)) else {
            return false;
        };
        let mut reader = Verified::new(file, blob.digest, blob.size);
        let mut buffer = vec![0; BUFFER];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Writes a blob, whose bytes `reader` proves at its end. `tell` is told how many bytes came.
    pub fn put(
        &self,
        blob: &Descriptor,
        reader: &mut dyn Read,
        tell: &dyn Fn(u64),
    ) -> Result<(), WriteError> {
        let mut file = self.begin(&self.place(&blob.digest))?;
        carry(blob, reader, &mut file, &mut |bytes| tell(bytes))?;
        file.finish().map_err(WriteError::write("write a blob"))
    }

    /// Lists the images of `batch`, all of whose blobs are there. A name that led elsewhere leads to them now.
    pub fn commit(&self, batch: &Batch) -> Result<(), WriteError> {
        match self.kind {
            Kind::Directory => self.commit_directory(batch),
            _ => self.commit_layout(batch),
        }
    }

    fn commit_layout(&self, batch: &Batch) -> Result<(), WriteError> {
        for (digest, bytes) in &batch.documents {
            self.write(&self.place(digest), bytes)?;
        }
        let new = lists::index_entries(&batch.images);
        let mut entries = self.listed()?;
        let is_replaced = |old: &Descriptor| {
            let same_word = |new: &Descriptor| lists::word_of(new) == lists::word_of(old);
            new.iter().any(|new| match lists::word_of(old) {
                Some(_) => same_word(new),
                None => new.digest == old.digest && same_word(new),
            })
        };
        entries.retain(|old| !is_replaced(old));
        entries.extend(new);
        self.write(&self.path.join(MARKER), lists::OCI_LAYOUT)?;
        self.write(&self.path.join(INDEX), &lists::index(&entries))
    }

    fn commit_directory(&self, batch: &Batch) -> Result<(), WriteError> {
        let [image] = &*batch.images else {
            let count = batch.images.len();
            return Err(WriteError::OneImage { count });
        };
        self.write(&self.path.join(VERSION), VERSION_TEXT)?;
        for (digest, bytes) in &batch.documents {
            if *digest != image.root.digest {
                let name = format!("{}.manifest.json", digest.hex());
                self.write(&self.path.join(name), bytes)?;
            }
        }
        let root = batch.documents.get(&image.root.digest);
        self.write(
            &self.path.join(MANIFEST),
            root.map_or(&[][..], Vec::as_slice),
        )
    }

    /// Returns what the layout lists now.
    fn listed(&self) -> Result<Vec<Descriptor>, WriteError> {
        let bytes = match fs::read(self.path.join(INDEX)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(WriteError::write("read its index.json")(error)),
        };
        let digest = Digest::sha256(&bytes);
        match Manifest::parse(&bytes, None) {
            Ok(Manifest::Index(index)) => Ok(index.manifests),
            Ok(Manifest::Image(_)) => Err(WriteError::Occupied {
                expected: "an OCI layout",
            }),
            Err(source) => Err(WriteError::Manifest { digest, source }),
        }
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        match self.kind {
            Kind::Directory => self.path.join(digest.hex()),
            _ => self.path.join(lists::blob_path(digest)),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
        let mut file = self.begin(path)?;
        let written = file.write_all(bytes).and_then(|()| file.finish());
        written.map_err(WriteError::write("write a document"))
    }

    fn begin(&self, path: &Path) -> Result<NewFile, WriteError> {
        let parent = path.parent().unwrap_or(&self.path);
        let made = fs::create_dir_all(parent).and_then(|()| NewFile::begin(path));
        made.map_err(WriteError::write("write into it"))
    }
}
