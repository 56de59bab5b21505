//! PAX records of the form `length key=value\n` (POSIX pax, "pax Extended Header").

use super::number;
use crate::error::TarError;

/// One record. The key is not empty; the value may contain any bytes.
pub(super) struct PaxRecord<'a> {
    /// The offset of the key in the header. The value begins one byte behind the key's end.
    pub(super) offset: usize,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Iterates over records and ends after the first malformed one.
pub(super) struct PaxRecords<'a> {
    rest: &'a [u8],
    /// The offset of `rest` in the header.
    offset: usize,
}

impl<'a> PaxRecords<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
        }
    }

    fn split_first(&mut self) -> Option<PaxRecord<'a>> {
        let space = self
            .rest
            .iter()
            .take(MAX_LENGTH_DIGITS + 1)
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
        let offset = self.offset + space + 1;
        self.rest = &self.rest[length..];
        self.offset += length;
        Some(PaxRecord {
            offset,
            key: &record[..equals],
            value: &record[equals + 1..],
        })
    }
}

impl<'a> Iterator for PaxRecords<'a> {
    type Item = Result<PaxRecord<'a>, TarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.split_first().ok_or(TarError::PaxRecord);
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Rejects a global header that is malformed, or that sets a field of a single entry which other readers
/// would apply to all entries.
pub(super) fn check_global(bytes: &[u8]) -> Result<(), TarError> {
    for record in PaxRecords::new(bytes) {
        let key = record?.key;
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
            return Err(TarError::GlobalRecord {
                key: String::from_utf8_lossy(key).into_owned(),
            });
        }
    }
    Ok(())
}

/// The number of digits of the longest length. No header is large enough for a longer one.
const MAX_LENGTH_DIGITS: usize = 20;
