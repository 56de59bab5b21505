//! Reads the body of a request on a thread of its own while the request is sent.

use std::io::{self, Read};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, channel};
use windlass_registry::StreamingBody;

/// The size of the pieces of a body in bytes.
const PIECE_SIZE: usize = 64 << 10;
/// The maximum number of pieces that wait to be sent.
const QUEUE_LENGTH: usize = 2;

/// The source of the body of a request.
pub(super) struct BodyFeed<'a> {
    pub(super) reader: Box<dyn Read + Send + 'a>,
    pub(super) length: u64,
    /// Whether the body is a whole blob, so that the reader has to end after `length` bytes.
    pub(super) is_whole_blob: bool,
}

impl BodyFeed<'_> {
    /// Calls `send` with a body, and reads the body meanwhile. Returns the result of `send`, and the error of the reader
    /// if it failed.
    pub(super) fn send_with<T>(
        self,
        on_queued: impl Fn(u64) + Sync,
        send: impl FnOnce(StreamingBody) -> T,
    ) -> (T, Option<io::Error>) {
        let (sender, receiver) = channel(QUEUE_LENGTH);
        let length = self.length;
        thread::scope(|scope| {
            let on_queued = &on_queued;
            let thread = scope.spawn(move || self.run(&sender, on_queued).err());
            let sent = send(StreamingBody::new(receiver, length));
            let read_error = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (sent, read_error)
        })
    }

    /// Reads until the body is complete or the receiver is dropped.
    fn run(
        mut self,
        sender: &Sender<io::Result<Bytes>>,
        on_queued: &impl Fn(u64),
    ) -> io::Result<()> {
        let mut left = self.length;
        while left > 0 {
            let piece = match self.read_piece(left) {
                Ok(piece) => piece,
                Err(error) => {
                    drop(sender.blocking_send(Err(error.kind().into())));
                    return Err(error);
                }
            };
            let length = piece.len() as u64;
            left -= length;
            if sender.blocking_send(Ok(piece)).is_err() {
                break;
            }
            on_queued(length);
        }
        Ok(())
    }

    /// Reads the next piece. The last piece of a blob is returned only if nothing follows it: the reader verifies the
    /// digest at its end.
    fn read_piece(&mut self, left: u64) -> io::Result<Bytes> {
        let length = usize::try_from(left).map_or(PIECE_SIZE, |left| left.min(PIECE_SIZE));
        let mut piece = vec![0; length];
        self.reader.read_exact(&mut piece)?;
        let is_last = length as u64 == left;
        if is_last && self.is_whole_blob && self.reader.read(&mut [0])? > 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(piece.into())
    }
}
