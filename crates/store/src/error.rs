//! Errors of all operations of the store: a failed path, the database, a full disk.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// An operation on a path failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// An operation on the database of the store failed.
#[derive(Debug, thiserror::Error)]
#[error("the database of the store, {}", .path.display())]
pub struct DatabaseError {
    path: PathBuf,
    source: rusqlite::Error,
}

/// The store was opened for reading, and a change was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store was not opened for writing")]
pub struct NotWritable;

impl FileError {
    pub(crate) fn new(action: &'static str, path: PathBuf, source: impl Into<io::Error>) -> Self {
        Self {
            action,
            path,
            source: source.into(),
        }
    }

    /// Returns the path that failed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Returns whether the disk (or the quota, or the table of inodes) is full.
    pub fn is_no_space(&self) -> bool {
        is_no_space(self)
    }
}

impl DatabaseError {
    pub(crate) fn new(path: &Path, source: rusqlite::Error) -> Self {
        Self {
            path: path.to_owned(),
            source,
        }
    }

    /// Returns whether the disk is full.
    pub fn is_no_space(&self) -> bool {
        is_no_space(self)
    }
}

/// Adds the operation and the path to an I/O error.
pub(crate) trait FileErrorContext<T> {
    fn at(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> FileErrorContext<T> for Result<T, E> {
    fn at(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(action, path(), source))
    }
}

/// Returns whether `error`, or one of its causes, is a full disk.
pub(crate) fn is_no_space(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(io_is_no_space)
            || error.downcast_ref().is_some_and(database_is_no_space)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn io_is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// `SQLite` reports a full disk in two ways: as such, and as a failure to grow the shared memory.
fn database_is_no_space(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            failure.code == rusqlite::ErrorCode::DiskFull
                || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        }
        _ => false,
    }
}

/// Implements `is_no_space` for error types.
macro_rules! impl_is_no_space {
    ($($error:ty),+) => { $(
        impl $error {
            /// Returns whether the cause is a full disk (or quota, or table of inodes).
            pub fn is_no_space(&self) -> bool {
                $crate::error::is_no_space(self)
            }
        }
    )+ };
}
pub(crate) use impl_is_no_space;
