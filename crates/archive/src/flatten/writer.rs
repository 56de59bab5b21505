//! Writes a tar in the POSIX ustar format, with PAX records for values that do not fit the header.
//!
//! The output only depends on the members (POSIX pax, "pax Interchange Format"; GNU tar's sparse format 1.0).

use std::collections::BTreeMap;
use std::io::{self, Write};

use ::tar::{EntryType, Header};

use crate::tar::{BLOCK_SIZE, Segment, SparseFile, Timestamp};

/// Writes a tar. The end marker is only written by [`TarWriter::finish`].
#[derive(Debug)]
pub(super) struct TarWriter<W> {
    out: W,
    /// The number of members.
    members: u64,
    /// The number of content bytes since the last header.
    content: u64,
}

/// A member without its content.
#[derive(Clone, Debug)]
pub(super) struct MemberHeader<'a> {
    pub(super) kind: MemberType<'a>,
    pub(super) path: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Timestamp,
    pub(super) xattrs: BTreeMap<&'a [u8], &'a [u8]>,
}

/// The type of a member, with the fields that only this type has.
#[derive(Clone, Copy, Debug)]
pub(super) enum MemberType<'a> {
    Directory,
    /// A file with this number of content bytes.
    File(u64),
    /// A sparse file. Its content is the concatenation of its segments.
    Sparse(&'a SparseMap),
    /// A hard link to the member of this path.
    HardLink(&'a [u8]),
    /// A symbolic link with this target.
    Symlink(&'a [u8]),
    /// The major and minor number.
    CharacterDevice((u64, u64)),
    BlockDevice((u64, u64)),
    Fifo,
}

/// The map of a sparse file.
#[derive(Debug)]
pub(super) struct SparseMap {
    /// The length of the file in bytes, including its holes.
    real_size: u64,
    /// The length of all segments in bytes.
    content: u64,
    /// Decimal numbers, one per line, padded to whole blocks.
    lines: Vec<u8>,
}

/// The PAX records of a member.
#[derive(Debug, Default)]
struct RecordBuffer(Vec<u8>);

/// The largest numbers that fit the octal digits of the header fields.
const MAX_ID: u64 = (1 << 21) - 1;
const MAX_SIZE: u64 = (1 << 33) - 1;

impl<W: Write> TarWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            members: 0,
            content: 0,
        }
    }

    /// Writes the headers of a member. Its content follows.
    pub(super) fn begin_member(&mut self, member: &MemberHeader<'_>) -> io::Result<()> {
        let mut records = RecordBuffer::default();
        let header = member.header(&mut records)?;
        if !records.0.is_empty() {
            self.write_records(member.path, &records.0)?;
        }
        self.out.write_all(header.as_bytes())?;
        if let MemberType::Sparse(map) = member.kind {
            self.out.write_all(&map.lines)?;
        }
        self.members += 1;
        Ok(())
    }

    /// Writes a piece of the content of the last member.
    pub(super) fn write_content(&mut self, piece: &[u8]) -> io::Result<()> {
        self.content += piece.len() as u64;
        self.out.write_all(piece)
    }

    /// Pads the content to a whole block.
    pub(super) fn end_content(&mut self) -> io::Result<()> {
        let content = std::mem::take(&mut self.content);
        self.out.write_all(padding(content))
    }

    /// Writes the end marker and returns the number of members.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.write_all(&[0; 2 * BLOCK_SIZE])?;
        self.out.flush()?;
        Ok(self.members)
    }

    fn write_records(&mut self, path: &[u8], records: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        put(
            &mut header.as_old_mut().name,
            &prefixed(b"PaxHeaders/", path),
        );
        header.set_mode(0o644);
        header.set_size(records.len() as u64);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(records)?;
        self.out.write_all(padding(records.len() as u64))
    }
}

impl MemberHeader<'_> {
    /// Returns the header. Adds the values that do not fit it to `records`.
    fn header(&self, records: &mut RecordBuffer) -> io::Result<Header> {
        let mut header = Header::new_ustar();
        header.set_entry_type(self.kind.entry_type());
        header.set_mode(self.mode);
        let size = match self.kind {
            MemberType::File(size) => size,
            MemberType::Sparse(map) => map.lines.len() as u64 + map.content,
            MemberType::Directory
            | MemberType::HardLink(_)
            | MemberType::Symlink(_)
            | MemberType::CharacterDevice(_)
            | MemberType::BlockDevice(_)
            | MemberType::Fifo => 0,
        };
        header.set_size(size);
        header.set_uid(self.uid.into());
        header.set_gid(self.gid.into());
        if let MemberType::CharacterDevice((major, minor))
        | MemberType::BlockDevice((major, minor)) = self.kind
        {
            let number = |number| u32::try_from(number).map_err(io::Error::other);
            header.set_device_major(number(major)?)?;
            header.set_device_minor(number(minor)?)?;
        }
        self.set_names(&mut header, records);
        for (key, number, largest) in [
            ("uid", self.uid.into(), MAX_ID),
            ("gid", self.gid.into(), MAX_ID),
            ("size", size, MAX_SIZE),
        ] {
            if number > largest {
                records.add(key.as_bytes(), number.to_string().as_bytes());
            }
        }
        match u64::try_from(self.mtime.seconds) {
            Ok(seconds) if self.mtime.nanoseconds == 0 && seconds <= MAX_SIZE => {
                header.set_mtime(seconds);
            }
            _ => {
                header.set_mtime(0);
                records.add(b"mtime", decimal(self.mtime).as_bytes());
            }
        }
        for (name, value) in &self.xattrs {
            records.add(&[b"SCHILY.xattr.", *name].concat(), value);
        }
        header.set_cksum();
        Ok(header)
    }

    fn set_names(&self, header: &mut Header, records: &mut RecordBuffer) {
        let old = header.as_old_mut();
        if let MemberType::HardLink(link) | MemberType::Symlink(link) = self.kind
            && !put(&mut old.linkname, link)
        {
            records.add(b"linkpath", link);
        }
        if let MemberType::Sparse(map) = self.kind {
            put(&mut old.name, &prefixed(b"GNUSparseFile.0/", self.path));
            records.add(b"GNU.sparse.major", b"1");
            records.add(b"GNU.sparse.minor", b"0");
            records.add(b"GNU.sparse.name", self.path);
            records.add(b"GNU.sparse.realsize", map.real_size.to_string().as_bytes());
        } else if !put(&mut old.name, self.path) {
            records.add(b"path", self.path);
        }
    }
}

impl MemberType<'_> {
    fn entry_type(self) -> EntryType {
        match self {
            Self::Directory => EntryType::Directory,
            Self::File(_) | Self::Sparse(_) => EntryType::Regular,
            Self::HardLink(_) => EntryType::Link,
            Self::Symlink(_) => EntryType::Symlink,
            Self::CharacterDevice(_) => EntryType::Char,
            Self::BlockDevice(_) => EntryType::Block,
            Self::Fifo => EntryType::Fifo,
        }
    }
}

impl SparseMap {
    pub(super) fn new(sparse: &SparseFile) -> Self {
        let real_size = sparse.real_size;
        let segments = sparse.segments.iter().filter(|segment| segment.length > 0);
        let mut segments: Vec<Segment> = segments.copied().collect();
        let end = segments.last().map_or(0, |last| last.offset + last.length);
        if end < real_size {
            // An empty segment marks the end of a file that ends with a hole.
            let (offset, length) = (real_size, 0);
            segments.push(Segment { offset, length });
        }
        let lines = segments
            .iter()
            .map(|segment| format!("{}\n{}\n", segment.offset, segment.length));
        let lines: String = lines.collect();
        let mut lines = format!("{}\n{lines}", segments.len()).into_bytes();
        lines.extend_from_slice(padding(lines.len() as u64));
        Self {
            real_size,
            content: segments.iter().map(|segment| segment.length).sum(),
            lines,
        }
    }
}

impl RecordBuffer {
    /// Adds a record `length key=value\n`. The length includes its own digits.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + " =\n".len();
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        let record = &mut self.0;
        record.extend_from_slice(length.to_string().as_bytes());
        record.push(b' ');
        record.extend_from_slice(key);
        record.push(b'=');
        record.extend_from_slice(value);
        record.push(b'\n');
    }
}

/// Copies `text` into a header field, truncated to its length. Returns whether it fits.
fn put(field: &mut [u8], text: &[u8]) -> bool {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    length == text.len()
}

/// Returns `prefix` and the last component of a path. It is the placeholder name under which programs without PAX
/// support extract the member.
fn prefixed(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let name = path.rsplit(|&byte| byte == b'/').next();
    [prefix, name.unwrap_or_default()].concat()
}

/// Returns the zeros that pad content of this length to a whole block.
fn padding(content: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];
    let length = content.wrapping_neg() % BLOCK_SIZE as u64;
    let length = usize::try_from(length).expect("less than a block");
    &ZEROS[..length]
}

/// Returns a time in the format of PAX, in which `-0.5` is half a second before 1970.
fn decimal(time: Timestamp) -> String {
    let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    let (whole, fraction) = (total / 1_000_000_000, total % 1_000_000_000);
    match fraction {
        0 => format!("{sign}{whole}"),
        _ => {
            let digits = format!("{fraction:09}");
            format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
        }
    }
}
