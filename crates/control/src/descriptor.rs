//! Descriptors over a socket (unix(7), `SCM_RIGHTS`), and sockets relative to a directory.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// How many bytes one call reads.
const READ_BYTES: usize = 64 << 10;

/// Appends available bytes to `buffer` and stores the first descriptor that comes with them in `file`. Returns the number
/// of bytes.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
    file: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut chunk = vec![0; READ_BYTES];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut chunk)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    buffer.extend_from_slice(&chunk[..received.bytes]);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message {
            // A message has at most one descriptor. The iterator closes all others when it is dropped.
            if let Some(first) = files.next() {
                *file = Some(first);
            }
        }
    }
    Ok(received.bytes)
}

/// Sends a part of `bytes` together with `file`. Returns the number of bytes that were sent.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], file: &OwnedFd) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no space for a descriptor"));
    }
    let sent = sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(sent)
}

/// An open directory that contains a socket. The address of a socket has at most 107 bytes, and the path of a store may
/// be longer.
pub(crate) struct SocketDirectory(OwnedFd);

impl SocketDirectory {
    /// Opens the directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Returns a short path to `name` in the directory. It is valid as long as `self` exists.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()).into()
    }
}
