//! The lock on a store: who owns it, and the wait for whoever does.
//!
//! The lock is an `flock` on `lock`, so the kernel lets go of it when its process ends, however that
//! happens. What the file says is for people only. It has one length for ever, so that writing it needs
//! no room on a full disk.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, pread, pwrite};

/// The length of what the lock file says, in bytes: padded with line ends.
const LENGTH: usize = 512;

/// Who holds a store that somebody else wants, as far as the lock tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOwner {
    /// The process, as seen from its own PID namespace; `None` while the store is only being read.
    pub pid: Option<u32>,
    /// What it is doing, in its own words ("pull docker.io/library/alpine:3"); may be empty.
    pub what: String,
}

/// What to do about a store that is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// Wait until it is free.
    Wait,
    /// Fail at once, naming the owner.
    Fail,
}

/// Why the lock could not be had.
#[derive(Debug)]
pub(crate) enum LockError {
    Busy(StoreOwner),
    Io(io::Error),
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: OwnedFd,
    exclusive: bool,
}

impl Lock {
    /// Locks `file` for this process alone, and says there what for.
    pub(crate) fn exclusive(
        file: OwnedFd,
        what: &str,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, LockError> {
        take(&file, FlockOperation::LockExclusive, on_busy)?;
        say(&file, &format!("{}\n{what}", std::process::id()));
        Ok(Self {
            file,
            exclusive: true,
        })
    }

    /// Locks `file` together with others that only read.
    pub(crate) fn shared(
        file: OwnedFd,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, LockError> {
        take(&file, FlockOperation::LockShared, on_busy)?;
        // Whatever is written there was left by an owner that died.
        say(&file, "");
        Ok(Self {
            file,
            exclusive: false,
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.exclusive {
            say(&self.file, "");
        }
        // Closing would not do while a child that was just forked has a copy of the handle.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "the lock goes when the file is closed");
        }
    }
}

impl fmt::Display for StoreOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.what.as_str()) {
            (None, _) => f.write_str("another process that reads it"),
            (Some(pid), "") => write!(f, "process {pid}"),
            (Some(pid), what) => write!(f, "process {pid} ({what})"),
        }
    }
}

fn take(
    file: &OwnedFd,
    mode: FlockOperation,
    mut on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
) -> Result<(), LockError> {
    let at_once = match mode {
        FlockOperation::LockShared => FlockOperation::NonBlockingLockShared,
        _ => FlockOperation::NonBlockingLockExclusive,
    };
    match retry(|| flock(file, at_once)) {
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

/// Writes `text` over what the file says. It informs only: that it cannot be written stops nobody.
fn say(file: &OwnedFd, text: &str) {
    let mut content = [b'\n'; LENGTH];
    let shown = &text.as_bytes()[..text.len().min(LENGTH - 1)];
    content[..shown.len()].copy_from_slice(shown);
    if let Err(error) = pwrite(file.as_fd(), &content, 0) {
        tracing::debug!(%error, "the lock file cannot say who holds it");
    }
}

/// Reads who holds the lock. Another process wrote it, so it is shortened and kept printable.
fn read_owner(file: &OwnedFd) -> StoreOwner {
    let mut content = [0u8; LENGTH];
    let length = pread(file.as_fd(), &mut content, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&content[..length]);
    let mut lines = text.lines();
    let pid = lines.next().and_then(|pid| pid.parse().ok());
    let what = lines.next().unwrap_or_default();
    let what = what.chars().filter(|c| !c.is_control()).collect();
    StoreOwner { pid, what }
}
