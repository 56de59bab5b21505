//! The disk usage of the store, and how much of it can be reclaimed.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rustix::fs::AtFlags;
use windlass_oci::{DiffId, ImageId};

use crate::database::from_integer;
use crate::error::{DatabaseError, FileError, FileErrorContext, impl_is_no_space};
use crate::image::load;
use crate::ingest::is_record;
use crate::store_root::{StoreArea, list_names};
use crate::tree::on_disk;
use crate::{Image, ImageLayer, PartialBlob, Store};

/// The disk usage of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUsage {
    /// The images.
    pub images: Vec<StoredImageUsage>,
    /// The unpacked layers, each once; bytes of file content.
    pub layers: ContentUsage,
    /// The blobs: manifests, configs, compressed layers.
    pub blobs: ContentUsage,
    /// Partial blobs with their records, including those being downloaded.
    pub partials: ContentUsage,
    /// Those of them that the next pull can continue, the oldest first.
    pub partial_blobs: Vec<PartialBlob>,
    /// The number of layers that are being unpacked.
    pub drafts: u64,
}

/// The disk usage of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImageUsage {
    /// The image.
    pub image: Image,
    /// The part of its [`Image::size`] in layers that other images have too, in bytes.
    pub shared: u64,
}

/// A number of items and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentUsage {
    /// The number of items.
    pub count: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The bytes that only dangling images use, and that their removal would free. For partial blobs, all
    /// bytes.
    pub reclaimable: u64,
}

/// Why the usage could not be determined.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(UsageError);

impl StoredImageUsage {
    /// Returns the bytes of unpacked layers that only this image has.
    pub fn unique(&self) -> u64 {
        self.image.size().saturating_sub(self.shared)
    }
}

/// The images that are not dangling, as for [`Image::is_dangling`].
const NAMED: &str = "SELECT image FROM tags";

impl Store {
    /// Returns the disk usage according to the database; partial blobs are measured on the disk.
    pub fn disk_usage(&self) -> Result<StoreUsage, UsageError> {
        let (images, layers, blobs) = self.database().query(|connection| {
            let layers = amount(connection, "layers", "diff_id", "image_layers")?;
            let blobs = amount(connection, "blobs", "digest", "image_blobs")?;
            Ok((images(connection)?, layers, blobs))
        })?;
        let (partials, drafts) = self.unfinished()?;
        Ok(StoreUsage {
            images,
            layers,
            blobs,
            partials,
            partial_blobs: self.partial_blobs()?,
            drafts,
        })
    }

    fn unfinished(&self) -> Result<(ContentUsage, u64), FileError> {
        let mut partials = ContentUsage::default();
        let Some(root) = self.inner().find_root() else {
            return Ok((partials, 0));
        };
        let ingest = root.area(StoreArea::Ingest);
        for name in list_names(ingest, || root.area_path(StoreArea::Ingest))? {
            let count = u64::from(!is_record(&name));
            match rustix::fs::statat(ingest, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    partials.count += count;
                    let bytes = on_disk(&stat);
                    partials.bytes += bytes;
                    partials.reclaimable += bytes;
                }
                // It was finished meanwhile.
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => {
                    return Err(error)
                        .at("examine", || root.area_path(StoreArea::Ingest).join(&name));
                }
            }
        }
        let drafts = list_names(root.area(StoreArea::Drafts), || {
            root.area_path(StoreArea::Drafts)
        })?;
        Ok((partials, drafts.len() as u64))
    }
}

fn amount(
    connection: &Connection,
    table: &str,
    key: &str,
    users: &str,
) -> rusqlite::Result<ContentUsage> {
    let sql = format!(
        "SELECT COUNT(*), COALESCE(SUM(size), 0),
                COALESCE(SUM(size) FILTER (WHERE {key} NOT IN (
                    SELECT {key} FROM {users} WHERE image IN ({NAMED}))), 0)
         FROM {table}"
    );
    connection.query_row(&sql, [], |row| {
        Ok(ContentUsage {
            count: from_integer(row.get(0)?),
            bytes: from_integer(row.get(1)?),
            reclaimable: from_integer(row.get(2)?),
        })
    })
}

fn images(connection: &Connection) -> rusqlite::Result<Vec<StoredImageUsage>> {
    let images = load(connection, None)?;
    let mut users: BTreeMap<DiffId, BTreeSet<ImageId>> = BTreeMap::new();
    for image in &images {
        for layer in &image.layers {
            users.entry(layer.diff_id).or_default().insert(image.id);
        }
    }
    let shared = |image: &Image| {
        let is_shared = |layer: &&ImageLayer| users[&layer.diff_id].len() > 1;
        let shared = image.layers.iter().filter(is_shared);
        shared.map(|layer| layer.size).sum()
    };
    let shared: Vec<u64> = images.iter().map(shared).collect();
    let usage = |(image, shared)| StoredImageUsage { image, shared };
    Ok(images.into_iter().zip(shared).map(usage).collect())
}
