//! Starting to write to the disk while a pull is still under way.
//!
//! Left alone, the kernel keeps what is written in memory for half a minute, and the barrier of the commit
//! then waits for all of it: a third of a pull in which the processors idle. So the whole file system is
//! synced now and then while blobs and layers grow, on a thread of its own that holds nobody up. The files
//! of a layer are far too many to be asked for one by one, and they come from an archive that does not
//! know this store; that blobs move is the sign that layers do.
//!
//! What a partial blob had before such a sync is safe after it: that much of it outlives a power cut.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Mode, OFlags};

use crate::ingest::ActiveIngests;

/// A sync is begun whenever so many bytes of blobs were appended or read since the last one was.
const PIECE: u64 = 32 << 20;

/// The thread, once there is something to do for it. It ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct WriteBack {
    moved: AtomicU64,
    thread: OnceLock<Option<SyncSender<()>>>,
}

impl WriteBack {
    /// Notes that `bytes` of blobs were appended or read, in the store at `root`.
    ///
    /// All this is a hint: the barrier writes what is left, and is what reports errors.
    pub(crate) fn record_io(&self, root: BorrowedFd<'_>, live: &Arc<ActiveIngests>, bytes: u64) {
        let before = self.moved.fetch_add(bytes, Ordering::Relaxed);
        if before / PIECE == (before + bytes) / PIECE {
            return;
        }
        let thread = self.thread.get_or_init(|| start(root, Arc::clone(live)));
        // One that is still busy begins again right after, at most once.
        if let Some(Err(TrySendError::Disconnected(()))) =
            thread.as_ref().map(|thread| thread.try_send(()))
        {
            tracing::debug!("the write-back thread is gone");
        }
    }
}

fn start(root: BorrowedFd<'_>, live: Arc<ActiveIngests>) -> Option<SyncSender<()>> {
    // A handle of its own: an error is reported once per handle, and the barrier's must see it.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(root, ".", flags, Mode::empty()).ok()?;
    let (send, receive) = sync_channel(1);
    let thread = std::thread::Builder::new().name("write-back".to_owned());
    thread
        .spawn(move || run(&dir, &live, &receive))
        .is_ok()
        .then_some(send)
}

fn run(dir: &OwnedFd, live: &ActiveIngests, signs: &Receiver<()>) {
    for () in signs {
        let before = live.moment();
        match rustix::fs::syncfs(dir.as_fd()) {
            Ok(()) => before.mark_safe(),
            Err(error) => tracing::debug!(%error, "no early write-back"),
        }
    }
}
