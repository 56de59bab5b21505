//! Reserves disk space for transfers, and checks the free space before a pull downloads any byte.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task;
use windlass_oci::Digest;
use windlass_store::{PartialBlob, Retention, Store};

use crate::blocking::blocking_result;
use crate::byte_counters::ByteCounters;
use crate::error::{NoSpace, PullError};
use crate::plan::{MissingLayer, partial_bytes};

/// The running transfers, each with the bytes that it still has to write.
#[derive(Debug, Default)]
pub(crate) struct SpaceReservations(Mutex<HashMap<(Digest, u64), Weak<ByteCounters>>>);

impl SpaceReservations {
    /// Reserves the space of a transfer, until its counters are dropped.
    pub(crate) fn reserve(&self, digest: Digest, size: u64, counters: &Arc<ByteCounters>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, counters| counters.strong_count() > 0);
        all.insert((digest, size), Arc::downgrade(counters));
    }

    /// Checks that there is space for `missing`. Partial blobs of other images are removed if there is too little.
    pub(crate) async fn ensure_space(
        &self,
        store: &Arc<Store>,
        missing: &[MissingLayer],
        partials: &[PartialBlob],
    ) -> Result<(), PullError> {
        let (running, reserved) = self.running();
        let needed = needed(missing, partials, &running);
        let digests: Vec<Digest> = missing.iter().map(|it| it.descriptor.digest).collect();
        let store = Arc::clone(store);
        let check = move || check_free_space(&store, needed, reserved, &digests);
        blocking_result(task::spawn_blocking(check)).await
    }

    /// Returns the running transfers, and how many bytes they still have to write.
    fn running(&self) -> (HashSet<(Digest, u64)>, u64) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running =
            { all.iter() }.filter_map(|(key, counters)| Some((*key, counters.upgrade()?)));
        let (mut keys, mut bytes) = (HashSet::new(), 0u64);
        for (key, counters) in running {
            keys.insert(key);
            bytes = bytes.saturating_add(counters.outstanding(key.1));
        }
        (keys, bytes)
    }
}

/// Checks that `needed` bytes are free besides the `reserved` ones. Removes partial blobs except `in_use` if not.
fn check_free_space(
    store: &Store,
    needed: u64,
    reserved: u64,
    in_use: &[Digest],
) -> Result<(), PullError> {
    let free = || Ok::<_, PullError>(store.available()?.saturating_sub(reserved));
    if needed <= free()? {
        return Ok(());
    }
    let none = Retention {
        max_age: Duration::MAX,
        max_bytes: 0,
    };
    store.expire_partials(&none, in_use)?;
    let available = free()?;
    if needed <= available {
        return Ok(());
    }
    let path = store.path().unwrap_or(Path::new("")).to_owned();
    Err(PullError::NoSpace(NoSpace {
        needed,
        available,
        path,
    }))
}

/// Returns the minimum number of bytes to write for `missing`, without those that running transfers write.
fn needed(
    missing: &[MissingLayer],
    partials: &[PartialBlob],
    running: &HashSet<(Digest, u64)>,
) -> u64 {
    let mut needed = 0u64;
    for layer in missing {
        let (digest, size) = (layer.descriptor.digest, layer.descriptor.size);
        if !running.contains(&(digest, size)) {
            let rest = size - partial_bytes(partials, &digest, size);
            needed = needed.saturating_add(rest).saturating_add(size);
        }
    }
    needed
}
