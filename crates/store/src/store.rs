//! Opens a store, and holds the state that its operations share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Transaction;

use crate::crash_cleanup;
use crate::database::Database;
use crate::error::{DatabaseError, FileError, NotWritable, impl_is_no_space, is_no_space};
use crate::ingest::ActiveIngests;
use crate::lease::Leases;
use crate::lock::{Lock, LockError, StoreOwner, WhenBusy};
use crate::root::{Root, RootError};
use crate::write_back::WriteBack;

/// An open store. Clones share one store; it is closed, and its lock released, when the last clone and
/// everything that came from it are dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<StoreInner>,
}

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

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The directory cannot serve as a store.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Another process has the store open, and the caller chose [`WhenBusy::Fail`].
    #[error("{} is in use by {owner}", .path.display())]
    InUse {
        /// The store.
        path: PathBuf,
        /// The process that has it open.
        owner: StoreOwner,
    },
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(StoreOpenError);

#[derive(Debug)]
pub(crate) struct StoreInner {
    database: Database,
    /// `None` if the store does not exist: then nothing is stored.
    root: Option<Root>,
    leases: Arc<Leases>,
    live: Arc<ActiveIngests>,
    /// The boot ID of the machine; empty if it cannot be read.
    boot: String,
    write_back: WriteBack,
    /// Locked while files and rows are brought into agreement: commits and deletions run one after the other.
    settling: Mutex<()>,
    /// A write failed in a way that leaves the content of the disk unknown.
    degraded: AtomicBool,
    access: AccessLevel,
    /// Declared last, so that it is dropped after everything that it protects.
    _lock: Option<Lock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccessLevel {
    Write,
    Read,
}

impl Store {
    /// If another process has the store locked, `on_busy` is called once with that process and decides whether
    /// to wait. [`OpenMode::Unlocked`] never waits.
    pub fn open(
        path: &Path,
        access: OpenMode<'_>,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, StoreOpenError> {
        let inner = match access {
            OpenMode::Exclusive { purpose } => StoreInner::own(path, purpose, on_busy)?,
            OpenMode::Shared => StoreInner::read(path, |root| {
                let lock = Lock::shared(root.open_lock(false)?, on_busy);
                lock.map(Some).map_err(|error| lock_error(root, error))
            })?,
            OpenMode::Unlocked => StoreInner::read(path, |_| Ok(None))?,
        };
        let inner = Arc::new(inner);
        Ok(Self { inner })
    }

    /// Returns the directory of the store; `None` if the store does not exist.
    pub fn path(&self) -> Option<&Path> {
        self.inner.root.as_ref().map(Root::path)
    }

    pub(crate) fn inner(&self) -> &Arc<StoreInner> {
        &self.inner
    }

    /// Returns the shared state if the store may be changed.
    pub(crate) fn writable(&self) -> Result<&Arc<StoreInner>, NotWritable> {
        match self.inner.access {
            AccessLevel::Write => Ok(&self.inner),
            AccessLevel::Read => Err(NotWritable),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }
}

impl StoreInner {
    fn own(
        path: &Path,
        purpose: &str,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, StoreOpenError> {
        let root = Root::create(path)?;
        let lock = Lock::exclusive(root.open_lock(true)?, purpose, on_busy)
            .map_err(|error| lock_error(&root, error))?;
        root.make_database_file()?;
        let database = open_database(&root)?;
        if !root.has_format() {
            root.write_format()?;
        }
        let inner = Self::new(database, Some(root), AccessLevel::Write, Some(lock));
        crash_cleanup::sweep(&inner)?;
        inner.root().create_reserve();
        Ok(inner)
    }

    fn read(
        path: &Path,
        lock: impl FnOnce(&Root) -> Result<Option<Lock>, StoreOpenError>,
    ) -> Result<Self, StoreOpenError> {
        let Some(root) = Root::find(path)? else {
            return Ok(Self::new(Database::empty()?, None, AccessLevel::Read, None));
        };
        let lock = lock(&root)?;
        let database = Database::read(&root.database())?;
        Ok(Self::new(database, Some(root), AccessLevel::Read, lock))
    }

    fn new(
        database: Database,
        root: Option<Root>,
        access: AccessLevel,
        lock: Option<Lock>,
    ) -> Self {
        Self {
            database,
            root,
            leases: Arc::default(),
            live: Arc::default(),
            boot: boot(),
            write_back: WriteBack::default(),
            settling: Mutex::new(()),
            degraded: AtomicBool::new(false),
            access,
            _lock: lock,
        }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.leases
    }

    /// Returns the partial blobs that this process is writing.
    pub(crate) fn active_ingests(&self) -> &Arc<ActiveIngests> {
        &self.live
    }

    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    pub(crate) fn write_back(&self) -> &WriteBack {
        &self.write_back
    }

    /// Returns the directories of the store, which must exist.
    pub(crate) fn root(&self) -> &Root {
        let root = self.root.as_ref();
        root.expect("only stores that exist are read or written")
    }

    pub(crate) fn find_root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// Commits a transaction. If that fails for another reason than a full disk, the content of the log on the
    /// medium is unknown, and the store accepts no more changes (P7).
    pub(crate) fn end(&self, transaction: Transaction<'_>) -> Result<(), DatabaseError> {
        transaction.commit().map_err(|source| {
            let error = self.database.error(source);
            if !error.is_no_space() {
                self.degrade();
            }
            error
        })
    }

    /// Locks commits and deletions against each other.
    pub(crate) fn lock_settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Acquire)
    }

    pub(crate) fn degrade(&self) {
        self.degraded.store(true, Ordering::Release);
    }
}

/// Opens the database. On a full disk, the reserve is released first.
fn open_database(root: &Root) -> Result<Database, DatabaseError> {
    match Database::open(&root.database()) {
        Err(error) if is_no_space(&error) && root.release_reserve() => {
            Database::open(&root.database())
        }
        other => other,
    }
}

/// Returns the boot ID of the machine; empty if it is missing or malformed.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    let is_one = id.len() <= 64 && id.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
    if is_one { id.to_owned() } else { String::new() }
}

fn lock_error(root: &Root, error: LockError) -> StoreOpenError {
    let path = root.path().to_owned();
    match error {
        LockError::Busy(owner) => StoreOpenError::InUse { path, owner },
        LockError::Io(source) => FileError::new("lock", path, source).into(),
    }
}
