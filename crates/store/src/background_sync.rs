//! Writes data to the disk while a pull is still running.
//!
//! By default the kernel keeps written data in memory for half a minute, and the barrier of the commit then
//! waits for all of it: a third of the time of a pull, during which the processors are idle. Therefore the
//! whole file system is synced at intervals while blobs and layers grow, on a separate thread. A layer has far
//! too many files to sync one by one, and they are written by the archive crate, which does not depend on this
//! one; the bytes of the blobs show that layers grow too.
//!
//! Bytes that a partial blob had before such a sync are durable after it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Mode, OFlags};

use crate::partial::ActiveIngests;

/// A sync starts after this many bytes of blobs were appended or read.
const SYNC_EVERY: u64 = 32 << 20;

/// The thread that syncs, started when there is work for it. It ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct BackgroundSync {
    /// The number of bytes of blobs that were appended or read.
    io_bytes: AtomicU64,
    thread: OnceLock<Option<SyncSender<()>>>,
}

impl BackgroundSync {
    /// Counts `bytes` of blobs that were appended or read, in the store at `root`.
    ///
    /// The sync is an optimisation: the barrier writes the rest, and reports errors.
    pub(crate) fn record_io(
        &self,
        root: BorrowedFd<'_>,
        active_ingests: &Arc<ActiveIngests>,
        bytes: u64,
    ) {
        let before = self.io_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before / SYNC_EVERY == (before + bytes) / SYNC_EVERY {
            return;
        }
        let thread = self
            .thread
            .get_or_init(|| start(root, Arc::clone(active_ingests)));
        // If the thread is busy, it syncs once more afterwards.
        if let Some(Err(TrySendError::Disconnected(()))) =
            thread.as_ref().map(|thread| thread.try_send(()))
        {
            tracing::debug!("the thread that syncs in the background is gone");
        }
    }
}

fn start(root: BorrowedFd<'_>, active_ingests: Arc<ActiveIngests>) -> Option<SyncSender<()>> {
    // A separate handle: the kernel reports an error once for each handle, and the barrier must get it.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(root, ".", flags, Mode::empty()).ok()?;
    let (send, receive) = sync_channel(1);
    let thread = std::thread::Builder::new().name("store-sync".to_owned());
    thread
        .spawn(move || run(&dir, &active_ingests, &receive))
        .is_ok()
        .then_some(send)
}

fn run(dir: &OwnedFd, active_ingests: &ActiveIngests, requests: &Receiver<()>) {
    for () in requests {
        let before = active_ingests.snapshot();
        match rustix::fs::syncfs(dir.as_fd()) {
            Ok(()) => before.mark_durable(),
            Err(error) => tracing::debug!(%error, "syncing in the background failed"),
        }
    }
}
