//! Connections that carry messages as lines of JSON.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::time::timeout;
use windlass_listen::WriteTimeout;

use crate::descriptor;

/// The reading half of a connection.
#[derive(Debug)]
pub(crate) struct MessageReader {
    half: OwnedReadHalf,
    buffer: Vec<u8>,
    /// The longest message that is read, in bytes.
    limit: usize,
    /// The length of the part of `buffer` that contains no line break.
    searched: usize,
    /// The descriptor that came with the last message that had one.
    file: Option<OwnedFd>,
}

/// The writing half of a connection. Several tasks may write.
#[derive(Debug)]
pub(crate) struct MessageWriter {
    half: Mutex<WriteTimeout<OwnedWriteHalf>>,
    write_timeout: Duration,
}

/// How long a write may make no progress because the other end does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(300);

/// Splits a connection into its halves, and limits the messages that are read to `limit` bytes.
pub(crate) fn split(stream: UnixStream, limit: usize) -> (MessageReader, MessageWriter) {
    split_with(stream, limit, WRITE_TIMEOUT)
}

fn split_with(
    stream: UnixStream,
    limit: usize,
    write_timeout: Duration,
) -> (MessageReader, MessageWriter) {
    let (half, write) = stream.into_split();
    let reader = MessageReader {
        half,
        buffer: Vec::new(),
        limit,
        searched: 0,
        file: None,
    };
    let writer = MessageWriter {
        half: Mutex::new(WriteTimeout::new(write, write_timeout)),
        write_timeout,
    };
    (reader, writer)
}

impl MessageReader {
    /// Reads the next message. Returns `None` at the end of the connection.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            let mut unsearched = self.buffer[self.searched..].iter();
            if let Some(end) = unsearched.position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                self.searched = 0;
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            self.searched = self.buffer.len();
            if self.searched > self.limit {
                return Err(io::Error::other("the message exceeds the limit"));
            }
            let file = &mut self.file;
            let buffer = &mut self.buffer;
            let stream: &UnixStream = self.half.as_ref();
            let received = stream.async_io(tokio::io::Interest::READABLE, || {
                descriptor::receive(stream, buffer, file)
            });
            if received.await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Takes the descriptor that came with a message.
    pub(crate) fn take_file(&mut self) -> Option<OwnedFd> {
        self.file.take()
    }
}

impl MessageWriter {
    /// Sends a message.
    pub(crate) async fn send(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_with(message, None).await
    }

    /// Sends a message, with a descriptor.
    pub(crate) async fn send_with(
        &self,
        message: &impl Serialize,
        file: Option<OwnedFd>,
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut half = self.half.lock().await;
        let mut rest = &line[..];
        if let Some(file) = file {
            let stream: &UnixStream = half.get_ref().as_ref();
            let sent = stream.async_io(tokio::io::Interest::WRITABLE, || {
                descriptor::send(stream, rest, &file)
            });
            rest = &rest[timeout(self.write_timeout, sent).await??..];
        }
        half.write_all(rest).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[tokio::test]
    async fn a_write_to_an_end_that_does_not_read_fails() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let (_reader, writer) = split_with(ours, 0, Duration::from_millis(100));
        let message = "x".repeat(1 << 20);
        let failed = writer.send(&message).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        let file = File::open("/dev/null").unwrap();
        let failed = writer.send_with(&message, Some(file.into())).await;
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
