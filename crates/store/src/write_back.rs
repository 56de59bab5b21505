//! Starting to write large blobs to the disk while they come in.
//!
//! Left alone, the kernel keeps what is written in memory for half a minute, and the barrier of the commit
//! then waits for all of it. So it is asked to begin with each piece. The asking can block while the disk is
//! busy, which must hold up neither the wire nor the follower: a thread of its own does it, and a piece
//! that comes while it is behind is asked for with the next one.

use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rustix::fs::Advice;

/// How much of a blob is asked for at once, in bytes. Large pieces keep the extents on the disk large.
pub(crate) const PIECE: u64 = 8 << 20;

/// How many pieces may wait.
const QUEUE: usize = 8;

/// The thread, once there is something to do for it. It ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct WriteBack(OnceLock<Option<SyncSender<Piece>>>);

/// A part of a file.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) file: OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl WriteBack {
    /// Has `piece` written soon; says whether it was taken. It is a hint: the barrier writes what is left.
    pub(crate) fn start(&self, piece: Piece) -> bool {
        let thread = self.0.get_or_init(|| {
            let (send, receive) = sync_channel(QUEUE);
            let named = std::thread::Builder::new().name("write-back".to_owned());
            named.spawn(move || run(&receive)).is_ok().then_some(send)
        });
        thread
            .as_ref()
            .is_some_and(|thread| thread.try_send(piece).is_ok())
    }
}

fn run(pieces: &Receiver<Piece>) {
    for Piece {
        file,
        offset,
        length,
    } in pieces
    {
        // For pages that are dirty, "not needed" means "write them now"; they stay in the cache until they
        // are clean, when the follower is long past them.
        let advice = rustix::fs::fadvise(&file, offset, NonZeroU64::new(length), Advice::DontNeed);
        if let Err(error) = advice {
            tracing::debug!(%error, "no early write-back");
        }
    }
}
