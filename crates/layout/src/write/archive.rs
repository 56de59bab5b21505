//! Writes archives: a tar of an OCI layout, with an additional `manifest.json` for Docker.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;

use tar::{Builder, EntryType, Header};
use windlass_oci::{Descriptor, Digest};

use super::batch::Batch;
use super::copy_blob::copy_blob;
use super::documents::{self, blob_path};
use super::error::WriteError;
use crate::kind::LayoutKind;

/// Writes a [`Batch`] as an archive. Members are sorted by name, have the time 0 and are owned by root.
///
/// The same batch produces the same bytes. A [`LayoutKind::DockerArchive`] is an OCI archive with an additional
/// `manifest.json`, as written by Docker since version 25. Older versions only read that file.
pub struct ArchiveWriter<'a> {
    kind: LayoutKind,
    /// Not dropped, because dropping a builder ends the archive even if it is incomplete. It owns no resources.
    out: ManuallyDrop<Builder<&'a mut dyn Write>>,
}

/// The progress of an [`ArchiveWriter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveEvent {
    /// Writing of this blob begins.
    BlobStarted(Digest),
    /// This number of bytes of the blob has been written.
    BytesWritten(u64),
    /// The blob is complete.
    BlobFinished(Digest),
}

/// The content of a member of the archive.
enum MemberContent<'a> {
    Directory,
    Bytes(&'a [u8]),
    Blob(&'a Descriptor),
}

/// The size in bytes to which the content of a member is padded.
const BLOCK_SIZE: u64 = 512;

impl<'a> ArchiveWriter<'a> {
    /// Creates a writer. `out` should be buffered: it receives small pieces.
    pub fn new(kind: LayoutKind, out: &'a mut dyn Write) -> Self {
        let out = ManuallyDrop::new(Builder::new(out));
        Self { kind, out }
    }

    /// Writes the whole `batch`. `open` returns a reader for a blob, which verifies the content. `on_event` receives
    /// the progress. After an error the archive has no end marker, so readers reject it.
    pub fn write<'r>(
        mut self,
        batch: &Batch,
        open: &mut dyn FnMut(&Descriptor) -> io::Result<Box<dyn Read + 'r>>,
        on_event: &mut dyn FnMut(ArchiveEvent),
    ) -> Result<(), WriteError> {
        let entries = documents::index_entries(batch);
        let (index, list) = (documents::index(&entries), documents::manifest_json(batch));
        let mut members = BTreeMap::from([
            ("blobs/".to_owned(), MemberContent::Directory),
            ("index.json".to_owned(), MemberContent::Bytes(&index)),
            (
                "oci-layout".to_owned(),
                MemberContent::Bytes(documents::OCI_LAYOUT),
            ),
        ]);
        if self.kind == LayoutKind::DockerArchive {
            members.insert("manifest.json".to_owned(), MemberContent::Bytes(&list));
        }
        for digest in batch.documents.keys().chain(batch.blobs.keys()) {
            let directory = format!("blobs/{}/", digest.algorithm().name());
            members.insert(directory, MemberContent::Directory);
        }
        for blob in batch.blobs.values() {
            members.insert(blob_path(&blob.digest), MemberContent::Blob(blob));
        }
        for (digest, bytes) in &batch.documents {
            members.insert(blob_path(digest), MemberContent::Bytes(bytes));
        }
        for (path, member) in &members {
            match member {
                MemberContent::Directory => self.append(path, EntryType::Directory, 0, &[])?,
                MemberContent::Bytes(bytes) => {
                    self.append(path, EntryType::Regular, bytes.len() as u64, bytes)?;
                }
                MemberContent::Blob(blob) => self.write_blob(path, blob, open, on_event)?,
            }
        }
        self.out.finish().map_err(WriteError::write("write"))
    }

    fn write_blob<'r>(
        &mut self,
        path: &str,
        blob: &Descriptor,
        open: &mut dyn FnMut(&Descriptor) -> io::Result<Box<dyn Read + 'r>>,
        on_event: &mut dyn FnMut(ArchiveEvent),
    ) -> Result<(), WriteError> {
        let digest = blob.digest;
        let read_error = |source| WriteError::Read { digest, source };
        on_event(ArchiveEvent::BlobStarted(digest));
        let mut reader = open(blob).map_err(read_error)?;
        self.append(path, EntryType::Regular, blob.size, &[])?;
        let mut on_write = |bytes| on_event(ArchiveEvent::BytesWritten(bytes));
        copy_blob(blob, &mut reader, self.out.get_mut(), &mut on_write)?;
        let padding = (BLOCK_SIZE - blob.size % BLOCK_SIZE) % BLOCK_SIZE;
        let padded = io::copy(&mut io::repeat(0).take(padding), self.out.get_mut());
        padded.map_err(WriteError::write("write"))?;
        on_event(ArchiveEvent::BlobFinished(digest));
        Ok(())
    }

    /// Appends a member of `size` bytes. If `content` is empty, the caller writes the content after this call.
    fn append(
        &mut self,
        path: &str,
        kind: EntryType,
        size: u64,
        content: &[u8],
    ) -> Result<(), WriteError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory {
            0o755
        } else {
            0o644
        });
        header.set_size(size);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let appended = self.out.append_data(&mut header, path, content);
        appended.map_err(WriteError::write("write"))
    }
}

impl std::fmt::Debug for ArchiveWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveWriter")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
