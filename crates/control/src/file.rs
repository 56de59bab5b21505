//! Files that are read until an operation is cancelled.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A file or pipe whose `read` fails soon after `cancelled` is set, even while a pipe has no data.
#[derive(Debug)]
pub struct CancellableFile<'a> {
    /// The file or pipe.
    pub file: File,
    /// Whether the operation is cancelled.
    pub cancelled: &'a AtomicBool,
}

/// How long one wait for data takes before the flag is read again.
const POLL_INTERVAL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

impl Read for CancellableFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.cancelled.load(Ordering::Relaxed) {
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut ready, Some(&POLL_INTERVAL)) {
                Ok(0) | Err(Errno::INTR) => {}
                // If polling fails, the read reports the error.
                Ok(_) | Err(_) => return self.file.read(buffer),
            }
        }
        Err(io::Error::other("cancelled"))
    }
}
