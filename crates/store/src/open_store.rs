//! Opens a store, and removes what a crash left behind.

use std::path::Path;

use crate::Store;
use crate::crash_cleanup;
use crate::database::Database;
use crate::error::{DatabaseError, FileError, is_no_space};
use crate::lock::{Lock, LockError, StoreOwner, WhenBusy};
use crate::open_error::StoreOpenError;
use crate::store_inner::{AccessLevel, StoreInner};
use crate::store_root::StoreRoot;

/// The access that a store is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode<'a> {
    /// For changes: exclusive. Creates the store if there is none, and removes what a crash left behind.
    Exclusive {
        /// The operation that is shown to other processes that wait for the store ("pull alpine").
        purpose: &'a str,
    },
    /// For reading layers and blobs; the store does not change meanwhile. A store that does not exist reads as
    /// empty.
    Shared,
    /// For queries, without a lock: the store may change meanwhile. A store that does not exist reads as empty.
    Unlocked,
}

impl Store {
    /// Opens the store at `path`. If another process has the store locked, `on_busy` is called once with that process and decides whether
    /// to wait. [`OpenMode::Unlocked`] never waits.
    pub fn open(
        path: &Path,
        access: OpenMode<'_>,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, StoreOpenError> {
        let inner = match access {
            OpenMode::Exclusive { purpose } => own(path, purpose, on_busy)?,
            OpenMode::Shared => read(path, |root| {
                let lock = Lock::shared(root.open_lock(false)?, on_busy);
                lock.map(Some).map_err(|error| lock_error(root, error))
            })?,
            OpenMode::Unlocked => read(path, |_| Ok(None))?,
        };
        Ok(Self::new(inner))
    }
}

/// Opens the store for changes; creates it if it does not exist.
fn own(
    path: &Path,
    purpose: &str,
    on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
) -> Result<StoreInner, StoreOpenError> {
    let root = StoreRoot::create(path)?;
    let lock = Lock::exclusive(root.open_lock(true)?, purpose, on_busy)
        .map_err(|error| lock_error(&root, error))?;
    root.make_database_file()?;
    let database = open_database(&root)?;
    if !root.has_format() {
        root.write_format()?;
    }
    let inner = StoreInner::new(database, Some(root), AccessLevel::Write, Some(lock));
    crash_cleanup::sweep(&inner)?;
    inner.root().create_reserve();
    Ok(inner)
}

/// Opens the store for reading. `lock` locks it if necessary.
fn read(
    path: &Path,
    lock: impl FnOnce(&StoreRoot) -> Result<Option<Lock>, StoreOpenError>,
) -> Result<StoreInner, StoreOpenError> {
    let Some(root) = StoreRoot::find(path)? else {
        return Ok(StoreInner::new(
            Database::empty()?,
            None,
            AccessLevel::Read,
            None,
        ));
    };
    let lock = lock(&root)?;
    let database = Database::read(&root.database())?;
    Ok(StoreInner::new(
        database,
        Some(root),
        AccessLevel::Read,
        lock,
    ))
}

/// Opens the database. On a full disk, the reserve is released first.
fn open_database(root: &StoreRoot) -> Result<Database, DatabaseError> {
    match Database::open(&root.database()) {
        Err(error) if is_no_space(&error) && root.release_reserve() => {
            Database::open(&root.database())
        }
        other => other,
    }
}

fn lock_error(root: &StoreRoot, error: LockError) -> StoreOpenError {
    let path = root.path().to_owned();
    match error {
        LockError::Busy(owner) => StoreOpenError::InUse { path, owner },
        LockError::Io(source) => FileError::new("lock", path, source).into(),
    }
}
