//! An entry: a header, with what the extension headers before it say.

use std::ops::Range;

use super::header::Header;
use super::number;
use super::pax::{Record, Records};
use super::sparse::{Sparse, SparseRecords};
use crate::error::TarError;

/// One entry of a tar. Made once and filled again and again.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// The name, byte for byte; not checked for anything but NULs.
    pub(crate) path: Vec<u8>,
    /// The target of a link.
    pub(crate) link: Vec<u8>,
    /// Permissions, set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Time,
    /// The length of the content in the tar.
    pub(crate) size: u64,
    /// The major and minor number of a device.
    pub(crate) device: (u64, u64),
    pub(crate) sparse: Option<Sparse>,
    pub(super) pax: Option<Vec<u8>>,
    pub(super) gnu_path: Option<Vec<u8>>,
    pub(super) gnu_link: Option<Vec<u8>>,
    /// Names and values of extended attributes, as they lie in `pax`.
    xattrs: Vec<(Range<usize>, Range<usize>)>,
}

/// What an entry makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    File,
    HardLink,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// A modification time. Nanoseconds count up, before 1970 too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

impl Entry {
    /// Returns the extended attributes in the order of the tar, in which the last of one name counts.
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

    /// Takes the fields from `header` and the extension headers that came before it.
    pub(super) fn fill(&mut self, header: &Header<'_>) -> Result<(), TarError> {
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
        self.kind = kind(header.flag(), &self.path)?;
        self.mode = header.mode()?;
        // A field that a record overrides is not looked at: it may have been too narrow.
        self.uid = overrides.uid.map_or_else(|| header.uid(), Ok)?;
        self.gid = overrides.gid.map_or_else(|| header.gid(), Ok)?;
        self.size = overrides.size.map_or_else(|| header.size(), Ok)?;
        self.mtime = match overrides.mtime {
            Some(time) => time,
            None => Time {
                seconds: header.mtime()?,
                nanoseconds: 0,
            },
        };
        self.device = match self.kind {
            Kind::CharacterDevice | Kind::BlockDevice => header.device()?,
            _ => (0, 0),
        };
        self.sparse = overrides.sparse.finish()?;
        if header.flag() == b'S' {
            if !header.is_gnu() || self.sparse.is_some() {
                return Err(TarError::SparseMap);
            }
            self.sparse = Some(Sparse::gnu(header)?);
        }
        if self.kind != Kind::File {
            if self.sparse.is_some() {
                return Err(TarError::SparseMap);
            }
            // Only files have content, whatever size others claim: as in Go.
            self.size = 0;
        }
        Ok(())
    }
}

/// What the PAX records before an entry set. The last record of a key counts, and one with an empty
/// value takes back what came before it.
#[derive(Default)]
struct Overrides<'a> {
    path: Option<&'a [u8]>,
    link: Option<&'a [u8]>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
    mtime: Option<Time>,
    /// The name of a sparse file, whose `path` is made up.
    sparse_path: Option<&'a [u8]>,
    sparse: SparseRecords,
}

impl<'a> Overrides<'a> {
    /// Reads the records of `pax`, and notes where in it extended attributes lie.
    fn read(
        pax: &'a [u8],
        xattrs: &mut Vec<(Range<usize>, Range<usize>)>,
    ) -> Result<Self, TarError> {
        let mut overrides = Self::default();
        for record in Records::new(pax) {
            let record = record?;
            let name = record.key.strip_prefix(XATTR);
            if !overrides.take(&record)?
                && let Some(name) = name
            {
                without_nul(name, "attribute name")?;
                let end = record.at + record.key.len();
                let value = end + 1..end + 1 + record.value.len();
                xattrs.push((end - name.len()..end, value));
            }
        }
        Ok(overrides)
    }

    /// Takes a record and says whether it was one that belongs here.
    fn take(&mut self, record: &Record<'a>) -> Result<bool, TarError> {
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
            b"mtime" => self.mtime = number(value, "mtime", number::time)?,
            key => {
                let Some(key) = key.strip_prefix(b"GNU.sparse.") else {
                    return Ok(false);
                };
                self.sparse.take(key, record.value)?;
            }
        }
        Ok(true)
    }

    fn path(&self) -> Option<&'a [u8]> {
        self.sparse_path.or(self.path)
    }
}

const XATTR: &[u8] = b"SCHILY.xattr.";

fn kind(flag: u8, path: &[u8]) -> Result<Kind, TarError> {
    Ok(match flag {
        // Before there was a flag for directories, they were told by a slash.
        0 if path.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharacterDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
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

/// GNU's long names end with a NUL.
fn before_nul(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == 0);
    &text[..end.unwrap_or(text.len())]
}
