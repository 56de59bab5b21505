//! Lists images, and finds the one that a name refers to.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use windlass_oci::{
    ChainId, DiffId, Digest, IdPrefix, ImageId, ImageName, Platform, Reference, RepositoryName, Tag,
};

use crate::Store;
use crate::database::{TextColumn, from_integer};
use crate::error::{DatabaseError, impl_is_no_space};

/// A stored image with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The ID: the digest of the config.
    pub id: ImageId,
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The digest of the index that the manifest was chosen from, if any.
    pub index: Option<Digest>,
    /// The platform.
    pub platform: Platform,
    /// The time of creation in its config.
    pub created: Option<String>,
    /// When it was first pulled, in seconds since 1970.
    pub pulled: u64,
    /// Its layers, base first.
    pub layers: Vec<ImageLayer>,
    /// Its tags, in order.
    pub tags: Vec<TaggedReference>,
    /// Its digest references, in order.
    pub digests: Vec<Reference>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// The diff ID: the digest of its tar.
    pub diff_id: DiffId,
    /// The chain ID: the layer with all layers below it.
    pub chain_id: ChainId,
    /// The bytes of file content.
    pub size: u64,
    /// The digest of its blob in the manifest. The blob need not be stored: the layer may have come from
    /// another one.
    pub blob: Digest,
    /// A stored blob that was unpacked to this layer; that of the manifest, if possible.
    pub stored_blob: Option<Digest>,
    /// The size of the blob in the manifest, in bytes.
    pub blob_size: u64,
}

/// A tag of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedReference {
    /// The name with its tag.
    pub reference: Reference,
    /// The manifest or index that it referred to when it was set.
    pub target: Digest,
}

/// Why a name does not refer to one image.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No image has this name.
    #[error("no such image: {name}")]
    Unknown {
        /// The name.
        name: ImageName,
    },
    /// Several IDs have this prefix.
    #[error("{prefix} is the prefix of {} image IDs: {}", .ids.len(), short(.ids))]
    Ambiguous {
        /// The prefix.
        prefix: IdPrefix,
        /// The IDs.
        ids: Vec<ImageId>,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(FindError);

impl Image {
    /// Returns the bytes of file content in all layers.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Returns the manifest or index that identifies the image in a pull by digest.
    pub fn target(&self) -> &Digest {
        self.index.as_ref().unwrap_or(&self.manifest)
    }

    /// Returns whether it has no tag, so that only its ID and digests refer to it.
    pub fn is_dangling(&self) -> bool {
        self.tags.is_empty()
    }
}

impl Store {
    /// Returns all images, the most recently pulled first.
    pub fn images(&self) -> Result<Vec<Image>, DatabaseError> {
        let mut images = self
            .database()
            .query(|transaction| load(transaction, None))?;
        images.sort_by(|a, b| b.pulled.cmp(&a.pulled).then(a.id.cmp(&b.id)));
        Ok(images)
    }

    /// Returns the image that `name` refers to: an ID, a reference, or a prefix of an ID (API-12).
    pub fn image(&self, name: &ImageName) -> Result<Image, FindError> {
        let found = self.database().query(|transaction| {
            let found = find(transaction, name)?;
            let NameLookup::One { id, .. } = found else {
                return Ok((found, None));
            };
            Ok((found, load(transaction, Some(&id))?.pop()))
        })?;
        match found {
            (_, Some(image)) => Ok(image),
            (found, None) => Err(found.into_error(name)),
        }
    }
}

/// What a name refers to.
#[derive(Debug)]
pub(crate) enum NameLookup {
    One {
        id: ImageId,
        /// The normalised reference; `None` if the name was an ID.
        by: Option<Reference>,
    },
    Ambiguous(IdPrefix, Vec<ImageId>),
    Unknown,
}

impl NameLookup {
    pub(crate) fn into_error(self, name: &ImageName) -> FindError {
        match self {
            Self::Ambiguous(prefix, ids) => FindError::Ambiguous { prefix, ids },
            Self::One { .. } | Self::Unknown => FindError::Unknown { name: name.clone() },
        }
    }
}

/// Finds the image that `name` refers to.
pub(crate) fn find(connection: &Connection, name: &ImageName) -> rusqlite::Result<NameLookup> {
    match name {
        ImageName::Id(id) => {
            let exists = ids(connection)?.contains(id);
            Ok(if exists {
                NameLookup::One { id: *id, by: None }
            } else {
                NameLookup::Unknown
            })
        }
        ImageName::IdPrefix(prefix) => find_prefix(connection, prefix),
        ImageName::Reference(reference) => find_reference(connection, reference),
        ImageName::ReferenceOrPrefix(reference, prefix) => {
            match find_reference(connection, reference)? {
                NameLookup::Unknown => find_prefix(connection, prefix),
                found => Ok(found),
            }
        }
    }
}

/// In a name with a tag and a digest the digest decides.
fn find_reference(connection: &Connection, reference: &Reference) -> rusqlite::Result<NameLookup> {
    let reference = match reference.digest() {
        Some(_) => reference.without_tag(),
        None => reference.clone().or_latest(),
    };
    let (sql, last) = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => (
            "SELECT image FROM digest_references WHERE repository = ? AND digest = ?",
            digest.to_string(),
        ),
        (None, tag) => (
            "SELECT image FROM tags WHERE repository = ? AND tag = ?",
            tag.map(Tag::to_string).unwrap_or_default(),
        ),
    };
    let row = params![TextColumn(reference.repository()), last];
    let found = connection.query_row(sql, row, id_of).optional()?;
    Ok(found.map_or(NameLookup::Unknown, |id| NameLookup::One {
        id,
        by: Some(reference),
    }))
}

fn find_prefix(connection: &Connection, prefix: &IdPrefix) -> rusqlite::Result<NameLookup> {
    let ids = ids(connection)?.into_iter();
    let ids: Vec<_> = ids.filter(|id| prefix.matches(id)).collect();
    Ok(match ids.as_slice() {
        [] => NameLookup::Unknown,
        [id] => NameLookup::One { id: *id, by: None },
        _ => NameLookup::Ambiguous(prefix.clone(), ids),
    })
}

fn ids(connection: &Connection) -> rusqlite::Result<Vec<ImageId>> {
    connection
        .prepare("SELECT id FROM images ORDER BY id")?
        .query_map([], id_of)?
        .collect()
}

fn id_of(row: &Row<'_>) -> rusqlite::Result<ImageId> {
    row.get(0).map(|TextColumn(id)| id)
}

/// Loads the image `only`, or all images.
pub(crate) fn load(
    connection: &Connection,
    only: Option<&ImageId>,
) -> rusqlite::Result<Vec<Image>> {
    let mut images: BTreeMap<ImageId, Image> = BTreeMap::new();
    let sql =
        "SELECT id, manifest, index_digest, os, architecture, variant, os_version, created, pulled
               FROM images WHERE ?1 IS NULL OR id = ?1";
    each(connection, sql, only, |row| {
        let image = read_image(row)?;
        images.insert(image.id, image);
        Ok(())
    })?;
    let sql = "SELECT image, diff_id, chain_id, size, blob, blob_size,
                      (SELECT held.blob FROM layer_blobs AS held
                       WHERE held.diff_id = image_layers.diff_id
                       ORDER BY held.blob <> image_layers.blob, held.blob LIMIT 1)
               FROM image_layers JOIN layers USING (diff_id)
               WHERE ?1 IS NULL OR image = ?1 ORDER BY image, position";
    each(connection, sql, only, |row| {
        if let Some(image) = images.get_mut(&id_of(row)?) {
            image.layers.push(read_layer(row)?);
        }
        Ok(())
    })?;
    let sql = "SELECT image, repository, tag, target FROM tags
               WHERE ?1 IS NULL OR image = ?1 ORDER BY repository, tag";
    each(connection, sql, only, |row| {
        if let Some(image) = images.get_mut(&id_of(row)?) {
            let (TextColumn(name), TextColumn(tag)): (TextColumn<RepositoryName>, TextColumn<Tag>) =
                (row.get(1)?, row.get(2)?);
            image.tags.push(TaggedReference {
                reference: name.reference().with_tag(tag),
                target: row.get(3).map(|TextColumn(target)| target)?,
            });
        }
        Ok(())
    })?;
    let sql = "SELECT image, repository, digest FROM digest_references
               WHERE ?1 IS NULL OR image = ?1 ORDER BY repository, digest";
    each(connection, sql, only, |row| {
        if let Some(image) = images.get_mut(&id_of(row)?) {
            let TextColumn(name): TextColumn<RepositoryName> = row.get(1)?;
            let TextColumn(digest) = row.get(2)?;
            image.digests.push(name.reference().with_digest(digest));
        }
        Ok(())
    })?;
    Ok(images.into_values().collect())
}

fn each(
    connection: &Connection,
    sql: &str,
    only: Option<&ImageId>,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![only.map(TextColumn)])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn read_image(row: &Row<'_>) -> rusqlite::Result<Image> {
    let index: Option<TextColumn<Digest>> = row.get(2)?;
    Ok(Image {
        id: id_of(row)?,
        manifest: row.get(1).map(|TextColumn(digest)| digest)?,
        index: index.map(|TextColumn(digest)| digest),
        platform: Platform {
            os: row.get(3)?,
            architecture: row.get(4)?,
            variant: row.get(5)?,
            os_version: row.get(6)?,
            os_features: Vec::new(),
        },
        created: row.get(7)?,
        pulled: row.get(8).map(from_integer)?,
        layers: Vec::new(),
        tags: Vec::new(),
        digests: Vec::new(),
    })
}

fn read_layer(row: &Row<'_>) -> rusqlite::Result<ImageLayer> {
    let held: Option<TextColumn<Digest>> = row.get(6)?;
    Ok(ImageLayer {
        diff_id: row.get(1).map(|TextColumn(id)| id)?,
        chain_id: row.get(2).map(|TextColumn(id)| id)?,
        size: row.get(3).map(from_integer)?,
        blob: row.get(4).map(|TextColumn(digest)| digest)?,
        blob_size: row.get(5).map(from_integer)?,
        stored_blob: held.map(|TextColumn(digest)| digest),
    })
}

fn short(ids: &[ImageId]) -> String {
    let shown: Vec<_> = ids.iter().take(5).map(ImageId::short).collect();
    shown.join(", ")
}
