//! Writes a tar: POSIX ustar, with PAX records for what has no room there.
//!
//! The bytes depend on nothing but what is written (POSIX pax, "pax Interchange Format"; for holes, GNU tar's sparse
//! format 1.0).

use std::collections::BTreeMap;
use std::io::{self, Write};

use ::tar::{EntryType, Header};

use crate::tar::{BLOCK, Segment, Sparse, Time};

/// A tar on its way. It has no end before [`TarWriter::finish`].
#[derive(Debug)]
pub(super) struct TarWriter<W> {
    out: W,
    members: u64,
    /// Bytes of content since the last header.
    content: u64,
}

/// What a member is, without its content.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) what: What<'a>,
    pub(super) path: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: BTreeMap<&'a [u8], &'a [u8]>,
}

/// The type of a member, with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    Directory,
    /// A file with so many bytes of content.
    File(u64),
    /// A file with holes. Its content is its segments, one after the other.
    Sparse(&'a Holes),
    HardLink(&'a [u8]),
    Symlink(&'a [u8]),
    CharacterDevice((u64, u64)),
    BlockDevice((u64, u64)),
    Fifo,
}

/// Where the content of a file with holes belongs.
#[derive(Debug)]
pub(super) struct Holes {
    real_size: u64,
    content: u64,
    /// Decimal numbers in lines, padded to whole blocks.
    map: Vec<u8>,
}

/// What of a member has no room in its header.
#[derive(Debug, Default)]
struct Records(Vec<u8>);

/// What a header field can hold in octal digits.
const LARGEST_ID: u64 = (1 << 21) - 1;
const LARGEST_SIZE: u64 = (1 << 33) - 1;

impl<W: Write> TarWriter<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            members: 0,
            content: 0,
        }
    }

    /// Writes the head of a member.
    pub(super) fn member(&mut self, member: &Member<'_>) -> io::Result<()> {
        let mut records = Records::default();
        let header = member.header(&mut records)?;
        if !records.0.is_empty() {
            self.records(member.path, &records.0)?;
        }
        self.out.write_all(header.as_bytes())?;
        if let What::Sparse(holes) = member.what {
            self.out.write_all(&holes.map)?;
        }
        self.members += 1;
        Ok(())
    }

    /// Writes some of the content of the last member.
    pub(super) fn content(&mut self, piece: &[u8]) -> io::Result<()> {
        self.content += piece.len() as u64;
        self.out.write_all(piece)
    }

    /// Fills the last block of the content.
    pub(super) fn end_content(&mut self) -> io::Result<()> {
        let content = std::mem::take(&mut self.content);
        self.out.write_all(padding(content))
    }

    /// Writes the end; returns how many members there are.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.members)
    }

    fn records(&mut self, path: &[u8], records: &[u8]) -> io::Result<()> {
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

impl Member<'_> {
    /// Returns the header, and adds to `records` what has no room in it.
    fn header(&self, records: &mut Records) -> io::Result<Header> {
        let mut header = Header::new_ustar();
        header.set_entry_type(self.what.kind());
        header.set_mode(self.mode);
        let size = match self.what {
            What::File(size) => size,
            What::Sparse(holes) => holes.map.len() as u64 + holes.content,
            _ => 0,
        };
        header.set_size(size);
        header.set_uid(self.uid.into());
        header.set_gid(self.gid.into());
        if let What::CharacterDevice((major, minor)) | What::BlockDevice((major, minor)) = self.what
        {
            let number = |number| u32::try_from(number).map_err(io::Error::other);
            header.set_device_major(number(major)?)?;
            header.set_device_minor(number(minor)?)?;
        }
        self.names(&mut header, records);
        for (key, number, largest) in [
            ("uid", self.uid.into(), LARGEST_ID),
            ("gid", self.gid.into(), LARGEST_ID),
            ("size", size, LARGEST_SIZE),
        ] {
            if number > largest {
                records.add(key.as_bytes(), number.to_string().as_bytes());
            }
        }
        match u64::try_from(self.mtime.seconds) {
            Ok(seconds) if self.mtime.nanoseconds == 0 && seconds <= LARGEST_SIZE => {
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

    fn names(&self, header: &mut Header, records: &mut Records) {
        let old = header.as_old_mut();
        if let What::HardLink(link) | What::Symlink(link) = self.what
            && !put(&mut old.linkname, link)
        {
            records.add(b"linkpath", link);
        }
        if let What::Sparse(holes) = self.what {
            put(&mut old.name, &prefixed(b"GNUSparseFile.0/", self.path));
            records.add(b"GNU.sparse.major", b"1");
            records.add(b"GNU.sparse.minor", b"0");
            records.add(b"GNU.sparse.name", self.path);
            records.add(
                b"GNU.sparse.realsize",
                holes.real_size.to_string().as_bytes(),
            );
        } else if !put(&mut old.name, self.path) {
            records.add(b"path", self.path);
        }
    }
}

impl What<'_> {
    fn kind(self) -> EntryType {
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

impl Holes {
    pub(super) fn of(sparse: &Sparse) -> Self {
        let real_size = sparse.real_size;
        let segments = sparse.segments.iter().filter(|segment| segment.length > 0);
        let mut segments: Vec<Segment> = segments.copied().collect();
        let end = segments.last().map_or(0, |last| last.offset + last.length);
        if end < real_size {
            // A segment of no bytes marks the end of a file that ends in a hole.
            let (offset, length) = (real_size, 0);
            segments.push(Segment { offset, length });
        }
        let lines = segments
            .iter()
            .map(|segment| format!("{}\n{}\n", segment.offset, segment.length));
        let map: String = lines.collect();
        let mut map = format!("{}\n{map}", segments.len()).into_bytes();
        map.extend_from_slice(padding(map.len() as u64));
        Self {
            real_size,
            content: segments.iter().map(|segment| segment.length).sum(),
            map,
        }
    }
}

impl Records {
    /// Adds `length key=value\n`, where the length counts itself.
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

/// Puts as much of `text` into a header field as has room, and says whether that was all.
fn put(field: &mut [u8], text: &[u8]) -> bool {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    length == text.len()
}

/// Returns the last component of a path behind `prefix`: a name for those who do not understand what it is of.
fn prefixed(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let name = path.rsplit(|&byte| byte == b'/').next();
    [prefix, name.unwrap_or_default()].concat()
}

fn padding(content: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK] = [0; BLOCK];
    let length = content.wrapping_neg() % BLOCK as u64;
    let length = usize::try_from(length).expect("less than a block");
    &ZEROS[..length]
}

/// Returns a time as PAX writes it: `-0.5` is half a second before 1970, so the fraction counts from zero.
fn decimal(time: Time) -> String {
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
