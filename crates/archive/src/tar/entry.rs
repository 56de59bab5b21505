//! Tar entries: the fields of a header, overridden by the extension headers before it.

use std::ops::Range;

use super::header::EntryHeader;
use super::number;
use super::pax::{PaxRecord, PaxRecords};
use super::sparse::{SparseFile, SparseRecords};
use super::timestamp::Timestamp;
use crate::error::TarError;

/// One entry of a tar. It is created once and reused for all entries, to avoid allocations.
#[derive(Debug, Default)]
pub(crate) struct TarEntry {
    pub(crate) kind: EntryKind,
    /// The exact bytes of the name. They contain no NUL; nothing else is validated.
    pub(crate) path: Vec<u8>,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
    /// The permission, set-ID and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Timestamp,
    /// The length of the content in the tar.
    pub(crate) size: u64,
    /// The major and minor number of a device.
    pub(crate) device: (u64, u64),
    pub(crate) sparse: Option<SparseFile>,
    pub(super) pax: Option<Vec<u8>>,
    pub(super) gnu_path: Option<Vec<u8>>,
    pub(super) gnu_link: Option<Vec<u8>>,
    /// The ranges of the names and values of extended attributes in `pax`.
    xattrs: Vec<(Range<usize>, Range<usize>)>,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EntryKind {
    #[default]
    File,
    HardLink,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
}

impl TarEntry {
    /// Returns the extended attributes in the order of the tar. The last one of a name takes effect.
    pub(crate) fn xattrs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pax = self.pax.as_deref().unwrap_or_default();
        let ranges = self.xattrs.iter().cloned();
        ranges.map(move |(name, value)| (&pax[name], &pax[value]))
    }

    pub(crate) fn has_xattrs(&self) -> bool {
        !self.xattrs.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.path.clear();
        self.link.clear();
        self.xattrs.clear();
        self.sparse = None;
        self.pax = None;
        self.gnu_path = None;
        self.gnu_link = None;
    }

    pub(super) fn extension_bytes(&self) -> usize {
        let extensions = [&self.pax, &self.gnu_path, &self.gnu_link];
        extensions.into_iter().flatten().map(Vec::len).sum()
    }

    /// Sets the fields from `header` and the extension headers before it.
    pub(super) fn fill(&mut self, header: &EntryHeader<'_>) -> Result<(), TarError> {
        let pax = self.pax.as_deref().unwrap_or_default();
        let overrides = Overrides::read(pax, &mut self.xattrs)?;
        match (overrides.path(), &self.gnu_path) {
            (Some(_), Some(_)) => return Err(TarError::Ambiguous { field: "path" }),
            (Some(path), None) => self.path.extend_from_slice(path),
            (None, Some(path)) => self.path.extend_from_slice(before_nul(path)),
            (None, None) => header.push_path(&mut self.path),
        }
        match (overrides.link, &self.gnu_link) {
            (Some(_), Some(_)) => {
                return Err(TarError::Ambiguous {
                    field: "link target",
                });
            }
            (Some(link), None) => self.link.extend_from_slice(link),
            (None, Some(link)) => self.link.extend_from_slice(before_nul(link)),
            (None, None) => self.link.extend_from_slice(header.link()),
        }
        self.kind = entry_kind(header.flag(), &self.path)?;
        self.mode = header.mode()?;
        // An overridden field is not parsed: the value may not have fit it.
        self.uid = overrides.uid.map_or_else(|| header.uid(), Ok)?;
        self.gid = overrides.gid.map_or_else(|| header.gid(), Ok)?;
        self.size = overrides.size.map_or_else(|| header.size(), Ok)?;
        self.mtime = match overrides.mtime {
            Some(time) => time,
            None => Timestamp {
                seconds: header.mtime()?,
                nanoseconds: 0,
            },
        };
        self.device = match self.kind {
            EntryKind::CharacterDevice | EntryKind::BlockDevice => header.device()?,
            EntryKind::File
            | EntryKind::HardLink
            | EntryKind::Symlink
            | EntryKind::Directory
            | EntryKind::Fifo => (0, 0),
        };
        self.sparse = overrides.sparse.finish()?;
        if header.flag() == b'S' {
            if !header.is_gnu() || self.sparse.is_some() {
                return Err(TarError::SparseMap);
            }
            self.sparse = Some(SparseFile::gnu(header)?);
        }
        if self.kind != EntryKind::File {
            if self.sparse.is_some() {
                return Err(TarError::SparseMap);
            }
            // As in Go, the size of entries other than files is ignored.
            self.size = 0;
        }
        Ok(())
    }
}

/// The fields that the PAX records before an entry set. The last record of a key takes effect; an empty value
/// removes the earlier ones.
#[derive(Default)]
struct Overrides<'a> {
    path: Option<&'a [u8]>,
    link: Option<&'a [u8]>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
    mtime: Option<Timestamp>,
    /// The name of a sparse file, whose `path` is a placeholder.
    sparse_path: Option<&'a [u8]>,
    sparse: SparseRecords,
}

impl<'a> Overrides<'a> {
    /// Reads the records of `pax`, and stores the ranges of extended attributes in `xattrs`.
    fn read(
        pax: &'a [u8],
        xattrs: &mut Vec<(Range<usize>, Range<usize>)>,
    ) -> Result<Self, TarError> {
        let mut overrides = Self::default();
        for record in PaxRecords::new(pax) {
            let record = record?;
            let name = record.key.strip_prefix(XATTR_PREFIX);
            if !overrides.apply(&record)?
                && let Some(name) = name
            {
                without_nul(name, "attribute name")?;
                let end = record.offset + record.key.len();
                let value = end + 1..end + 1 + record.value.len();
                xattrs.push((end - name.len()..end, value));
            }
        }
        Ok(overrides)
    }

    /// Applies a record. Returns `false` if its key does not set a field.
    fn apply(&mut self, record: &PaxRecord<'a>) -> Result<bool, TarError> {
        let value = Some(record.value).filter(|value| !value.is_empty());
        let owner = |field| {
            number(value, field, |text| {
                number::decimal(text).and_then(number::owner)
            })
        };
        match record.key {
            b"path" => self.path = text(value, "path")?,
            b"linkpath" => self.link = text(value, "link target")?,
            b"GNU.sparse.name" => self.sparse_path = text(value, "path")?,
            b"uid" => self.uid = owner("uid")?,
            b"gid" => self.gid = owner("gid")?,
            b"size" => {
                let size = |text: &[u8]| number::decimal(text).and_then(number::size);
                self.size = number(value, "size", size)?;
            }
            b"mtime" => self.mtime = number(value, "mtime", Timestamp::parse)?,
            key => {
                let Some(key) = key.strip_prefix(b"GNU.sparse.") else {
                    return Ok(false);
                };
                self.sparse.apply(key, record.value)?;
            }
        }
        Ok(true)
    }

    fn path(&self) -> Option<&'a [u8]> {
        self.sparse_path.or(self.path)
    }
}

const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

fn entry_kind(flag: u8, path: &[u8]) -> Result<EntryKind, TarError> {
    Ok(match flag {
        // The old format has no flag for directories; their names end with a slash.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharacterDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        flag => return Err(TarError::Type { flag }),
    })
}

fn number<T>(
    value: Option<&[u8]>,
    field: &'static str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, TarError> {
    let parsed = value.map(|text| parse(text).ok_or(TarError::Number { field }));
    parsed.transpose()
}

fn text<'a>(value: Option<&'a [u8]>, field: &'static str) -> Result<Option<&'a [u8]>, TarError> {
    value.map(|text| without_nul(text, field)).transpose()
}

fn without_nul<'a>(text: &'a [u8], field: &'static str) -> Result<&'a [u8], TarError> {
    if text.contains(&0) {
        return Err(TarError::Nul { field });
    }
    Ok(text)
}

/// Returns the bytes before the NUL that terminates GNU long names.
fn before_nul(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == 0);
    &text[..end.unwrap_or(text.len())]
}
