//! Provides an archive as an uncompressed, seekable file.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use windlass_archive::ArchiveDecompressReader;

use crate::error::LayoutError;

/// How to read an archive that is compressed or comes from a pipe: its uncompressed tar is copied to a temporary
/// file first.
#[derive(Clone, Copy)]
pub struct Spool<'a> {
    /// Creates the temporary file. It should be unnamed and on a file system with enough space.
    pub create_file: &'a dyn Fn() -> io::Result<File>,
    /// Returns whether the copy is cancelled. Called before each read and write, and while a pipe is silent.
    pub is_cancelled: &'a dyn Fn() -> bool,
    /// Called with the number of bytes of each read.
    pub on_read: &'a dyn Fn(u64),
}

/// Reads from a file or pipe until the copy is cancelled.
struct CancellableInput<'a> {
    file: File,
    spool: Spool<'a>,
}

/// The size of the copy buffer in bytes.
const BUFFER_SIZE: usize = 256 << 10;
/// How often a read that waits for data checks for cancellation.
const POLL_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Returns the uncompressed tar in `input`: `input` itself if it is an uncompressed file, or else a temporary copy.
pub(crate) fn seekable(mut input: File, spool: Spool<'_>) -> Result<File, LayoutError> {
    let metadata = input.metadata().map_err(LayoutError::io("read it"))?;
    if metadata.is_file() && is_uncompressed(&mut input)? {
        return Ok(input);
    }
    let mut tar = ArchiveDecompressReader::new(CancellableInput { file: input, spool })?;
    let mut copy = (spool.create_file)().map_err(LayoutError::io("create a temporary file"))?;
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        // A few compressed bytes may become very many.
        if (spool.is_cancelled)() {
            return Err(LayoutError::io("read it")(cancelled()));
        }
        let read = match tar.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(LayoutError::io("read it"))?,
        };
        if read == 0 {
            return Ok(copy);
        }
        let written = copy.write_all(&buffer[..read]);
        written.map_err(LayoutError::io("write a temporary file"))?;
    }
}

/// Returns whether `file` is uncompressed and its position is at the start. A redirected file may have been read in
/// part; it is then copied from its position, like a pipe.
fn is_uncompressed(file: &mut File) -> Result<bool, LayoutError> {
    if file.stream_position().map_err(LayoutError::io("read it"))? != 0 {
        return Ok(false);
    }
    let mut beginning = [0; 512];
    let length = file.read_at(&mut beginning, 0);
    let length = length.map_err(LayoutError::io("read it"))?;
    Ok(ArchiveDecompressReader::new(&beginning[..length])?.is_plain())
}

impl Read for CancellableInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if (self.spool.is_cancelled)() {
                return Err(cancelled());
            }
            let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut fds, Some(&POLL_INTERVAL)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let read = self.file.read(buffer)?;
        (self.spool.on_read)(read as u64);
        Ok(read)
    }
}

/// Returns the error of a cancelled copy. It is not `Interrupted`, because callers retry that error.
fn cancelled() -> io::Error {
    io::Error::other("cancelled")
}

impl std::fmt::Debug for Spool<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").finish_non_exhaustive()
    }
}
