//! A reader that verifies the digest and size of its content.

use std::fmt;
use std::io::{self, Read};

use windlass_oci::{Digest, Hasher};

/// Reads content of a known digest and size. At the end, and when the content is too long, it returns an error if
/// they do not match.
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    hasher: Option<Hasher>,
    digest: Digest,
    size: u64,
    read: u64,
}

/// A difference between expected and actual content. It is the inner error of the [`io::Error`] that a
/// [`VerifyingReader`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentMismatch {
    /// The content is too short or too long.
    Size {
        /// The expected number of bytes.
        expected: u64,
        /// The actual number of bytes. If the content is too long, the number read until this was detected.
        actual: u64,
    },
    /// The content has another digest.
    Digest {
        /// The expected digest.
        expected: Digest,
        /// The actual digest.
        actual: Digest,
    },
}

impl<R: Read> VerifyingReader<R> {
    /// Returns a reader for content with this digest and size in bytes.
    pub fn new(inner: R, digest: Digest, size: u64) -> Self {
        Self {
            inner,
            hasher: Some(Hasher::new(digest.algorithm())),
            digest,
            size,
            read: 0,
        }
    }

    /// Compares the content that has been read with the expected digest and size, once.
    fn verify(&mut self) -> Result<(), ContentMismatch> {
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
            self.verify()?;
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
                write!(f, "it is longer than the expected {expected} bytes")
            }
            Self::Size { expected, actual } => {
                write!(f, "it has {actual} of the expected {expected} bytes")
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

    fn read(bytes: &[u8], expected: &[u8], size: u64) -> Result<Vec<u8>, ContentMismatch> {
        let mut read = Vec::new();
        let end =
            VerifyingReader::new(bytes, Digest::sha256(expected), size).read_to_end(&mut read);
        match end {
            Ok(_) => Ok(read),
            Err(error) => Err(*error.get_ref().unwrap().downcast_ref().unwrap()),
        }
    }

    #[test]
    fn content_is_compared_with_its_digest_and_size() {
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
