//! An open store.

use std::path::Path;
use std::sync::Arc;

use crate::database::Database;
use crate::error::NotWritable;
use crate::store_inner::StoreInner;
use crate::store_root::StoreRoot;

/// An open store. Clones share one store; it is closed, and its lock released, when the last clone and
/// everything that came from it are dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<StoreInner>,
}

impl Store {
    pub(crate) fn new(inner: StoreInner) -> Self {
        let inner = Arc::new(inner);
        Self { inner }
    }

    /// Returns the directory of the store; `None` if the store does not exist.
    pub fn path(&self) -> Option<&Path> {
        self.inner.find_root().map(StoreRoot::path)
    }

    pub(crate) fn inner(&self) -> &Arc<StoreInner> {
        &self.inner
    }

    /// Returns the shared state if the store may be changed.
    pub(crate) fn writable(&self) -> Result<&Arc<StoreInner>, NotWritable> {
        match self.inner.is_writable() {
            true => Ok(&self.inner),
            false => Err(NotWritable),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        self.inner.database()
    }
}
