//! Opening a store, and what everything else in it hangs on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Transaction;

use crate::database::Database;
use crate::error::{DatabaseError, FileError, NotWritable, impl_is_no_space, is_no_space};
use crate::ingest::ActiveIngests;
use crate::lease::Leases;
use crate::lock::{Lock, LockError, StoreOwner, WhenBusy};
use crate::root::{Root, RootError};
use crate::sweep;
use crate::write_back::WriteBack;

/// An open store. Clones are the same one; it is closed (and its lock released) when the last of them,
/// and of everything that came from it, is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<StoreInner>,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode<'a> {
    /// To change it: alone. Makes it if there is none, and clears away what a crash left behind.
    Exclusive {
        /// What others are told who wait for it ("pull alpine").
        purpose: &'a str,
    },
    /// To read layers and blobs: nobody changes it meanwhile. One that does not exist reads as empty.
    Shared,
    /// To ask what it holds, whoever works on it meanwhile. One that does not exist reads as empty.
    Unlocked,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The directory cannot serve as a store.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Another process has it, and [`WhenBusy::Fail`] was the answer to that.
    #[error("{} is in use by {owner}", .path.display())]
    InUse {
        /// The store.
        path: PathBuf,
        /// Who has it.
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
    /// `None` where there is no store: then nothing was ever held, and nothing leads there.
    root: Option<Root>,
    leases: Arc<Leases>,
    live: Arc<ActiveIngests>,
    /// Which boot of the machine this is; empty where that cannot be told.
    boot: String,
    write_back: WriteBack,
    /// Held while files and rows are made to agree: commits and deletions come one after the other.
    settling: Mutex<()>,
    /// A write to the disk failed in a way that leaves open what is on it.
    degraded: AtomicBool,
    access: AccessLevel,
    /// Last, so that it outlives everything it protects.
    _lock: Option<Lock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccessLevel {
    Write,
    Read,
}

impl Store {
    /// Opens the store at `path`.
    ///
    /// If another process is in the way, `on_busy` is told who, once; it decides whether to wait.
    /// Nobody waits for [`OpenMode::Unlocked`].
    pub fn open(
        path: &Path,
        access: OpenMode<'_>,
        on_busy: impl FnMut(&StoreOwner) -> WhenBusy,
    ) -> Result<Self, StoreOpenError> {
        let inner = match access {
            OpenMode::Exclusive { purpose } => StoreInner::own(path, purpose, on_busy)?,
            OpenMode::Shared => StoreInner::read(path, |root| {
                let lock = Lock::shared(root.open_lock(false)?, on_busy);
                lock.map(Some).map_err(|error| not_locked(root, error))
            })?,
            OpenMode::Unlocked => StoreInner::read(path, |_| Ok(None))?,
        };
        let inner = Arc::new(inner);
        Ok(Self { inner })
    }

    /// Returns the directory of the store; `None` where there is none yet.
    pub fn path(&self) -> Option<&Path> {
        self.inner.root.as_ref().map(Root::path)
    }

    pub(crate) fn inner(&self) -> &Arc<StoreInner> {
        &self.inner
    }

    /// Returns the store for something that changes it.
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
        let root = Root::make(path)?;
        let lock = Lock::exclusive(root.open_lock(true)?, purpose, on_busy)
            .map_err(|error| not_locked(&root, error))?;
        root.make_database_file()?;
        let database = open_database(&root)?;
        if !root.has_format() {
            root.write_format()?;
        }
        let inner = Self::new(database, Some(root), AccessLevel::Write, Some(lock));
        sweep::sweep(&inner)?;
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

    /// Returns the partial blobs that are worked on.
    pub(crate) fn active_ingests(&self) -> &Arc<ActiveIngests> {
        &self.live
    }

    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    pub(crate) fn write_back(&self) -> &WriteBack {
        &self.write_back
    }

    /// Returns the directories of a store that holds something, or is about to.
    pub(crate) fn root(&self) -> &Root {
        let root = self.root.as_ref();
        root.expect("a store that does not exist holds nothing and is not written to")
    }

    pub(crate) fn find_root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// Ends a transaction. If that fails for another reason than a full disk, nobody knows what the log on
    /// the medium says, and nothing more may be built on it (P7).
    pub(crate) fn end(&self, transaction: Transaction<'_>) -> Result<(), DatabaseError> {
        transaction.commit().map_err(|source| {
            let error = self.database.error(source);
            if !error.is_no_space() {
                self.degrade();
            }
            error
        })
    }

    /// Keeps commits and deletions apart.
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

/// Opening needs a little room, too: on a full disk, what was kept for that.
fn open_database(root: &Root) -> Result<Database, DatabaseError> {
    match Database::open(&root.database()) {
        Err(error) if is_no_space(&error) && root.release_reserve() => {
            Database::open(&root.database())
        }
        other => other,
    }
}

/// Returns what tells this boot of the machine from every other.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    let is_one = id.len() <= 64 && id.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
    if is_one { id.to_owned() } else { String::new() }
}

fn not_locked(root: &Root, error: LockError) -> StoreOpenError {
    let path = root.path().to_owned();
    match error {
        LockError::Busy(owner) => StoreOpenError::InUse { path, owner },
        LockError::Io(source) => FileError::new("lock", path, source).into(),
    }
}
