//! Standard input that comes from who may need the store, too.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, poll};

/// What comes from standard input, and how much of it is wanted.
#[derive(Debug)]
pub(crate) struct Stdin {
    limit: u64,
    taken: Option<io::Result<File>>,
}

impl Stdin {
    /// Of more than `limit` bytes, what shows that they are more is all that is taken in.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        Self { limit, taken: None }
    }

    /// Waits until something comes, or nothing more will.
    pub(crate) fn wait() {
        let stdin = io::stdin();
        // Whatever is wrong, reading tells.
        while poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)
            .is_err_and(|error| error == rustix::io::Errno::INTR)
        {}
    }

    /// Takes in all that comes, once.
    pub(crate) fn take_in(&mut self) {
        let limit = self.limit.saturating_add(1);
        self.taken.get_or_insert_with(|| {
            let mut file = tempfile::tempfile()?;
            io::copy(&mut handle()?.take(limit), &mut file)?;
            file.rewind()?;
            Ok(file)
        });
    }

    /// Returns what was taken in, or else standard input itself.
    pub(crate) fn into_file(self) -> io::Result<File> {
        self.taken.unwrap_or_else(handle)
    }
}

fn handle() -> io::Result<File> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(stdin.into())
}
