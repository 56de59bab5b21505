//! Layers: stored ones, and drafts that are being unpacked.

use std::io::ErrorKind;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rusqlite::{OptionalExtension as _, Row};
use rustix::fs::{Mode, OFlags};
use windlass_oci::{DiffId, Digest};

use crate::database::{TextColumn, from_integer};
use crate::error::{DatabaseError, FileError, FileErrorContext, NotWritable, impl_is_no_space};
use crate::lease::{Lease, LeasedContent, Leases};
use crate::lower_link::LowerLink;
use crate::store_inner::StoreInner;
use crate::store_root::{DIFF, StoreArea, UNUSUAL_HIDING, fresh_name, make_dir};
use crate::{ReadError, Store, path_list, tree};

/// A stored, unpacked layer. It is not deleted before this is dropped.
#[derive(Clone, Debug)]
pub struct Layer {
    inner: Arc<StoreInner>,
    metadata: Arc<LayerMetadata>,
    blobs: Arc<[Digest]>,
    _leases: Arc<[Lease]>,
}

/// The properties of a layer that its unpacking determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerMetadata {
    /// The diff ID: the digest of its tar.
    pub diff_id: DiffId,
    /// The bytes of file content.
    pub size: u64,
    /// The number of entries of its tar.
    pub entries: u64,
    /// Directories that its paths need but its tar does not contain, created with default metadata; the empty
    /// path is the root.
    pub implied_directories: Vec<Vec<u8>>,
    /// Hard links to files of lower layers; they are not in the layer's directory.
    pub lower_links: Vec<LowerLink>,
}

/// A directory for a layer to be unpacked into. It is removed with its content when this is dropped.
#[derive(Debug)]
pub struct LayerDraft {
    /// Declared before `tree`, so that it is closed when the tree is removed.
    dir: OwnedFd,
    tree: DraftTree,
}

/// An unpacked layer that waits for the commit of an image. Clones share one directory, which is removed when
/// the last of them is dropped without a commit.
#[derive(Clone, Debug)]
pub struct FinishedLayer(Arc<Finished>);

#[derive(Debug)]
struct Finished {
    metadata: LayerMetadata,
    tree: DraftTree,
    /// Set when an image was committed with it; other holders of the draft may commit it, too.
    lease: OnceLock<Lease>,
}

/// The directory `drafts/<name>`, removed on drop unless it was moved into place.
#[derive(Debug)]
struct DraftTree {
    inner: Arc<StoreInner>,
    name: String,
}

/// Why a layer could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(LayerError);

impl Store {
    /// Returns the layer `diff_id` if its row, its directory and a blob that it was unpacked from are present.
    pub fn layer(&self, diff_id: &DiffId) -> Result<Option<Layer>, LayerError> {
        let Some((layer, blobs)) = self.lease_layer(diff_id)? else {
            return Ok(None);
        };
        // A row without its files counts as absent; the next pull repairs it.
        let is_complete = layer.find_dir()?.is_some() && self.has_one_of(&blobs)?;
        Ok(is_complete.then_some(layer))
    }

    /// Returns the layer that the blob `blob` was unpacked to, if it is stored.
    pub fn layer_of_blob(&self, blob: &Digest) -> Result<Option<Layer>, LayerError> {
        let found = self.database().query(|transaction| {
            let sql = "SELECT diff_id FROM layer_blobs WHERE blob = ?";
            let diff_id = |row: &Row<'_>| row.get(0).map(|TextColumn(diff_id)| diff_id);
            transaction
                .query_row(sql, [TextColumn(blob)], diff_id)
                .optional()
        })?;
        // A layer that was deleted meanwhile is absent.
        found.map_or(Ok(None), |diff_id: DiffId| self.layer(&diff_id))
    }

    /// Creates a draft: an empty directory that only the owner of the store can reach.
    pub fn draft_layer(&self) -> Result<LayerDraft, LayerError> {
        let inner = self.writable()?;
        let tree = DraftTree {
            inner: Arc::clone(inner),
            name: fresh_name(),
        };
        let drafts = inner.root().area(StoreArea::Drafts);
        let top = make_dir(drafts, &tree.name, Mode::RWXU).at("create", || tree.path())?;
        // The root of an image is readable for all users; the root of the store keeps other users out.
        let open = Mode::from_raw_mode(0o755);
        let dir = make_dir(&top, DIFF, open).at("create", || tree.path().join(DIFF))?;
        Ok(LayerDraft { dir, tree })
    }

    /// Leases the layer and the blobs that it was unpacked from.
    fn lease_layer(&self, diff_id: &DiffId) -> Result<Option<(Layer, Vec<Digest>)>, DatabaseError> {
        self.database().query(|transaction| {
            let Some(metadata) = load_layer_metadata(transaction, diff_id)? else {
                return Ok(None);
            };
            let sql = "SELECT blob FROM layer_blobs WHERE diff_id = ?";
            let blob = |row: &Row<'_>| row.get(0).map(|TextColumn(blob)| blob);
            let mut statement = transaction.prepare(sql)?;
            let blobs = statement.query_map([TextColumn(diff_id)], blob)?;
            let blobs: Vec<Digest> = blobs.collect::<Result<_, _>>()?;
            // The database is still locked, so no deletion can happen in between.
            let leases = blobs.iter().map(|blob| LeasedContent::Blob(*blob));
            let leases = leases.chain([LeasedContent::Layer(*diff_id)]);
            let leases = leases
                .map(|content| self.inner().leases().take(content))
                .collect();
            let layer = Layer {
                inner: Arc::clone(self.inner()),
                metadata: Arc::new(metadata),
                blobs: blobs.iter().copied().collect(),
                _leases: leases,
            };
            Ok(Some((layer, blobs)))
        })
    }

    /// Returns whether one of `blobs` is on the disk, or there are none.
    fn has_one_of(&self, blobs: &[Digest]) -> Result<bool, LayerError> {
        for blob in blobs {
            match self.open_blob(blob) {
                Ok(_) => return Ok(true),
                Err(ReadError::File(error)) => return Err(error.into()),
                Err(ReadError::Database(error)) => return Err(error.into()),
                Err(
                    ReadError::Unknown { .. }
                    | ReadError::Damaged { .. }
                    | ReadError::TooLarge { .. },
                ) => {}
            }
        }
        Ok(blobs.is_empty())
    }
}

impl Layer {
    /// Returns the diff ID.
    pub fn diff_id(&self) -> &DiffId {
        &self.metadata.diff_id
    }

    /// Returns the bytes of file content.
    pub fn size(&self) -> u64 {
        self.metadata.size
    }

    /// Returns the properties that its unpacking determined.
    pub fn metadata(&self) -> &LayerMetadata {
        &self.metadata
    }

    /// Returns the blobs that it was unpacked from. At least one of them is stored, unless there are none.
    pub fn blobs(&self) -> &[Digest] {
        &self.blobs
    }

    /// Opens its directory, which has the format of overlayfs.
    pub fn open_dir(&self) -> Result<OwnedFd, FileError> {
        let missing = || FileError::new("open", self.path(), rustix::io::Errno::NOENT);
        self.find_dir()?.ok_or_else(missing)
    }

    /// Returns the path of its directory, for mounting.
    pub fn path(&self) -> PathBuf {
        let digest = self.metadata.diff_id.digest();
        self.inner
            .root()
            .content_path(StoreArea::Layers, digest)
            .join(DIFF)
    }

    /// Returns whether an overlay mount without options shows what the layer hides.
    pub fn is_mountable(&self) -> bool {
        let digest = self.metadata.diff_id.digest();
        let layer = self.inner.root().content_path(StoreArea::Layers, digest);
        // What cannot be read is not mounted.
        matches!(layer.join(UNUSUAL_HIDING).symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
    }

    fn find_dir(&self) -> Result<Option<OwnedFd>, FileError> {
        self.inner.layer_dir(&self.metadata.diff_id)
    }
}

impl StoreInner {
    /// Opens the directory of a layer; `None` if it does not exist.
    pub(crate) fn layer_dir(&self, diff_id: &DiffId) -> Result<Option<OwnedFd>, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(top) = self
            .root()
            .open_content(StoreArea::Layers, diff_id.digest(), flags)?
        else {
            return Ok(None);
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&top, DIFF, flags, Mode::empty()) {
            Ok(dir) => Ok(Some(dir)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error).at("open", || {
                let path = self
                    .root()
                    .content_path(StoreArea::Layers, diff_id.digest());
                path.join(DIFF)
            }),
        }
    }
}

impl LayerDraft {
    /// Returns the directory to unpack into.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Records that the layer hides files of the layers below in another form than an overlay mount without options shows:
    /// with attributes in the namespace `user`. Stores with such a layer have format 2, because older versions of windlass
    /// would mount it.
    pub fn mark_unusual_hiding(&self) -> Result<(), LayerError> {
        let tree = &self.tree;
        tree.inner.root().require_format_2()?;
        let drafts = tree.inner.root().area(StoreArea::Drafts);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = format!("{}/{UNUSUAL_HIDING}", tree.name);
        rustix::fs::openat(drafts, path, flags, Mode::RUSR | Mode::WUSR)
            .at("create", || tree.path().join(UNUSUAL_HIDING))?;
        Ok(())
    }

    /// Completes the layer. The caller guarantees that the tar unpacked here has the diff ID in `metadata`.
    pub fn finish(self, metadata: LayerMetadata) -> FinishedLayer {
        let tree = self.tree;
        FinishedLayer(Arc::new(Finished {
            metadata,
            tree,
            lease: OnceLock::new(),
        }))
    }
}

impl FinishedLayer {
    /// Returns the diff ID.
    pub fn diff_id(&self) -> &DiffId {
        &self.0.metadata.diff_id
    }

    /// Returns the properties that its unpacking determined.
    pub fn metadata(&self) -> &LayerMetadata {
        &self.0.metadata
    }

    /// Leases the layer that this becomes, so that it is not deleted while the draft exists.
    pub(crate) fn lease(&self, leases: &Arc<Leases>) {
        let take = || leases.take(LeasedContent::Layer(*self.diff_id()));
        self.0.lease.get_or_init(take);
    }

    /// Returns its name in `drafts/`.
    pub(crate) fn name(&self) -> &str {
        &self.0.tree.name
    }

    /// Opens its directory; `None` if it was published meanwhile.
    pub(crate) fn open_dir(&self) -> Result<Option<OwnedFd>, FileError> {
        let tree = &self.0.tree;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let drafts = tree.inner.root().area(StoreArea::Drafts);
        let path = format!("{}/{DIFF}", tree.name);
        match rustix::fs::openat(drafts, path, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(dir) => Ok(Some(dir)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error).at("open", || tree.path().join(DIFF)),
        }
    }
}

impl DraftTree {
    fn path(&self) -> PathBuf {
        self.inner
            .root()
            .area_path(StoreArea::Drafts)
            .join(&self.name)
    }
}

impl Drop for DraftTree {
    fn drop(&mut self) {
        let drafts = self.inner.root().area(StoreArea::Drafts);
        if let Err(error) = tree::remove(drafts, self.name.as_ref()) {
            tracing::warn!(path = %self.path().display(), %error, "cannot remove a draft");
        }
    }
}

/// Reads the properties of a layer, if it has a row.
pub(crate) fn load_layer_metadata(
    connection: &rusqlite::Connection,
    diff_id: &DiffId,
) -> rusqlite::Result<Option<LayerMetadata>> {
    let sql =
        "SELECT size, entries, implied_directories, lower_links FROM layers WHERE diff_id = ?";
    let metadata = |row: &Row<'_>| {
        Ok(LayerMetadata {
            diff_id: *diff_id,
            size: from_integer(row.get(0)?),
            entries: from_integer(row.get(1)?),
            implied_directories: path_list::split(row.get_ref(2)?.as_blob()?),
            lower_links: path_list::split_links(row.get_ref(3)?.as_blob()?),
        })
    };
    connection
        .query_row(sql, [TextColumn(diff_id)], metadata)
        .optional()
}
