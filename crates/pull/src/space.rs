//! Checks for free disk space before a pull downloads any byte.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task;
use windlass_oci::Digest;
use windlass_store::{PartialBlob, Retention};

use crate::error::PullError;
use crate::plan::MissingLayer;
use crate::progress::ByteCounters;
use crate::puller::{Puller, blocking_result};

/// Bytes that running transfers still have to write.
#[derive(Debug, Default)]
pub(crate) struct SpaceReservations(Mutex<HashMap<(Digest, u64), Weak<ByteCounters>>>);

/// Too little space for an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: its layers need at least {needed} bytes in {}, and {available} are free",
    .path.display()
)]
pub struct NoSpace {
    /// What has yet to be written, at least: the missing bytes of the blobs, and layers that are no smaller
    /// unpacked.
    pub needed: u64,
    /// What is free, and not about to be taken up by other pulls, in bytes.
    pub available: u64,
    /// The store.
    pub path: PathBuf,
}

impl SpaceReservations {
    /// Reserves the space of a transfer, until its counters are dropped.
    pub(crate) fn reserve(&self, digest: Digest, size: u64, counters: &Arc<ByteCounters>) {
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
    /// Checks that there is space for `missing`. Partial blobs of other images are removed if it is needed.
    pub(crate) async fn ensure_space(
        &self,
        missing: &[MissingLayer],
        partials: &[PartialBlob],
    ) -> Result<(), PullError> {
        let (running, outstanding) = self.space.outstanding();
        let needed = needed(missing, partials, &running);
        let digests: Vec<Digest> = missing.iter().map(|it| it.descriptor.digest).collect();
        let store = Arc::clone(&self.store);
        blocking_result(task::spawn_blocking(move || {
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
            Err(PullError::NoSpace(NoSpace {
                needed,
                available,
                path,
            }))
        }))
        .await
    }
}

/// Returns the minimum number of bytes to write for `missing`, without those that running transfers write.
fn needed(
    missing: &[MissingLayer],
    partials: &[PartialBlob],
    running: &HashSet<(Digest, u64)>,
) -> u64 {
    let mut needed = 0u64;
    for wanted in missing {
        let (digest, size) = (wanted.descriptor.digest, wanted.descriptor.size);
        if !running.contains(&(digest, size)) {
            let rest = size - partial_bytes(partials, &digest, size);
            needed = needed.saturating_add(rest).saturating_add(size);
        }
    }
    needed
}

/// Returns how much of a blob is here from an earlier pull, in bytes.
pub(crate) fn partial_bytes(partials: &[PartialBlob], digest: &Digest, size: u64) -> u64 {
    let mut of_blob = partials
        .iter()
        .filter(|it| it.digest == *digest && it.size == size);
    of_blob.next().map_or(0, |blob| blob.stored.min(size))
}
