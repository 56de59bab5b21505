//! Writes directories: OCI layouts, to which images can be added, and skopeo's `dir:` format for one image.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;
use windlass_oci::{Descriptor, Digest, Manifest};

use super::atomic_file::{self, AtomicFile};
use super::batch::Batch;
use super::copy_blob::{BUFFER_SIZE, copy_blob};
use super::documents;
use super::error::WriteError;
use crate::kind::LayoutKind;
use crate::verifying_reader::VerifyingReader;

/// A directory into which images are written blob by blob. Several threads may write blobs at the same time.
///
/// A new directory appears at its path when it is complete. In an existing layout the list of images is written last:
/// until then, the layout has the same images as before and some unreferenced blobs.
#[derive(Debug)]
pub struct LayoutDirectory {
    format: DirectoryFormat,
    /// The directory that is written to: the final path, or a temporary directory beside it.
    path: PathBuf,
    /// Set while the directory is new and incomplete.
    new: Option<NewDirectory>,
}

/// The formats of directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DirectoryFormat {
    /// An OCI layout, which may have any number of images.
    OciLayout,
    /// skopeo's `dir:` format, which has one image.
    Skopeo,
}

/// A directory that does not exist at its final path yet.
#[derive(Debug)]
struct NewDirectory {
    /// The temporary directory. It is removed on drop.
    directory: TempDir,
    final_path: PathBuf,
}

const INDEX: &str = "index.json";
const MARKER: &str = "oci-layout";
const MANIFEST: &str = "manifest.json";
const VERSION: &str = "version";
const VERSION_TEXT: &[u8] = b"Directory Transport Version: 1.1\n";

impl LayoutDirectory {
    /// Opens the directory at `path`. It must be missing, empty, or in the same format. With a kind of archive it is an
    /// OCI layout.
    pub fn open(kind: LayoutKind, path: &Path) -> Result<Self, WriteError> {
        let format = match kind {
            LayoutKind::Directory => DirectoryFormat::Skopeo,
            LayoutKind::OciDirectory | LayoutKind::DockerArchive | LayoutKind::OciArchive => {
                DirectoryFormat::OciLayout
            }
        };
        let (marker, text, expected) = match format {
            DirectoryFormat::Skopeo => (VERSION, VERSION_TEXT, "an image directory"),
            DirectoryFormat::OciLayout => (MARKER, documents::OCI_LAYOUT, "an OCI layout"),
        };
        let mut children = match fs::read_dir(path) {
            Ok(children) => children,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::begin_new(format, path);
            }
            Err(error) => return Err(WriteError::write("read it")(error)),
        };
        let path = path.to_owned();
        let directory = Self {
            format,
            path,
            new: None,
        };
        let marker = directory.path.join(marker);
        match (children.next().is_some(), marker.is_file()) {
            (true, false) => return Err(WriteError::Occupied { expected }),
            // Written first, so that after a failure another attempt accepts the directory.
            (false, _) => directory.write(&marker, text)?,
            (true, true) => {}
        }
        Ok(directory)
    }

    fn begin_new(format: DirectoryFormat, final_path: &Path) -> Result<Self, WriteError> {
        let final_path = final_path.to_owned();
        let parent = atomic_file::parent(&final_path);
        let created = atomic_file::temporary().tempdir_in(parent);
        let directory = created.map_err(WriteError::write("create it"))?;
        Ok(Self {
            format,
            path: directory.path().to_owned(),
            new: Some(NewDirectory {
                directory,
                final_path,
            }),
        })
    }

    /// Returns whether the directory has the complete blob. The blob is read and verified.
    pub fn has_blob(&self, blob: &Descriptor) -> bool {
        let Ok(file) = File::open(self.blob_path(&blob.digest)) else {
            return false;
        };
        let mut reader = VerifyingReader::new(file, blob.digest, blob.size);
        let mut buffer = vec![0; BUFFER_SIZE];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Writes a blob from `reader`, which verifies the content at its end. Calls `on_write` with the length of each
    /// piece.
    pub fn write_blob(
        &self,
        blob: &Descriptor,
        reader: &mut dyn Read,
        on_write: &dyn Fn(u64),
    ) -> Result<(), WriteError> {
        let mut file = self.create(&self.blob_path(&blob.digest))?;
        copy_blob(blob, reader, &mut file, &mut |bytes| on_write(bytes))?;
        file.finish().map_err(WriteError::write("write a blob"))
    }

    /// Writes the documents of `batch` and adds its images to the list. All blobs must have been written. A name that
    /// refers to another image now refers to the new one.
    pub fn commit(self, batch: &Batch) -> Result<(), WriteError> {
        match self.format {
            DirectoryFormat::Skopeo => self.commit_directory(batch)?,
            DirectoryFormat::OciLayout => self.commit_layout(batch)?,
        }
        let Some(NewDirectory {
            directory,
            final_path,
        }) = self.new
        else {
            return Ok(());
        };
        let permissions = Permissions::from_mode(0o777 & !atomic_file::umask());
        fs::set_permissions(directory.path(), permissions)
            .map_err(WriteError::write("set its permissions"))?;
        let (from, to) = (directory.path(), &final_path);
        // A directory that another process has created in the meantime is not replaced.
        let renamed = renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
        let renamed = match renamed {
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
            renamed => renamed.map_err(io::Error::from),
        };
        renamed.map_err(WriteError::write("rename it to its final path"))?;
        // The temporary path does not exist any more.
        drop(directory.keep());
        Ok(())
    }

    /// Fails if the format does not support this number of images.
    pub fn check_image_count(&self, count: usize) -> Result<(), WriteError> {
        match self.format {
            DirectoryFormat::Skopeo if count != 1 => Err(WriteError::OneImage { count }),
            DirectoryFormat::Skopeo | DirectoryFormat::OciLayout => Ok(()),
        }
    }

    fn commit_layout(&self, batch: &Batch) -> Result<(), WriteError> {
        for (digest, bytes) in &batch.documents {
            self.write(&self.blob_path(digest), bytes)?;
        }
        let new = documents::index_entries(batch);
        // Other processes may add images at the same time.
        let _lock = self.lock()?;
        let mut entries = self.listed()?;
        let is_replaced = |old: &Descriptor| {
            let same_ref_name =
                |new: &Descriptor| documents::ref_name_of(new) == documents::ref_name_of(old);
            new.iter().any(|new| match documents::ref_name_of(old) {
                Some(_) => same_ref_name(new),
                None => new.digest == old.digest && same_ref_name(new),
            })
        };
        entries.retain(|old| !is_replaced(old));
        entries.extend(new);
        self.write(&self.path.join(MARKER), documents::OCI_LAYOUT)?;
        self.write(&self.path.join(INDEX), &documents::index(&entries))
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

    /// Locks the list of images against other windlass processes, until the returned file is closed.
    fn lock(&self) -> Result<File, WriteError> {
        let directory = File::open(&self.path).map_err(WriteError::write("open it"))?;
        let locked = flock(&directory, FlockOperation::LockExclusive);
        locked.map_err(|error| WriteError::write("lock it")(error.into()))?;
        Ok(directory)
    }

    /// Returns the current list of images.
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

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        match self.format {
            DirectoryFormat::Skopeo => self.path.join(digest.hex()),
            DirectoryFormat::OciLayout => self.path.join(documents::blob_path(digest)),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
        let mut file = self.create(path)?;
        let written = file.write_all(bytes).and_then(|()| file.finish());
        written.map_err(WriteError::write("write a document"))
    }

    fn create(&self, path: &Path) -> Result<AtomicFile, WriteError> {
        let parent = path.parent().unwrap_or(&self.path);
        let created = fs::create_dir_all(parent).and_then(|()| AtomicFile::create(path));
        created.map_err(WriteError::write("write into it"))
    }
}
