//! Leases of content, for operations that use it without changing the store.

use rusqlite::{Connection, Row};
use windlass_oci::{DiffId, Digest};

use crate::Store;
use crate::database::TextColumn;
use crate::error::DatabaseError;
use crate::lease::{Lease, LeasedContent};

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
            Ok(all.map(|content| all_leases.take(content)).collect())
        });
        leases.map(ContentLease)
    }
}

fn digests(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Digest>> {
    let mut statement = connection.prepare(sql)?;
    let digest = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
    statement.query_map([], digest)?.collect()
}
