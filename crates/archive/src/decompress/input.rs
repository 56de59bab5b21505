//! A buffered reader for compressed streams.

use std::io::{self, Read};

use crate::error::StreamError;

/// The size of the buffer in bytes.
const BUFFER_SIZE: usize = 128 << 10;

/// Reads compressed bytes in large pieces.
pub(super) struct CompressedInput<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The range `start..end` of `buffer` has been read but not consumed.
    start: usize,
    end: usize,
    /// Whether the reader has reported its end. It is not read again after that.
    ended: bool,
}

/// An error while decompressing: of the reader, or of the stream's format.
pub(super) enum DecodeError {
    Read(io::Error),
    Stream(StreamError),
}

impl<R: Read> Read for CompressedInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes()?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> CompressedInput<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER_SIZE],
            start: 0,
            end: 0,
            ended: false,
        }
    }

    /// Returns the unconsumed bytes: at least one, or none at the end of the stream.
    pub(super) fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end && !self.ended {
            self.start = 0;
            self.end = read(&mut self.reader, &mut self.buffer)?;
            self.ended = self.end == 0;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(
            self.start <= self.end,
            "only buffered bytes can be consumed"
        );
    }

    /// Reads until `count` bytes are buffered and returns them, or fewer at the end of the stream. Must only
    /// be called before any byte is consumed.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end < count && !self.ended {
            let more = read(&mut self.reader, &mut self.buffer[self.end..])?;
            self.end += more;
            self.ended = more == 0;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Consumes and returns the next byte, or `None` at the end of the stream.
    pub(super) fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.bytes()?.first().copied();
        self.start += usize::from(byte.is_some());
        Ok(byte)
    }

    /// Copies bytes into `out` and returns how many. They are fewer than its length only at the end of the
    /// stream.
    pub(super) fn copy_to(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = (self.end - self.start).min(out.len());
        out[..ready].copy_from_slice(&self.buffer[self.start..self.start + ready]);
        self.start += ready;
        let mut filled = ready;
        while filled < out.len() && !self.ended {
            let more = read(&mut self.reader, &mut out[filled..])?;
            filled += more;
            self.ended = more == 0;
        }
        Ok(filled)
    }
}

impl From<StreamError> for DecodeError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

/// Reads once, and again if a signal interrupts the call.
fn read(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
