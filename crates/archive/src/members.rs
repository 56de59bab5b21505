//! Lists the members of a tar file without reading their content.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::chunks::{CHUNK_SIZE, ChunkSource};
use crate::error::UnpackError;
use crate::options::UnpackLimits;
use crate::tar::{EntryKind, TarEntry, TarReader};

/// A member of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarMember {
    /// The exact bytes of the name. They contain no NUL; nothing else is validated.
    pub path: Vec<u8>,
    /// The type of the member.
    pub kind: TarMemberKind,
    /// The offset of the content in the file, in bytes.
    pub offset: u64,
    /// The length of the content in bytes.
    pub size: u64,
}

/// The type of a [`TarMember`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TarMemberKind {
    /// A file whose content is contiguous in the tar.
    File,
    /// A hard link to the member of this name.
    HardLink(Vec<u8>),
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
    /// A directory.
    Directory,
    /// Any other type: a device, a fifo, a sparse file.
    Other,
}

/// Reads a tar file through a small buffer and seeks over the content of members.
struct FileWindow<'a> {
    file: &'a File,
    length: u64,
    /// The offset of the chunk after the current one.
    next: u64,
    buffer: Vec<u8>,
    /// The length of the current chunk, which is at the start of `buffer`.
    chunk_length: usize,
}

/// The size of the buffer in bytes. It is smaller than [`CHUNK_SIZE`] because most content is skipped.
const WINDOW_SIZE: usize = CHUNK_SIZE / 16;

/// Calls `visit` with each member of the uncompressed tar in `file`, in order. An error of `visit` ends the
/// listing.
///
/// The size of headers is bounded as in [`unpack`](crate::unpack). The number of members is not: `visit` has
/// to enforce a limit.
pub fn list_members<E: From<UnpackError>>(
    file: &File,
    mut visit: impl FnMut(TarMember) -> Result<(), E>,
) -> Result<(), E> {
    let length = file.metadata().map_err(UnpackError::Read)?.len();
    let mut window = FileWindow {
        file,
        length,
        next: 0,
        buffer: vec![0; WINDOW_SIZE],
        chunk_length: 0,
    };
    let mut reader = TarReader::new(&mut window, &UnpackLimits::default());
    let mut entry = TarEntry::default();
    while reader.next(&mut entry)? {
        visit(TarMember {
            path: entry.path.clone(),
            kind: member_kind(&entry),
            offset: reader.offset(),
            size: entry.size,
        })?;
    }
    Ok(())
}

fn member_kind(entry: &TarEntry) -> TarMemberKind {
    match entry.kind {
        EntryKind::File if entry.sparse.is_none() => TarMemberKind::File,
        EntryKind::HardLink => TarMemberKind::HardLink(entry.link.clone()),
        EntryKind::Symlink => TarMemberKind::Symlink(entry.link.clone()),
        EntryKind::Directory => TarMemberKind::Directory,
        EntryKind::File | EntryKind::CharacterDevice | EntryKind::BlockDevice | EntryKind::Fifo => {
            TarMemberKind::Other
        }
    }
}

impl ChunkSource for FileWindow<'_> {
    fn chunk(&self) -> &[u8] {
        &self.buffer[..self.chunk_length]
    }

    fn advance(&mut self) -> Result<bool, UnpackError> {
        self.chunk_length = loop {
            match self.file.read_at(&mut self.buffer, self.next) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(UnpackError::Read)?,
            }
        };
        self.next += self.chunk_length as u64;
        Ok(self.chunk_length > 0)
    }

    fn skip(&mut self, bytes: u64) -> u64 {
        let skipped = bytes.min(self.length.saturating_sub(self.next));
        self.next += skipped;
        skipped
    }
}
