//! The lock of a store: exclusive for its owner, shared for readers.
//!
//! The lock is an `flock` on the file `lock`, so the kernel releases it when the process ends in any way. The
//! content of the file is informative only. It has a fixed length, so that writing it needs no space on a full
//! disk.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, pread, pwrite};

/// The length of the lock file in bytes; it is padded with line feeds.
const LENGTH: usize = 512;

/// The process that has a store locked, as far as the lock file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOwner {
    /// The process ID in its own PID namespace; `None` while the store is locked by readers.
    pub pid: Option<u32>,
    /// Its operation ("pull docker.io/library/alpine:3"); may be empty.
    pub purpose: String,
}

/// What to do if the store is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// Wait for the lock.
    Wait,
    /// Fail at once with the owner.
    Fail,
}

/// Why the lock could not be taken.
#[derive(Debug)]
pub(crate) enum LockError {
    Busy(StoreOwner),
    Io(io::Error),
}

/// A lock that is released on drop.
#[derive(Debug)]
pub(crate) struct Lock {
    file: OwnedFd,
    exclusive: bool,
}

impl Lock {
    /// Locks `file` exclusively, and writes the process and its operation to it.
    pub(crate) fn exclusive(
        file: OwnedFd,
        purpose: &str,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, LockError> {
        take(&file, FlockOperation::LockExclusive, on_busy)?;
        write_text(&file, &format!("{}\n{purpose}", std::process::id()));
        Ok(Self {
            file,
            exclusive: true,
        })
    }

    /// Locks `file` together with other readers.
    pub(crate) fn shared(
        file: OwnedFd,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, LockError> {
        take(&file, FlockOperation::LockShared, on_busy)?;
        // An owner that crashed may have left its text.
        write_text(&file, "");
        Ok(Self {
            file,
            exclusive: false,
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.exclusive {
            write_text(&self.file, "");
        }
        // Closing the file is not enough while a forked child process has a copy of the handle.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "cannot unlock; closing the file releases the lock");
        }
    }
}

impl fmt::Display for StoreOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.purpose.as_str()) {
            (None, _) => f.write_str("another process that reads it"),
            (Some(pid), "") => write!(f, "process {pid}"),
            (Some(pid), purpose) => write!(f, "process {pid} ({purpose})"),
        }
    }
}

fn take(
    file: &OwnedFd,
    mode: FlockOperation,
    mut on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
) -> Result<(), LockError> {
    let nonblocking = match mode {
        FlockOperation::LockShared => FlockOperation::NonBlockingLockShared,
        _ => FlockOperation::NonBlockingLockExclusive,
    };
    match retry(|| flock(file, nonblocking)) {
        Ok(()) => return Ok(()),
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(LockError::Io(error.into())),
    }
    let owner = read_owner(file);
    match on_busy(&owner) {
        WhenBusy::Fail => Err(LockError::Busy(owner)),
        WhenBusy::Wait => retry(|| flock(file, mode)).map_err(|error| LockError::Io(error.into())),
    }
}

fn retry(mut call: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Replaces the content of the file. It is informative, so a failure is only logged.
fn write_text(file: &OwnedFd, text: &str) {
    let mut content = [b'\n'; LENGTH];
    let shown = &text.as_bytes()[..text.len().min(LENGTH - 1)];
    content[..shown.len()].copy_from_slice(shown);
    if let Err(error) = pwrite(file.as_fd(), &content, 0) {
        tracing::debug!(%error, "cannot write the lock file");
    }
}

/// Reads the owner from the file. Another process wrote it, so it is shortened and made printable.
fn read_owner(file: &OwnedFd) -> StoreOwner {
    let mut content = [0u8; LENGTH];
    let length = pread(file.as_fd(), &mut content, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&content[..length]);
    let mut lines = text.lines();
    let pid = lines.next().and_then(|pid| pid.parse().ok());
    let purpose = lines.next().unwrap_or_default();
    let purpose = purpose.chars().filter(|c| !c.is_control()).collect();
    StoreOwner { pid, purpose }
}
