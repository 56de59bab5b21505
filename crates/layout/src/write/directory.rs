//! Directories: OCI layouts, which are added to, and skopeo's, which hold one image.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;
use windlass_oci::{Descriptor, Digest, Manifest};

use super::{AtomicFile, BUFFER, Batch, WriteError, carry};
use super::{file, lists};
use crate::kind::LayoutKind;
use crate::verified::VerifyingReader;

/// A directory that images are written into, blob by blob, by any number of threads.
///
/// A new one appears when it is whole. In one that was there, what lists an image is written last: until then it is
/// what it was, with some blobs more.
#[derive(Debug)]
pub struct LayoutDirectory {
    kind: LayoutKind,
    /// Where it is written: at its place, or beside that as long as it is new and not whole.
    path: PathBuf,
    new: Option<New>,
}

/// A directory that is not there yet.
#[derive(Debug)]
struct New {
    /// Where it is made; gone with everything in it when this is dropped.
    directory: TempDir,
    place: PathBuf,
}

const INDEX: &str = "index.json";
const MARKER: &str = "oci-layout";
const MANIFEST: &str = "manifest.json";
const VERSION: &str = "version";
const VERSION_TEXT: &[u8] = b"Directory Transport Version: 1.1\n";

impl LayoutDirectory {
    /// Begins the directory at `path`, or finds an empty one or one of the same form there.
    pub fn open(kind: LayoutKind, path: &Path) -> Result<Self, WriteError> {
        let (mark, text, expected) = match kind {
            LayoutKind::Directory => (VERSION, VERSION_TEXT, "an image directory"),
            _ => (MARKER, lists::OCI_LAYOUT, "an OCI layout"),
        };
        let mut there = match fs::read_dir(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::begin_new(kind, path);
            }
            Err(error) => return Err(WriteError::write("read it")(error)),
        };
        let path = path.to_owned();
        let directory = Self {
            kind,
            path,
            new: None,
        };
        let mark = directory.path.join(mark);
        match (there.next().is_some(), mark.is_file()) {
            (true, false) => return Err(WriteError::Occupied { expected }),
            // Said first: what is left of it after a failure can be gone on with.
            (false, _) => directory.write(&mark, text)?,
            (true, true) => {}
        }
        Ok(directory)
    }

    fn begin_new(kind: LayoutKind, place: &Path) -> Result<Self, WriteError> {
        let place = place.to_owned();
        let made = file::temporary().tempdir_in(file::parent(&place));
        let directory = made.map_err(WriteError::write("make it"))?;
        Ok(Self {
            kind,
            path: directory.path().to_owned(),
            new: Some(New { directory, place }),
        })
    }

    /// Says whether a blob is there, whole. It is read to find out.
    pub fn has_blob(&self, blob: &Descriptor) -> bool {
        let Ok(file) = File::open(self.place(&blob.digest)) else {
            return false;
        };
        let mut reader = VerifyingReader::new(file, blob.digest, blob.size);
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
    pub fn write_blob(
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
    pub fn commit(self, batch: &Batch) -> Result<(), WriteError> {
        match self.kind {
            LayoutKind::Directory => self.commit_directory(batch)?,
            _ => self.commit_layout(batch)?,
        }
        let Some(New { directory, place }) = self.new else {
            return Ok(());
        };
        let rights = Permissions::from_mode(0o777 & !file::umask());
        fs::set_permissions(directory.path(), rights).map_err(WriteError::write("finish it"))?;
        let (from, to) = (directory.path(), &place);
        // Nobody's directory is replaced that was made meanwhile.
        let placed = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
        let placed = match placed {
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
            placed => placed.map_err(io::Error::from),
        };
        placed.map_err(WriteError::write("put it in its place"))?;
        // It is not where it would be removed from any more.
        drop(directory.keep());
        Ok(())
    }

    /// Says whether images of this form fit into it, so many.
    pub fn check_image_count(&self, count: usize) -> Result<(), WriteError> {
        match self.kind {
            LayoutKind::Directory if count != 1 => Err(WriteError::OneImage { count }),
            _ => Ok(()),
        }
    }

    fn commit_layout(&self, batch: &Batch) -> Result<(), WriteError> {
        for (digest, bytes) in &batch.documents {
            self.write(&self.place(digest), bytes)?;
        }
        let new = lists::index_entries(batch);
        // Others may add to it at the same time.
        let _alone = self.lock()?;
        let mut entries = self.listed()?;
        let is_replaced = |old: &Descriptor| {
            let same_ref_name =
                |new: &Descriptor| lists::ref_name_of(new) == lists::ref_name_of(old);
            new.iter().any(|new| match lists::ref_name_of(old) {
                Some(_) => same_ref_name(new),
                None => new.digest == old.digest && same_ref_name(new),
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

    /// Keeps others of this program from changing the list; until the file is closed.
    fn lock(&self) -> Result<File, WriteError> {
        let directory = File::open(&self.path).map_err(WriteError::write("open it"))?;
        let locked = flock(&directory, FlockOperation::LockExclusive);
        locked.map_err(|error| WriteError::write("lock it")(error.into()))?;
        Ok(directory)
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
            LayoutKind::Directory => self.path.join(digest.hex()),
            _ => self.path.join(lists::blob_path(digest)),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
        let mut file = self.begin(path)?;
        let written = file.write_all(bytes).and_then(|()| file.finish());
        written.map_err(WriteError::write("write a document"))
    }

    fn begin(&self, path: &Path) -> Result<AtomicFile, WriteError> {
        let parent = path.parent().unwrap_or(&self.path);
        let made = fs::create_dir_all(parent).and_then(|()| AtomicFile::create(path));
        made.map_err(WriteError::write("write into it"))
    }
}
