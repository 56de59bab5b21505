//! Request bodies: bytes in memory, or a stream of known length.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper_core::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

/// A request body that is streamed. It can be sent once only.
#[derive(Debug)]
pub struct StreamingBody {
    pieces: Receiver<io::Result<Bytes>>,
    length: u64,
}

/// The body of any request.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Whole(Option<Bytes>),
    Pieces {
        pieces: Receiver<io::Result<Bytes>>,
        left: u64,
        /// How many bytes the connection has taken.
        sent: Arc<AtomicU64>,
    },
}

impl StreamingBody {
    /// Creates a body of exactly `length` bytes from the received chunks. The request fails if there are
    /// fewer or more.
    pub fn new(pieces: Receiver<io::Result<Bytes>>, length: u64) -> Self {
        Self { pieces, length }
    }

    pub(crate) fn into_body(self, sent: Arc<AtomicU64>) -> RequestBody {
        RequestBody::Pieces {
            pieces: self.pieces,
            left: self.length,
            sent,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces { left: 0, .. } => Poll::Ready(None),
            Self::Pieces { pieces, left, sent } => {
                let piece = match std::task::ready!(pieces.poll_recv(context)) {
                    Some(Ok(piece)) if piece.len() as u64 <= *left => piece,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    Some(Ok(_)) | None => return Poll::Ready(Some(Err(wrong_length()))),
                };
                *left -= piece.len() as u64;
                sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Pieces { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Pieces { left, .. } => *left,
        })
    }
}

fn wrong_length() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the length of the body differs from the declared length",
    )
}
