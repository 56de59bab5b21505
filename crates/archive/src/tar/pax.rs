//! PAX records, `length key=value\n` (POSIX pax, "pax Extended Header").

use super::number;
use crate::error::TarError;

/// One record. The key is not empty and the value may hold anything.
pub(super) struct Record<'a> {
    /// Where in the header the key begins; the value begins one behind its end.
    pub(super) at: usize,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Iterates over records; ends after the first malformed one.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    fn split(&mut self) -> Option<Record<'a>> {
        let space = self
            .rest
            .iter()
            .take(MOST_DIGITS + 1)
            .position(|&byte| byte == b' ')?;
        let length = usize::try_from(number::decimal(&self.rest[..space])?).ok()?;
        let record = self.rest.get(..length)?.get(space + 1..)?;
        let [record @ .., b'\n'] = record else {
            return None;
        };
        let equals = record.iter().position(|&byte| byte == b'=')?;
        if equals == 0 {
            return None;
        }
        let at = self.at + space + 1;
        self.rest = &self.rest[length..];
        self.at += length;
        Some(Record {
            at,
            key: &record[..equals],
            value: &record[equals + 1..],
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, TarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.split().ok_or(TarError::PaxRecord);
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Refuses a global header that is malformed, or that sets what can only be meant for one entry and
/// other readers would heed.
pub(super) fn check_global(bytes: &[u8]) -> Result<(), TarError> {
    for record in Records::new(bytes) {
        let key = record?.key;
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
            return Err(TarError::GlobalRecord {
                key: String::from_utf8_lossy(key).into_owned(),
            });
        }
    }
    Ok(())
}

/// No header is long enough for a record of more.
const MOST_DIGITS: usize = 20;
