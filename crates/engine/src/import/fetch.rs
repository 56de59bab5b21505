//! Reads what comes from a URL as if it were a file.

use std::io::{self, Read};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::sleep;
use windlass_registry::UrlDownload;

/// A [`UrlDownload`] for who may block. Setting `stop` ends it soon, even while nothing comes.
#[derive(Debug)]
pub struct Fetching<'a> {
    download: UrlDownload,
    runtime: Handle,
    stop: &'a AtomicBool,
    piece: Bytes,
}

/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(100);

impl<'a> Fetching<'a> {
    /// Reads `download`; `runtime` is where it was begun, and not where this is called.
    pub fn new(download: UrlDownload, runtime: Handle, stop: &'a AtomicBool) -> Self {
        Self {
            download,
            runtime,
            stop,
            piece: Bytes::new(),
        }
    }
}

/// An error of the registry crate is found within the [`io::Error`].
impl Read for Fetching<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let (download, stop) = (&mut self.download, self.stop);
            let next = self.runtime.block_on(async {
                let mut next = pin!(download.next_chunk());
                loop {
                    tokio::select! {
                        biased;
                        next = &mut next => return next.map_err(io::Error::other),
                        () = sleep(LOOK) => {}
                    }
                    if stop.load(Ordering::Relaxed) {
                        return Err(io::Error::other("cancelled"));
                    }
                }
            });
            match next? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
