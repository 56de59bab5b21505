//! Standard input from a process that may use the store itself.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, poll};

/// Standard input, which may be buffered in a temporary file.
#[derive(Debug)]
pub(crate) struct Stdin {
    limit: u64,
    buffered: Option<io::Result<File>>,
}

impl Stdin {
    /// `limit` is the largest accepted size; buffering reads one byte more, which shows that the input exceeds it.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        Self {
            limit,
            buffered: None,
        }
    }

    /// Waits until standard input has data or ends.
    pub(crate) fn wait() {
        let stdin = io::stdin();
        // If polling fails, the read reports the error.
        while poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)
            .is_err_and(|error| error == rustix::io::Errno::INTR)
        {}
    }

    /// Buffers all of standard input, once.
    pub(crate) fn buffer(&mut self) {
        let limit = self.limit.saturating_add(1);
        self.buffered.get_or_insert_with(|| {
            let mut file = tempfile::tempfile()?;
            io::copy(&mut handle()?.take(limit), &mut file)?;
            file.rewind()?;
            Ok(file)
        });
    }

    /// Returns the buffered input, or standard input itself.
    pub(crate) fn into_file(self) -> io::Result<File> {
        self.buffered.unwrap_or_else(handle)
    }
}

fn handle() -> io::Result<File> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(stdin.into())
}
