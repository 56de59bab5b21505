//! Measures the disk space of the store as `du` does: in blocks, and a file with several names once.

mod walk;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use rusqlite::{Connection, Row, Transaction};
use windlass_oci::{Algorithm, DiffId, Digest, ImageId};

use crate::database::{TextColumn, from_integer};
use crate::error::{FileError, FileErrorContext};
use crate::image::load;
use crate::store_root::{StoreArea, StoreRoot, list_names};
use crate::tree::on_disk;
use crate::unshared_content::UnsharedContent;
use crate::{Image, Store, UsageError};

/// The disk space of the store, by layer and blob. All sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeasuredStore {
    /// The unpacked layers, by their diff IDs.
    pub layers: Vec<MeasuredLayer>,
    /// The blobs, by their digests.
    pub blobs: Vec<MeasuredBlob>,
    /// The size of the directory of layers, including its own blocks and leftovers of a crash.
    pub layers_on_disk: u64,
    /// The size of the directory of blobs.
    pub blobs_on_disk: u64,
    /// The size of the directory of partial blobs.
    pub partials_on_disk: u64,
}

/// An unpacked layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredLayer {
    /// The layer.
    pub diff_id: DiffId,
    /// The bytes of file content in it.
    pub size: u64,
    /// The disk space of its tree.
    pub on_disk: u64,
    /// The number of images that have it.
    pub images: u64,
    /// Whether no tagged image has it.
    pub is_reclaimable: bool,
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredBlob {
    /// The digest.
    pub digest: Digest,
    /// Its role in the images that have it.
    pub kind: BlobKind,
    /// Its length.
    pub size: u64,
    /// The disk space of its file.
    pub on_disk: u64,
    /// The number of images that have it.
    pub images: u64,
    /// Whether no tagged image has it.
    pub is_reclaimable: bool,
}

/// The role of a blob in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobKind {
    /// The config.
    Config,
    /// The manifest.
    Manifest,
    /// A compressed layer.
    Layer,
    /// An index that led to the manifest.
    Index,
}

/// Measures content on the disk of a store.
#[derive(Debug)]
pub(crate) struct DiskSizes<'a>(Option<&'a StoreRoot>);

impl Store {
    /// Measures the disk space. This examines every file; files that are deleted meanwhile count as empty.
    pub fn measure(&self) -> Result<MeasuredStore, UsageError> {
        let disk = DiskSizes::of(self);
        let mut measured = self.database().query(load_stored)?;
        let blobs = disk.area(StoreArea::Blobs)?;
        for blob in &mut measured.blobs {
            blob.on_disk = blobs.of(&blob.digest);
        }
        let layers = disk.area(StoreArea::Layers)?;
        for layer in &mut measured.layers {
            layer.on_disk = layers.of(layer.diff_id.digest());
        }
        measured.blobs_on_disk = blobs.total;
        measured.layers_on_disk = layers.total;
        measured.partials_on_disk = disk.area(StoreArea::Ingest)?.total;
        Ok(measured)
    }
}

/// The disk space of one directory of the store.
#[derive(Debug, Default)]
struct AreaSizes {
    total: u64,
    /// By `<algorithm>:<hex>`.
    each: BTreeMap<String, u64>,
}

impl AreaSizes {
    fn of(&self, digest: &Digest) -> u64 {
        self.each.get(&digest.to_string()).copied().unwrap_or(0)
    }
}

impl<'a> DiskSizes<'a> {
    pub(crate) fn of(store: &'a Store) -> Self {
        Self(store.inner().find_root())
    }

    /// Returns the disk space of a blob; 0 if it is missing.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<u64, FileError> {
        self.content(StoreArea::Blobs, digest)
    }

    /// Returns the disk space of the tree of a layer; 0 if it is missing.
    pub(crate) fn layer(&self, diff_id: &Digest) -> Result<u64, FileError> {
        self.content(StoreArea::Layers, diff_id)
    }

    fn content(&self, area: StoreArea, digest: &Digest) -> Result<u64, FileError> {
        let Some(root) = self.0 else { return Ok(0) };
        match root.content_directory(area, digest.algorithm())? {
            Some(directory) => walk::measure(directory.dir.as_fd(), digest.hex().as_ref())
                .at("examine", || root.content_path(area, digest)),
            None => Ok(0),
        }
    }

    fn area(&self, area: StoreArea) -> Result<AreaSizes, FileError> {
        let mut contents = AreaSizes::default();
        let Some(root) = self.0 else {
            return Ok(contents);
        };
        let at = || root.area_path(area);
        contents.total = own_size(root.area(area)).at("examine", at)?;
        for name in list_names(root.area(area), at)? {
            let text = name.to_string_lossy();
            let algorithms = [Algorithm::Sha256, Algorithm::Sha512];
            let algorithm = algorithms.into_iter().find(|known| known.name() == text);
            let directory = match (area, algorithm) {
                (StoreArea::Blobs | StoreArea::Layers, Some(algorithm)) => {
                    root.content_directory(area, algorithm)?
                }
                (StoreArea::Ingest | StoreArea::Drafts, _) | (_, None) => None,
            };
            let Some(directory) = directory else {
                contents.total += walk::measure(root.area(area), &name).at("examine", at)?;
                continue;
            };
            contents.total +=
                own_size(directory.dir.as_fd()).at("examine", || directory.path.clone())?;
            for hex in list_names(directory.dir.as_fd(), || directory.path.clone())? {
                let size = walk::measure(directory.dir.as_fd(), &hex)
                    .at("examine", || directory.path.join(&hex))?;
                contents.total += size;
                contents
                    .each
                    .insert(format!("{text}:{}", hex.to_string_lossy()), size);
            }
        }
        Ok(contents)
    }
}

fn own_size(dir: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(on_disk(&rustix::fs::fstat(dir)?))
}

/// Loads the stored blobs and layers from the database, not measured yet.
fn load_stored(connection: &Transaction<'_>) -> rusqlite::Result<MeasuredStore> {
    let images = load(connection, None)?;
    let dangling = images.iter().filter(|image| image.is_dangling());
    let dangling_ids = dangling.map(|image| image.id).collect();
    let reclaimable = UnsharedContent::of(connection, &dangling_ids)?;
    let sql = "SELECT digest, size,
                      (SELECT COUNT(*) FROM image_blobs AS used WHERE used.digest = blobs.digest)
               FROM blobs ORDER BY digest";
    let kinds = kinds(connection, &images)?;
    let blobs = rows(connection, sql, |digest, size, images| MeasuredBlob {
        digest,
        kind: kinds.get(&digest).copied().unwrap_or(BlobKind::Index),
        size,
        on_disk: 0,
        images,
        is_reclaimable: reclaimable.blobs.contains(&digest),
    })?;
    let sql = "SELECT diff_id, size,
                      (SELECT COUNT(DISTINCT image) FROM image_layers AS used
                       WHERE used.diff_id = layers.diff_id)
               FROM layers ORDER BY diff_id";
    let layers = rows(connection, sql, |digest, size, images| MeasuredLayer {
        diff_id: DiffId::new(digest),
        size,
        on_disk: 0,
        images,
        is_reclaimable: reclaimable.layers.contains(&digest),
    })?;
    Ok(MeasuredStore {
        layers,
        blobs,
        ..MeasuredStore::default()
    })
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    make: impl Fn(Digest, u64, u64) -> T,
) -> rusqlite::Result<Vec<T>> {
    let row = |row: &Row<'_>| {
        let TextColumn(digest) = row.get(0)?;
        let (size, images) = (row.get(1)?, row.get(2)?);
        Ok(make(digest, from_integer(size), from_integer(images)))
    };
    connection.prepare(sql)?.query_map([], row)?.collect()
}

fn kinds(
    connection: &Connection,
    images: &[Image],
) -> rusqlite::Result<BTreeMap<Digest, BlobKind>> {
    let mut kinds = BTreeMap::new();
    let layer = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
    let mut statement = connection.prepare("SELECT blob FROM layer_blobs")?;
    for blob in statement.query_map([], layer)? {
        kinds.insert(blob?, BlobKind::Layer);
    }
    for Image { id, manifest, .. } in images {
        kinds.insert(*manifest, BlobKind::Manifest);
        kinds.insert(*ImageId::digest(id), BlobKind::Config);
    }
    Ok(kinds)
}
