//! Starting to write to the disk while a file still grows.
//!
//! Left alone, the kernel keeps what is written in memory, and the sync at the end waits for all of it while the
//! processors idle. So a large file is synced now and then, on a thread of its own that holds nobody up. Of 505
//! MB that was a fifth of the time.

use std::cell::OnceCell;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// A sync is begun whenever so many bytes were written since the last one was.
const PIECE: u64 = 16 << 20;

/// Syncs one file. All of it is a hint: the sync at the end writes what is left, and is what reports errors.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    written: u64,
    /// The thread, once there is something to do for it; none where it could not be started. It ends when this is
    /// dropped.
    thread: OnceCell<Option<SyncSender<()>>>,
}

impl Ahead {
    /// Notes that `bytes` were written to the file at `path`.
    pub(super) fn wrote(&mut self, bytes: u64, path: &Path) {
        let before = self.written / PIECE;
        self.written += bytes;
        if before == self.written / PIECE {
            return;
        }
        if let Some(thread) = self.thread.get_or_init(|| start(path)) {
            // One that is still busy begins again right after, at most once.
            _ = thread.try_send(());
        }
    }
}

fn start(path: &Path) -> Option<SyncSender<()>> {
    // A handle of its own: an error is reported once per handle, and the sync at the end must see it.
    let file = File::open(path).ok()?;
    let (send, signs) = sync_channel(1);
    let thread = thread::Builder::new().name("write-ahead".to_owned());
    let run = move || signs.iter().for_each(|()| drop(file.sync_data()));
    thread.spawn(run).is_ok().then_some(send)
}
