//! Builds tars byte by byte, including malformed ones, which no library would write.

use std::ops::Range;

/// A tar that is being built.
#[derive(Clone, Default)]
pub(crate) struct Tar(Vec<u8>);

/// An entry that is being built, including its extension headers.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) header: [u8; 512],
    content: Vec<u8>,
    records: Vec<u8>,
    keep_checksum: bool,
}

pub(crate) const NAME: Range<usize> = 0..100;
pub(crate) const MODE: Range<usize> = 100..108;
pub(crate) const UID: Range<usize> = 108..116;
pub(crate) const GID: Range<usize> = 116..124;
pub(crate) const SIZE: Range<usize> = 124..136;
pub(crate) const MTIME: Range<usize> = 136..148;
pub(crate) const CHECKSUM: Range<usize> = 148..156;
pub(crate) const MAGIC: Range<usize> = 257..265;
pub(crate) const MAJOR: Range<usize> = 329..337;
pub(crate) const MINOR: Range<usize> = 337..345;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;

/// The default modification time of entries.
pub(crate) const MTIME_DEFAULT: i64 = 1_000_000_000;

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn entry(mut self, entry: Entry) -> Self {
        self.0.extend(entry.bytes());
        self
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.entry(Entry::file(name, content))
    }

    pub(crate) fn dir(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(Entry::dir(name))
    }

    pub(crate) fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(Entry::symlink(name, target))
    }

    pub(crate) fn link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(Entry::link(name, target))
    }

    /// Appends bytes unchanged.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Appends the end marker.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    /// Returns the tar without an end marker.
    pub(crate) fn unended(self) -> Vec<u8> {
        self.0
    }
}

impl Entry {
    pub(crate) fn new(flag: u8, name: impl AsRef<[u8]>) -> Self {
        let entry = Self {
            header: [0; 512],
            content: Vec::new(),
            records: Vec::new(),
            keep_checksum: false,
        };
        let name = name.as_ref();
        let mut entry = entry
            .field(NAME, &name[..name.len().min(100)])
            .field(MAGIC, b"ustar\x0000")
            .mode(0o644)
            .owner(0, 0)
            .number(MTIME, MTIME_DEFAULT.unsigned_abs());
        entry.header[FLAG] = flag;
        if name.len() > 100 {
            entry = entry.pax("path", name);
        }
        entry
    }

    pub(crate) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(b'0', name).content(content)
    }

    pub(crate) fn dir(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name).mode(0o755)
    }

    pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'2', name).mode(0o777).target(target.as_ref())
    }

    pub(crate) fn link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'1', name).target(target.as_ref())
    }

    pub(crate) fn fifo(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'6', name)
    }

    pub(crate) fn device(flag: u8, name: impl AsRef<[u8]>, major: u64, minor: u64) -> Self {
        Self::new(flag, name)
            .number(MAJOR, major)
            .number(MINOR, minor)
    }

    pub(crate) fn mode(self, mode: u64) -> Self {
        self.number(MODE, mode)
    }

    pub(crate) fn owner(self, uid: u64, gid: u64) -> Self {
        self.number(UID, uid).number(GID, gid)
    }

    pub(crate) fn content(mut self, content: impl AsRef<[u8]>) -> Self {
        self.content = content.as_ref().to_vec();
        let size = self.content.len() as u64;
        self.number(SIZE, size)
    }

    /// Adds a PAX record.
    pub(crate) fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.records.extend(record(key.as_bytes(), value.as_ref()));
        self
    }

    /// Adds bytes to the PAX header, which may be malformed.
    pub(crate) fn raw_pax(mut self, bytes: &[u8]) -> Self {
        self.records.extend(bytes);
        self
    }

    pub(crate) fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(&format!("SCHILY.xattr.{name}"), value)
    }

    /// Sets a field to `bytes`, padded with NULs.
    pub(crate) fn field(mut self, at: Range<usize>, bytes: &[u8]) -> Self {
        let field = &mut self.header[at];
        field.fill(0);
        field[..bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Sets a field to octal digits, or to the binary form if the digits do not fit.
    pub(crate) fn number(self, at: Range<usize>, number: u64) -> Self {
        let digits = at.len() - 1;
        let text = format!("{number:0digits$o}");
        if text.len() <= digits {
            return self.field(at, text.as_bytes());
        }
        self.binary(at, number.into())
    }

    /// Sets a field to GNU's binary form.
    pub(crate) fn binary(mut self, at: Range<usize>, number: i128) -> Self {
        let field = &mut self.header[at];
        let bytes = number.to_be_bytes();
        let start = bytes.len() - field.len();
        field.copy_from_slice(&bytes[start..]);
        field[0] |= 0x80;
        self
    }

    /// Keeps the checksum that is set in the header.
    pub(crate) fn keep_checksum(mut self) -> Self {
        self.keep_checksum = true;
        self
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.records.is_empty() {
            let records = std::mem::take(&mut self.records);
            bytes = Self::new(b'x', "PaxHeaders/x").content(records).bytes();
        }
        if !self.keep_checksum {
            self.header[CHECKSUM].fill(b' ');
            let sum: u32 = self.header.iter().map(|&byte| u32::from(byte)).sum();
            let text = format!("{sum:06o}\0 ");
            self.header[CHECKSUM].copy_from_slice(text.as_bytes());
        }
        bytes.extend(self.header);
        bytes.extend(&self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn target(self, target: &[u8]) -> Self {
        if target.len() > 100 {
            return self.pax("linkpath", target);
        }
        self.field(LINK, target)
    }
}

/// Returns a PAX record. Its length includes its own digits.
pub(crate) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} ").into_bytes();
    record.extend(key);
    record.push(b'=');
    record.extend(value);
    record.push(b'\n');
    record
}
