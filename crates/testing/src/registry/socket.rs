//! The socket below HTTP: knows when it was flushed, can be reset, can be written to as it is.

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

/// What a body may ask of the connection that carries it.
#[derive(Debug)]
pub(super) struct ConnectionSocket {
    /// A second descriptor of the same socket.
    socket: OwnedFd,
    flushes: watch::Sender<u64>,
}

/// A byte stream that counts its flushes into a [`ConnectionSocket`].
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

    /// Waits until the kernel has all that was written before `mark`.
    pub(super) async fn flushed_since(&self, mark: u64) {
        let mut flushes = self.flushes.subscribe();
        // An error means that the sender is gone, which is in `self`.
        drop(flushes.wait_for(|count| *count > mark).await);
    }

    /// Makes the coming end of the connection a reset (RST) rather than an orderly one (FIN).
    pub(super) fn reset_on_close(&self) {
        let linger = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&self.socket, linger)
            .expect("a socket takes a linger time");
    }

    /// Returns the socket itself, around HTTP.
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

    /// Hyper flushes only when it has written everything that it holds.
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
