//! The compressed bytes, read in large pieces.

use std::io::{self, Read};

/// How much is read at once.
const SIZE: usize = 128 << 10;

pub(super) struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What was read and not yet consumed.
    start: usize,
    end: usize,
    /// The reader has said that it has no more, and is not asked again.
    ended: bool,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; SIZE],
            start: 0,
            end: 0,
            ended: false,
        }
    }

    /// Returns at least one unread byte, or none at the end.
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
        debug_assert!(self.start <= self.end, "only what was seen is consumed");
    }

    /// Returns what is unread once there are `count` bytes of it, or fewer at the end. Only at the
    /// beginning.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end < count && !self.ended {
            let more = read(&mut self.reader, &mut self.buffer[self.end..])?;
            self.end += more;
            self.ended = more == 0;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Returns and consumes the next byte; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<u8>> {
        let byte = self.bytes()?.first().copied();
        self.start += usize::from(byte.is_some());
        Ok(byte)
    }

    /// Fills `out`, short only at the end.
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

fn read(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
