//! Lists what a tar holds that lies in a file, without reading the content.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::error::UnpackError;
use crate::options::UnpackLimits;
use crate::pipeline::{CHUNK, Chunks};
use crate::tar::{Entry, Kind, TarReader};

/// A member of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarMember {
    /// The name, byte for byte; checked for nothing but NULs.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: TarMemberKind,
    /// Where in the file its content begins.
    pub offset: u64,
    /// The length of its content in bytes.
    pub size: u64,
}

/// What a [`TarMember`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TarMemberKind {
    /// A file whose content is in the tar, in one piece.
    File,
    /// Another name of the member that is called this.
    HardLink(Vec<u8>),
    /// A symbolic link with this text.
    Symlink(Vec<u8>),
    /// A directory.
    Directory,
    /// Something else: a device, a pipe, a file with holes.
    Other,
}

/// The tar in a file: a window over it.
struct Window<'a> {
    file: &'a File,
    length: u64,
    /// Where the piece after the current one begins.
    next: u64,
    buffer: Vec<u8>,
    piece: usize,
}

/// How much is read at a time where headers are looked for: most members are skipped.
const WINDOW: usize = CHUNK / 16;

/// Calls `take` with each member of the plain tar in `file`, in order, until it fails.
///
/// Headers are bounded as in [`unpack`](crate::unpack); how many members there may be is for `take` to say.
pub fn list_members<E: From<UnpackError>>(
    file: &File,
    mut take: impl FnMut(TarMember) -> Result<(), E>,
) -> Result<(), E> {
    let length = file.metadata().map_err(UnpackError::Read)?.len();
    let mut window = Window {
        file,
        length,
        next: 0,
        buffer: vec![0; WINDOW],
        piece: 0,
    };
    let mut reader = TarReader::new(&mut window, &UnpackLimits::default());
    let mut entry = Entry::default();
    while reader.next(&mut entry)? {
        take(TarMember {
            path: entry.path.clone(),
            kind: kind(&entry),
            offset: reader.offset(),
            size: entry.size,
        })?;
    }
    Ok(())
}

fn kind(entry: &Entry) -> TarMemberKind {
    match entry.kind {
        Kind::File if entry.sparse.is_none() => TarMemberKind::File,
        Kind::HardLink => TarMemberKind::HardLink(entry.link.clone()),
        Kind::Symlink => TarMemberKind::Symlink(entry.link.clone()),
        Kind::Directory => TarMemberKind::Directory,
        _ => TarMemberKind::Other,
    }
}

impl Chunks for Window<'_> {
    fn chunk(&self) -> &[u8] {
        &self.buffer[..self.piece]
    }

    fn advance(&mut self) -> Result<bool, UnpackError> {
        self.piece = loop {
            match self.file.read_at(&mut self.buffer, self.next) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(UnpackError::Read)?,
            }
        };
        self.next += self.piece as u64;
        Ok(self.piece > 0)
    }

    fn skip(&mut self, bytes: u64) -> u64 {
        let skipped = bytes.min(self.length.saturating_sub(self.next));
        self.next += skipped;
        skipped
    }
}
