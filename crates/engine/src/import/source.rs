//! The sources of a tar to import.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use windlass_copy::CopyContext;
use windlass_operation::ChunkReader;
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
            // The errors are those of the registry crate, within an `io::Error`.
            Self::Download(mut download) => Box::new(ChunkReader::new(move || {
                let chunk = context.wait(download.next_chunk());
                chunk.map_err(io::Error::other)?.map_err(io::Error::other)
            })),
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

impl fmt::Debug for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Download(download) => f.debug_tuple("Download").field(download).finish(),
            Self::Reader(_) => f.write_str("Reader"),
        }
    }
}
