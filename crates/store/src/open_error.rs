//! Why a store could not be opened.

use std::path::PathBuf;

use crate::error::{DatabaseError, FileError, impl_is_no_space};
use crate::lock::StoreOwner;
use crate::store_root::StoreRootError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The directory cannot serve as a store.
    #[error(transparent)]
    Root(#[from] StoreRootError),
    /// Another process has the store open, and the caller chose [`WhenBusy::Fail`](crate::WhenBusy::Fail).
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
