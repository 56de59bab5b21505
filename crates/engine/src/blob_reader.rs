//! Reads a blob and counts the bytes.

use std::io::{self, Read};

use windlass_copy::{CopyContext, CopyEvent};
use windlass_oci::Digest;

/// Reads a blob until the work is cancelled, and sends an event for the bytes of each read.
pub(crate) struct BlobReader<'a, R> {
    pub(crate) inner: R,
    pub(crate) digest: Digest,
    pub(crate) context: &'a CopyContext,
}

impl<R: Read> Read for BlobReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Readers repeat after `Interrupted`, so the kind is another one.
        self.context.check().map_err(io::Error::other)?;
        let bytes = self.inner.read(buffer)?;
        self.context.send(CopyEvent::Moved {
            digest: self.digest,
            bytes: bytes as u64,
        });
        Ok(bytes)
    }
}
