//! The state that the operations of a store share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Transaction;

use crate::background_sync::BackgroundSync;
use crate::database::Database;
use crate::error::DatabaseError;
use crate::lease::Leases;
use crate::lock::Lock;
use crate::partial::ActiveIngests;
use crate::store_root::StoreRoot;

/// The state that the operations of a store share.
#[derive(Debug)]
pub(crate) struct StoreInner {
    database: Database,
    /// `None` if the store does not exist: then nothing is stored.
    root: Option<StoreRoot>,
    leases: Arc<Leases>,
    active_ingests: Arc<ActiveIngests>,
    /// The boot ID of the machine; empty if it cannot be read.
    boot: String,
    background_sync: BackgroundSync,
    /// Locked while files and rows are brought into agreement: commits and deletions run one after the other.
    settling: Mutex<()>,
    /// A write failed in a way that leaves the content of the disk unknown.
    degraded: AtomicBool,
    access: AccessLevel,
    /// Declared last, so that it is dropped after everything that it protects.
    _lock: Option<Lock>,
}

/// What a store may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessLevel {
    Write,
    Read,
}

impl StoreInner {
    pub(crate) fn new(
        database: Database,
        root: Option<StoreRoot>,
        access: AccessLevel,
        lock: Option<Lock>,
    ) -> Self {
        Self {
            database,
            root,
            leases: Arc::default(),
            active_ingests: Arc::default(),
            boot: boot(),
            background_sync: BackgroundSync::default(),
            settling: Mutex::new(()),
            degraded: AtomicBool::new(false),
            access,
            _lock: lock,
        }
    }

    pub(crate) fn is_writable(&self) -> bool {
        match self.access {
            AccessLevel::Write => true,
            AccessLevel::Read => false,
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
        &self.active_ingests
    }

    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    pub(crate) fn background_sync(&self) -> &BackgroundSync {
        &self.background_sync
    }

    /// Returns the directories of the store, which must exist.
    pub(crate) fn root(&self) -> &StoreRoot {
        let root = self.root.as_ref();
        root.expect("only stores that exist are read or written")
    }

    pub(crate) fn find_root(&self) -> Option<&StoreRoot> {
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

/// Returns the boot ID of the machine; empty if it is missing or malformed.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    let is_one = id.len() <= 64 && id.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
    if is_one { id.to_owned() } else { String::new() }
}
