//! Makes an archive seekable, whatever it comes as.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;

use windlass_archive::{Compression, Decompressed};

use crate::error::LayoutError;

/// How much is carried over at a time.
const BUFFER: usize = 256 << 10;

/// Returns the plain tar that `input` holds: itself if it is a plain tar in a file, else a copy in `scratch`.
pub(crate) fn seekable(
    mut input: File,
    scratch: impl FnOnce() -> io::Result<File>,
) -> Result<File, LayoutError> {
    let facts = input.metadata().map_err(LayoutError::io("read it"))?;
    if facts.is_file() && is_plain(&mut input)? {
        return Ok(input);
    }
    let mut tar = Decompressed::new(input)?;
    let mut copy = scratch().map_err(LayoutError::io("make a temporary file"))?;
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
    let compression = Decompressed::new(&beginning[..length])?.compression();
    Ok(compression == Compression::Plain)
}
