//! Percent-encodes what clients send unencoded in the target of a request.
//!
//! `curl 'http://d/images/json?filters={"label":["a<b"]}'` is not valid HTTP (RFC 9112 section 3.2), and hyper rejects some
//! of these bytes without a message. Go's server, which Docker uses, accepts them all.
//!
//! Only a request whose bytes arrive while no other request is in progress is encoded. A pipelined request is passed on
//! unchanged, because its beginning is not known here.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::request_clock::RequestClock;

/// The bytes of a request line that are read at a time.
const PIECE: usize = 4096;

/// A part of the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadPart {
    /// Up to the first space.
    Method,
    /// From the first space to the next one, or to the end of the line.
    Target,
    /// What follows.
    Rest,
}

/// A stream whose reads return request lines with encoded targets.
#[derive(Debug)]
pub(crate) struct EncodedTarget<S> {
    stream: S,
    clock: RequestClock,
    /// The value of the clock that `part` belongs to.
    count: Option<u64>,
    part: HeadPart,
    /// Encoded bytes that no read has returned yet.
    encoded: BytesMut,
}

impl<S> EncodedTarget<S> {
    pub(crate) fn new(stream: S, clock: RequestClock) -> Self {
        Self {
            stream,
            clock,
            count: None,
            part: HeadPart::Method,
            encoded: BytesMut::new(),
        }
    }

    /// Returns whether the next byte belongs to a request line.
    fn is_in_request_line(&mut self) -> bool {
        let count = self.clock.count();
        if RequestClock::is_in_progress(count) {
            return false;
        }
        if self.count != Some(count) {
            self.count = Some(count);
            self.part = HeadPart::Method;
        }
        self.part != HeadPart::Rest
    }

    /// Appends `bytes`, and encodes those of a target.
    fn encode(&mut self, bytes: &[u8]) {
        for (index, &byte) in bytes.iter().enumerate() {
            match (self.part, byte) {
                (HeadPart::Method, b' ') => self.part = HeadPart::Target,
                (HeadPart::Target, b' ' | b'\r' | b'\n') => self.part = HeadPart::Rest,
                (HeadPart::Target, byte) if needs_encoding(byte) => {
                    let digits = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
                    self.encoded
                        .put_slice(&[b'%', digits(byte >> 4), digits(byte & 15)]);
                    continue;
                }
                (HeadPart::Method | HeadPart::Target, _) => {}
                (HeadPart::Rest, _) => return self.encoded.put_slice(&bytes[index..]),
            }
            self.encoded.put_u8(byte);
        }
    }
}

/// Returns whether RFC 3986 does not allow `byte` in a path or query. A fragment is not sent in HTTP, so that `#` belongs
/// to the path or query.
fn needs_encoding(byte: u8) -> bool {
    byte >= 0x80
        || matches!(
            byte,
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
}

impl<S: AsyncRead + Unpin> AsyncRead for EncodedTarget<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.encoded.is_empty() {
            if !this.is_in_request_line() {
                return Pin::new(&mut this.stream).poll_read(context, buffer);
            }
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut piece))?;
            this.encode(piece.filled());
        }
        let length = this.encoded.len().min(buffer.remaining());
        buffer.put_slice(&this.encoded[..length]);
        this.encoded.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EncodedTarget<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Sends `bytes` in pieces of `size` bytes, and returns what is read in pieces of `size` bytes.
    async fn read(bytes: &[u8], size: usize, clock: &RequestClock) -> Vec<u8> {
        let (mut client, server) = duplex(bytes.len());
        let mut stream = EncodedTarget::new(server, clock.clone());
        let mut read = Vec::new();
        for piece in bytes.chunks(size) {
            client.write_all(piece).await.unwrap();
            let mut buffer = vec![0; size];
            let length = stream.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..length]);
        }
        drop(client);
        stream.read_to_end(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn only_the_target_is_encoded() {
        let request =
            "\r\nGET /a?f={\"b\":[\"<é>\"]}#c%20|\\^` HTTP/1.1\r\na: {\"<é>\"}\r\n\r\n{\"body\"}";
        let expected = "\r\nGET /a?f=%7B%22b%22:[%22%3C%C3%A9%3E%22]%7D%23c%20%7C%5C%5E%60 HTTP/1.1\r\n\
                        a: {\"<é>\"}\r\n\r\n{\"body\"}";
        for size in [1, 2, 3, 7, 40, 5000] {
            let read = read(request.as_bytes(), size, &RequestClock::default()).await;
            assert_eq!(String::from_utf8(read).unwrap(), expected, "{size}");
        }
    }

    #[tokio::test]
    async fn a_target_may_end_with_its_line() {
        let read = read(b"GET /<\n<a>: b\n", 5000, &RequestClock::default()).await;
        assert_eq!(read, b"GET /%3C\n<a>: b\n");
    }

    #[tokio::test]
    async fn bytes_of_a_request_in_progress_are_unchanged() {
        let clock = RequestClock::default();
        let in_progress = clock.begin();
        let body = b"GET /{} HTTP/1.1\r\n";
        assert_eq!(read(body, 5000, &clock).await, body);
        drop(in_progress);
        let next = read(body, 5000, &clock).await;
        assert_eq!(next, b"GET /%7B%7D HTTP/1.1\r\n");
    }
}
