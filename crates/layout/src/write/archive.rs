//! Archives: a tar of an OCI layout, and for Docker a list in its own form beside it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;

use tar::{Builder, EntryType, Header};
use windlass_oci::{Descriptor, Digest};

use super::lists::{self, blob_path};
use super::{Batch, WriteError, carry};
use crate::kind::LayoutKind;

/// Writes a [`Batch`] as an archive, in one stream: sorted by name, of 1970, owned by 0.
///
/// The same batch makes the same bytes. A [`LayoutKind::DockerArchive`] is an OCI archive with one list more, as Docker
/// makes it since 25; older ones read it by that list.
pub struct ArchiveWriter<'a> {
    kind: LayoutKind,
    /// Not dropped: that would end an archive of which only a part is written. It owns nothing.
    out: ManuallyDrop<Builder<&'a mut dyn Write>>,
}

/// What an [`ArchiveWriter`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveEvent {
    /// This blob comes now.
    BlobStarted(Digest),
    /// So many more bytes of it are written.
    BytesWritten(u64),
    /// It is complete.
    BlobFinished(Digest),
}

/// A member that is not a blob, or a blob.
enum Member<'a> {
    Directory,
    Bytes(&'a [u8]),
    Blob(&'a Descriptor),
}

/// What the content of a member is filled up to.
const BLOCK: u64 = 512;

impl<'a> ArchiveWriter<'a> {
    /// Writes to `out`, which should be able to take small pieces.
    pub fn new(kind: LayoutKind, out: &'a mut dyn Write) -> Self {
        let out = ManuallyDrop::new(Builder::new(out));
        Self { kind, out }
    }

    /// Writes all of `batch`. `open` gives the bytes of a blob, proved while they are read; `tell` is told of
    /// each step. After an error the archive has no end, and so nobody takes it for whole.
    pub fn write<'r>(
        mut self,
        batch: &Batch,
        open: &mut dyn FnMut(&Descriptor) -> io::Result<Box<dyn Read + 'r>>,
        tell: &mut dyn FnMut(ArchiveEvent),
    ) -> Result<(), WriteError> {
        let entries = lists::index_entries(batch);
        let (index, list) = (lists::index(&entries), lists::manifest_json(batch));
        let mut members = BTreeMap::from([
            ("blobs/".to_owned(), Member::Directory),
            ("index.json".to_owned(), Member::Bytes(&index)),
            ("oci-layout".to_owned(), Member::Bytes(lists::OCI_LAYOUT)),
        ]);
        if self.kind == LayoutKind::DockerArchive {
            members.insert("manifest.json".to_owned(), Member::Bytes(&list));
        }
        for digest in batch.documents.keys().chain(batch.blobs.keys()) {
            let directory = format!("blobs/{}/", digest.algorithm().name());
            members.insert(directory, Member::Directory);
        }
        for blob in batch.blobs.values() {
            members.insert(blob_path(&blob.digest), Member::Blob(blob));
        }
        for (digest, bytes) in &batch.documents {
            members.insert(blob_path(digest), Member::Bytes(bytes));
        }
        for (path, member) in &members {
            match member {
                Member::Directory => self.append(path, EntryType::Directory, 0, &[])?,
                Member::Bytes(bytes) => {
                    self.append(path, EntryType::Regular, bytes.len() as u64, bytes)?;
                }
                Member::Blob(blob) => self.blob(path, blob, open, tell)?,
            }
        }
        self.out.finish().map_err(WriteError::write("write"))
    }

    fn blob<'r>(
        &mut self,
        path: &str,
        blob: &Descriptor,
        open: &mut dyn FnMut(&Descriptor) -> io::Result<Box<dyn Read + 'r>>,
        tell: &mut dyn FnMut(ArchiveEvent),
    ) -> Result<(), WriteError> {
        let digest = blob.digest;
        let unread = |source| WriteError::Read { digest, source };
        tell(ArchiveEvent::BlobStarted(digest));
        let mut reader = open(blob).map_err(unread)?;
        self.append(path, EntryType::Regular, blob.size, &[])?;
        let mut wrote = |bytes| tell(ArchiveEvent::BytesWritten(bytes));
        carry(blob, &mut reader, self.out.get_mut(), &mut wrote)?;
        let rest = (BLOCK - blob.size % BLOCK) % BLOCK;
        let filled = io::copy(&mut io::repeat(0).take(rest), self.out.get_mut());
        filled.map_err(WriteError::write("write"))?;
        tell(ArchiveEvent::BlobFinished(digest));
        Ok(())
    }

    /// Appends a member of `size` bytes with its `content`; without, the content has yet to be written behind it.
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
