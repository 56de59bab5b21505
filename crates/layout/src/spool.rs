//! Makes an archive seekable, whatever it comes as.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use windlass_archive::{Compression, DecompressReader};

use crate::error::LayoutError;

/// How an archive is read that is compressed, or comes through a pipe: all of it is spread out first.
#[derive(Clone, Copy)]
pub struct Spool<'a> {
    /// Makes the file that it is spread out in: unnamed, and with room for all of it.
    pub create_file: &'a dyn Fn() -> io::Result<File>,
    /// Ends it, when it is set.
    pub cancelled: &'a AtomicBool,
    /// Is told how many bytes came.
    pub on_read: &'a dyn Fn(u64),
}

/// Reads what comes, and waits for it no longer than it takes to be told to cancelled.
struct Coming<'a> {
    file: File,
    spool: Spool<'a>,
}

/// How much is carried over at a time.
const BUFFER: usize = 256 << 10;
/// How soon a wait notices that it is told to cancelled.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Returns the plain tar that `input` holds: itself if it is a plain tar in a file, else a copy in a create_file file.
pub(crate) fn seekable(mut input: File, spool: Spool<'_>) -> Result<File, LayoutError> {
    let facts = input.metadata().map_err(LayoutError::io("read it"))?;
    if facts.is_file() && is_plain(&mut input)? {
        return Ok(input);
    }
    let mut tar = DecompressReader::new(Coming { file: input, spool })?;
    let mut copy = (spool.create_file)().map_err(LayoutError::io("make a temporary file"))?;
    let mut buffer = vec![0; BUFFER];
    loop {
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

/// A redirected file may have been read in part: it is read from where it stands, as a pipe is.
fn is_plain(file: &mut File) -> Result<bool, LayoutError> {
    if file.stream_position().map_err(LayoutError::io("read it"))? != 0 {
        return Ok(false);
    }
    let mut beginning = [0; 512];
    let length = file.read_at(&mut beginning, 0);
    let length = length.map_err(LayoutError::io("read it"))?;
    let compression = DecompressReader::new(&beginning[..length])?.compression();
    Ok(compression == Compression::Plain)
}

impl Read for Coming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.spool.cancelled.load(Ordering::Relaxed) {
                // Not `Interrupted`: that would be tried again.
                return Err(io::Error::other("cancelled"));
            }
            let mut waited = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waited, Some(&LOOK)) {
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

impl std::fmt::Debug for Spool<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").finish_non_exhaustive()
    }
}
