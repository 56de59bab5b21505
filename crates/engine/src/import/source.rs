//! The sources of a tar to import.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use windlass_copy::CopyContext;
use windlass_registry::UrlDownload;

/// The source of a tar.
pub enum ImportSource {
    /// A file or a pipe, from its current position. A silent pipe does not delay a cancellation.
    File(File),
    /// The response of a web server.
    Download(Box<UrlDownload>),
    /// Anything else. A read that blocks delays a cancellation.
    Reader(Box<dyn Read + Send>),
}

/// Reads a file or a pipe, and checks for cancellation while a pipe is silent.
struct PolledFile<'a> {
    file: File,
    context: &'a CopyContext,
}

/// Reads a download on a thread that may block.
struct DownloadReader<'a> {
    download: Box<UrlDownload>,
    piece: Bytes,
    context: &'a CopyContext,
}

/// How often a silent pipe is checked for cancellation.
const POLL_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

impl ImportSource {
    /// Returns the size in bytes if it is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::File(file) => {
                let metadata = file.metadata().ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Self::Download(download) => download.length(),
            Self::Reader(_) => None,
        }
    }

    pub(super) fn reader(self, context: &CopyContext) -> Box<dyn Read + Send + '_> {
        match self {
            Self::File(file) => Box::new(PolledFile { file, context }),
            Self::Download(download) => Box::new(DownloadReader {
                download,
                piece: Bytes::new(),
                context,
            }),
            Self::Reader(reader) => reader,
        }
    }
}

impl Read for PolledFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.context.check().map_err(io::Error::other)?;
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut ready, Some(&POLL_INTERVAL)) {
                Ok(0) | Err(Errno::INTR) => {}
                // Other errors are those of reading, too.
                Ok(_) | Err(_) => return self.file.read(buffer),
            }
        }
    }
}

/// The errors are those of the registry crate, within an [`io::Error`].
impl Read for DownloadReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let next = self.context.wait(self.download.next_chunk());
            match next.map_err(io::Error::other)?.map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

impl fmt::Debug for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Download(download) => f.debug_tuple("Download").field(download).finish(),
            Self::Reader(_) => f.write_str("Reader"),
        }
    }
}
