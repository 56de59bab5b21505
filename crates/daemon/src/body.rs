//! Bodies of responses.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The body of a response.
#[derive(Debug)]
pub(crate) enum ApiBody {
    /// A body that is complete.
    Whole(Bytes),
    /// A body that is sent in chunks. An error closes the connection, so that the client does not take a part for the
    /// whole.
    Stream(Receiver<io::Result<Bytes>>),
}

/// The sender of the chunks of a body.
pub(crate) type ChunkSender = Sender<io::Result<Bytes>>;

/// How many chunks may wait to be sent.
const WAITING: usize = 4;

impl ApiBody {
    /// Returns a body that is sent in chunks, and their sender.
    pub(crate) fn chunks() -> (ChunkSender, Self) {
        let (sender, receiver) = channel(WAITING);
        (sender, Self::Stream(receiver))
    }

    /// Returns an empty body.
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl HttpBody for ApiBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(chunks) => {
                let chunk = chunks.poll_recv(context);
                chunk.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
