//! Errors of unpacking.

use std::io;

use crate::compression::Compression;
use crate::entry_name::EntryName;

/// An error of [`unpack`](crate::unpack).
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The blob could not be read. The caller cancels the call by a read error.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// The compressed stream is truncated or corrupt.
    #[error("invalid {compression} stream")]
    Stream {
        /// The compression, detected from the content.
        compression: Compression,
        /// The defect.
        source: StreamError,
    },
    /// The compression of the blob is not allowed by any layer media type.
    #[error("compressed with {name}: only gzip, zstd and plain tar are supported")]
    UnsupportedCompression {
        /// The compression, detected from the content.
        name: &'static str,
    },
    /// The tar is malformed, ambiguous or truncated.
    #[error("invalid tar at byte {offset}")]
    Tar {
        /// The offset of the header or block in the tar.
        offset: u64,
        /// The defect.
        source: TarError,
    },
    /// An entry is invalid, or could not be created.
    #[error("entry {path}")]
    Entry {
        /// The name of the entry.
        path: EntryName,
        /// The cause.
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
        /// The operation that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The origin of an [`UnpackError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackErrorOrigin {
    /// The reader of the blob: a read failed or was cancelled.
    Input,
    /// The content of the layer: the same bytes fail on every system.
    Layer,
    /// This system: no space, no permission, or a file system that lacks a feature.
    System,
}

/// A defect of a compressed stream.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream ends too early.
    #[error("it is truncated")]
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
    /// The last member or frame is followed by bytes that do not begin another one.
    #[error("other bytes follow its end")]
    Trailing,
}

/// A defect of a tar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// The blob begins neither with a tar header nor with the magic of a known compression.
    #[error("this is neither a tar nor a known compression")]
    NotTar,
    /// The checksum of a header does not match.
    #[error("the header's checksum does not match")]
    Checksum,
    /// A number field is malformed or out of range.
    #[error("the {field} is not a number in range")]
    Number {
        /// The field or PAX record.
        field: &'static str,
    },
    /// The tar ends inside a header or the content of an entry.
    #[error("it is truncated")]
    Truncated,
    /// A zero block is followed by another block.
    #[error("a single zero block is followed by data")]
    LoneZeroBlock,
    /// Extension headers for one entry exceed [`UnpackLimits::header_bytes`](crate::UnpackLimits::header_bytes).
    #[error("extension headers exceed the limit of {limit} bytes")]
    HeaderTooLarge {
        /// The limit.
        limit: usize,
    },
    /// An entry has two extension headers of the same kind.
    #[error("two {kind} headers for one entry")]
    Duplicate {
        /// The kind of header.
        kind: &'static str,
    },
    /// A PAX record and a GNU header both set the same field.
    #[error("the {field} is set by a PAX record and by a GNU header")]
    Ambiguous {
        /// The field.
        field: &'static str,
    },
    /// Extension headers are not followed by an entry.
    #[error("extension headers without an entry")]
    Orphan,
    /// A PAX record is malformed.
    #[error("a malformed PAX record")]
    PaxRecord,
    /// A global PAX header sets a field that is only valid for a single entry.
    #[error("a global PAX header sets {key:?}")]
    GlobalRecord {
        /// The key.
        key: String,
    },
    /// A name, link target or attribute name contains a NUL byte.
    #[error("a NUL byte in the {field}")]
    Nul {
        /// The field.
        field: &'static str,
    },
    /// The sparse map is malformed or inconsistent with the sizes of the entry.
    #[error("an invalid sparse map")]
    SparseMap,
    /// The entry type is not supported in layers.
    #[error("unsupported entry type {:?}", char::from(*.flag))]
    Type {
        /// The type flag of the header.
        flag: u8,
    },
}

/// The reason why an entry is rejected or could not be created.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The name leads above the root by `..` (T01).
    #[error("its name leaves the root")]
    Escapes,
    /// The hard link target leads above the root by `..` (T03).
    #[error("its link target {target} leaves the root")]
    TargetEscapes {
        /// The target.
        target: EntryName,
    },
    /// The entry is for the root, but is not a directory (T04).
    #[error("the root can only be a directory")]
    Root,
    /// A `.wh.` name that hides no name of its own directory (T06).
    #[error("an invalid whiteout")]
    Whiteout,
    /// The path, before or after symbolic links are resolved, has 4096 bytes or more.
    #[error("its path is too long")]
    PathTooLong,
    /// A parent of the path is not a directory.
    #[error("{parent} is not a directory")]
    NotADirectory {
        /// The parent, relative to the root.
        parent: EntryName,
    },
    /// The path has too many symbolic links, or a loop of them.
    #[error("too many levels of symbolic links")]
    LinkLoop,
    /// A hard link to itself.
    #[error("a hard link to itself")]
    SelfLink,
    /// The target of a hard link does not exist.
    #[error("its hard link target {target} does not exist")]
    MissingTarget {
        /// The target.
        target: EntryName,
    },
    /// The entry is a character device 0:0, which overlayfs interprets as a whiteout.
    #[error("a device 0:0 would be taken for a whiteout")]
    WhiteoutDevice,
    /// The device number does not fit the kernel's `dev_t` (A22).
    #[error("device number {major}:{minor} is out of range")]
    Device {
        /// The major number.
        major: u64,
        /// The minor number.
        minor: u64,
    },
    /// The directories need more memory than
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
    /// A system call failed.
    #[error("cannot {action}")]
    System {
        /// The operation that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl UnpackError {
    /// Returns the origin of the error.
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

/// Adds the name of the failed operation to an error of the operating system.
pub(crate) trait EntryErrorContext<T> {
    /// Converts the error into an [`EntryError`] for the failed `action`.
    fn context(self, action: &'static str) -> Result<T, EntryError>;
}

impl<T> EntryErrorContext<T> for rustix::io::Result<T> {
    fn context(self, action: &'static str) -> Result<T, EntryError> {
        self.map_err(|error| EntryError::System {
            action,
            source: error.into(),
        })
    }
}
