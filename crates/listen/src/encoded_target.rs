//! Percent-encodes what clients send unencoded in the target of a request.
//!
//! `curl 'http://d/images/json?filters={"label":["a<b"]}'` is not valid HTTP (RFC 9112 section 3.2), and hyper rejects some
//! of these bytes without a message. Go's server, which Docker uses, accepts them all.
//!
//! Where the next request begins is only known while every request so far was a head without a body, and none was
//! pipelined. After that, the bytes of a connection are passed on unchanged.

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
    /// The rest of the head, at a place that is or is not the beginning of a line.
    Fields { is_line_start: bool },
    /// Behind the empty line at the end of the head.
    End,
}

/// A stream whose reads return request lines with encoded targets.
#[derive(Debug)]
pub(crate) struct EncodedTarget<S> {
    stream: S,
    clock: RequestClock,
    /// The value of the clock that `part` belongs to.
    count: u64,
    part: HeadPart,
    /// Whether bytes have arrived that may belong to a body or to the next request.
    is_unknown: bool,
    /// Encoded bytes that no read has returned yet.
    encoded: BytesMut,
}

impl<S> EncodedTarget<S> {
    pub(crate) fn new(stream: S, clock: RequestClock) -> Self {
        Self {
            stream,
            count: clock.count(),
            clock,
            part: HeadPart::Method,
            is_unknown: false,
            encoded: BytesMut::new(),
        }
    }

    /// Returns whether the next byte belongs to a request line.
    fn is_in_request_line(&mut self) -> bool {
        let count = self.clock.count();
        if count != self.count && !RequestClock::is_in_progress(count) {
            self.count = count;
            // A head that hyper has not read to its end is not followed by another one.
            self.is_unknown |= self.part != HeadPart::End;
            self.part = HeadPart::Method;
        }
        !self.is_unknown && matches!(self.part, HeadPart::Method | HeadPart::Target)
    }

    /// Determines the part of the head behind `byte`. Returns whether the byte has to be encoded.
    fn advance(&mut self, byte: u8) -> bool {
        let fields = |is_line_start| HeadPart::Fields { is_line_start };
        self.part = match (self.part, byte) {
            (HeadPart::Method, b' ') => HeadPart::Target,
            (HeadPart::Target, b' ' | b'\r') => fields(false),
            (HeadPart::Target, b'\n') => fields(true),
            (HeadPart::Target, byte) => return needs_encoding(byte),
            (
                HeadPart::Fields {
                    is_line_start: true,
                },
                b'\n',
            ) => HeadPart::End,
            (HeadPart::Fields { .. }, b'\n') => fields(true),
            (HeadPart::Fields { is_line_start }, b'\r') => fields(is_line_start),
            (HeadPart::Fields { .. }, _) => fields(false),
            (HeadPart::End, _) => {
                self.is_unknown = true;
                HeadPart::End
            }
            (HeadPart::Method, _) => HeadPart::Method,
        };
        false
    }

    /// Appends `bytes`, and encodes those of a target.
    fn encode(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.advance(byte) {
                let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
                self.encoded
                    .put_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            } else {
                self.encoded.put_u8(byte);
            }
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
                let before = buffer.filled().len();
                let read = Pin::new(&mut this.stream).poll_read(context, buffer);
                if !this.is_unknown {
                    for &byte in &buffer.filled()[before..] {
                        this.advance(byte);
                    }
                }
                return read;
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

    /// Reads what is sent while no, or the first, request is in progress, and then between requests.
    async fn read_in_phases(first: &[u8], during: &[u8], after: &[u8]) -> Vec<u8> {
        let clock = RequestClock::default();
        let (mut client, server) = duplex(4096);
        let mut stream = EncodedTarget::new(server, clock.clone());
        let mut read = Vec::new();
        let mut in_progress = None;
        for (number, bytes) in [first, during, after].into_iter().enumerate() {
            match number {
                1 => in_progress = Some(clock.begin()),
                _ => drop(in_progress.take()),
            }
            client.write_all(bytes).await.unwrap();
            let mut buffer = vec![0; 4096];
            if !bytes.is_empty() {
                let length = stream.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..length]);
            }
        }
        read
    }

    const HEAD: &[u8] = b"GET /{ HTTP/1.1\r\na: {\r\n\r\n";
    const ENCODED: &[u8] = b"GET /%7B HTTP/1.1\r\na: {\r\n\r\n";

    #[tokio::test]
    async fn each_head_of_a_connection_is_encoded() {
        let read = read_in_phases(HEAD, b"", HEAD).await;
        assert_eq!(read, [ENCODED, ENCODED].concat());
    }

    /// A part of a pipelined head may look like the beginning of one: nothing is changed from there on.
    #[tokio::test]
    async fn what_may_be_the_rest_of_something_is_unchanged() {
        let pipelined = [HEAD, b"GET / HTTP/1.1\r\nb: "].concat();
        let read = read_in_phases(&pipelined, b"", b"c {\r\n\r\n").await;
        let expected: [&[u8]; 3] = [ENCODED, b"GET / HTTP/1.1\r\nb: ", b"c {\r\n\r\n"];
        assert_eq!(read, expected.concat());

        let read = read_in_phases(HEAD, b"a body: {", HEAD).await;
        assert_eq!(read, [ENCODED, b"a body: {", HEAD].concat());
    }
}
