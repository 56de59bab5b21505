//! The database of a store: its content and its names.
//!
//! `SQLite` in WAL mode with `synchronous=FULL`: one writer (the owner of the lock), any number of readers
//! without a lock, and a transaction that has returned survives a power cut. The WAL stays when the store is
//! closed: a pull then pays for one sync of it and not for a checkpoint as well.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, Transaction, TransactionBehavior};

use crate::error::DatabaseError;

/// The tables. `docs/on-disk-format.md` explains them.
const SCHEMA: &str = include_str!("database/schema.sql");

/// "WNDL": identifies the database for tools such as `file`.
const APPLICATION_ID: i32 = 0x574e_444c;

/// The size of the WAL at which it is merged into the database, in pages of 4 KiB.
const CHECKPOINT_PAGES: i32 = 256;

/// The time to wait for a lock that another connection holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The connection with the path of its file.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// A value that is stored as text: a digest, a platform, a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextColumn<T>(pub(crate) T);

impl Database {
    /// Opens the database for writing; creates the tables if they do not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | common_flags();
        Connection::open_with_flags(path, flags)
            .and_then(|mut connection| {
                prepare(&connection)?;
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "FULL")?;
                connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
                create_tables(&mut connection)?;
                Ok(Self::new(path, connection))
            })
            .map_err(|source| DatabaseError::new(path, source))
    }

    /// Opens the database for reading.
    pub(crate) fn read(path: &Path) -> Result<Self, DatabaseError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | common_flags();
        Connection::open_with_flags(path, flags)
            .and_then(|connection| {
                prepare(&connection)?;
                Ok(Self::new(path, connection))
            })
            .map_err(|source| DatabaseError::new(path, source))
    }

    /// Returns an empty database, for a store that does not exist.
    pub(crate) fn empty() -> Result<Self, DatabaseError> {
        let path = Path::new(":memory:");
        Connection::open_in_memory()
            .and_then(|mut connection| {
                prepare(&connection)?;
                create_tables(&mut connection)?;
                Ok(Self::new(path, connection))
            })
            .map_err(|source| DatabaseError::new(path, source))
    }

    fn new(path: &Path, connection: Connection) -> Self {
        Self {
            path: path.to_owned(),
            connection: Mutex::new(connection),
        }
    }

    /// Runs queries on one consistent state of the database.
    pub(crate) fn query<T>(
        &self,
        queries: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        let mut connection = self.connection();
        connection
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .and_then(|transaction| queries(&transaction))
            .map_err(|source| self.error(source))
    }

    /// Returns the connection, for changes.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic during a transaction has rolled it back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn error(&self, source: rusqlite::Error) -> DatabaseError {
        DatabaseError::new(&self.path, source)
    }
}

impl<T: ToString> ToSql for TextColumn<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl<T> FromSql for TextColumn<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed
            .map(Self)
            .map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// Converts a size into a database integer. No file is larger than the maximum.
pub(crate) fn to_integer(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Converts a database integer into a size.
pub(crate) fn from_integer(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

fn common_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if made != APPLICATION_ID {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()
}
