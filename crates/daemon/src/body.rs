//! What answers consist of.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it is here.
    Whole(Bytes),
    /// It comes in pieces. An error cuts the connection, so that nobody takes what came for all.
    Chunks(Receiver<io::Result<Bytes>>),
}

/// Who sends the pieces of a body.
pub(crate) type Chunks = Sender<io::Result<Bytes>>;

/// How many pieces wait for a client.
const WAITING: usize = 4;

impl Body {
    /// Returns a body in pieces, and who sends them.
    pub(crate) fn pieces() -> (Chunks, Self) {
        let (sender, receiver) = channel(WAITING);
        (sender, Self::Chunks(receiver))
    }

    /// Returns a body without a byte.
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Chunks(pieces) => {
                let piece = pieces.poll_recv(context);
                piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Chunks(_) => SizeHint::default(),
        }
    }
}
