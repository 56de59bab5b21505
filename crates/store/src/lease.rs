//! Leases: content that a pull found present is not deleted until the pull is done (R6), nor is content that is being
//! saved or pushed.
//!
//! Leases live in memory, because only the owner of the store deletes, and they end with the process. Content
//! that only a lease protected is removed by the next deletion or when the store is opened again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Row};
use windlass_oci::{DiffId, Digest};

use crate::Store;
use crate::database::TextColumn;
use crate::error::DatabaseError;

/// Content that can be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeasedContent {
    Blob(Digest),
    Layer(DiffId),
}

/// The number of leases of each blob and layer.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<LeasedContent, usize>>);

/// Protects one blob or layer from deletion until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    all: Arc<Leases>,
    what: LeasedContent,
}

/// Protects all content that was stored at its creation from deletion until it is dropped.
#[derive(Debug)]
pub struct ContentLease(
    #[expect(dead_code, reason = "the leases end when this is dropped")] Vec<Lease>,
);

impl Store {
    /// Leases these blobs. A blob that is not stored has no effect.
    pub fn lease_blobs(
        &self,
        blobs: impl IntoIterator<Item = Digest>,
    ) -> Result<ContentLease, DatabaseError> {
        let all_leases = self.inner().leases();
        let blobs: Vec<_> = blobs.into_iter().map(LeasedContent::Blob).collect();
        let leases = self.database().query(|_| {
            let leases = blobs.into_iter().map(|blob| all_leases.take(blob));
            Ok(leases.collect())
        });
        leases.map(ContentLease)
    }

    /// Leases every stored blob and layer.
    pub fn lease_all(&self) -> Result<ContentLease, DatabaseError> {
        let all_leases = self.inner().leases();
        let leases = self.database().query(|connection| {
            let layers = digests(connection, "SELECT diff_id FROM layers")?.into_iter();
            let blobs = digests(connection, "SELECT digest FROM blobs")?.into_iter();
            let layers = layers.map(|layer| LeasedContent::Layer(DiffId::new(layer)));
            let all = layers.chain(blobs.map(LeasedContent::Blob));
            Ok(all.map(|what| all_leases.take(what)).collect())
        });
        leases.map(ContentLease)
    }
}

fn digests(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Digest>> {
    let mut statement = connection.prepare(sql)?;
    let digest = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
    statement.query_map([], digest)?.collect()
}

impl Leases {
    /// Must be called while the database is locked; otherwise a deletion could happen in between.
    pub(crate) fn take(self: &Arc<Self>, what: LeasedContent) -> Lease {
        *self.counts().entry(what).or_default() += 1;
        let all = Arc::clone(self);
        Lease { all, what }
    }

    pub(crate) fn is_leased(&self, what: &LeasedContent) -> bool {
        self.counts().contains_key(what)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<LeasedContent, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.all.take(self.what)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.what) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.what);
            }
        }
    }
}
