//! Open files over a socket (unix(7), `SCM_RIGHTS`), and sockets by the directory that they are in.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// Reads what is there behind `read`, and keeps a file that comes along. Returns how many bytes came.
pub(super) fn receive(
    socket: impl AsFd,
    read: &mut Vec<u8>,
    file: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut piece = vec![0; PIECE];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut piece)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    read.extend_from_slice(&piece[..received.bytes]);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = message {
            // One is meant; whatever else came is closed.
            let mut files = files;
            if let Some(first) = files.next() {
                *file = Some(first);
            }
        }
    }
    Ok(received.bytes)
}

/// Sends what goes of `bytes`, with `file`. Returns how many bytes went.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], file: &OwnedFd) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let sent = sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(sent)
}

/// A directory by its handle: addresses of sockets are short, paths of stores need not be.
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// Opens it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Returns a path to `name` in it that is short; it lasts as long as this.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()).into()
    }
}
