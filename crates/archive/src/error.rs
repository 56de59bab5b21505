//! Why a layer could not be unpacked.

use std::fmt;
use std::io;

use crate::Compression;

/// Why [`unpack`](crate::unpack) failed.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The blob could not be read, or the caller cancelled.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// The compressed stream is cut short or damaged.
    #[error("invalid {compression} stream")]
    Stream {
        /// The compression, told by content.
        compression: Compression,
        /// What is wrong with it.
        source: StreamError,
    },
    /// The blob is compressed in a way that no layer media type allows.
    #[error("the layer is compressed with {name}: only gzip, zstd and plain tar are supported")]
    UnsupportedCompression {
        /// The compression, told by content.
        name: &'static str,
    },
    /// The tar is malformed, ambiguous or cut short.
    #[error("invalid tar at byte {offset}")]
    Tar {
        /// Where the header or block begins.
        offset: u64,
        /// What is wrong with it.
        source: TarError,
    },
    /// An entry is refused, or could not be made.
    #[error("entry {path}")]
    Entry {
        /// The name in the tar.
        path: EntryName,
        /// Why.
        source: EntryError,
    },
    /// The tar is longer than [`UnpackLimits::tar_bytes`](crate::UnpackLimits::tar_bytes).
    #[error("the layer's tar is longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
    /// The directory to unpack into could not be used.
    #[error("cannot {action} the directory to unpack into")]
    Target {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Whom an [`UnpackError`] points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackErrorOrigin {
    /// Whoever supplied the bytes: the read failed or was cancelled.
    Input,
    /// The layer's content: the same bytes will fail again, anywhere.
    Layer,
    /// This system: no space, no permission, a file system that cannot hold the layer.
    System,
}

/// What is wrong with a compressed stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It ends before it is complete.
    #[error("it is cut short")]
    Truncated,
    /// A header is malformed.
    #[error("{0}")]
    Header(&'static str),
    /// The compressed data is malformed.
    #[error("the data is damaged")]
    Damaged(#[source] io::Error),
    /// A checksum or length does not match what was decompressed.
    #[error("the checksum does not match")]
    Checksum,
    /// Something that is not another member or frame follows the last one.
    #[error("other bytes follow its end")]
    Trailing,
}

/// What is wrong with a tar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// The blob does not begin as a tar does, and as no compression that is known.
    #[error("this is neither a tar nor a known compression")]
    NotTar,
    /// The header's checksum is wrong.
    #[error("the header's checksum does not match")]
    Checksum,
    /// A number field is malformed or out of range.
    #[error("the {field} is not a number in range")]
    Number {
        /// The field or PAX record.
        field: &'static str,
    },
    /// The tar ends inside a header or an entry's content.
    #[error("it is cut short")]
    Truncated,
    /// A zero block is followed by something else.
    #[error("a single zero block is followed by data")]
    LoneZeroBlock,
    /// Extension headers for one entry exceed [`UnpackLimits::header_bytes`](crate::UnpackLimits::header_bytes).
    #[error("extension headers exceed the limit of {limit} bytes")]
    HeaderTooLarge {
        /// The limit.
        limit: usize,
    },
    /// Two extension headers of one kind precede one entry.
    #[error("two {kind} headers for one entry")]
    Duplicate {
        /// The kind of header.
        kind: &'static str,
    },
    /// A PAX record and a GNU header both set the same thing.
    #[error("the {field} is set by a PAX record and by a GNU header")]
    Ambiguous {
        /// What they set.
        field: &'static str,
    },
    /// Extension headers are not followed by an entry.
    #[error("extension headers without an entry")]
    Orphan,
    /// A PAX record is malformed.
    #[error("a malformed PAX record")]
    PaxRecord,
    /// A global PAX header sets what only a header of one entry can mean.
    #[error("a global PAX header sets {key:?}")]
    GlobalRecord {
        /// The key.
        key: String,
    },
    /// A name, link target or attribute name holds a NUL byte.
    #[error("a NUL byte in the {field}")]
    Nul {
        /// Which.
        field: &'static str,
    },
    /// The sparse map is malformed, or contradicts itself or the sizes.
    #[error("an invalid sparse map")]
    SparseMap,
    /// The type flag is none that a layer can hold.
    #[error("unsupported entry type {:?}", char::from(*.flag))]
    Type {
        /// The flag.
        flag: u8,
    },
}

/// Why an entry is refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The name climbs out of the root with `..` (T01).
    #[error("its name leaves the root")]
    Escapes,
    /// The link target climbs out of the root with `..` (T03).
    #[error("its link target {target} leaves the root")]
    TargetEscapes {
        /// The target.
        target: EntryName,
    },
    /// The entry is the root itself, but not a directory (T04).
    #[error("the root can only be a directory")]
    Root,
    /// A `.wh.` name that names nothing, or something in another directory (T06).
    #[error("an invalid whiteout")]
    Whiteout,
    /// A path, or a path behind symbolic links, has 4096 bytes or more.
    #[error("its path is too long")]
    PathTooLong,
    /// A parent in its path is not a directory.
    #[error("{parent} is not a directory")]
    NotADirectory {
        /// The parent, relative to the root.
        parent: EntryName,
    },
    /// Too many symbolic links in its path, or a loop of them.
    #[error("too many levels of symbolic links")]
    LinkLoop,
    /// A hard link to itself.
    #[error("a hard link to itself")]
    SelfLink,
    /// The target of a hard link is not there.
    #[error("its hard link target {target} does not exist")]
    MissingTarget {
        /// The target.
        target: EntryName,
    },
    /// A character device 0:0, which overlayfs would take for a whiteout.
    #[error("a device 0:0 would be taken for a whiteout")]
    WhiteoutDevice,
    /// A device number that Linux cannot hold (A22).
    #[error("device number {major}:{minor} is out of range")]
    Device {
        /// The major number.
        major: u64,
        /// The minor number.
        minor: u64,
    },
    /// Directories need more memory than
    /// [`UnpackLimits::directory_bytes`](crate::UnpackLimits::directory_bytes).
    #[error("too many directories: they need more than the limit of {limit} bytes of memory")]
    TooManyDirectories {
        /// The limit.
        limit: usize,
    },
    /// The names of all layers together need more memory than
    /// [`UnpackLimits::tree_bytes`](crate::UnpackLimits::tree_bytes).
    #[error("too many entries: they need more than the limit of {limit} bytes of memory")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// The system refused.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A name from a tar: bytes, shown escaped and shortened.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryName(Vec<u8>);

impl UnpackError {
    /// Returns whom this error points at.
    pub fn origin(&self) -> UnpackErrorOrigin {
        match self {
            Self::Read(_) => UnpackErrorOrigin::Input,
            Self::Stream { .. }
            | Self::UnsupportedCompression { .. }
            | Self::Tar { .. }
            | Self::TooLong { .. } => UnpackErrorOrigin::Layer,
            Self::Target { .. } => UnpackErrorOrigin::System,
            Self::Entry { source, .. } => match source {
                EntryError::System { .. } => UnpackErrorOrigin::System,
                EntryError::Escapes
                | EntryError::TargetEscapes { .. }
                | EntryError::Root
                | EntryError::Whiteout
                | EntryError::PathTooLong
                | EntryError::NotADirectory { .. }
                | EntryError::LinkLoop
                | EntryError::SelfLink
                | EntryError::MissingTarget { .. }
                | EntryError::WhiteoutDevice
                | EntryError::Device { .. }
                | EntryError::TooManyDirectories { .. }
                | EntryError::TooManyEntries { .. } => UnpackErrorOrigin::Layer,
            },
        }
    }
}

impl EntryName {
    pub(crate) fn new(name: &[u8]) -> Self {
        Self(name.to_vec())
    }

    /// Returns the name, byte for byte.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: usize = 200;
        if self.0.is_empty() {
            return f.write_str("\"\"");
        }
        let shown = &self.0[..self.0.len().min(LIMIT)];
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || c == '\\' {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_str(if shown.len() < self.0.len() {
            "…"
        } else {
            ""
        })
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Says what was tried when the system refuses.
pub(crate) trait Trying<T> {
    /// Turns an error of the system into an [`EntryError`] that says what could not be done.
    fn trying(self, action: &'static str) -> Result<T, EntryError>;
}

impl<T> Trying<T> for rustix::io::Result<T> {
    fn trying(self, action: &'static str) -> Result<T, EntryError> {
        self.map_err(|error| EntryError::System {
            action,
            source: error.into(),
        })
    }
}
