//! Bodies of answers: bytes, or a part of a file, one piece at a time.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::log::Note;

/// How much of a file is read at a time, in bytes. A client that does not read costs one or two of these.
const PIECE: usize = 256 << 10;

/// A body, and the note of how far it was sent.
pub(crate) struct Body {
    content: Content,
    note: Option<Note>,
}

enum Content {
    Bytes(Bytes),
    File(Box<Piecewise>),
}

/// A part of a file that is still to be sent.
struct Piecewise {
    file: Arc<File>,
    left: Range<u64>,
    /// The memory of the last piece, used again as soon as that is sent.
    buffer: BytesMut,
    reading: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl Body {
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self::new(Content::Bytes(bytes))
    }

    /// Sends `part` of `file`, which must have it.
    pub(crate) fn file(file: File, part: Range<u64>) -> Self {
        Self::new(Content::File(Box::new(Piecewise {
            file: Arc::new(file),
            left: part,
            buffer: BytesMut::new(),
            reading: None,
        })))
    }

    fn new(content: Content) -> Self {
        let note = None;
        Self { content, note }
    }

    /// Has `note` told when the body is sent, or dropped.
    pub(crate) fn noted(mut self, mut note: Note) -> Self {
        note.sent(0, self.left() == 0);
        self.note = Some(note);
        self
    }

    fn left(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(file) => file.left.end - file.left.start,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let piece = match &mut self.content {
            Content::Bytes(bytes) => std::mem::take(bytes),
            Content::File(file) => ready!(file.poll_piece(context))?,
        };
        let is_last = self.left() == 0;
        if let Some(note) = &mut self.note {
            note.sent(piece.len() as u64, is_last);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Piecewise {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let reading = self.reading.get_or_insert_with(|| {
            let (file, position) = (Arc::clone(&self.file), self.left.start);
            let left = usize::try_from(self.left.end - position).unwrap_or(PIECE);
            let (mut buffer, length) = (std::mem::take(&mut self.buffer), left.min(PIECE));
            spawn_blocking(move || {
                buffer.resize(length, 0);
                // A file that is shorter than it was ends the connection: what was promised cannot be sent.
                file.read_exact_at(&mut buffer, position)?;
                Ok(buffer)
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let mut buffer = read.map_err(io::Error::other)??;
        let piece = buffer.split().freeze();
        self.buffer = buffer;
        self.left.start += piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}
