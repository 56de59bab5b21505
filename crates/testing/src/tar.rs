//! A tar writer that writes any bytes and checks nothing.
//!
//! [`LayerBuilder`](crate::LayerBuilder) creates valid archives. This one creates all others: wrong sizes in
//! headers, wrong checksums, PAX records that contradict the header after them.
//!
//! ```
//! use windlass_testing::tar::{Tar, TarField, TarHeader};
//!
//! let tar = Tar::new()
//!     .pax(&[("path", b"../escape")])
//!     .entry(TarHeader::file("harmless").octal(TarField::Mode, 0o4777), b"content")
//!     .end();
//! assert_eq!(tar.len() % 512, 0);
//! ```

use std::ops::Range;

/// The size of a header, and the unit that contents are padded to.
pub const BLOCK: usize = 512;

/// A field of a tar header (POSIX ustar).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarField {
    /// The name, 100 bytes.
    Name,
    /// The permission bits.
    Mode,
    /// The user ID.
    Uid,
    /// The group ID.
    Gid,
    /// The size of the content.
    Size,
    /// Seconds since 1970.
    Mtime,
    /// The sum of the header's bytes.
    Checksum,
    /// The type flag, one byte.
    Kind,
    /// The target of a link, 100 bytes.
    LinkName,
    /// `ustar\0`, or `ustar ` for GNU.
    Magic,
    /// `00`, or ` \0` for GNU.
    Version,
    /// The owner's name.
    UserName,
    /// The group's name.
    GroupName,
    /// A device's major number.
    Major,
    /// A device's minor number.
    Minor,
    /// The prefix of the name, before a slash, 155 bytes.
    Prefix,
}

/// A header of 512 bytes.
///
/// The size and the checksum are set when it is added to a [`Tar`], unless they were set here.
#[derive(Clone, Debug)]
pub struct TarHeader {
    bytes: [u8; BLOCK],
    size_set: bool,
    checksum_set: bool,
}

/// Builds an archive.
#[derive(Clone, Debug, Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl TarField {
    /// Returns the position of the field in the header.
    pub fn place(self) -> Range<usize> {
        match self {
            Self::Name => 0..100,
            Self::Mode => 100..108,
            Self::Uid => 108..116,
            Self::Gid => 116..124,
            Self::Size => 124..136,
            Self::Mtime => 136..148,
            Self::Checksum => 148..156,
            Self::Kind => 156..157,
            Self::LinkName => 157..257,
            Self::Magic => 257..263,
            Self::Version => 263..265,
            Self::UserName => 265..297,
            Self::GroupName => 297..329,
            Self::Major => 329..337,
            Self::Minor => 337..345,
            Self::Prefix => 345..500,
        }
    }
}

impl TarHeader {
    /// Makes a ustar header of type `kind`: mode 0644, owned by root, mtime 0.
    pub fn new(kind: u8, name: impl AsRef<[u8]>) -> Self {
        let header = Self {
            bytes: [0; BLOCK],
            size_set: false,
            checksum_set: false,
        };
        let mut header = header
            .set(TarField::Kind, [kind])
            .set(TarField::Name, name)
            .set(TarField::Magic, b"ustar\0")
            .set(TarField::Version, b"00")
            .octal(TarField::Mode, 0o644)
            .octal(TarField::Uid, 0)
            .octal(TarField::Gid, 0)
            .octal(TarField::Mtime, 0)
            .octal(TarField::Size, 0);
        header.size_set = false;
        header
    }

    /// Makes the header of a regular file.
    pub fn file(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'0', name)
    }

    /// Makes the header of a directory, mode 0755.
    pub fn dir(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name).octal(TarField::Mode, 0o755)
    }

    /// Makes the header of a symbolic link.
    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'2', name)
            .octal(TarField::Mode, 0o777)
            .set(TarField::LinkName, target)
    }

    /// Makes the header of a hard link.
    pub fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'1', name).set(TarField::LinkName, target)
    }

    /// Makes the header of a fifo.
    pub fn fifo(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'6', name)
    }

    /// Makes the header of a device; `kind` is `b'3'` (character) or `b'4'` (block).
    pub fn device(kind: u8, name: impl AsRef<[u8]>, major: u32, minor: u32) -> Self {
        Self::new(kind, name)
            .octal(TarField::Major, u64::from(major))
            .octal(TarField::Minor, u64::from(minor))
    }

    /// Changes it into a GNU header.
    #[must_use]
    pub fn gnu(self) -> Self {
        self.set(TarField::Magic, b"ustar ")
            .set(TarField::Version, b" \0")
    }

    /// Changes it into a header from before POSIX (v7): without magic and version.
    #[must_use]
    pub fn v7(self) -> Self {
        self.set(TarField::Magic, b"").set(TarField::Version, b"")
    }

    /// Writes `value` into `field`; the rest of the field is filled with NUL.
    ///
    /// # Panics
    /// If the value is longer than the field.
    #[must_use]
    pub fn set(mut self, field: TarField, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let place = field.place();
        assert!(
            value.len() <= place.len(),
            "{field:?} holds {} bytes, not {}",
            place.len(),
            value.len()
        );
        let place = &mut self.bytes[place];
        place.fill(0);
        place[..value.len()].copy_from_slice(value);
        self.size_set |= field == TarField::Size;
        self.checksum_set |= field == TarField::Checksum;
        self
    }

    /// Writes a number in octal, padded with zeros, ended by a NUL.
    ///
    /// # Panics
    /// If the number has too many digits for the field.
    #[must_use]
    pub fn octal(self, field: TarField, value: u64) -> Self {
        let digits = field.place().len() - 1;
        self.set(field, format!("{value:0digits$o}\0"))
    }

    /// Writes a number in GNU's base-256 format, which also has negative numbers.
    #[must_use]
    pub fn base256(self, field: TarField, value: i128) -> Self {
        let len = field.place().len();
        let mut bytes = if value < 0 {
            vec![0xff; len]
        } else {
            vec![0; len]
        };
        let digits = value.to_be_bytes();
        let taken = digits.len().min(len);
        bytes[len - taken..].copy_from_slice(&digits[digits.len() - taken..]);
        bytes[0] |= 0x80;
        self.set(field, bytes)
    }

    /// Writes `value` at `offset`.
    #[must_use]
    pub fn raw(mut self, offset: usize, value: &[u8]) -> Self {
        self.bytes[offset..offset + value.len()].copy_from_slice(value);
        self
    }

    /// Returns the header for a content of `size` bytes.
    fn finished(self, size: usize) -> [u8; BLOCK] {
        let header = if self.size_set {
            self
        } else {
            self.octal(TarField::Size, size as u64)
        };
        if header.checksum_set {
            return header.bytes;
        }
        let blank = header.set(TarField::Checksum, b"        ");
        let sum: u64 = blank.bytes.iter().copied().map(u64::from).sum();
        blank.set(TarField::Checksum, format!("{sum:06o}\0 ")).bytes
    }
}

impl Tar {
    /// Starts an archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a header and its content, padded.
    #[must_use]
    pub fn entry(mut self, header: TarHeader, content: &[u8]) -> Self {
        self.bytes
            .extend_from_slice(&header.finished(content.len()));
        self.padded(content)
    }

    /// Appends a header without content.
    #[must_use]
    pub fn header(self, header: TarHeader) -> Self {
        self.entry(header, b"")
    }

    /// Appends PAX records for the next entry.
    #[must_use]
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let records = pax_records(records);
        self.entry(TarHeader::new(b'x', "PaxHeaders/entry"), &records)
    }

    /// Appends PAX records for all following entries.
    #[must_use]
    pub fn global_pax(self, records: &[(&str, &[u8])]) -> Self {
        let records = pax_records(records);
        self.entry(TarHeader::new(b'g', "GlobalHead/entry"), &records)
    }

    /// Appends a PAX header with exactly these bytes as its records.
    #[must_use]
    pub fn raw_pax(self, records: &[u8]) -> Self {
        self.entry(TarHeader::new(b'x', "PaxHeaders/entry"), records)
    }

    /// Appends the next entry's name in GNU's format.
    #[must_use]
    pub fn gnu_name(self, name: &[u8]) -> Self {
        let name = [name, b"\0"].concat();
        self.entry(TarHeader::new(b'L', "././@LongLink").gnu(), &name)
    }

    /// Appends the next entry's link target in GNU's format.
    #[must_use]
    pub fn gnu_link(self, target: &[u8]) -> Self {
        let target = [target, b"\0"].concat();
        self.entry(TarHeader::new(b'K', "././@LongLink").gnu(), &target)
    }

    /// Appends bytes without padding.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends bytes and pads them to a full block.
    #[must_use]
    pub fn padded(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// Appends the two zero blocks of the end and returns the archive.
    pub fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).into_bytes()
    }

    /// Returns the archive without the blocks of the end.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Returns PAX records, `"<length> <key>=<value>\n"` each.
pub fn pax_records(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        // Space, `=` and newline; the length includes its own digits.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length.to_string().len() + rest != length {
            length = length.to_string().len() + rest;
        }
        bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_layout_of_posix() {
        let bytes = Tar::new()
            .entry(
                TarHeader::file("etc/motd").octal(TarField::Mtime, 1),
                b"hi\n",
            )
            .into_bytes();
        assert_eq!(bytes.len(), 2 * BLOCK);
        assert_eq!(&bytes[..9], b"etc/motd\0");
        assert_eq!(&bytes[100..108], b"0000644\0");
        assert_eq!(&bytes[124..136], b"00000000003\0");
        assert_eq!(&bytes[136..148], b"00000000001\0");
        assert_eq!(&bytes[156..158], b"0\0");
        assert_eq!(&bytes[257..265], b"ustar\x0000");
        assert_eq!(&bytes[512..516], b"hi\n\0");
        let sum: u32 = bytes[..BLOCK].iter().copied().map(u32::from).sum();
        let field: u32 = bytes[148..156].iter().copied().map(u32::from).sum();
        assert_eq!(
            &bytes[148..156],
            format!("{:06o}\0 ", sum - field + 8 * 32).as_bytes()
        );
    }

    #[test]
    fn a_header_can_be_wrong() {
        let header = TarHeader::file("f")
            .octal(TarField::Size, 7)
            .set(TarField::Checksum, b"wrong");
        let bytes = Tar::new().header(header).into_bytes();
        assert_eq!(bytes.len(), BLOCK);
        assert_eq!(&bytes[124..136], b"00000000007\0");
        assert_eq!(&bytes[148..156], b"wrong\0\0\0");
    }

    #[test]
    fn base_256_has_big_and_negative_numbers() {
        let big = TarHeader::file("f").base256(TarField::Uid, 1 << 32);
        assert_eq!(big.bytes[108..116], [0x80, 0, 0, 1, 0, 0, 0, 0]);
        let negative = TarHeader::file("f").base256(TarField::Mtime, -2);
        let mut expected = [0xff; 12];
        expected[11] = 0xfe;
        assert_eq!(negative.bytes[136..148], expected);
    }

    #[test]
    fn a_pax_length_includes_itself() {
        assert_eq!(pax_records(&[("a", b"b")]), b"6 a=b\n");
        assert_eq!(pax_records(&[("a", b"bcdef")]), b"11 a=bcdef\n");
        let long = pax_records(&[("path", &[b'x'; 95])]);
        assert_eq!(long.len(), 105);
        assert!(long.starts_with(b"105 path=x"));
    }
}
