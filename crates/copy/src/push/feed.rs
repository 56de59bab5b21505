//! Reads what is sent, on a thread of its own beside the request.

use std::io::{self, Read};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, channel};
use windlass_registry::StreamingBody;

/// How much is read at a time.
const PIECE: usize = 64 << 10;
/// How many pieces wait to be sent.
const WAITING: usize = 2;

/// What is sent.
pub(super) struct Feed<'a> {
    pub(super) reader: Box<dyn Read + Send + 'a>,
    pub(super) length: u64,
    /// Whether nothing may come behind it.
    pub(super) is_whole: bool,
}

impl Feed<'_> {
    /// Has `send` send what is read meanwhile; returns what became of that, and why reading failed, if it did.
    pub(super) fn while_sending<T>(
        self,
        moved: impl Fn(u64) + Sync,
        send: impl FnOnce(StreamingBody) -> T,
    ) -> (T, Option<io::Error>) {
        let (pieces, waiting) = channel(WAITING);
        let length = self.length;
        thread::scope(|scope| {
            let moved = &moved;
            let reading = scope.spawn(move || self.run(&pieces, moved).err());
            let sent = send(StreamingBody::new(waiting, length));
            let failed = reading
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (sent, failed)
        })
    }

    /// Reads until everything is read, or the receiver is dropped.
    fn run(mut self, pieces: &Sender<io::Result<Bytes>>, moved: &impl Fn(u64)) -> io::Result<()> {
        let mut left = self.length;
        while left > 0 {
            let piece = match self.piece(left) {
                Ok(piece) => piece,
                Err(error) => {
                    drop(pieces.blocking_send(Err(error.kind().into())));
                    return Err(error);
                }
            };
            let length = piece.len() as u64;
            left -= length;
            if pieces.blocking_send(Ok(piece)).is_err() {
                break;
            }
            moved(length);
        }
        Ok(())
    }

    /// The last piece is handed over when what comes behind it is proved to be nothing.
    fn piece(&mut self, left: u64) -> io::Result<Bytes> {
        let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = vec![0; most];
        self.reader.read_exact(&mut piece)?;
        if most as u64 == left && self.is_whole && self.reader.read(&mut [0])? > 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(piece.into())
    }
}
