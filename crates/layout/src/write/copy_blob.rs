//! Copies the content of a blob to the output.

use std::io::{self, Read, Write};

use windlass_oci::Descriptor;

use super::error::WriteError;

/// The size of the copy buffer in bytes.
pub(super) const BUFFER_SIZE: usize = 256 << 10;

/// Copies the content of `blob` from `reader`, which verifies it at its end. Calls `on_write` with the length of each
/// piece.
///
/// Never writes more than the size of the blob, because more members of a tar follow.
pub(super) fn copy_blob(
    blob: &Descriptor,
    reader: &mut dyn Read,
    out: &mut dyn Write,
    on_write: &mut dyn FnMut(u64),
) -> Result<(), WriteError> {
    let digest = blob.digest;
    let read_error = |source| WriteError::Read { digest, source };
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut left = blob.size;
    loop {
        let read = match reader.read(&mut buffer) {
            // The reader has verified the content when it reports the end.
            Ok(0) if left == 0 => return Ok(()),
            Ok(0) => return Err(read_error(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        let rest = left.checked_sub(read as u64);
        left = rest.ok_or_else(|| read_error(io::ErrorKind::InvalidData.into()))?;
        let written = out.write_all(&buffer[..read]);
        written.map_err(WriteError::write("write a blob"))?;
        on_write(read as u64);
    }
}
