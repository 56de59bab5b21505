//! Repositories: what is held, asked for by the names that registries' clients use.
//!
//! A repository is here if a tag or a digest reference names it. It has what the images keep that it leads to, and
//! nothing else: that a blob is held under some other name is no reason to say so.

use rusqlite::{Connection, OptionalExtension as _, params};
use windlass_oci::{Digest, RepositoryName, Tag};

use crate::Store;
use crate::database::Text;
use crate::error::DatabaseError;

/// What a digest is to be that a repository is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A manifest or an index: neither a config nor a layer, whatever those may look like.
    Manifest,
    /// Any bytes.
    Blob,
}

/// What a repository has of what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// This.
    Here(T),
    /// Nothing of that name.
    Missing,
    /// There is no such repository.
    NoRepository,
}

/// The images that repository `?1` leads to.
const ITS_IMAGES: &str = "(SELECT image FROM tags WHERE repository = ?1
      UNION SELECT image FROM digest_references WHERE repository = ?1)";

impl<T> Found<T> {
    /// Returns what is here.
    pub fn here(self) -> Option<T> {
        match self {
            Self::Here(found) => Some(found),
            Self::Missing | Self::NoRepository => None,
        }
    }
}

impl Store {
    /// Returns the repositories behind `after`, in the order of their full names; at most `limit`.
    ///
    /// With `registry`, only those of this registry.
    pub fn repositories(
        &self,
        registry: Option<&str>,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, DatabaseError> {
        // A slash ends the registry's name, and `0` is the character behind the slash.
        let (from, to) = match registry {
            Some(registry) => (format!("{registry}/"), format!("{registry}0")),
            None => (String::new(), "\u{7f}".to_owned()),
        };
        let after = after.map(RepositoryName::to_string).unwrap_or_default();
        let sql = "SELECT repository FROM tags WHERE repository > ?1 AND repository < ?2 AND repository > ?3
                   UNION
                   SELECT repository FROM digest_references
                   WHERE repository > ?1 AND repository < ?2 AND repository > ?3
                   ORDER BY repository LIMIT ?4";
        self.database().ask(|transaction| {
            transaction
                .prepare(sql)?
                .query_map(params![from, to, after, rows(limit)], |row| {
                    row.get(0).map(|Text(name)| name)
                })?
                .collect()
        })
    }

    /// Returns the tags of `repository` behind `after`, in the order of their bytes; at most `limit`.
    pub fn tags_of(
        &self,
        repository: &RepositoryName,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Found<Vec<Tag>>, DatabaseError> {
        let after = after.map(Tag::to_string).unwrap_or_default();
        let sql = "SELECT tag FROM tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?";
        self.database().ask(|transaction| {
            if !is_repository(transaction, repository)? {
                return Ok(Found::NoRepository);
            }
            transaction
                .prepare(sql)?
                .query_map(params![Text(repository), after, rows(limit)], |row| {
                    row.get(0).map(|Text(tag)| tag)
                })?
                .collect::<Result<_, _>>()
                .map(Found::Here)
        })
    }

    /// Returns the manifest or index that a tag stands for.
    pub fn target(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Found<Digest>, DatabaseError> {
        let sql = "SELECT target FROM tags WHERE repository = ? AND tag = ?";
        self.database().ask(|transaction| {
            let row = params![Text(repository), Text(tag)];
            let target = transaction
                .query_row(sql, row, |row| row.get(0))
                .optional()?;
            found(transaction, repository, target.map(|Text(digest)| digest))
        })
    }

    /// Tells whether an image that `repository` leads to keeps `digest`.
    pub fn keeps(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        what: Kept,
    ) -> Result<Found<()>, DatabaseError> {
        let kept = format!(
            "SELECT 1 FROM image_blobs WHERE digest = ?2 AND image IN {ITS_IMAGES} LIMIT 1"
        );
        let other = "SELECT 1 FROM images WHERE id = ?1
                     UNION ALL SELECT 1 FROM layer_blobs WHERE blob = ?1 LIMIT 1";
        self.database().ask(|transaction| {
            let row = params![Text(repository), Text(digest)];
            let mut kept = transaction.query_row(&kept, row, |_| Ok(())).optional()?;
            if kept.is_some() && what == Kept::Manifest {
                let other = transaction
                    .query_row(other, [Text(digest)], |_| Ok(()))
                    .optional()?;
                kept = kept.filter(|()| other.is_none());
            }
            found(transaction, repository, kept)
        })
    }

    /// Returns the manifests and indexes that the images have which `repository` leads to; at most `limit`.
    pub fn manifests_of(
        &self,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<Found<Vec<Digest>>, DatabaseError> {
        let sql = format!(
            "SELECT manifest FROM images WHERE id IN {ITS_IMAGES}
             UNION SELECT index_digest FROM images
                   WHERE id IN {ITS_IMAGES} AND index_digest IS NOT NULL
             UNION SELECT target FROM tags WHERE repository = ?1
             UNION SELECT digest FROM digest_references WHERE repository = ?1
             LIMIT ?2"
        );
        self.database().ask(|transaction| {
            let digests: Vec<Digest> = transaction
                .prepare(&sql)?
                .query_map(params![Text(repository), rows(limit)], |row| {
                    row.get(0).map(|Text(digest)| digest)
                })?
                .collect::<Result<_, _>>()?;
            found(
                transaction,
                repository,
                Some(digests).filter(|all| !all.is_empty()),
            )
        })
    }
}

fn found<T>(
    connection: &Connection,
    repository: &RepositoryName,
    what: Option<T>,
) -> rusqlite::Result<Found<T>> {
    match what {
        Some(what) => Ok(Found::Here(what)),
        None if is_repository(connection, repository)? => Ok(Found::Missing),
        None => Ok(Found::NoRepository),
    }
}

fn is_repository(connection: &Connection, repository: &RepositoryName) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tags WHERE repository = ?1)
               OR EXISTS (SELECT 1 FROM digest_references WHERE repository = ?1)";
    connection.query_row(sql, [Text(repository)], |row| row.get(0))
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
