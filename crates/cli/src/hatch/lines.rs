//! Lines of JSON over a socket.

use std::io;
use std::os::fd::OwnedFd;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

use super::{LONGEST, fds};

/// The reading end.
#[derive(Debug)]
pub(super) struct Reader {
    half: OwnedReadHalf,
    read: Vec<u8>,
    /// How much of it has no end of a line in it.
    searched: usize,
    /// The file that came along.
    file: Option<OwnedFd>,
}

/// The writing end; several tasks may write.
#[derive(Debug)]
pub(super) struct Writer(Mutex<OwnedWriteHalf>);

/// Splits a connection in its two ends.
pub(super) fn split(stream: UnixStream) -> (Reader, Writer) {
    let (half, write) = stream.into_split();
    let reader = Reader {
        half,
        read: Vec::new(),
        searched: 0,
        file: None,
    };
    (reader, Writer(Mutex::new(write)))
}

impl Reader {
    /// Reads the next message; `None` if the other end has left.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            let mut unsearched = self.read[self.searched..].iter();
            if let Some(end) = unsearched.position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                self.searched = 0;
                let rest = self.read.split_off(end + 1);
                let line = std::mem::replace(&mut self.read, rest);
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            self.searched = self.read.len();
            if self.searched > LONGEST {
                return Err(io::Error::other("a message without an end"));
            }
            let file = &mut self.file;
            let read = &mut self.read;
            let stream: &UnixStream = self.half.as_ref();
            let received = stream.async_io(tokio::io::Interest::READABLE, || {
                fds::receive(stream, read, file)
            });
            if received.await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Takes the file that came along.
    pub(super) fn file(&mut self) -> Option<OwnedFd> {
        self.file.take()
    }
}

impl Writer {
    /// Sends a message.
    pub(super) async fn send(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_line(line(message)?, None).await
    }

    /// Sends a message, with a file.
    pub(super) async fn send_with(
        &self,
        message: &impl Serialize,
        file: Option<OwnedFd>,
    ) -> io::Result<()> {
        self.send_line(line(message)?, file).await
    }

    async fn send_line(&self, line: Vec<u8>, file: Option<OwnedFd>) -> io::Result<()> {
        let mut half = self.0.lock().await;
        let mut rest = &line[..];
        if let Some(file) = file {
            let stream: &UnixStream = half.as_ref();
            let sent = stream.async_io(tokio::io::Interest::WRITABLE, || {
                fds::send(stream, rest, &file)
            });
            rest = &rest[sent.await?..];
        }
        half.write_all(rest).await
    }
}

fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
