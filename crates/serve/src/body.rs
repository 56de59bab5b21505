//! Bodies of responses: bytes, or a part of a file that is read in chunks.

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

use crate::request_log::PendingLogEntry;

/// The number of bytes of a file that are read at a time. A client that does not read occupies one or two chunks.
const CHUNK: usize = 256 << 10;

/// The body of a response, and the log entry that records how much of it was sent.
pub(crate) struct RegistryBody {
    content: BodyContent,
    log_entry: Option<PendingLogEntry>,
}

enum BodyContent {
    Bytes(Bytes),
    File(Box<FileChunks>),
}

/// A part of a file that is still to be sent.
struct FileChunks {
    file: Arc<File>,
    left: Range<u64>,
    /// The memory of the last chunk, reused after it was sent.
    buffer: BytesMut,
    reading: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl RegistryBody {
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self::new(BodyContent::Bytes(bytes))
    }

    /// Sends the bytes `part` of `file`, which must not end before them.
    pub(crate) fn file(file: File, part: Range<u64>) -> Self {
        Self::new(BodyContent::File(Box::new(FileChunks {
            file: Arc::new(file),
            left: part,
            buffer: BytesMut::new(),
            reading: None,
        })))
    }

    fn new(content: BodyContent) -> Self {
        Self {
            content,
            log_entry: None,
        }
    }

    /// Records in `entry` how much of the body is sent.
    pub(crate) fn logged(mut self, mut entry: PendingLogEntry) -> Self {
        entry.record_sent(0, self.remaining() == 0);
        self.log_entry = Some(entry);
        self
    }

    fn remaining(&self) -> u64 {
        match &self.content {
            BodyContent::Bytes(bytes) => bytes.len() as u64,
            BodyContent::File(file) => file.left.end - file.left.start,
        }
    }
}

impl hyper::body::Body for RegistryBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.remaining() == 0 {
            return Poll::Ready(None);
        }
        let chunk = match &mut self.content {
            BodyContent::Bytes(bytes) => std::mem::take(bytes),
            BodyContent::File(file) => ready!(file.poll_chunk(context))?,
        };
        let is_last = self.remaining() == 0;
        if let Some(entry) = &mut self.log_entry {
            entry.record_sent(chunk.len() as u64, is_last);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining())
    }
}

impl FileChunks {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let reading = self.reading.get_or_insert_with(|| {
            let (file, position) = (Arc::clone(&self.file), self.left.start);
            let left = usize::try_from(self.left.end - position).unwrap_or(CHUNK);
            let (mut buffer, length) = (std::mem::take(&mut self.buffer), left.min(CHUNK));
            spawn_blocking(move || {
                buffer.resize(length, 0);
                // An error closes the connection: `Content-Length` promised more than a truncated file has.
                file.read_exact_at(&mut buffer, position)?;
                Ok(buffer)
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let mut buffer = read.map_err(io::Error::other)??;
        let chunk = buffer.split().freeze();
        self.buffer = buffer;
        self.left.start += chunk.len() as u64;
        Poll::Ready(Ok(chunk))
    }
}
