//! A section of a file, such as a blob inside an archive.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A section of a file. Clones share the open file; readers have independent positions.
#[derive(Clone, Debug)]
pub struct FileSection {
    file: Arc<File>,
    offset: u64,
    size: u64,
}

/// Reads a [`FileSection`] from a given position.
#[derive(Clone, Debug)]
pub struct SectionReader {
    section: FileSection,
    position: u64,
}

impl FileSection {
    /// Returns the `size` bytes of `file` from `offset`.
    pub fn new(file: Arc<File>, offset: u64, size: u64) -> Self {
        Self { file, offset, size }
    }

    /// Returns the length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns a reader that begins at `position` in the section.
    pub fn read_from(&self, position: u64) -> SectionReader {
        let section = self.clone();
        SectionReader { section, position }
    }
}

impl Read for SectionReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.section.size.saturating_sub(self.position);
        let limit = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let offset = self.section.offset + self.position;
        let read = self.section.file.read_at(&mut buffer[..limit], offset)?;
        self.position += read as u64;
        Ok(read)
    }
}
