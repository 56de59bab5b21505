//! Layers: held ones, and drafts that are being unpacked.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rusqlite::{OptionalExtension as _, Row};
use rustix::fs::{Mode, OFlags};
use windlass_oci::{DiffId, Digest};

use crate::database::{TextColumn, from_integer};
use crate::error::{At, DatabaseError, FileError, NotWritable, impl_is_no_space};
use crate::lease::{Lease, LeasedContent, Leases};
use crate::root::{DIFF, StoreArea, fresh_name, make_dir};
use crate::store::StoreInner;
use crate::{ReadError, Store, paths, tree};

/// A layer that is held, unpacked. It stays as long as this is not dropped.
#[derive(Clone, Debug)]
pub struct Layer {
    inner: Arc<StoreInner>,
    facts: Arc<LayerMetadata>,
    _leases: Arc<[Lease]>,
}

/// What unpacking a layer found out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerMetadata {
    /// What its tar hashed to.
    pub diff_id: DiffId,
    /// The bytes of file content in it.
    pub size: u64,
    /// The entries of its tar.
    pub entries: u64,
    /// Directories that its paths need but its tar does not carry, made with default metadata; the empty
    /// path is the root.
    pub implied_directories: Vec<Vec<u8>>,
    /// Hard links to files that only a layer below can have; not in the layer's directory.
    pub lower_links: Vec<LowerLink>,
}

/// A hard link whose target is in a lower layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowerLink {
    /// The name to be made, relative to the root of the image.
    pub path: Vec<u8>,
    /// The file it is another name of, as the tar says it.
    pub target: Vec<u8>,
}

/// A directory for a layer to be unpacked into. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub struct LayerDraft {
    /// Before `tree`, so that it is closed when the tree is removed.
    dir: OwnedFd,
    tree: DraftTree,
}

/// An unpacked layer that waits for the commit of an image. Clones are the same one; the directory goes
/// when the last is dropped without a commit.
#[derive(Clone, Debug)]
pub struct FinishedLayer(Arc<Finished>);

#[derive(Debug)]
struct Finished {
    facts: LayerMetadata,
    tree: DraftTree,
    /// Once an image was committed with it: whoever else has it may commit it, too.
    lease: OnceLock<Lease>,
}

/// `drafts/<name>`, removed when it is dropped (unless it was published, which moved it away).
#[derive(Debug)]
struct DraftTree {
    inner: Arc<StoreInner>,
    name: String,
}

/// Why a layer could not be begun, or opened.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The store is not ours to write to.
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
    /// Returns the layer called `diff_id` if it is held: its directory, and a blob that it was unpacked from.
    pub fn layer(&self, diff_id: &DiffId) -> Result<Option<Layer>, LayerError> {
        let Some((layer, blobs)) = self.lease_layer(diff_id)? else {
            return Ok(None);
        };
        // Known by name only: whoever pulls it again repairs it.
        let is_whole = layer.find_dir()?.is_some() && self.has_one_of(&blobs)?;
        Ok(is_whole.then_some(layer))
    }

    /// Returns the layer that the blob called `blob` was seen to unpack to, if that is held.
    pub fn layer_of_blob(&self, blob: &Digest) -> Result<Option<Layer>, LayerError> {
        let found = self.database().query(|transaction| {
            let sql = "SELECT diff_id FROM layer_blobs WHERE blob = ?";
            let diff_id = |row: &Row<'_>| row.get(0).map(|TextColumn(diff_id)| diff_id);
            transaction
                .query_row(sql, [TextColumn(blob)], diff_id)
                .optional()
        })?;
        // Gone in between is not held.
        found.map_or(Ok(None), |diff_id: DiffId| self.layer(&diff_id))
    }

    /// Begins a layer: an empty directory that only its owner can reach.
    pub fn draft_layer(&self) -> Result<LayerDraft, LayerError> {
        let inner = self.writable()?;
        let tree = DraftTree {
            inner: Arc::clone(inner),
            name: fresh_name(),
        };
        let drafts = inner.root().area(StoreArea::Drafts);
        let top = make_dir(drafts, &tree.name, Mode::RWXU).at("create", || tree.path())?;
        // The root of an image is open to all who can get there; nobody gets past the store's own root.
        let open = Mode::from_raw_mode(0o755);
        let dir = make_dir(&top, DIFF, open).at("create", || tree.path().join(DIFF))?;
        Ok(LayerDraft { dir, tree })
    }

    /// Leases the layer, and the blobs that it was unpacked from.
    fn lease_layer(&self, diff_id: &DiffId) -> Result<Option<(Layer, Vec<Digest>)>, DatabaseError> {
        self.database().query(|transaction| {
            let Some(facts) = layer_facts(transaction, diff_id)? else {
                return Ok(None);
            };
            let sql = "SELECT blob FROM layer_blobs WHERE diff_id = ?";
            let blob = |row: &Row<'_>| row.get(0).map(|TextColumn(blob)| blob);
            let mut statement = transaction.prepare(sql)?;
            let blobs = statement.query_map([TextColumn(diff_id)], blob)?;
            let blobs: Vec<Digest> = blobs.collect::<Result<_, _>>()?;
            // Still under the lock of the database: no deletion comes in between.
            let leases = blobs.iter().map(|blob| LeasedContent::Blob(*blob));
            let leases = leases.chain([LeasedContent::Layer(*diff_id)]);
            let leases = leases
                .map(|what| self.inner().leases().take(what))
                .collect();
            let layer = Layer {
                inner: Arc::clone(self.inner()),
                facts: Arc::new(facts),
                _leases: leases,
            };
            Ok(Some((layer, blobs)))
        })
    }

    /// Says whether one of `blobs` is on the disk, or there are none to be.
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
    /// Returns what its tar hashed to.
    pub fn diff_id(&self) -> &DiffId {
        &self.facts.diff_id
    }

    /// Returns the bytes of file content in it.
    pub fn size(&self) -> u64 {
        self.facts.size
    }

    /// Returns everything that unpacking it found out.
    pub fn metadata(&self) -> &LayerMetadata {
        &self.facts
    }

    /// Opens its directory, in overlayfs form.
    pub fn open_dir(&self) -> Result<OwnedFd, FileError> {
        let gone = || FileError::new("open", self.path(), rustix::io::Errno::NOENT);
        self.find_dir()?.ok_or_else(gone)
    }

    /// Returns the path of its directory, for the kernel to mount.
    pub fn path(&self) -> PathBuf {
        let digest = self.facts.diff_id.digest();
        self.inner
            .root()
            .content_path(StoreArea::Layers, digest)
            .join(DIFF)
    }

    fn find_dir(&self) -> Result<Option<OwnedFd>, FileError> {
        self.inner.layer_dir(&self.facts.diff_id)
    }
}

impl StoreInner {
    /// Opens the directory of a layer; `None` if it is not there, whatever the database says.
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

    /// Says that the layer is complete. The caller vouches for `facts`: the tar that was unpacked here
    /// hashed to its `diff_id`.
    pub fn finish(self, facts: LayerMetadata) -> FinishedLayer {
        let tree = self.tree;
        FinishedLayer(Arc::new(Finished {
            facts,
            tree,
            lease: OnceLock::new(),
        }))
    }
}

impl FinishedLayer {
    /// Returns what its tar hashed to.
    pub fn diff_id(&self) -> &DiffId {
        &self.0.facts.diff_id
    }

    /// Returns everything that unpacking it found out.
    pub fn metadata(&self) -> &LayerMetadata {
        &self.0.facts
    }

    /// Keeps the layer that this becomes from being deleted while anybody has the draft.
    pub(crate) fn lease(&self, leases: &Arc<Leases>) {
        let take = || leases.take(LeasedContent::Layer(*self.diff_id()));
        self.0.lease.get_or_init(take);
    }

    /// Returns its name in `drafts/`.
    pub(crate) fn name(&self) -> &str {
        &self.0.tree.name
    }

    /// Opens its directory; `None` if it was published in the meantime.
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
            tracing::warn!(path = %self.path().display(), %error, "left behind");
        }
    }
}

/// Reads the facts of a layer, if the database knows it.
pub(crate) fn layer_facts(
    connection: &rusqlite::Connection,
    diff_id: &DiffId,
) -> rusqlite::Result<Option<LayerMetadata>> {
    let sql =
        "SELECT size, entries, implied_directories, lower_links FROM layers WHERE diff_id = ?";
    let facts = |row: &Row<'_>| {
        Ok(LayerMetadata {
            diff_id: *diff_id,
            size: from_integer(row.get(0)?),
            entries: from_integer(row.get(1)?),
            implied_directories: paths::split(row.get_ref(2)?.as_blob()?),
            lower_links: paths::split_links(row.get_ref(3)?.as_blob()?),
        })
    };
    connection
        .query_row(sql, [TextColumn(diff_id)], facts)
        .optional()
}
