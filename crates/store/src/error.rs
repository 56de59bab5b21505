//! What every operation of the store can run into: a path that fails, the database, a full disk.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Something that could not be done to a path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Something that the store's database refused.
#[derive(Debug, thiserror::Error)]
#[error("the store's database, {}", .path.display())]
pub struct DatabaseError {
    path: PathBuf,
    source: rusqlite::Error,
}

/// The store was opened to look at, and something was to be changed.
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

    /// Says whether the disk (or the quota, or the table of inodes) is full.
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

    /// Says whether the disk is full.
    pub fn is_no_space(&self) -> bool {
        is_no_space(self)
    }
}

/// Adds to an I/O error what was being done, and to which path.
pub(crate) trait At<T> {
    fn at(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(action, path(), source))
    }
}

/// Says whether `error`, or anything that caused it, is a disk without room.
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

/// A full disk has two names in `SQLite`: the honest one, and "could not grow the shared memory".
fn database_is_no_space(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            failure.code == rusqlite::ErrorCode::DiskFull
                || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        }
        _ => false,
    }
}

/// Gives an error type the question that every caller has: is the disk full?
macro_rules! impl_is_no_space {
    ($($error:ty),+) => { $(
        impl $error {
            /// Says whether the cause is a disk (or quota, or table of inodes) without room.
            pub fn is_no_space(&self) -> bool {
                $crate::error::is_no_space(self)
            }
        }
    )+ };
}
pub(crate) use impl_is_no_space;
