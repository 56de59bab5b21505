//! The result of unpacking a layer.

use windlass_oci::DiffId;

use crate::compression::Compression;

/// A layer that [`unpack`](crate::unpack) has applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackedLayer {
    /// The digest of the whole tar, including the bytes behind its end marker (LS-5).
    pub diff_id: DiffId,
    /// The compression of the blob, detected from its content.
    pub compression: Compression,
    /// The number of tar entries, including whiteouts.
    pub entries: u64,
    /// The number of bytes of file content that were written, with the targets of symbolic links. Holes do not count.
    pub size: u64,
    /// The items that could not be created on this system and were left out.
    pub skipped: SkippedItems,
    /// Whether the layer hides the whole root of the layers below. overlayfs ignores the opaque attribute
    /// on the root itself, so the code that stacks the layers must leave out the layers below.
    pub opaque_root: bool,
    /// Whether hidden files are recorded in another form than the [usual one](crate::Ownership::usual_hiding), which an
    /// overlay mount without options does not show.
    pub hides_unusually: bool,
    /// Whether the tar has an entry for the root. If not, the root directory keeps its previous metadata.
    pub has_root_entry: bool,
    /// The parent directories for which the tar has no entry, sorted. They are created with mode 0755 and a
    /// modification time of 0, and belong to the unpacking user.
    pub implied_directories: Vec<Vec<u8>>,
    /// The hard links whose target is not in this layer, sorted by path. Nothing is created for them. Only
    /// with [`UnpackMode::Layer`](crate::UnpackMode::Layer).
    pub lower_links: Vec<LowerLayerLink>,
}

/// The numbers of items that were left out because an ordinary user may not create them or the file system
/// does not support them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedItems {
    /// Device nodes, and hard links to them.
    pub devices: u64,
    /// Extended attributes.
    pub xattrs: u64,
}

/// A hard link to a file of a lower layer. Both paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LowerLayerLink {
    /// The path of the link, with the symbolic links of this layer resolved.
    pub path: Vec<u8>,
    /// The path of the target as given by the entry, without `.` and `..`.
    pub target: Vec<u8>,
}
