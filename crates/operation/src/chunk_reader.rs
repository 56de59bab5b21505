//! A blocking reader of bytes that arrive in chunks.

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;

/// Reads bytes that arrive in chunks, such as those of a download, where reading may block.
///
/// There is no queue of chunks: the next one is requested when the last one is used up.
pub struct ChunkReader<F> {
    next_chunk: F,
    /// The rest of the last chunk.
    chunk: Bytes,
}

impl<F: FnMut() -> io::Result<Option<Bytes>>> ChunkReader<F> {
    /// Creates a reader. `next_chunk` blocks until the next chunk has arrived, and returns `None` at the end.
    pub fn new(next_chunk: F) -> Self {
        let chunk = Bytes::new();
        Self { next_chunk, chunk }
    }
}

impl<F: FnMut() -> io::Result<Option<Bytes>>> Read for ChunkReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match (self.next_chunk)()? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let length = self.chunk.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

impl<F> fmt::Debug for ChunkReader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkReader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the results in order, and then the end.
    fn reader(results: impl IntoIterator<Item = io::Result<&'static str>>) -> impl Read {
        let results: Vec<_> = results.into_iter().collect();
        let mut results = results.into_iter();
        ChunkReader::new(move || {
            let next = results.next().transpose()?;
            Ok(next.map(|chunk| Bytes::from_static(chunk.as_bytes())))
        })
    }

    #[test]
    fn chunks_are_joined_and_empty_ones_are_not_the_end() {
        let mut read = String::new();
        let mut reader = reader(["", "ab", "", "cdefg", ""].map(Ok));
        let mut buffer = [0; 3];
        loop {
            let length = reader.read(&mut buffer).unwrap();
            if length == 0 {
                break;
            }
            read.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            read.push('|');
        }
        assert_eq!(read, "ab|cde|fg|");
    }

    #[test]
    fn an_error_is_returned_after_the_chunks_before_it() {
        let error = io::Error::from(io::ErrorKind::ConnectionReset);
        let mut reader = reader([Ok("ab"), Err(error)]);
        let mut read = Vec::new();
        let error = reader.read_to_end(&mut read).unwrap_err();
        assert_eq!(
            (&*read, error.kind()),
            (&b"ab"[..], io::ErrorKind::ConnectionReset)
        );
    }
}
