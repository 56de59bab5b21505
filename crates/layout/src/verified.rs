//! Reading that proves what was read.

use std::fmt;
use std::io::{self, Read};

use windlass_oci::{Digest, Hasher};

/// Reads exactly the bytes that a digest and a size stand for; anything else is an error at the end.
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
    read: u64,
}

/// How bytes are not those that were announced. Found within the [`io::Error`] of a [`VerifyingReader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentMismatch {
    /// There are fewer, or more.
    Size {
        /// How many were announced.
        expected: u64,
        /// How many there are; of more, what was seen of them.
        actual: u64,
    },
    /// They hash to something else.
    Digest {
        /// What they were announced as.
        expected: Digest,
        /// What they are.
        actual: Digest,
    },
}

impl<R: Read> VerifyingReader<R> {
    /// Reads what is called `digest` and has `size` bytes.
    pub fn new(inner: R, digest: Digest, size: u64) -> Self {
        Self {
            inner,
            hasher: Some(Hasher::new(digest.algorithm())),
            digest,
            size,
            read: 0,
        }
    }

    fn end(&mut self) -> Result<(), ContentMismatch> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        if self.read != self.size {
            let (expected, actual) = (self.size, self.read);
            return Err(ContentMismatch::Size { expected, actual });
        }
        let (expected, actual) = (self.digest, hasher.finish());
        if expected != actual {
            return Err(ContentMismatch::Digest { expected, actual });
        }
        Ok(())
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        if read == 0 || self.read > self.size {
            self.end()?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        Ok(read)
    }
}

impl From<ContentMismatch> for io::Error {
    fn from(mismatch: ContentMismatch) -> Self {
        Self::new(io::ErrorKind::InvalidData, mismatch)
    }
}

impl std::error::Error for ContentMismatch {}

impl fmt::Display for ContentMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, actual } if actual > expected => {
                write!(
                    f,
                    "it has more than the {expected} bytes that were announced"
                )
            }
            Self::Size { expected, actual } => {
                write!(
                    f,
                    "it has {actual} of the {expected} bytes that were announced"
                )
            }
            Self::Digest { expected, actual } => {
                write!(f, "its content is {actual}, not {expected}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], of: &[u8], size: u64) -> Result<Vec<u8>, ContentMismatch> {
        let mut read = Vec::new();
        let end = VerifyingReader::new(bytes, Digest::sha256(of), size).read_to_end(&mut read);
        match end {
            Ok(_) => Ok(read),
            Err(error) => Err(*error.get_ref().unwrap().downcast_ref().unwrap()),
        }
    }

    #[test]
    fn only_the_announced_bytes_are_read_to_their_end() {
        assert_eq!(read(b"abc", b"abc", 3).unwrap(), b"abc");
        assert_eq!(read(b"", b"", 0).unwrap(), b"");
        let size = |expected, actual| ContentMismatch::Size { expected, actual };
        assert_eq!(read(b"ab", b"abc", 3).unwrap_err(), size(3, 2));
        assert_eq!(read(b"abcd", b"abc", 3).unwrap_err(), size(3, 4));
        let (expected, actual) = (Digest::sha256(b"abc"), Digest::sha256(b"abd"));
        let digest = ContentMismatch::Digest { expected, actual };
        assert_eq!(read(b"abd", b"abc", 3).unwrap_err(), digest);
    }
}
