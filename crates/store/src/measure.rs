//! What the store takes up on the disk, as `du` counts it: blocks, and a file with several names once.

mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use rusqlite::{Connection, Row, Transaction};
use windlass_oci::{Algorithm, DiffId, Digest, ImageId};

use crate::database::{TextColumn, from_integer};
use crate::error::{At, FileError};
use crate::image::load;
use crate::prune::freed;
use crate::root::{Root, StoreArea};
use crate::sweep::names;
use crate::tree::on_disk;
use crate::{Image, Store, UsageError};

/// What the store takes up on the disk, down to the single layer and blob. All sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeasuredStore {
    /// The unpacked layers, by their diff IDs.
    pub layers: Vec<MeasuredLayer>,
    /// The blobs, by their digests.
    pub blobs: Vec<MeasuredBlob>,
    /// What `du` says of the directory of layers: also its own blocks, and what a crash left there.
    pub layers_on_disk: u64,
    /// What `du` says of the directory of blobs.
    pub blobs_on_disk: u64,
    /// What `du` says of the directory of partial blobs.
    pub partials_on_disk: u64,
}

/// An unpacked layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredLayer {
    /// The layer.
    pub diff_id: DiffId,
    /// The bytes of file content in it.
    pub size: u64,
    /// The bytes that its tree takes up on the disk.
    pub on_disk: u64,
    /// How many images have it.
    pub images: u64,
    /// No image that has a tag has it.
    pub is_reclaimable: bool,
}

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredBlob {
    /// What its bytes hash to.
    pub digest: Digest,
    /// What it is to the images that have it.
    pub kind: BlobKind,
    /// Its length.
    pub size: u64,
    /// The bytes that it takes up on the disk.
    pub on_disk: u64,
    /// How many images have it.
    pub images: u64,
    /// No image that has a tag has it.
    pub is_reclaimable: bool,
}

/// What a blob is to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobKind {
    /// Its config.
    Config,
    /// Its manifest.
    Manifest,
    /// A layer, packed.
    Layer,
    /// Something that led to its manifest.
    Index,
}

/// The disk of a store, to be measured.
#[derive(Debug)]
pub(crate) struct DiskSizes<'a>(Option<&'a Root>);

impl Store {
    /// Measures what is on the disk. That takes a look at every file, and counts as nothing what goes meanwhile.
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

/// What one directory of the store takes up.
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

    /// Returns what a blob takes up; nothing if it is not there.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<u64, FileError> {
        self.content(StoreArea::Blobs, digest)
    }

    /// Returns what the tree of a layer takes up; nothing if it is not there.
    pub(crate) fn layer(&self, diff_id: &Digest) -> Result<u64, FileError> {
        self.content(StoreArea::Layers, diff_id)
    }

    fn content(&self, area: StoreArea, digest: &Digest) -> Result<u64, FileError> {
        let Some(root) = self.0 else { return Ok(0) };
        match root.content_directory(area, digest.algorithm())? {
            Some(section) => walk::measure(section.dir.as_fd(), digest.hex().as_ref())
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
        for name in names(root.area(area), at)? {
            let text = name.to_string_lossy();
            let algorithms = [Algorithm::Sha256, Algorithm::Sha512];
            let algorithm = algorithms.into_iter().find(|known| known.name() == text);
            let section = match algorithm {
                Some(algorithm) if area != StoreArea::Ingest => {
                    root.content_directory(area, algorithm)?
                }
                _ => None,
            };
            let Some(section) = section else {
                contents.total += walk::measure(root.area(area), &name).at("examine", at)?;
                continue;
            };
            contents.total +=
                own_size(section.dir.as_fd()).at("examine", || section.path.clone())?;
            for hex in names(section.dir.as_fd(), || section.path.clone())? {
                let size = walk::measure(section.dir.as_fd(), &hex)
                    .at("examine", || section.path.join(&hex))?;
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

/// What is held, as the rows have it; nothing is measured yet.
fn load_stored(connection: &Transaction<'_>) -> rusqlite::Result<MeasuredStore> {
    let images = load(connection, None)?;
    let dangling = images.iter().filter(|image| image.is_dangling());
    let gone = dangling.map(|image| image.id).collect();
    let [free_blobs, free_layers] = freed(connection, &gone)?.map(BTreeSet::from_iter);
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
        is_reclaimable: free_blobs.contains(&digest),
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
        is_reclaimable: free_layers.contains(&digest),
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
