//! A piece of a file: a blob where it lies.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A piece of a file. Clones share the file; readers do not disturb each other.
#[derive(Clone, Debug)]
pub struct FileSection {
    file: Arc<File>,
    offset: u64,
    size: u64,
}

/// Reads an [`FileSection`] from its beginning, or from anywhere in it.
#[derive(Clone, Debug)]
pub struct SectionReader {
    extent: FileSection,
    position: u64,
}

impl FileSection {
    /// Returns the piece of `file` that begins at `offset`.
    pub fn new(file: Arc<File>, offset: u64, size: u64) -> Self {
        Self { file, offset, size }
    }

    /// Returns its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads it from `position` on.
    pub fn read_from(&self, position: u64) -> SectionReader {
        let extent = self.clone();
        SectionReader { extent, position }
    }
}

impl Read for SectionReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.extent.size.saturating_sub(self.position);
        let most = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let at = self.extent.offset + self.position;
        let read = self.extent.file.read_at(&mut buffer[..most], at)?;
        self.position += read as u64;
        Ok(read)
    }
}
