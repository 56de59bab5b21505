//! Builders of archives and images for tests.

use std::fs::File;
use std::io::{Cursor, Read, Seek as _, Write as _};

use tar::{Builder, EntryType, Header};
use windlass_layout::{Batch, BatchImage, Layout, LayoutError, Spool, VerifyingReader};
use windlass_oci::{Descriptor, Digest};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage};

/// A tar that is being built.
pub(crate) struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.member(EntryType::Regular, path, "", content.as_ref())
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Symlink, path, target, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.member(EntryType::Link, path, target, b"")
    }

    /// Appends a member. The name is stored in the header without normalization.
    fn member(mut self, kind: EntryType, path: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    pub(crate) fn open(self) -> Result<Layout, LayoutError> {
        open(&self.bytes())
    }
}

/// Opens an archive.
pub(crate) fn open(bytes: &[u8]) -> Result<Layout, LayoutError> {
    Layout::from_file(file(bytes), spool())
}

/// Returns a spool with temporary files, which is never cancelled.
pub(crate) fn spool() -> Spool<'static> {
    Spool {
        create_file: &tempfile::tempfile,
        is_cancelled: &|| false,
        on_read: &|_| {},
    }
}

pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// Returns an image with two layers, one of which is larger than any buffer.
pub(crate) fn image() -> ImageBuilder {
    let large: Vec<u8> = (0..700_001u32).map(|at| (at % 251) as u8).collect();
    ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"one").pack())
        .layer(LayerBuilder::new().file("b", &large).pack())
}

/// Returns the blobs of an image with their digests.
pub(crate) fn blobs(image: &PackedImage) -> Vec<(Digest, Vec<u8>)> {
    let layers = image.layers.iter().map(|layer| layer.bytes.to_vec());
    let all = layers.chain([image.config.to_vec()]);
    all.map(|bytes| (Digest::sha256(&bytes), bytes)).collect()
}

/// Returns a batch with one image.
pub(crate) fn batch(image: &PackedImage, names: &[&str]) -> Batch {
    let mut batch = Batch::default();
    let root = root(image);
    batch.add(root.digest, image.manifest.to_vec()).unwrap();
    let names = names.iter().map(|name| name.parse().unwrap()).collect();
    batch.images.push(BatchImage {
        root,
        names,
        ref_name: None,
        named: None,
    });
    batch
}

pub(crate) fn root(image: &PackedImage) -> Descriptor {
    let json = windlass_testing::descriptor(
        &image.media_type,
        Digest::sha256(&image.manifest),
        image.manifest.len() as u64,
    );
    serde_json::from_value(json).unwrap()
}

/// Returns a function that opens one of the `blobs` with a verifying reader.
pub(crate) fn source(
    blobs: Vec<(Digest, Vec<u8>)>,
) -> impl FnMut(&Descriptor) -> std::io::Result<Box<dyn Read>> {
    move |blob| {
        let found = blobs.iter().find(|(digest, _)| *digest == blob.digest);
        let bytes = found.ok_or(std::io::ErrorKind::NotFound)?.1.clone();
        Ok(Box::new(VerifyingReader::new(
            Cursor::new(bytes),
            blob.digest,
            blob.size,
        )))
    }
}
