//! Leases: what a pull has found present stays present until it is done (R6).
//!
//! They live in memory, because only the owner of the store deletes, and they end with it. What was kept
//! for a lease alone goes with the next deletion, or when the store is opened again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Row};
use windlass_oci::{DiffId, Digest};

use crate::Store;
use crate::database::TextColumn;
use crate::error::DatabaseError;

/// Something that must not be deleted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeasedContent {
    Blob(Digest),
    Layer(DiffId),
}

/// How many times each thing is leased.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<LeasedContent, usize>>);

/// Keeps one thing from being deleted until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    all: Arc<Leases>,
    what: LeasedContent,
}

/// Keeps all that was there from being deleted until it is dropped.
#[derive(Debug)]
pub struct ContentLease(#[expect(dead_code, reason = "they are dropped with this")] Vec<Lease>);

impl Store {
    /// Leases every blob and every layer that is held.
    pub fn lease_all(&self) -> Result<ContentLease, DatabaseError> {
        let leases = self.inner().leases();
        let held = self.database().query(|connection| {
            let layers = digests(connection, "SELECT diff_id FROM layers")?.into_iter();
            let blobs = digests(connection, "SELECT digest FROM blobs")?.into_iter();
            let layers = layers.map(|layer| LeasedContent::Layer(DiffId::new(layer)));
            let all = layers.chain(blobs.map(LeasedContent::Blob));
            Ok(all.map(|what| leases.take(what)).collect())
        });
        held.map(ContentLease)
    }
}

fn digests(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Digest>> {
    let mut statement = connection.prepare(sql)?;
    let digest = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
    statement.query_map([], digest)?.collect()
}

impl Leases {
    /// To be called while the database is locked, or a deletion could come in between.
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
