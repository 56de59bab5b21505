//! Repositories: stored content by the names that clients of registries use.
//!
//! A repository exists if a tag or a digest reference names it. It has the content of the images that it refers
//! to, and nothing else: a blob that is stored under another name is not visible in it.

use rusqlite::{Connection, OptionalExtension as _, params};
use windlass_oci::{Digest, RepositoryName, Tag};

use crate::Store;
use crate::database::TextColumn;
use crate::error::DatabaseError;

/// The kind of content to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// A manifest or an index, but not a config or a layer.
    Manifest,
    /// Any blob.
    Blob,
}

/// The result of a lookup in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryLookup<T> {
    /// The content.
    Found(T),
    /// The repository does not have it.
    Missing,
    /// The repository does not exist.
    NoRepository,
}

/// The images that repository `?1` refers to.
const ITS_IMAGES: &str = "(SELECT image FROM tags WHERE repository = ?1
      UNION SELECT image FROM digest_references WHERE repository = ?1)";

impl<T> RepositoryLookup<T> {
    /// Returns the content, if it was found.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Missing | Self::NoRepository => None,
        }
    }
}

impl Store {
    /// Returns the repositories after `after`, ordered by their full names; at most `limit`. With `registry`,
    /// only those of this registry.
    pub fn repositories(
        &self,
        registry: Option<&str>,
        after: Option<&RepositoryName>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, DatabaseError> {
        // The registry's name is followed by a slash; `0` is the character after the slash.
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
        self.database().query(|transaction| {
            transaction
                .prepare(sql)?
                .query_map(params![from, to, after, rows(limit)], |row| {
                    row.get(0).map(|TextColumn(name)| name)
                })?
                .collect()
        })
    }

    /// Returns the tags of `repository` after `after`, ordered by their bytes; at most `limit`.
    pub fn tags_of(
        &self,
        repository: &RepositoryName,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<RepositoryLookup<Vec<Tag>>, DatabaseError> {
        let after = after.map(Tag::to_string).unwrap_or_default();
        let sql = "SELECT tag FROM tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?";
        self.database().query(|transaction| {
            if !is_repository(transaction, repository)? {
                return Ok(RepositoryLookup::NoRepository);
            }
            transaction
                .prepare(sql)?
                .query_map(params![TextColumn(repository), after, rows(limit)], |row| {
                    row.get(0).map(|TextColumn(tag)| tag)
                })?
                .collect::<Result<_, _>>()
                .map(RepositoryLookup::Found)
        })
    }

    /// Returns the manifest or index that a tag refers to.
    pub fn target(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<RepositoryLookup<Digest>, DatabaseError> {
        let sql = "SELECT target FROM tags WHERE repository = ? AND tag = ?";
        self.database().query(|transaction| {
            let row = params![TextColumn(repository), TextColumn(tag)];
            let target = transaction
                .query_row(sql, row, |row| row.get(0))
                .optional()?;
            found(
                transaction,
                repository,
                target.map(|TextColumn(digest)| digest),
            )
        })
    }

    /// Looks for `digest` in the images that `repository` refers to.
    pub fn lookup_content(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        kind: ContentKind,
    ) -> Result<RepositoryLookup<()>, DatabaseError> {
        let content = format!(
            "SELECT 1 FROM image_blobs WHERE digest = ?2 AND image IN {ITS_IMAGES} LIMIT 1"
        );
        let other = "SELECT 1 FROM images WHERE id = ?1
                     UNION ALL SELECT 1 FROM layer_blobs WHERE blob = ?1 LIMIT 1";
        self.database().query(|transaction| {
            let row = params![TextColumn(repository), TextColumn(digest)];
            let mut content = transaction
                .query_row(&content, row, |_| Ok(()))
                .optional()?;
            if content.is_some() && kind == ContentKind::Manifest {
                let other = transaction
                    .query_row(other, [TextColumn(digest)], |_| Ok(()))
                    .optional()?;
                content = content.filter(|()| other.is_none());
            }
            found(transaction, repository, content)
        })
    }

    /// Returns the manifests and indexes of the images that `repository` refers to; at most `limit`.
    pub fn manifests_of(
        &self,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<RepositoryLookup<Vec<Digest>>, DatabaseError> {
        let sql = format!(
            "SELECT manifest FROM images WHERE id IN {ITS_IMAGES}
             UNION SELECT index_digest FROM images
                   WHERE id IN {ITS_IMAGES} AND index_digest IS NOT NULL
             UNION SELECT target FROM tags WHERE repository = ?1
             UNION SELECT digest FROM digest_references WHERE repository = ?1
             LIMIT ?2"
        );
        self.database().query(|transaction| {
            let digests: Vec<Digest> = transaction
                .prepare(&sql)?
                .query_map(params![TextColumn(repository), rows(limit)], |row| {
                    row.get(0).map(|TextColumn(digest)| digest)
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
    content: Option<T>,
) -> rusqlite::Result<RepositoryLookup<T>> {
    match content {
        Some(content) => Ok(RepositoryLookup::Found(content)),
        None if is_repository(connection, repository)? => Ok(RepositoryLookup::Missing),
        None => Ok(RepositoryLookup::NoRepository),
    }
}

fn is_repository(connection: &Connection, repository: &RepositoryName) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tags WHERE repository = ?1)
               OR EXISTS (SELECT 1 FROM digest_references WHERE repository = ?1)";
    connection.query_row(sql, [TextColumn(repository)], |row| row.get(0))
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
