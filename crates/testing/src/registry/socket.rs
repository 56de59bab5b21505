//! The socket below HTTP: counts flushes, can be reset, and can be written to directly.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// The connection's socket, for use by the body of a response.
#[derive(Debug)]
pub(super) struct ConnectionSocket {
    /// A second descriptor of the same socket.
    socket: OwnedFd,
    flushes: watch::Sender<u64>,
}

/// A byte stream that counts its flushes in a [`ConnectionSocket`].
#[derive(Debug)]
pub(super) struct FlushCountingStream<S> {
    inner: S,
    socket: Arc<ConnectionSocket>,
}

impl ConnectionSocket {
    pub(super) fn new(socket: &TcpStream) -> io::Result<Self> {
        Ok(Self {
            socket: rustix::io::dup(socket)?,
            flushes: watch::Sender::new(0),
        })
    }

    /// Returns a mark in time for [`flushed_since`](Self::flushed_since).
    pub(super) fn mark(&self) -> u64 {
        *self.flushes.borrow()
    }

    /// Waits until all bytes written before `mark` were passed to the kernel.
    pub(super) async fn flushed_since(&self, mark: u64) {
        let mut flushes = self.flushes.subscribe();
        // An error means that the sender is gone, which is in `self`.
        drop(flushes.wait_for(|count| *count > mark).await);
    }

    /// Makes the connection end with a reset (RST) rather than an orderly close (FIN).
    pub(super) fn reset_on_close(&self) {
        let linger = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&self.socket, linger)
            .expect("a linger time can be set on a socket");
    }

    /// Returns the socket itself, bypassing HTTP.
    pub(super) fn raw(&self) -> io::Result<impl AsyncWriteExt + Unpin + Send + use<>> {
        TcpStream::from_std(self.socket.try_clone()?.into())
    }
}

impl<S> FlushCountingStream<S> {
    pub(super) fn new(inner: S, socket: Arc<ConnectionSocket>) -> Self {
        Self { inner, socket }
    }
}

impl<S: Read + Unpin> Read for FlushCountingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for FlushCountingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    /// Hyper flushes only when it has written all its buffered bytes.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if flushed.is_ready() {
            self.socket.flushes.send_modify(|count| *count += 1);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }
}
