//! Whether there is room for what is to come, before the first byte of it does.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task;
use windlass_oci::Digest;
use windlass_store::{PartialBlob, Retention};

use crate::error::PullError;
use crate::plan::Wanted;
use crate::progress::Counters;
use crate::puller::{Puller, done};

/// What the transfers that run have yet to write.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<HashMap<(Digest, u64), Weak<Counters>>>);

/// Too little space for an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: its layers need at least {needed} bytes in {}, and {available} are free",
    .path.display()
)]
pub struct NoRoom {
    /// What has yet to be written, at least: the missing bytes of the blobs, and layers that are no smaller
    /// unpacked.
    pub needed: u64,
    /// What is free, and not about to be taken up by other pulls, in bytes.
    pub available: u64,
    /// The store.
    pub path: PathBuf,
}

impl Room {
    /// Notes a transfer that begins.
    pub(crate) fn begins(&self, digest: Digest, size: u64, counters: &Arc<Counters>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, counters| counters.strong_count() > 0);
        all.insert((digest, size), Arc::downgrade(counters));
    }

    /// Returns which transfers run, and how many bytes they have yet to write.
    fn outstanding(&self) -> (HashSet<(Digest, u64)>, u64) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running =
            { all.iter() }.filter_map(|(key, counters)| Some((*key, counters.upgrade()?)));
        let (mut keys, mut bytes) = (HashSet::new(), 0u64);
        for (key, counters) in running {
            let (download, unpacked) = counters.outstanding(key.1);
            keys.insert(key);
            bytes = bytes.saturating_add(download).saturating_add(unpacked);
        }
        (keys, bytes)
    }
}

impl Puller {
    /// Checks that there is room for `missing`. Partial blobs of other images have to make room for it.
    pub(crate) async fn make_room(
        &self,
        missing: &[Wanted],
        kept: &[PartialBlob],
    ) -> Result<(), PullError> {
        let (running, outstanding) = self.room.outstanding();
        let needed = needed(missing, kept, &running);
        let digests: Vec<Digest> = missing.iter().map(|it| it.descriptor.digest).collect();
        let store = Arc::clone(&self.store);
        done(task::spawn_blocking(move || {
            let free = || Ok::<_, PullError>(store.available()?.saturating_sub(outstanding));
            if needed <= free()? {
                return Ok(());
            }
            let none = Retention {
                max_age: Duration::MAX,
                max_bytes: 0,
            };
            store.expire_partials(&none, &digests)?;
            let available = free()?;
            if needed <= available {
                return Ok(());
            }
            let path = store.path().unwrap_or(std::path::Path::new("")).to_owned();
            Err(PullError::NoRoom(NoRoom {
                needed,
                available,
                path,
            }))
        }))
        .await
    }
}

/// Returns how many bytes have to be written for `missing`, at least, that nobody is writing yet.
fn needed(missing: &[Wanted], kept: &[PartialBlob], running: &HashSet<(Digest, u64)>) -> u64 {
    let mut needed = 0u64;
    for wanted in missing {
        let (digest, size) = (wanted.descriptor.digest, wanted.descriptor.size);
        if !running.contains(&(digest, size)) {
            let rest = size - here(kept, &digest, size);
            needed = needed.saturating_add(rest).saturating_add(size);
        }
    }
    needed
}

/// Returns how much of a blob is here from an earlier pull, in bytes.
pub(crate) fn here(kept: &[PartialBlob], digest: &Digest, size: u64) -> u64 {
    let mut of_blob = kept
        .iter()
        .filter(|it| it.digest == *digest && it.size == size);
    of_blob.next().map_or(0, |blob| blob.stored.min(size))
}
