//! Builds layers: valid, deterministic tars of named entries.

mod entry;

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use windlass_oci::{Algorithm, DiffId, Digest, Hasher};

use crate::tar::{BLOCK, Tar};
use crate::{BlobCompression, Random};

use entry::{LayerEntry, LayerEntryKind};

/// The default mtime of entries: 2020-01-01T00:00:00Z.
pub const MTIME: i64 = 1_577_836_800;

/// Builds a layer from entries in the order of the tar.
///
/// Methods that add an entry are followed by those that change it:
///
/// ```
/// use windlass_testing::{BlobCompression, LayerBuilder};
///
/// let layer = LayerBuilder::new()
///     .dir("usr/bin")
///     .file("usr/bin/sudo", b"#!").mode(0o4755)
///     .symlink("bin", "usr/bin")
///     .hardlink("usr/bin/sudoedit", "usr/bin/sudo")
///     .file("home/me/.profile", b"").owner(1000, 1000).mtime(0, 500)
///     .whiteout("etc/old")
///     .compressed(BlobCompression::ZstdFrames(2));
/// let packed = layer.pack();
/// assert_eq!(packed.size, packed.bytes.len() as u64);
/// ```
///
/// The same calls always give the same bytes, so digests can be constants. [`Tar`] and
/// [`LayerBuilder::from_tar`] are for tars that no correct tool would write.
#[derive(Clone, Debug, Default)]
pub struct LayerBuilder {
    content: LayerContent,
    compression: BlobCompression,
}

/// A layer as a registry stores it. A test may set any field to a wrong value.
#[derive(Clone)]
pub struct PackedLayer {
    /// The blob, compressed.
    pub bytes: Bytes,
    /// The digest of the blob in the manifest.
    pub digest: Digest,
    /// The size of the blob in the manifest.
    pub size: u64,
    /// The diff ID in the config.
    pub diff_id: DiffId,
    /// The media type in the manifest; `None` for that of `compression`.
    pub media_type: Option<String>,
    /// How the blob was compressed.
    pub compression: BlobCompression,
}

#[derive(Clone, Debug)]
enum LayerContent {
    Entries(Vec<LayerEntry>),
    Tar(Vec<u8>),
}

impl Default for LayerContent {
    fn default() -> Self {
        Self::Entries(Vec::new())
    }
}

impl LayerBuilder {
    /// Starts a layer without entries, gzip.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses a complete tar with any content.
    pub fn from_tar(tar: impl Into<Vec<u8>>) -> Self {
        Self {
            content: LayerContent::Tar(tar.into()),
            compression: BlobCompression::default(),
        }
    }

    /// Creates a layer of one file whose bytes do not compress, so that the blob is a little longer than `size`
    /// bytes. The same size always gives the same layer.
    pub fn of_size(size: usize) -> Self {
        Self::of_size_seeded(size, 1)
    }

    /// Like [`of_size`](Self::of_size), with different bytes for each seed.
    pub fn of_size_seeded(size: usize, seed: u64) -> Self {
        Self::new().file(format!("random-{seed}"), Random::new(seed).bytes(size))
    }

    /// Sets how the layer is compressed.
    #[must_use]
    pub fn compressed(mut self, compression: BlobCompression) -> Self {
        self.compression = compression;
        self
    }

    /// Adds a file, mode 0644.
    #[must_use]
    pub fn file(self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.entry(path, LayerEntryKind::File(content.as_ref().to_vec()), 0o644)
    }

    /// Adds a sparse file of `size` bytes with data only at `pieces` (offset, bytes), in the PAX 1.0 sparse
    /// format of GNU tar. All pieces but the last must be whole blocks of 512 bytes: readers disagree about
    /// other ones.
    #[must_use]
    pub fn sparse(self, path: impl AsRef<[u8]>, size: u64, pieces: &[(u64, &[u8])]) -> Self {
        let whole = |piece: &(u64, &[u8])| piece.1.len().is_multiple_of(BLOCK);
        let full = pieces.split_last().map_or(&[][..], |(_, full)| full);
        assert!(
            full.iter().all(whole),
            "a piece is not a multiple of the block size"
        );
        let pieces = pieces.iter().map(|(at, bytes)| (*at, bytes.to_vec()));
        self.entry(path, LayerEntryKind::Sparse(size, pieces.collect()), 0o644)
    }

    /// Adds a directory, mode 0755.
    #[must_use]
    pub fn dir(self, path: impl AsRef<[u8]>) -> Self {
        self.entry(path, LayerEntryKind::Dir, 0o755)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(
            path,
            LayerEntryKind::Symlink(target.as_ref().to_vec()),
            0o777,
        )
    }

    /// Adds another name for `target`, a path from the layer's root.
    #[must_use]
    pub fn hardlink(self, path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(
            path,
            LayerEntryKind::Hardlink(target.as_ref().to_vec()),
            0o644,
        )
    }

    /// Adds a fifo, mode 0644.
    #[must_use]
    pub fn fifo(self, path: impl AsRef<[u8]>) -> Self {
        self.entry(path, LayerEntryKind::Fifo, 0o644)
    }

    /// Adds a character device, mode 0644.
    #[must_use]
    pub fn char_device(self, path: impl AsRef<[u8]>, major: u32, minor: u32) -> Self {
        let flag = b'3';
        self.entry(path, LayerEntryKind::Device { flag, major, minor }, 0o644)
    }

    /// Adds a block device, mode 0644.
    #[must_use]
    pub fn block_device(self, path: impl AsRef<[u8]>, major: u32, minor: u32) -> Self {
        let flag = b'4';
        self.entry(path, LayerEntryKind::Device { flag, major, minor }, 0o644)
    }

    /// Adds the whiteout of `path`, which hides `path` in lower layers (OCI image spec, "Whiteouts").
    #[must_use]
    pub fn whiteout(self, path: impl AsRef<[u8]>) -> Self {
        let path = path.as_ref();
        let name = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = path.split_at(name.map_or(0, |slash| slash + 1));
        self.file([parent, b".wh.", name].concat(), b"")
    }

    /// Adds the opaque marker to the directory `path`, which hides its content in lower layers.
    #[must_use]
    pub fn opaque(self, path: impl AsRef<[u8]>) -> Self {
        self.file([path.as_ref(), b"/.wh..wh..opq"].concat(), b"")
    }

    /// Sets the last entry's permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.last().mode = mode;
        self
    }

    /// Sets the last entry's owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.last().uid, self.last().gid) = (uid, gid);
        self
    }

    /// Sets the last entry's mtime.
    #[must_use]
    pub fn mtime(mut self, seconds: i64, nanoseconds: u32) -> Self {
        (self.last().seconds, self.last().nanoseconds) = (seconds, nanoseconds);
        self
    }

    /// Gives the last entry an extended attribute.
    #[must_use]
    pub fn xattr(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref().to_vec();
        self.last().xattrs.push((name.into(), value));
        self
    }

    /// Returns the layer's tar.
    pub fn tar(&self) -> Vec<u8> {
        match &self.content {
            LayerContent::Tar(tar) => tar.clone(),
            LayerContent::Entries(entries) => entries
                .iter()
                .fold(Tar::new(), |tar, entry| entry.append_to(tar))
                .end(),
        }
    }

    /// Returns the blob, with its digest, size and diff ID.
    pub fn pack(&self) -> PackedLayer {
        let tar = self.tar();
        let blob = self.compression.compress(&tar);
        PackedLayer::new(blob, DiffId::new(Digest::sha256(&tar)), self.compression)
    }

    fn entry(mut self, path: impl AsRef<[u8]>, kind: LayerEntryKind, mode: u32) -> Self {
        let LayerContent::Entries(entries) = &mut self.content else {
            panic!("a layer made from a tar takes no more entries");
        };
        entries.push(LayerEntry {
            path: path.as_ref().to_vec(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            seconds: MTIME,
            nanoseconds: 0,
            xattrs: Vec::new(),
        });
        self
    }

    fn last(&mut self) -> &mut LayerEntry {
        match &mut self.content {
            LayerContent::Entries(entries) => {
                entries.last_mut().expect("an entry was added before")
            }
            LayerContent::Tar(_) => panic!("a layer made from a tar has no entries to change"),
        }
    }
}

impl PackedLayer {
    /// Creates a layer of a blob that unpacks to the tar with `diff_id`.
    pub fn new(blob: impl Into<Bytes>, diff_id: DiffId, compression: BlobCompression) -> Self {
        let bytes = blob.into();
        Self {
            digest: Digest::sha256(&bytes),
            size: bytes.len() as u64,
            diff_id,
            media_type: None,
            compression,
            bytes,
        }
    }

    /// Compresses a tar of any size while reading it; only the blob is in memory.
    ///
    /// For decompression bombs: `io::repeat(0).take(1 << 30)` after a header is a megabyte of gzip.
    pub fn from_reader(tar: impl Read, compression: BlobCompression) -> io::Result<Self> {
        let mut hashing = HashingReader {
            inner: tar,
            hasher: Hasher::new(Algorithm::Sha256),
        };
        let mut blob = Vec::new();
        compression.compress_from(&mut hashing, &mut blob)?;
        let diff_id = DiffId::new(hashing.hasher.finish());
        Ok(Self::new(blob, diff_id, compression))
    }
}

impl fmt::Debug for PackedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedLayer")
            .field("digest", &self.digest)
            .field("size", &self.size)
            .field("diff_id", &self.diff_id)
            .field("media_type", &self.media_type)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

impl From<LayerBuilder> for PackedLayer {
    fn from(layer: LayerBuilder) -> Self {
        layer.pack()
    }
}

impl From<&LayerBuilder> for PackedLayer {
    fn from(layer: &LayerBuilder) -> Self {
        layer.pack()
    }
}

impl From<&Self> for PackedLayer {
    fn from(layer: &Self) -> Self {
        layer.clone()
    }
}

/// Computes the digest of a tar while it is read.
struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
